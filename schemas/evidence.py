"""Ledger entries, receipts, acknowledgements and proofs: what is left of an exchange for those who were not there.

The ledger's formats are `schemas/spec/ledger.md`.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.act import Act
from schemas.base import AgencyId, Count, Digest, Instant, Kid, Kind, Line, Model, Seconds, Uuid7
from schemas.canonical import canonical
from schemas.deny import DenyRef
from schemas.directory import DirectoryRef
from schemas.handling import Classification, Purpose, Releasable, Tlp
from schemas.packet import Audience, B64u, Packet, Signature
from schemas.problem import Code

MAX_ENTRY = 65_535


class EntryType(StrEnum):
    """Every kind of event the ledger records."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    REFUSED_MANY = "refused_many"
    CONFLICT = "conflict"
    DELIVERED = "delivered"
    WITHHELD = "withheld"
    ACKNOWLEDGED = "acknowledged"
    REJECTED_BY_RECIPIENT = "rejected_by_recipient"
    OVERDUE = "overdue"
    RETRACTED = "retracted"
    ATTESTED = "attested"
    RELEASE_DECIDED = "release_decided"
    EXPIRED = "expired"
    PURGED = "purged"
    QUARANTINED = "quarantined"
    DIRECTORY_CHANGED = "directory_changed"
    POLICY_CHANGED = "policy_changed"
    LEDGER_READ = "ledger_read"
    OPERATOR_ACTION = "operator_action"


class Word(StrEnum):
    """What of a recipient may be due: its answer to what asks, its attestation that it destroyed what was withdrawn."""

    ANSWER = "answer"
    DESTRUCTION = "destruction"


class ClockState(StrEnum):
    """`running`: due. `overdue`: the time passed, and an `overdue` entry says so. `stopped`: the word was given, in
    time or late, or is no longer due, for the packet ended otherwise.
    """

    RUNNING = "running"
    OVERDUE = "overdue"
    STOPPED = "stopped"


class PacketRef(Model):
    """Which packet an entry speaks of. Metadata of the header only."""

    from_: Annotated[AgencyId, Field(alias="from")]
    id: Uuid7
    digest: Digest
    kind: Kind
    kind_version: Annotated[int, Field(ge=1, le=999)]
    to: tuple[AgencyId, ...]
    exercise: bool = False


class HandlingSummary(Model):
    classification: Classification
    tlp: Tlp
    releasable_to: tuple[Releasable, ...]
    purpose: tuple[Purpose, ...]


class Decided(Model):
    """A policy decision: `permit` or `deny`, and the ids of the rules that led to it."""

    outcome: Literal["permit", "deny"]
    rules: tuple[str, ...] = ()


class Entry(Model):
    """One ledger entry. Metadata only: no payload, no personal names, no unsalted hash of guessable content.

    `actor` is the agency whose act is recorded, `recipient` the one it concerns where that is another, `act` and
    `sources` are those of an accepted packet's header (`act` also where an entry says what it did to another packet),
    `evidence` is the SHA-384 of the signatures somebody else made (a packet's, an acknowledgement's), `word` what was
    due at `due` and was not given. `denied`, in a `directory_changed` entry alone: the place of each deny list that has
    entries and is in force from here on.
    """

    v: Literal["setu1.entry"] = "setu1.entry"
    type: EntryType
    time: Instant
    actor: AgencyId
    aud: Audience
    packet: PacketRef | None = None
    recipient: AgencyId | None = None
    channel: Literal["https", "kafka"] | None = None
    handling: HandlingSummary | None = None
    act: Act | None = None
    sources: tuple[Digest, ...] | None = None
    directory: DirectoryRef
    denied: tuple[DenyRef, ...] | None = None
    policy: str
    decision: Decided | None = None
    code: Code | None = None
    event: str | None = None
    count: Count | None = None
    word: Word | None = None
    due: Seconds | None = None
    evidence: Digest | None = None
    note: Line | None = None
    trace: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class Receipt(Model):
    """Proof that `entry` is leaf `index` of the tree whose head `checkpoint` signs.

    `entry`: base64url of the entry's bytes. `path`: inclusion path, base64url of 32 bytes each, from the leaf
    upwards (RFC 6962, section 2.1.1). `checkpoint`: the signed note (C2SP tlog-checkpoint), both log signatures.
    """

    v: Literal["setu1.receipt"] = "setu1.receipt"
    entry: B64u
    index: Count
    path: tuple[B64u, ...]
    checkpoint: str

    def canonical(self) -> bytes:
        """The RFC 8785 bytes. Written out, for each answer has one; a batch's receipts share their checkpoint."""
        path = ",".join([f'"{each}"' for each in self.path])
        return (
            f'{{"checkpoint":{_json_text(self.checkpoint)},"entry":"{self.entry}","index":{self.index},'
            f'"path":[{path}],"v":"{self.v}"}}'
        ).encode()


