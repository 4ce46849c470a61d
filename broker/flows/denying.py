"""A deny list that comes by the gateway: from a country's job, with the signatures that count, into force."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from broker.envelope.shape import not_the_schema
from broker.errors import CallerError, MalformedError, RequestError, UnavailableError
from broker.flows.identify import Caller
from broker.flows.inforce import InForce
from schemas.canonical import MalformedJsonError
from schemas.deny import OPERATOR, DenyStanding, SignedDenyList
from schemas.directory import Role
from schemas.problem import Code

MOST_BYTES = 1_000_000
"""Of the whole file: readers read no list, and no metadata, that is longer."""

_ADVICE = "Send the file as `setu deny renew` wrote it."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A list that a repository has. `fresh`: since now. `expires`: unix seconds."""

    version: int
    expires: float
    fresh: bool


class Keeper(Protocol):
    """The realm's repository, with the operator's keys where they are at hand. May be called from any thread."""

    def keep(self, made: SignedDenyList) -> Kept:
        """Check a list wholly and put it into the repository; the very one that is there changes nothing.

        Raises:
            RequestError: code `deny-list-invalid`; no reader would take it.
            UnavailableError: the operator's keys are elsewhere.
            IntegrityError: the repository is not what it must be.
        """
        ...


class PutDenyList:
    """Who calls does not count, for the list's own signatures do: it only keeps strangers off. One at a time.

    Also reading one is work of a tenth of a second, which must not stand in the way of everybody else's packets.
    """

    def __init__(self, in_force: InForce, keeper: Keeper) -> None:
        self._in_force = in_force
        self._keeper = keeper
        self._one = asyncio.Lock()
        self._reading = asyncio.Lock()

    async def __call__(self, caller: Caller, raw: bytes) -> tuple[DenyStanding, bool]:
        """Where the list stands once this gateway goes by it, and whether it was not there before.

        Raises:
            MalformedError: `json-invalid` or `schema`. RequestError: `too-large` or `deny-list-invalid`.
            CallerError: code `forbidden`; a list of another country, or of the operator.
            UnavailableError: the operator's keys are elsewhere, or the list is not in force yet.
        """
        if len(raw) > MOST_BYTES:
            raise RequestError(
                Code.TOO_LARGE,
                f"Expected a signed deny list of at most {MOST_BYTES} bytes, found more.",
                advice="Have the countries lift what it says in a new version of the directory, then sign it anew.",
            )
        async with self._reading:
            made = await asyncio.to_thread(_read, raw)
        name = made.document.list
        _check_caller(caller, name)
        async with self._one:
            kept = await asyncio.to_thread(self._keeper.keep, made)
        await self._in_force.poll()
        if kept.version > self._version(name):
            raise UnavailableError(
                f"Expected the deny list {name} in force, found that this gateway does not go by it yet."
            )
        if kept.fresh:
            _log.info("deny list taken", extra={"list": name, "version": kept.version, "agency": caller.agency.id})
        last = made.document.places()[-1]
        expires = max(0, int(kept.expires))
        standing = DenyStanding(list=name, version=kept.version, serial=last.serial, hash=last.hash, expires=expires)
        return standing, kept.fresh

    def _version(self, name: str) -> int:
        return next((each.version for each in self._in_force.view().snapshot.lists if each.name == name), 0)


def _check_caller(caller: Caller, name: str) -> None:
    if name == OPERATOR:
        caller.require(Role.OPERATOR)
    elif caller.agency.country != name or not caller.has(Role.AGENCY, Role.AUDITOR):
        raise CallerError(
            Code.FORBIDDEN,
            "Expected an agency or an auditor of the list's own country, found another caller.",
            advice="Have one of that country hand it in, or give it to the gateway's operator.",
        )


def _read(raw: bytes) -> SignedDenyList:
    try:
        return SignedDenyList.from_json(raw)
    except MalformedJsonError as error:
        raise MalformedError(Code.JSON_INVALID, f"Expected strict JSON: {error}.", advice=_ADVICE) from None
    except ValidationError as error:
        found = not_the_schema(error, "a signed deny list")
        raise MalformedError(found.code, found.message, advice=_ADVICE, pointer=found.pointer) from None
