"""One batch is sealed while the next is written: what overlaps, what waits, and what a crash in between leaves."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from broker.ledger.committer import MUCH
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from tests.unit.ledger.ledgers import LOG, CrashError, Ledgers, accepted, note


class Held(Ledgers):
    """The sealer is held at a failpoint until it is let `go`; then it goes on, or dies there."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.hold_at = ""
        self.held, self.go = Event(), Event()
        self.dies = False

    def probe(self, name: str) -> None:
        super().probe(name)
        if name == self.hold_at:
            self.held.set()
            assert self.go.wait(10)
            self.hold_at = ""
            if self.dies:
                raise CrashError(name)


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Held]:
    held = Held(tmp_path)
    with held.open():
        yield held
        held.go.set()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true()


def _size(ledgers: Ledgers) -> int:
    return ledgers.reader.head()[0]


def test_few_wait_and_become_one_batch(ledgers: Held):
    ledgers.hold_at = "committed"
    (first,) = ledgers.propose(note(1))
    assert ledgers.held.wait(10)
    rest = ledgers.propose(*(note(number) for number in range(MUCH - 1)))
    time.sleep(0.05)
    assert _size(ledgers) == 1
    ledgers.go.set()
    heads = {parse_checkpoint(each.result(10).receipt.checkpoint.encode()).size for each in rest}
    assert (first.result(10).index, heads) == (0, {MUCH})


def test_many_are_written_while_the_batch_before_is_guarded(ledgers: Held):
    ledgers.hold_at = "head-signed"
    (first,) = ledgers.propose(note(1))
    assert ledgers.held.wait(10)
    rest = ledgers.propose(*(note(number) for number in range(MUCH)))
    _until(lambda: _size(ledgers) == 1 + MUCH)
    more = ledgers.propose(*(note(number) for number in range(MUCH)))
    time.sleep(0.05)
    assert _size(ledgers) == 1 + MUCH  # one batch ahead, and no further
    assert not any(each.done() for each in (first, *rest, *more))
    ledgers.go.set()
    assert [each.result(10).index for each in (first, *rest, *more)] == list(range(1 + 2 * MUCH))


def test_nothing_is_committed_upon_a_head_that_is_not_signed(ledgers: Held):
    ledgers.hold_at = "committed"
    (first,) = ledgers.propose(note(1))
    assert ledgers.held.wait(10)
    rest = ledgers.propose(*(note(number) for number in range(MUCH)))
    time.sleep(0.1)
    assert _size(ledgers) == 1
    ledgers.go.set()
    assert [each.result(10).index for each in (first, *rest)] == list(range(1 + MUCH))


@pytest.mark.parametrize("at", ["committed", "head-signed"])
def test_a_crash_between_the_stages_keeps_every_receipt(tmp_path: Path, at: str):
    ledgers = Held(tmp_path)
    ledgers.open()
    told = ledgers.commit(accepted(0))
    ledgers.hold_at, ledgers.dies = at, True
    (first,) = ledgers.propose(accepted(1))
    assert ledgers.held.wait(10)
    rest = ledgers.propose(*(accepted(number) for number in range(2, 2 + MUCH)))
    _until(lambda: _size(ledgers) == (2 + MUCH if at == "head-signed" else 2))
    guarded = (tmp_path / "head").read_bytes()
    ledgers.go.set()
    assert all(each.exception(10) is not None for each in (first, *rest))
    ledgers.committer.close()
    ledgers.release()
    assert ledgers.deaths == ["died"]
    ledgers.dies = False
    with ledgers.open():
        again = ledgers.commit(*(accepted(number) for number in range(2 + MUCH)))
        assert [each.index for each in again] == list(range(2 + MUCH))
        assert again[0].receipt.canonical() == told[0].receipt.canonical()
        if at == "head-signed":  # it was guarded, so its receipt may have left
            assert again[1].receipt.checkpoint.encode() == guarded
        for each in again:
            verify_receipt(each.receipt, LOG)
    with ledgers.open():
        assert ledgers.reader.receipts(range(2 + MUCH)) == [each.receipt for each in again]
