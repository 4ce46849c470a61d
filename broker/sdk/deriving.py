"""Packets made from others: replies, amendments, digests. Their handling is rule 6's, and what went in is named."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Unpack

from broker.directory.port import DirectorySource
from broker.errors import PolicyError
from broker.sdk.content import read_handling
from broker.sdk.lineage import LookedUp
from broker.sdk.posting import Sent
from broker.sdk.sealing import Options
from schemas.base import Model
from schemas.derivative import covers, derivative
from schemas.handling import Classification, Handling
from schemas.packet import Header
from schemas.problem import RuleHit

UNRANKED = 10
"""Above every rank an agreement can give: what it does not order is the highest."""


class Known(Protocol):
    """A packet this program holds: `broker.sdk.received.Received`, or `broker.sdk.posting.Sent`."""

    @property
    def header(self) -> Header: ...

    @property
    def digest(self) -> str: ...


class Deriving(ABC):
    """The part of a client that makes packets from others. `handling_of` asks nobody; the rest sends."""

    agency: str
    directory: DirectorySource
    _lineage: LookedUp

    @abstractmethod
    def send(
        self,
        kind: str,
        *,
        to: str | Sequence[str],
        payload: Model | Mapping[str, Any],
        handling: Handling | Mapping[str, Any],
        **options: Unpack[Options],
    ) -> Sent: ...

    def derive(
        self,
        kind: str,
        *,
        of: Sequence[Known],
        to: str | Sequence[str],
        payload: Model | Mapping[str, Any],
        marked: Mapping[str, Any] | None = None,
        legal_basis: str | None = None,
        **options: Unpack[Options],
    ) -> Sent:
        """Send what was made from other packets, marked as strictly as they are, with `sources` filled in.

        Args:
            kind: as in `send`.
            of: the packets whose content went in, 1 to 16.
            to: as in `send`.
            payload: likewise.
            marked: members of the handling block that replace the derivative's: stricter ones, or such as the
                originators' release decisions allow. What they do not allow is refused.
            legal_basis: needed where the packets' differ.
            options: members of `Options` but `sources`.

        Raises:
            PolicyError: the packets have no purpose in common, or several bases and none is given; else as `send`.
        """
        named = (to,) if isinstance(to, str) else tuple(to)
        block = self.handling_of(of, to=named, marked=marked, legal_basis=legal_basis)
        for each in of:
            self._lineage.know(each.digest, each.header)
        options["sources"] = [each.digest for each in of]
        return self.send(kind, to=named, payload=payload, handling=block, **options)

    def reply(
        self,
        received: Known,
        kind: str,
        *,
        payload: Model | Mapping[str, Any],
        to: str | Sequence[str] | None = None,
        also: Sequence[Known] = (),
        marked: Mapping[str, Any] | None = None,
        legal_basis: str | None = None,
        **options: Unpack[Options],
    ) -> Sent:
        """Answer a packet: as `derive`, in its thread, with `in_reply_to` filled in.

        Args:
            received: the packet that is answered.
            kind: as in `send`.
            payload: likewise.
            to: its sender by default.
            also: other packets whose content went into the answer.
            marked: as in `derive`.
            legal_basis: likewise.
            options: likewise.
        """
        options.setdefault("thread", received.header.thread)
        options.setdefault("in_reply_to", received.digest)
        return self.derive(
            kind,
            of=(received, *also),
            to=received.header.from_ if to is None else to,
            payload=payload,
            marked=marked,
            legal_basis=legal_basis,
            **options,
        )

    def amend(
        self,
        sent: Known,
        kind: str,
        *,
        payload: Model | Mapping[str, Any],
        marked: Mapping[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> Sent:
        """Follow a packet of one's own up, to the same recipients: as `reply`. Its originator may mark it anew."""
        to = [each.agency for each in sent.header.recipients()]
        return self.reply(sent, kind, payload=payload, to=to, marked=marked, **options)

    def handling_of(
        self,
        of: Sequence[Known],
        *,
        to: Sequence[str] = (),
        marked: Mapping[str, Any] | None = None,
        legal_basis: str | None = None,
    ) -> Handling:
        """The handling block of what is made from these packets (rule 6), for a program that seals it itself.

        Args:
            of: as in `derive`.
            marked: likewise.
            legal_basis: likewise.
            to: who gets it: an originator among them may have its own back, whatever its packet is releasable to.

        Raises:
            PolicyError: these may not be joined.
        """
        agreement = self.directory.current().document.agreement

        def rank(marking: Classification) -> int:
            found = agreement.rank(marking)
            return UNRANKED if found is None else found

        try:
            made = derivative([_shown(each.header, to) for each in of], rank, legal_basis=legal_basis)
        except ValueError as error:
            hit = RuleHit(
                rule="6.derivative",
                recipient="all",
                sentence=f"What is made from these packets has no markings: {error}.",
                remedy="Make it from fewer of them, or ask their originators.",
            )
            raise PolicyError("Expected packets that may be joined, found others.", [hit], advice=hit.remedy) from None
        return read_handling(made.to_object() | dict(marked)) if marked else made


def _shown(header: Header, to: Sequence[str]) -> Handling:
    block, originator = header.handling, header.from_
    if originator not in to or covers(block.releasable_to, originator):
        return block
    return block.model_copy(update={"releasable_to": (*block.releasable_to, originator)})
