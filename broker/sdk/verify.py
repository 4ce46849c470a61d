"""What an agency's program checks for itself: receipts, and packets by the recipe of schemas/spec/packet.md.

The numbers in the code are the recipe's. The first half of step 6 comes first, for the receipt says which version of
the directory judges the rest: which key was valid is asked at the ledger position, never by `iat`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from broker.crypto.keys import PrivateKey
from broker.directory.disputed import is_disputed, seconds_of
from broker.directory.lookup import Snapshot
from broker.directory.port import DirectorySource
from broker.directory.signing import keys_of
from broker.envelope.acknowledge import Statement
from broker.envelope.open import open_packet
from broker.envelope.verify import Parsed, check_audience, check_recipients, check_signatures, parse
from broker.errors import IntegrityError, PacketError
from broker.merkle.receipt import receipt_head, verify_receipt
from broker.sdk.content import Payload, read_payload
from broker.sdk.source import Item
from broker.transport.topics import split
from schemas.canonical import unb64u
from schemas.directory import Log
from schemas.evidence import AckEvent, AckPacket, Entry, EntryType, Receipt
from schemas.packet import Audience, Header
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Verified:
    """A packet that passed every step.

    payload: an empty object where the program was told to leave packets sealed.
    disputed: a signing key of it was revoked later with a date of compromise before this packet's entry.
    """

    item: Item
    parsed: Parsed
    receipt: Receipt
    entry: Entry
    payload: Payload
    disputed: bool

    @property
    def header(self) -> Header:
        return self.parsed.header

    @property
    def named(self) -> AckPacket:
        return _named(self.parsed, self.receipt.index)


@dataclass(frozen=True, slots=True)
class Failed:
    """A packet that did not. `named`: what to call it in an acknowledgement; None where it says nothing of itself."""

    item: Item
    error: PacketError
    named: AckPacket | None


class Verifier:
    """Args:
    agency: one's own id.
    gateway: the agency id of the gateway whose ledger it is.
    keys: one's own wrap keys by kid, also retired ones.
    """

    def __init__(self, agency: str, gateway: str, directory: DirectorySource, keys: Mapping[str, PrivateKey]) -> None:
        self.agency = agency
        self._gateway = gateway
        self._directory = directory
        self._keys = keys
        self._seen: dict[int, str] = {}

    @property
    def audience(self) -> Audience:
        return Audience(realm=self._directory.realm, gateway=self._gateway)

    def accepted(self, parsed: Parsed, answer: Any) -> tuple[Receipt, Entry]:
        """A sender's check of the answer to its packet.

        Raises:
            PacketError: code `receipt-invalid`; this is no proof that the packet was accepted.
            IntegrityError: code `directory-invalid`; the receipt names another directory than this program holds.
        """
        receipt = _receipt(answer)
        entry, _ = self._entry(receipt)
        self._require_accepted(entry, parsed)
        return receipt, entry

    def acknowledged(self, said: Statement, answer: Any) -> Receipt:
        """A recipient's check of the answer to its acknowledgement; raises as `accepted` does."""
        receipt = _receipt(answer)
        entry, _ = self._entry(receipt)
        rejected = said.event is AckEvent.REJECTED
        _require(entry.type is (EntryType.REJECTED_BY_RECIPIENT if rejected else EntryType.ACKNOWLEDGED), "type")
        _require(entry.aud == said.aud, "audience")
        _require(entry.actor == said.by, "actor")
        _require(entry.event == said.event.value, "event")
        named, meant = entry.packet, said.packet
        _require(
            named is not None and (named.from_, named.id, named.digest) == (meant.from_, meant.id, meant.digest),
            "packet",
        )
        return receipt

    def receipt(self, answer: Any) -> tuple[Receipt, Entry]:
        """A receipt by itself, and the entry it proves; raises as `accepted`, and UnavailableError as `judge`."""
        receipt = _receipt(answer)
        return receipt, self._entry(receipt)[0]

    def judge(self, item: Item, *, opened: bool = True) -> Verified | Failed:
        """Steps 1 to 7 for a packet that was delivered; with `opened` False, step 7 ends at "it is for me".

        Raises:
            IntegrityError: an alarm; see `accepted`.
            UnavailableError: the directory version it needs cannot be fetched now.
        """
        entry: Entry | None = None
        parsed: Parsed | None = None
        try:
            receipt = _receipt(item.receipt)
            entry, snapshot = self._entry(receipt)  # 6, first half: leaf, path, both log signatures
            parsed = parse(item.raw or b"")  # 1, 2 and 3: shape, manifest, header
            header = parsed.header
            check_audience(parsed, realm=self._directory.realm, gateway=self._gateway, suite=snapshot.suite)  # 3
            check_signatures(parsed, keys_of(snapshot, header.from_, seconds_of(entry)))  # 4
            check_recipients(parsed)  # 5
            self._require_accepted(entry, parsed)  # 6, second half: it is this packet's receipt
            _require((receipt.index, parsed.digest) == (item.index, item.digest), "place in the topic")
            _require(split(item.topic) == (self.agency, header.kind) or not self._is_for_me(header), "topic")
            self._for_me(header)  # 7
            payload = self._open(parsed) if opened else {}
        except PacketError as error:
            place = item.index if entry is None else receipt.index
            return Failed(item, error, self._name(item, place, entry, parsed or _readable(item)))
        disputed = is_disputed(self._directory.current(), header.from_, header.sig, seconds_of(entry))
        return Verified(item, parsed, receipt, entry, payload, disputed)

    def _open(self, parsed: Parsed) -> Payload:
        return read_payload(parsed.header, open_packet(parsed, self.agency, self._keys))

    def _is_for_me(self, header: Header) -> bool:
        return any(each.agency == self.agency for each in header.to)

    def _for_me(self, header: Header) -> None:
        if not self._is_for_me(header):
            raise PacketError(Code.NOT_FOR_ME, "Expected a packet addressed to this agency, found one to others only.")

    def _entry(self, receipt: Receipt) -> tuple[Entry, Snapshot]:
        """The receipt's entry, proven, and the directory that was in force at its place."""
        version = _claimed(receipt).directory.version
        snapshot = self._at(version)
        judge = snapshot or self._directory.current()
        entry = self._proven(receipt, snapshot)
        if snapshot is None and version > judge.ref.version:
            raise _alarm(f"Expected directory version {version}, which a receipt names, in the repository, found none.")
        hash_ = self._seen.setdefault(version, entry.directory.hash) if snapshot is None else snapshot.ref.hash
        if hash_ != entry.directory.hash:
            raise _alarm(f"Expected the same directory version {version} everywhere, found another hash in a receipt.")
        return entry, judge

    def _proven(self, receipt: Receipt, named: Snapshot | None) -> Entry:
        """The receipt's entry, under the log's keys as the newest directory has them: whatever version the entry names,
        for who took a former key could name any. The newest that is held here may be older than the head's keys.
        """
        try:
            log = self._row(receipt, self._directory.current(), named)
            if not _signed(receipt, log):
                log = self._row(receipt, self._directory.refresh(), named)
            return verify_receipt(receipt, log)
        except IntegrityError as error:
            if error.code is not Code.RECEIPT_INVALID:
                raise
            raise PacketError(Code.RECEIPT_INVALID, error.message, advice=_KEEP_IT) from None

    def _row(self, receipt: Receipt, newest: Snapshot, named: Snapshot | None) -> Log:
        """The newest row of the receipt's log; of one that ended, and another took its place, that of its time."""
        origin = receipt.checkpoint.partition("\n")[0]
        for snapshot in (newest, named or newest):
            for log in snapshot.document.logs:
                if (log.gateway, log.origin) == (self._gateway, origin):
                    return log
        return newest.log(self._gateway)

    def _at(self, version: int) -> Snapshot | None:
        """That version; None where it is not to be had: then, for an older one, the current directory judges."""
        if version > self._directory.current().ref.version:
            self._directory.refresh()
        try:
            return self._directory.at(version)
        except IntegrityError:
            return None

    def _require_accepted(self, entry: Entry, parsed: Parsed) -> None:
        header, named = parsed.header, entry.packet
        _require(entry.type is EntryType.ACCEPTED, "type")
        _require(entry.aud == self.audience == header.aud, "audience")
        _require(entry.actor == header.from_, "actor")
        _require(
            named is not None and (named.from_, named.id, named.digest) == (header.from_, header.id, parsed.digest),
            "packet",
        )

    def _name(self, item: Item, place: int, entry: Entry | None, parsed: Parsed | None) -> AckPacket | None:
        """`place`: the receipt's index where it verifies, which counts for the packet its entry names alone."""
        logged = entry.packet if entry is not None and entry.type is EntryType.ACCEPTED else None
        if logged is not None and logged.digest == item.digest and self.agency in logged.to:
            return AckPacket.from_object(
                {"from": logged.from_, "id": logged.id, "digest": logged.digest, "index": place}
            )
        if parsed is None:
            return None
        return _named(parsed, place if logged is not None and logged.digest == parsed.digest else item.index)


