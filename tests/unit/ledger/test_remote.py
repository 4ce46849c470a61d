"""Several ledgers on one store and one shared guard: whoever answers, one history and the same receipts."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.ledger.fetch import files_of
from broker.ledger.fsck import check_log
from broker.ledger.port import LeaseLost, State
from broker.ledger.reader import Reader
from broker.ledger.remote import RemoteGuard
from broker.ledger.witness import ADD, Answer, Request
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from broker.merkle.tree import EMPTY_ROOT
from schemas.problem import Code
from tests.unit.ledger.ledgers import LOG, SIGNER, Ledgers, Service, accepted, moved, note


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    found = Service(tmp_path)
    yield found
    found.file.close()


@pytest.fixture
def one(tmp_path: Path, service: Service) -> Iterator[Ledgers]:
    with Ledgers(tmp_path, service=service) as opened:
        yield opened


@pytest.fixture
def two(tmp_path: Path, service: Service, one: Ledgers) -> Iterator[Ledgers]:
    with Ledgers(tmp_path, service=service) as opened:
        yield opened


def _same_receipts(*ledgers: Ledgers) -> None:
    size = ledgers[0].reader.head()[0]
    texts = {tuple(each.canonical() for each in found.reader.receipts(range(size))) for found in ledgers}
    assert len(texts) == 1


def test_two_write_in_turn_and_every_receipt_is_one(one: Ledgers, two: Ledgers):
    kept = {}
    for number in range(6):
        for ledgers in (one, two):
            for found in ledgers.commit(*(accepted(number * 2 + each) for each in range(2))):
                assert found.receipt.canonical() == kept.setdefault(found.index, found.receipt.canonical())
                verify_receipt(found.receipt, LOG)
    assert sorted(kept) == list(range(12))
    _same_receipts(one, two)
    assert parse_checkpoint(one.guard.read() or b"").size == 12


def test_a_receipt_leaves_when_its_note_is_kept(one: Ledgers):
    (found,) = one.commit(note(1))
    head = one.store.head()
    assert head is not None
    assert head.note == found.receipt.checkpoint.encode() == one.guard.read()


@pytest.mark.parametrize("at", ["committed", "head-signed"])
def test_a_head_that_its_writer_left_unsigned_is_signed_by_who_needs_it(one: Ledgers, two: Ledgers, at: str):
    one.commit(accepted(1))
    one.fail_at = at
    assert one.propose(accepted(2))[0].exception(10) is not None
    (repeated,) = two.commit(accepted(2))
    assert not repeated.fresh
    verify_receipt(repeated.receipt, LOG)
    assert Reader(one.store, one.guard).receipt(1).canonical() == repeated.receipt.canonical()
    (further,) = two.commit(accepted(3))
    assert further.index == 2
    _same_receipts(two)


def test_who_has_no_keys_says_that_it_is_not_signed(one: Ledgers):
    one.fail_at = "committed"
    assert one.propose(accepted(1))[0].exception(10) is not None
    with pytest.raises(UnavailableError, match="not signed yet"):
        Reader(one.store, one.guard).receipt(0)


def test_what_was_left_unsigned_is_hashed_anew_before_it_is_signed(one: Ledgers, two: Ledgers):
    one.fail_at = "committed"
    assert one.propose(accepted(1))[0].exception(10) is not None
    with one.store._engines.write.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET entry = zeroblob(9) WHERE idx = 0")
    with pytest.raises(IntegrityError, match="entries 0 to 0"):
        two.reader.receipt(0)


def test_without_the_guard_no_receipt_leaves_and_all_have_theirs_when_it_is_back(
    one: Ledgers, two: Ledgers, service: Service
):
    one.commit(accepted(1))
    service.down = True
    for ledgers in (one, two, one):
        error = ledgers.propose(accepted(2))[0].exception(10)
        assert isinstance(error, UnavailableError)
    size = one.reader.head()[0]
    assert isinstance(one.propose(accepted(3))[0].exception(10), UnavailableError)
    assert one.reader.head()[0] == size  # nothing is put upon what is not guarded
    service.down = False
    texts = {ledgers.commit(accepted(2))[0].receipt.canonical() for ledgers in (one, two, one)}
    assert len(texts) == 1
    assert one.commit(accepted(3))[0].fresh
    assert one.deaths == two.deaths == []
    _same_receipts(one, two)


def test_an_answer_of_the_guard_that_was_lost(one: Ledgers, service: Service):
    service.deaf = True
    assert isinstance(one.propose(accepted(1))[0].exception(10), UnavailableError)
    service.deaf = False
    (found,) = one.commit(accepted(1))
    assert not found.fresh
    verify_receipt(found.receipt, LOG)


def test_an_older_store_behind_running_ledgers_is_not_signed(tmp_path: Path, one: Ledgers, two: Ledgers):
    one.commit(accepted(1))
    two.commit(accepted(2))
    kept = tmp_path / "kept.db"
    with closing(sqlite3.connect(tmp_path / "setu.db")) as source, closing(sqlite3.connect(kept)) as copy:
        source.backup(copy)
    one.commit(accepted(3))  # two does not know of it
    one.store._engines.dispose()
    two.store._engines.dispose()
    for each in tmp_path.glob("setu.db*"):
        each.unlink()
    shutil.copy(kept, tmp_path / "setu.db")
    for ledgers in (one, two):
        assert isinstance(ledgers.propose(accepted(4))[0].exception(10), UnavailableError)
        ledgers.committer.close()
        assert ledgers.committer.failure is not None
        assert ledgers.committer.failure.code is Code.ROLLBACK
        assert isinstance(ledgers.propose(accepted(5))[0].exception(0), UnavailableError)
    assert one.deaths == two.deaths == []
    assert parse_checkpoint(one.guard.read() or b"").size == 3


def test_a_start_while_others_write(tmp_path: Path, service: Service, one: Ledgers):
    for number in range(10):
        one.commit(accepted(number))
        with Ledgers(tmp_path, service=service) as late:
            assert late.commit(accepted(100 + number))[0].index == number * 2 + 1
    one.publisher.publish()
    assert check_log(files_of(one.reader), LOG).entries == 20


class Beginning(Service):
    """While one gateway asks the guard of a new log, another begins it."""

    other: Ledgers | None = None

    def ask(self, path: str, body: bytes | None) -> Answer:
        answer = super().ask(path, body)
        if self.other is not None:
            other, self.other = self.other, None
            other.open().commit(accepted(1))
        return answer


def test_two_begin_the_log_at_once(tmp_path: Path):
    service = Beginning(tmp_path)
    service.other = other = Ledgers(tmp_path, service=service)
    with Ledgers(tmp_path, service=service) as ledgers:
        assert ledgers.commit(accepted(2))[0].index == 1
        other.close()
    service.file.close()


def test_a_lease_that_is_over_writes_nothing(one: Ledgers):
    lease = one.reader.lease("relay", "first", 60)
    assert lease is not None
    one.commit(accepted(1))
    over = lease._replace(epoch=lease.epoch - 1)
    kept, lost = one.propose(note(1), moved(1, State.OFFERED, lease=over))
    assert isinstance(lost.exception(10), LeaseLost)
    assert kept.result(10).fresh
    assert one.commit(moved(1, State.OFFERED, lease=lease))[0].index == 2
    with pytest.raises(LeaseLost):
        one.reader.set_positions({"setu.us-dea.tip": 1}, over)
    one.reader.set_positions({"setu.us-dea.tip": 1}, lease)
    assert one.reader.positions() == {"setu.us-dea.tip": 1}


class Scripted:
    """A guard that answers as a test says, after what it was told."""

    def __init__(self, *answers: Answer, newest: bytes = b"") -> None:
        self.answers = list(answers)
        self.newest = newest
        self.sent: list[int] = []

    def __call__(self, path: str, body: bytes | None) -> Answer:
        if body is None:
            return Answer(200, "text/plain", self.newest)
        assert path == ADD
        self.sent.append(Request.parse(body).old)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def conflict(size: int, media: str = "text/x.tlog.size") -> Answer:
    return Answer(409, media, b"%d\n" % size)


DONE = Answer(200, "text/plain", b"")


def _write(script: Scripted, *, known: bool = True) -> RemoteGuard:
    guard = RemoteGuard(script, SIGNER, lambda size, root: known)
    guard.write(SIGNER.sign(9, EMPTY_ROOT), lambda _: [])
    return guard


def test_the_size_it_is_told_is_proven_from():
    script = Scripted(conflict(4), conflict(6), DONE)
    guard = _write(script)
    assert script.sent == [0, 4, 6]
    assert guard.newest(9, 0)[0] == 9
    guard.write(SIGNER.sign(9, EMPTY_ROOT), lambda _: [])
    assert script.sent[-1] == 9


def test_a_later_head_of_the_same_log_is_as_good():
    script = Scripted(conflict(12), newest=SIGNER.sign(12, EMPTY_ROOT))
    _write(script)
    assert script.sent == [0]


@pytest.mark.parametrize(
    ("script", "known", "error", "text"),
    [
        pytest.param(Scripted(conflict(12), newest=SIGNER.sign(12, EMPTY_ROOT)), False, IntegrityError, "another history", id="a later head of another history"),
        pytest.param(Scripted(conflict(12), newest=SIGNER.sign(8, EMPTY_ROOT)), True, IntegrityError, "another history", id="a guard that contradicts itself"),
        pytest.param(Scripted(conflict(12), newest=b"nothing"), True, IntegrityError, "three lines", id="no note"),
        pytest.param(Scripted(conflict(4), Answer(422, "text/plain", b"")), True, IntegrityError, "another history", id="a proof that does not hold"),
        pytest.param(Scripted(conflict(4), conflict(4)), True, IntegrityError, "another history", id="another root of the same size"),
        pytest.param(Scripted(*(conflict(1 + each % 2) for each in range(9))), True, UnavailableError, "moving all the time", id="never still"),
        pytest.param(Scripted(conflict(4, "text/plain")), True, UnavailableError, "answers 409", id="no size"),
        pytest.param(Scripted(Answer(409, "text/x.tlog.size", b"04\n")), True, UnavailableError, "answers 409", id="a bad size"),
        pytest.param(Scripted(Answer(403, "text/plain", b"")), True, UnavailableError, "answers 403", id="other keys"),
        pytest.param(Scripted(Answer(500, "text/html", b"")), True, UnavailableError, "answers 500", id="trouble"),
    ],
)  # fmt: skip
def test_what_it_answers_else(script: Scripted, known: bool, error: type[Exception], text: str):
    with pytest.raises(error, match=text):
        _write(script, known=known)


def test_the_ledger_ends_when_the_guard_says_another_history(one: Ledgers, service: Service):
    service.ask = lambda path, body: Answer(422, "text/plain", b"")  # type: ignore[method-assign]
    one.guard._ask = service.ask  # type: ignore[attr-defined]
    assert isinstance(one.propose(accepted(1))[0].exception(10), UnavailableError)
    one.committer.close()
    assert one.committer.failure is not None
    assert one.committer.failure.code is Code.ROLLBACK
