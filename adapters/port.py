"""What an adapter is: it hands verified packets on to a system that knows nothing of Setu."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.evidence import Receipt
from schemas.packet import Header
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Parcel:
    """A packet that passed verification, on its way to one system.

    topic, index, digest: where it stands, and its name. A repeat has the same.
    header: what the sender signed, in clear.
    raw: the packet's bytes, sealed.
    receipt: proof of its place in the ledger.
    payload: the opened payload as an object of JSON types; None for an adapter that takes sealed packets.
    disputed: the sender's key was revoked later as compromised from before this packet on.
    """

    topic: str
    index: int
    digest: str
    header: Header
    raw: bytes = field(repr=False)
    receipt: Receipt = field(repr=False)
    payload: dict[str, Any] | None = field(repr=False)
    disputed: bool = False


class TemporaryFailure(Exception):  # noqa: N818 - an outcome
    """The system does not take it now. The same parcel is offered again, and nothing behind it before.

    Args:
        message: expected and found, without anything of the payload.
        retry_after: seconds the system asked for, where it did.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class PermanentFailure(Exception):  # noqa: N818 - an outcome
    """The system will never take this parcel: it goes to quarantine, and the sender is told `rejected(reason)`.

    Args:
        reason: a problem code; it stands in the ledger.
        message: expected and found, without anything of the payload.
    """

    def __init__(self, reason: Code, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Adapter(Protocol):
    """One system packets are handed on to. The runner calls it from one thread for each topic.

    opened: whether it takes payloads (then `opened` is acknowledged), or sealed packets (`received`).
    """

    @property
    def opened(self) -> bool: ...

    def deliver(self, parcel: Parcel) -> None:
        """Durable when it returns: the system has the parcel, whatever happens next.

        It may be called again with a parcel that was delivered; the system then has it once.

        Raises:
            TemporaryFailure: try again.
            PermanentFailure: never this one.
        """
        ...

    def close(self) -> None:
        """Give back what it holds. Nothing is delivered afterwards."""
        ...