_KEEP_IT = "Keep the answer: a receipt that does not verify is evidence. Ask again, and tell the operator."


def _receipt(answer: Any) -> Receipt:
    try:
        return Receipt.from_object(answer)
    except (ValidationError, ValueError):
        raise PacketError(Code.RECEIPT_INVALID, "Expected a receipt, found another object.", advice=_KEEP_IT) from None


def _signed(receipt: Receipt, log: Log) -> bool:
    try:
        receipt_head(receipt.checkpoint, log)
    except IntegrityError:
        return False
    return True


def _claimed(receipt: Receipt) -> Entry:
    try:
        return Entry.from_json(unb64u(receipt.entry))
    except (ValidationError, ValueError):
        raise PacketError(
            Code.RECEIPT_INVALID, "Expected a ledger entry in the receipt, found something else.", advice=_KEEP_IT
        ) from None


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise PacketError(
            Code.RECEIPT_INVALID,
            f"Expected the receipt of this packet, found one with another {what}.",
            advice=_KEEP_IT,
        )


def _readable(item: Item) -> Parsed | None:
    try:
        return parse(item.raw or b"")
    except PacketError:
        return None


def _named(parsed: Parsed, index: int) -> AckPacket:
    header = parsed.header
    return AckPacket.from_object({"from": header.from_, "id": header.id, "digest": parsed.digest, "index": index})


def _alarm(message: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        message,
        advice="Stop: the operator may be showing two directories. Keep the receipt and compare versions by voice.",
    )
