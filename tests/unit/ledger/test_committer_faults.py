"""The committer when the store, the disk or those it calls fail."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from broker.store.port import StoreBrokenError, Transaction
from schemas.problem import Code
from tests.unit.ledger.ledgers import LOG, Ledgers, accepted, in_one_batch, note


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    with Ledgers(tmp_path) as opened:
        yield opened


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
