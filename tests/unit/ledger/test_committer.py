from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.errors import SetuError, UnavailableError
from broker.ledger.port import Basis, NoTransition, Proposal, StaleBasis, State
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from schemas.canonical import b64u, unb64u
from schemas.evidence import EntryType
from schemas.problem import Code
from tests.unit.ledger.ledgers import BASIS, LOG, Ledgers, accepted, digest, entry, in_one_batch, moved, note


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    with Ledgers(tmp_path) as opened:
        yield opened


def test_a_receipt_proves_the_entry(ledgers: Ledgers):
    (found,) = ledgers.commit(accepted(1))
    proven = verify_receipt(found.receipt, LOG)
    assert (proven.type, proven.actor) == (EntryType.ACCEPTED, "in-ncb")
    assert found.fresh
    assert unb64u(found.receipt.entry) == found.entry
    assert ledgers.reader.receipt(found.index).canonical() == found.receipt.canonical()


def test_indices_have_no_gap(ledgers: Ledgers):
    found = [ledgers.commit(note(number))[0].index for number in range(3)]
    found += [each.index for each in ledgers.commit(*(note(number) for number in range(600)))]
    assert found == list(range(603))


def test_a_batch_has_one_head(ledgers: Ledgers):
    found = in_one_batch(ledgers, *(note(number) for number in range(20)))
    assert len({each.receipt.checkpoint for each in found}) == 1
    assert [parse_checkpoint(each.receipt.checkpoint.encode()).size for each in found] == [21] * 20


def test_at_most_a_batch_in_one_transaction(tmp_path: Path):
    counted: list[int] = []
    ledgers = Ledgers(tmp_path).open(max_batch=8, counted=counted.append)
    found = in_one_batch(ledgers, *(note(number) for number in range(20)))
    assert [parse_checkpoint(each.receipt.checkpoint.encode()).size for each in found] == [9] * 8 + [17] * 8 + [21] * 4
    assert counted == [1, 8, 8, 4]
    ledgers.close()


def test_once_is_once_in_a_batch(ledgers: Ledgers):
    first, second, third = in_one_batch(ledgers, accepted(1), note(1), accepted(1))
    assert (first.fresh, second.fresh, third.fresh) == (True, True, False)
    assert third.index == first.index
    assert third.receipt == first.receipt
    assert third.entry == first.entry


def test_once_is_once_between_batches(ledgers: Ledgers):
    (first,) = ledgers.commit(accepted(1))
    (again,) = ledgers.commit(accepted(1))  # its head's note is in the guard only
    ledgers.commit(note(1))
    (later,) = ledgers.commit(accepted(1))  # and now in the store
    for repeated in (again, later):
        assert not repeated.fresh
        assert repeated.receipt.canonical() == first.receipt.canonical()
        assert (repeated.index, repeated.entry) == (first.index, first.entry)
    assert ledgers.reader.head()[0] == 2


def test_a_batch_of_repeats_writes_nothing(ledgers: Ledgers):
    ledgers.commit(accepted(1))
    before = ledgers.probes.copy()
    ledgers.commit(accepted(1), accepted(1))
    assert ledgers.probes == before


def test_a_repeat_is_recognised_before_all_else(ledgers: Ledgers):
    (first,) = ledgers.commit(accepted(1))
    stale = accepted(1)
    (again,) = ledgers.commit(Proposal(stale.entry, once=stale.once, basis=Basis(9, "never"), packet=stale.packet))
    assert again.index == first.index


def test_time_never_goes_back(ledgers: Ledgers):
    ledgers.commit(note(1))
    ledgers.clock -= 3600
    ledgers.commit(note(2))
    ledgers.clock += 7200
    ledgers.commit(note(3))
    times = [str(verify_receipt(ledgers.reader.receipt(index), LOG).time) for index in range(3)]
    assert times == ["2026-09-21T14:13:20.000000Z"] * 2 + ["2026-09-21T15:13:20.000000Z"]


def test_a_basis_must_be_in_force(ledgers: Ledgers):
    under = Proposal(entry(note="decided"), basis=BASIS)
    assert isinstance(ledgers.propose(under)[0].exception(10), StaleBasis)
    ledgers.commit(Proposal(entry("directory_changed"), puts_in_force=BASIS))
    assert ledgers.reader.in_force() == BASIS
    ledgers.commit(under)
    newer = Basis(4, "2026.1")
    stale, changed, fresh = in_one_batch(
        ledgers,
        Proposal(entry("directory_changed"), puts_in_force=newer),
        under,
        Proposal(entry(note="decided again"), basis=newer),
    )
    assert isinstance(changed, StaleBasis)
    assert fresh.index == stale.index + 1
    assert ledgers.reader.in_force() == newer


