"""Checks evidence offline: a receipt, and a proof bundle to the end, with public keys alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.cli.trust import Trust
from broker.crypto.suites import SUITES
from broker.directory.alarm import snapshot_of
from broker.directory.disputed import is_disputed, seconds_of
from broker.directory.signing import keys_of
from broker.envelope.acknowledge import check_acknowledgement_signatures, parse_acknowledgement
from broker.envelope.bundle import broken, proven_header
from broker.envelope.jws import PACKET_TYP, check_suite, evidence, read_signatures, verify_both
from broker.errors import PacketError
from broker.merkle.receipt import verify_receipt
from schemas.evidence import Entry, EntryType, PacketRef, Proof, Receipt
from schemas.packet import Header

_ANSWERS = (EntryType.ACKNOWLEDGED, EntryType.REJECTED_BY_RECIPIENT)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a bundle proves. `unchecked`: what could not be checked with what is trusted here, in words. `disputed`:
    indices of entries whose signer's key was in other hands by then. `unsigned`: of answers whose signatures are not in
    the bundle, so that this is not known of them.
    """

    header: Header
    entries: tuple[tuple[int, Entry], ...]
    unchecked: tuple[str, ...]
    disputed: frozenset[int] = frozenset()
    unsigned: frozenset[int] = frozenset()


def verify_proof(proof: Proof, trust: Trust) -> Proven:
    """Check a bundle to the end:

    1. Every receipt holds, all against one and the same checkpoint.
    2. The manifest is the packet's, by its digest, and the header is the manifest's.
    3. Exactly one entry accepts this packet, and says of it what the header says.
    4. Both signatures are the sender's, by the directory that entry names, and are those the entry counted.
    5. Each acknowledgement is its signer's own, and its entry counted it.

    Raises:
        IntegrityError: code `receipt-invalid` (1 to 3), or the directory does not hold.
        PacketError: a signature does not hold (4, 5).
    """
    if len({receipt.checkpoint for receipt in proof.receipts}) != 1:
        raise broken("receipts against one and the same checkpoint", "none, or several checkpoints")
    entries = tuple((receipt.index, verify_receipt(receipt, trust.log)) for receipt in proof.receipts)  # 1
    header = proven_header(proof)  # 2
    accepted = _accepted(proof, header, entries)  # 3
    signed = read_signatures([each.to_object() for each in proof.signatures], PACKET_TYP, "/signatures")
    check_suite(signed, SUITES[header.suite], header.sig, "/signatures")
    if accepted.evidence != evidence(signed):
        raise broken("the signatures that the entry counted", "others")
    unchecked: list[str] = []
    if trust.directory is None:
        unchecked.append("the agencies' signatures: without a directory their keys are not known")
    else:
        snapshot = snapshot_of(trust.directory, accepted.directory)
        verify_both(proof.manifest, signed, keys_of(snapshot, header.from_, seconds_of(accepted)))  # 4
    unsigned, disputed = _check_acknowledgements(proof, entries, trust)  # 5
    if trust.directory is not None and is_disputed(
        trust.directory.current(), header.from_, header.sig, seconds_of(accepted)
    ):
        disputed |= {index for index, entry in entries if entry is accepted}
    if unsigned:
        unchecked.append(
            f"{len(unsigned)} logged answer{'s' * (len(unsigned) > 1)} of a recipient: its own signed acknowledgement "
            "is not in the bundle"
        )
    return Proven(header, entries, tuple(unchecked), frozenset(disputed), frozenset(unsigned))


def verify_receipt_file(receipt: Receipt, trust: Trust) -> Entry:
    """A receipt under the log's keys; where a directory is trusted, the entry must name that directory's hash.

    Raises:
        IntegrityError: code `receipt-invalid` or `directory-invalid`.
    """
    entry = verify_receipt(receipt, trust.log)
    if trust.directory is not None:
        snapshot_of(trust.directory, entry.directory)
    return entry


def _accepted(proof: Proof, header: Header, entries: Sequence[tuple[int, Entry]]) -> Entry:
    if any(entry.packet is None or entry.packet.digest != proof.digest for _, entry in entries):
        raise broken("entries of this packet alone", "another's")
    found = [entry for _, entry in entries if entry.type is EntryType.ACCEPTED]
    if len(found) != 1:
        raise broken("exactly one entry that accepts the packet", str(len(found)))
    said = PacketRef.from_object(
        {
            "from": header.from_,
            "id": header.id,
            "digest": proof.digest,
            "kind": header.kind,
            "kind_version": header.kind_version,
            "to": [each.agency for each in header.to],
            "exercise": header.exercise,
        }
    )
    if found[0].packet != said or found[0].aud != header.aud or found[0].actor != header.from_:
        raise broken("an entry that says of the packet what its header says", "a difference")
    return found[0]


def _check_acknowledgements(
    proof: Proof, entries: Sequence[tuple[int, Entry]], trust: Trust
) -> tuple[set[int], set[int]]:
    """Indices of logged answers whose acknowledgement is not in the bundle; and of those that are disputed."""
    left = {index for index, entry in entries if entry.type in _ANSWERS}
    disputed = set()
    for each in proof.acknowledgements:
        parsed = parse_acknowledgement(each.canonical())
        index, entry = next(((n, entry) for n, entry in entries if entry.evidence == parsed.evidence), (0, None))
        if entry is None or parsed.body.packet.digest != proof.digest or entry.actor != parsed.body.by:
            raise broken("an entry for each acknowledgement", "one without")
        if trust.directory is not None:
            snapshot = snapshot_of(trust.directory, entry.directory)
            at = seconds_of(entry)
            try:
                check_acknowledgement_signatures(parsed, snapshot.suite, keys_of(snapshot, parsed.body.by, at))
            except PacketError as error:
                raise PacketError(
                    error.code, f"In an acknowledgement by {parsed.body.by}: {error.message}", advice=error.advice
                ) from None
            if is_disputed(trust.directory.current(), parsed.body.by, parsed.body.sig, at):
                disputed.add(index)
        left.discard(index)
    return left, disputed
