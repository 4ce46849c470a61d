"""Deny lists: what one country, or the operator, suspends before the countries sign a directory that says so.

A list only grows. Its entries are counted from 1 for the whole life of the realm, and chained, so that a list that
lacks one, or has another in its place, is seen. What stands in `schemas/spec/directory.md` ("Deny lists") is binding.
"""

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import AgencyId, Count, Digest, Kid, Line, Model, Seconds, Sha256Hex
from schemas.canonical import b64u, canonical, unb64u

OPERATOR = "operator"
MAX_DENIALS = 1000

ListName = Annotated[str, StringConstraints(pattern=r"^([A-Z]{3}|operator)$")]
"""A country (ISO 3166-1 alpha-3), or `operator`."""


class Denial(Model):
    """Suspends an agency; or, with `kid` or `certificate`, only that key or certificate of it. `at`: when it was
    written, by its writer's clock. `since`, beside a `kid` alone: from when on what that key signed is disputed.
    """

    agency: AgencyId
    kid: Kid | None = None
    certificate: Sha256Hex | None = None
    at: Seconds
    since: Seconds | None = None
    note: Line | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if self.kid is not None and self.certificate is not None:
            raise ValueError("expected a key or a certificate of the agency, or neither, found both")
        if self.since is not None and self.kid is None:
            raise ValueError("expected `since` beside a key alone, for it says which signatures are disputed")
        return self


class DenyPlace(Model):
    """A place in a list: after its `serial`-th entry; `hash` is of all up to there."""

    serial: Count
    hash: Digest


class DenyRef(DenyPlace):
    """A place in a list, and which list."""

    list: ListName


class DenyList(Model):
    """The entries that follow `base`. `realm`: the one it is for.

    In a realm's first list `base` is `genesis`; later it may be a place up to which the directory lifted the list.
    """

    v: Literal["setu1.deny"] = "setu1.deny"
    realm: Digest
    list: ListName
    base: DenyPlace
    denials: Annotated[tuple[Denial, ...], Field(max_length=MAX_DENIALS)] = ()

    @property
    def serial(self) -> int:
        """Of the last entry."""
        return self.base.serial + len(self.denials)

    def places(self) -> tuple[DenyPlace, ...]:
        """The base, and the place after each entry: hash(n) = SHA-384(hash(n - 1) || JCS(entry n))."""
        found = [self.base]
        for denial in self.denials:
            digest = hashlib.sha384(unb64u(found[-1].hash) + denial.canonical()).digest()
            found.append(DenyPlace(serial=found[-1].serial + 1, hash=b64u(digest)))
        return tuple(found)


class SignedDenyList(Model):
    """A list on its way from who signed it to the operator: `metadata` is the TUF metadata of its role, `document` the
    list. The file may travel by any means: nothing of it can be changed.
    """

    v: Literal["setu1.signed-deny"] = "setu1.signed-deny"
    metadata: dict[str, Any]
    document: DenyList


class DenyStanding(DenyRef):
    """Where a list stands in force: its place, the version of its metadata, and until when they are good (seconds)."""

    version: Count
    expires: Seconds


def genesis(realm: str, name: str) -> DenyPlace:
    """Before a list's first entry: SHA-384 of the JCS of `{list, realm, v}`."""
    start = canonical({"v": "setu1.deny", "realm": realm, "list": name})
    return DenyPlace(serial=0, hash=b64u(hashlib.sha384(start).digest()))
