from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.ledger.port import Basis, NoTransition, Proposal, StaleBasis, State
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from broker.store.port import StoreBrokenError, Transaction
from schemas.canonical import b64u, unb64u
from schemas.evidence import EntryType
from schemas.problem import Code
from tests.unit.ledger.ledgers import BASIS, LOG, Ledgers, accepted, digest, entry, moved, note


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    with Ledgers(tmp_path) as opened:
        yield opened


def in_one_batch(ledgers: Ledgers, *proposals: Proposal) -> list[Any]:
    """Hold the writer up in a batch of its own, so that what is proposed meanwhile becomes one batch."""
    entered, go = Event(), Event()
    ledgers.committer._on_commit = lambda _: (entered.set(), go.wait(10))
    blocker = ledgers.committer.propose(accepted(999_999, ("us-fincen",)))
    assert entered.wait(10)
    ledgers.committer._on_commit = ledgers.rung.append
    futures = ledgers.propose(*proposals)
    go.set()
    blocker.result(10)
    return [future.exception(10) or future.result() for future in futures]


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
    ledgers = Ledgers(tmp_path).open(max_batch=8)
    found = in_one_batch(ledgers, *(note(number) for number in range(20)))
    assert [parse_checkpoint(each.receipt.checkpoint.encode()).size for each in found] == [9] * 8 + [17] * 8 + [21] * 4
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