@lru_cache(maxsize=256)
def _json_text(text: str) -> str:
    return canonical(text).decode()


class AckEvent(StrEnum):
    RECEIVED = "received"
    OPENED = "opened"
    REJECTED = "rejected"


class AckPacket(Model):
    from_: Annotated[AgencyId, Field(alias="from")]
    id: Uuid7
    digest: Digest
    index: Count


class AckBody(Model):
    """What a recipient signs. `reason` is a problem code and only with `rejected`; `at` whole seconds UTC."""

    v: Literal["setu1.ack"] = "setu1.ack"
    aud: Audience
    by: AgencyId
    event: AckEvent
    reason: Code | None = None
    at: Seconds
    packet: AckPacket
    sig: tuple[Kid, Kid]


class Acknowledgement(Model):
    """JWS (RFC 7515, general): both of the suite's signatures, typ `setu1+ack`, payload the JCS of an `AckBody`."""

    payload: B64u
    signatures: tuple[Signature, Signature]


class Delivery(Model):
    """What a subscriber is given: the packet as it was sent, and the receipt of its `accepted` entry."""

    index: Count
    digest: Digest
    packet: Packet
    receipt: Receipt


class Tombstone(Model):
    """What stands in a topic where a packet no longer does."""

    index: Count
    digest: Digest
    gone: Literal["withheld", "purged", "retracted", "expired"]


class Page(Model):
    """A page of a topic, in ledger order, and the cursor to go on from (also when it is empty)."""

    topic: str
    items: tuple[Delivery | Tombstone, ...]
    cursor: str


class TopicInfo(Model):
    topic: str
    packets: Count
    unacknowledged: Count
    overdue: Count = 0


class Clock(Model):
    """When a recipient's word on a packet is due."""

    recipient: AgencyId
    word: Word
    due: Seconds
    state: ClockState


class OpenClock(Clock):
    """A clock that is not stopped, and the packet it is of: `from` waits, `recipient` owes."""

    digest: Digest
    index: Count
    from_: Annotated[AgencyId, Field(alias="from")]
    kind: Kind


class OpenClocks(Model):
    """What is due to and from an agency: overdue ones first, then by time. `more`: there are others behind these."""

    clocks: tuple[OpenClock, ...]
    more: bool


class TimelineItem(Model):
    """`disputed`: true where a key that signed what the entry tells of was in other hands by then, as the directory in
    force says; left out where it was not, and in answers to a search.
    """

    index: Count
    entry: Entry
    disputed: Literal[True] | None = None


class Timeline(Model):
    """All entries of one packet that the reader may see, each recipient's state, and what is or was due of it."""

    digest: Digest
    states: dict[str, str]
    clocks: tuple[Clock, ...] = ()
    items: tuple[TimelineItem, ...]


class Proof(Model):
    """An offline proof bundle: enough, with public keys alone, to show that an exchange took place.

    `aad`, `manifest`, `signatures`: the packet's own header, manifest and signatures as received.
    `receipts`: for each entry of the packet a receipt against one and the same checkpoint.
    """

    v: Literal["setu1.proof"] = "setu1.proof"
    digest: Digest
    aad: B64u
    manifest: B64u
    signatures: tuple[Signature, Signature]
    acknowledgements: tuple[Acknowledgement, ...]
    receipts: tuple[Receipt, ...]