def test_what_is_in_force_survives_a_restart(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.commit(Proposal(entry("directory_changed"), puts_in_force=BASIS), note(1))
    with Ledgers(tmp_path) as ledgers:
        ledgers.commit(note(2))
        assert ledgers.reader.in_force() == BASIS


def test_evidence_moves_a_packet_forward_only(ledgers: Ledgers):
    ledgers.commit(accepted(1, ("us-dea", "us-cbp")))
    ledgers.commit(moved(1, State.OFFERED), moved(1, State.OPENED))
    late = ledgers.commit(moved(1, State.RECEIVED, required=False))[0]
    assert isinstance(ledgers.propose(moved(1, State.WITHHELD))[0].exception(10), NoTransition)
    packet = ledgers.reader.packet(digest(1))
    assert packet is not None
    assert packet.states == {"us-dea": State.OPENED, "us-cbp": State.PENDING}
    assert [each.index for each in ledgers.reader.timeline(digest(1))] == [0, 1, 2, late.index]


@pytest.mark.parametrize(
    "proposal",
    [
        pytest.param(moved(2, State.OFFERED), id="no such packet"),
        pytest.param(moved(1, State.OFFERED, recipient="us-cbp"), id="no such recipient"),
        pytest.param(moved(1, State.PENDING), id="backwards"),
    ],
)
def test_required_transitions_that_are_impossible(ledgers: Ledgers, proposal: Proposal):
    ledgers.commit(accepted(1))
    size, _ = ledgers.reader.head()
    assert isinstance(ledgers.propose(proposal)[0].exception(10), NoTransition)
    assert ledgers.reader.head()[0] == size


def test_transitions_of_one_proposal_go_together(ledgers: Ledgers):
    ledgers.commit(accepted(1, ("us-dea", "us-cbp")), moved(1, State.WITHHELD, "us-cbp"))
    both = moved(1, State.OFFERED)
    both = Proposal(both.entry, transitions=(*both.transitions, *moved(1, State.OFFERED, "us-cbp").transitions))
    assert isinstance(ledgers.propose(both)[0].exception(10), NoTransition)
    packet = ledgers.reader.packet(digest(1))
    assert packet is not None
    assert packet.states["us-dea"] is State.PENDING


def test_a_packet_and_its_delivery_in_one_batch(ledgers: Ledgers):
    first, second, third = in_one_batch(
        ledgers, accepted(1), moved(1, State.OFFERED, once="delivered/1"), moved(1, State.OFFERED)
    )
    assert (first.fresh, second.fresh) == (True, True)
    assert isinstance(third, NoTransition)
    assert [row.state for row in ledgers.reader.topic("us-dea", "tip", after=-1, limit=9)] == [State.OFFERED]


def test_a_document_stays_beside_its_entry(ledgers: Ledgers):
    ledgers.commit(accepted(1), moved(1, State.OPENED, document=b"signed words"))
    assert [each.document for each in ledgers.reader.timeline(digest(1))] == [None, b"signed words"]


def test_topics_that_grew_ring_after_the_receipts_may_leave(ledgers: Ledgers):
    in_one_batch(ledgers, accepted(1), accepted(2, ("us-dea", "us-cbp"), kind="pen"), note(1))
    assert ledgers.rung == [frozenset({("us-dea", "tip"), ("us-dea", "pen"), ("us-cbp", "pen")})]
    ledgers.commit(note(2))
    assert len(ledgers.rung) == 1


def test_one_bad_item_refuses_itself_and_no_other(ledgers: Ledgers):
    good = [note(number) for number in range(9)]
    twice = accepted(1)
    same_digest = Proposal(twice.entry, once="another key", packet=twice.packet)
    found = in_one_batch(ledgers, *good[:4], twice, same_digest, *good[4:])
    refused = found.pop(5)
    assert isinstance(refused, SetuError)
    assert refused.code is Code.INTERNAL
    assert sorted(each.index for each in found) == list(range(1, 11))
    for each in found:
        verify_receipt(each.receipt, LOG)
    assert ledgers.committer.failure is None


def test_what_is_no_entry_is_refused_at_once(ledgers: Ledgers):
    (future,) = ledgers.propose(Proposal({"v": "setu1.entry"}))
    assert future.done()
    assert isinstance(future.exception(), SetuError)


def test_a_full_queue_is_busy(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open(start=False, max_queue=3)
    waiting = ledgers.propose(*(note(number) for number in range(3)))
    refused = ledgers.propose(note(4))[0].exception(0)
    assert isinstance(refused, UnavailableError)
    assert (refused.code, refused.retry_after) == (Code.BUSY, 1)
    ledgers.committer.start()
    assert [future.result(10).index for future in waiting] == [0, 1, 2]
    ledgers.close()


def test_a_proposal_taken_back_in_time_is_not_written(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open(start=False)
    kept, taken = ledgers.propose(note(1), note(2))
    assert taken.cancel()
    ledgers.committer.start()
    assert kept.result(10).index == 0
    assert ledgers.commit(note(3))[0].index == 1
    ledgers.close()


def test_closing_what_never_started_answers_all(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open(start=False)
    (waiting,) = ledgers.propose(note(1))
    ledgers.committer.close()
    assert isinstance(waiting.exception(0), UnavailableError)
    ledgers.release()


def test_closing_finishes_what_was_taken(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open(start=False)
    waiting = ledgers.propose(*(note(number) for number in range(1000)))
    ledgers.committer.start()
    ledgers.committer.close()
    assert sorted(future.result(0).index for future in waiting) == list(range(1000))
    late = ledgers.propose(note(1))[0].exception(0)
    assert isinstance(late, UnavailableError)
    head = ledgers.store.head()
    assert head is not None
    assert head.note is not None
    ledgers.release()


def test_path_texts_are_base64url(ledgers: Ledgers):
    found = ledgers.commit(*(note(number) for number in range(3)))
    for each in found:
        assert all(b64u(unb64u(node, 32)) == node for node in each.receipt.path)