class Failing:
    """A store whose transactions fail as they are told to, before or after they are committed."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.ever_after: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def transaction(self) -> AbstractContextManager[Transaction]:
        return self._failing()

    @contextmanager
    def _failing(self) -> Iterator[Transaction]:
        before, self.before = self.before, None
        after, self.after = self.after, None
        with self._store.transaction() as transaction:
            yield transaction
            if before is not None:
                raise before
        if after is not None:
            self.before = self.ever_after
            raise after


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[tuple[Ledgers, Failing]]:
    made: list[Failing] = []

    def wrap(store: Any) -> Any:
        made.append(Failing(store))
        return made[0]

    ledgers = Ledgers(tmp_path, wrap=wrap).open()
    yield ledgers, made[0]
    ledgers.committer.close()
    ledgers.release()


def test_a_busy_store_is_told_and_the_ledger_goes_on(failing: tuple[Ledgers, Failing]):
    ledgers, store = failing
    store.before = UnavailableError("busy")
    assert isinstance(ledgers.propose(note(1))[0].exception(10), UnavailableError)
    assert ledgers.commit(note(2))[0].index == 0
    assert ledgers.deaths == []


def test_an_unknown_outcome_is_looked_up(failing: tuple[Ledgers, Failing]):
    ledgers, store = failing
    store.after = UnavailableError("the connection broke on COMMIT")
    (found,) = ledgers.commit(accepted(1))
    assert (found.index, found.fresh) == (0, True)
    verify_receipt(found.receipt, LOG)
    assert ledgers.commit(note(2))[0].index == 1


def test_an_outcome_that_cannot_be_looked_up_ends_the_process(failing: tuple[Ledgers, Failing]):
    ledgers, store = failing
    store.after = store.ever_after = UnavailableError("the connection broke on COMMIT, and stays broken")
    assert isinstance(ledgers.propose(note(1))[0].exception(10), UnavailableError)
    ledgers.committer.close()
    assert ledgers.deaths == ["died"]


def test_a_repeat_that_cannot_be_read_is_its_own_trouble(ledgers: Ledgers):
    ledgers.commit(accepted(1), accepted(2))
    with ledgers.store._engines.write.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET entry = zeroblob(9) WHERE idx = 0")
    damaged, sound, new = in_one_batch(ledgers, accepted(1), accepted(2), note(1))
    assert isinstance(damaged, IntegrityError)
    assert (sound.index, sound.fresh) == (1, False)
    assert new.fresh
    assert ledgers.committer.failure is None


def test_who_rings_may_fail(ledgers: Ledgers):
    def fails(_: frozenset[tuple[str, str]]) -> None:
        raise RuntimeError("nobody listens")

    ledgers.committer._on_commit = fails
    assert [each.index for each in ledgers.commit(accepted(1)) + ledgers.commit(note(1))] == [0, 1]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_broken_disk_ends_the_process(failing: tuple[Ledgers, Failing], moment: str):
    ledgers, store = failing
    setattr(store, moment, StoreBrokenError("fsync failed"))
    assert isinstance(ledgers.propose(note(1))[0].exception(10), UnavailableError)
    ledgers.committer.close()
    assert ledgers.deaths == ["died"]
    assert isinstance(ledgers.propose(note(2))[0].exception(0), UnavailableError)


def test_a_guard_that_cannot_be_written_ends_the_process(ledgers: Ledgers):
    (ledgers.directory / "head").unlink()
    (ledgers.directory / "head").mkdir()
    assert isinstance(ledgers.propose(note(1))[0].exception(10), UnavailableError)
    ledgers.committer.close()
    assert ledgers.deaths == ["died"]


def test_no_receipt_leaves_before_its_head_is_guarded(ledgers: Ledgers):
    seen: list[int] = []
    ledgers.committer._on_commit = lambda _: seen.append(parse_checkpoint(ledgers.guard.read() or b"").size)
    (found,) = ledgers.commit(accepted(1))
    ledgers.commit(note(1))
    assert seen == [1]
    assert ledgers.probes == ["committed", "head-signed"] * 2
    assert parse_checkpoint(found.receipt.checkpoint.encode()).size == 1


def test_what_the_store_gives_back_is_hashed_before_the_head_is_signed(failing: tuple[Ledgers, Failing]):
    ledgers, store = failing
    store.entries = (
        lambda start, end: [  # type: ignore[attr-defined]
            row._replace(entry=row.entry[:-1] + b"?") for row in store._store.entries(start, end)
        ]
    )
    assert isinstance(ledgers.propose(note(1))[0].exception(10), UnavailableError)
    ledgers.committer.close()
    assert ledgers.committer.failure is not None
    assert ledgers.committer.failure.code is Code.LOG_INVALID
    assert parse_checkpoint(ledgers.guard.read() or b"").size == 0
    assert ledgers.deaths == []


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE heads SET root = zeroblob(32) WHERE size = 1", id="a fork"),
        pytest.param("UPDATE heads SET size = 9 WHERE size = 1", id="a longer fork"),
        pytest.param("DELETE FROM heads WHERE size = 1", id="an older store"),
        pytest.param("DELETE FROM heads", id="an empty store"),
    ],
)
def test_a_store_replaced_under_a_running_ledger_stops_it(ledgers: Ledgers, statement: str):
    ledgers.commit(note(1))
    with ledgers.store._engines.write.begin() as connection:
        connection.exec_driver_sql(statement)
    assert isinstance(ledgers.propose(note(2))[0].exception(10), UnavailableError)
    ledgers.committer.close()
    assert ledgers.committer.failure is not None
    assert ledgers.committer.failure.code is Code.ROLLBACK


def _write_elsewhere(ledgers: Ledgers, count: int) -> None:
    """Another process appends to the same store."""
    directory = ledgers.directory / "other"
    directory.mkdir()
    (directory / "head").write_bytes(ledgers.guard.read() or b"")
    (directory / "setu.db").symlink_to(ledgers.directory / "setu.db")
    with Ledgers(directory) as other:
        other.fill(count)


def test_another_writers_batches_are_taken_up(ledgers: Ledgers):
    ledgers.fill(300)
    _write_elsewhere(ledgers, 300)
    (found,) = ledgers.commit(note(1))
    assert found.index == 600
    verify_receipt(found.receipt, LOG)


def test_another_writers_batches_are_checked_before_they_are_built_on(ledgers: Ledgers):
    ledgers.fill(300)
    _write_elsewhere(ledgers, 10)
    with ledgers.store._engines.write.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET entry = zeroblob(9) WHERE idx = 305")
    assert isinstance(ledgers.propose(note(1))[0].exception(10), UnavailableError)
    ledgers.committer.close()
    assert ledgers.committer.failure is not None
    assert ledgers.committer.failure.code is Code.LOG_INVALID


def test_path_texts_are_base64url(ledgers: Ledgers):
    found = ledgers.commit(*(note(number) for number in range(3)))
    for each in found:
        assert all(b64u(unb64u(node, 32)) == node for node in each.receipt.path)
