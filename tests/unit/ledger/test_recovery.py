"""Crashes, restored backups and forks: what a ledger does when it starts again."""

import shutil
from pathlib import Path

import pytest

from broker.errors import IntegrityError
from broker.ledger.guard import FileGuard
from broker.merkle.note import LogSigner, parse_checkpoint
from broker.merkle.receipt import verify_receipt
from schemas.problem import Code
from tests.unit.ledger.ledgers import LOG, ORIGIN, SIGNER, Ledgers, accepted, note


def _size(data: bytes | None) -> int:
    assert data is not None
    return parse_checkpoint(data).size


def _refused(directory: Path, code: Code, message: str) -> None:
    """The ledger does not start, says why, and changes neither guard nor heads."""
    guard = directory / "head"
    before = guard.read_bytes() if guard.exists() else None
    with pytest.raises(IntegrityError, match=message) as caught:
        Ledgers(directory).open()
    assert caught.value.code is code
    assert caught.value.advice
    assert (guard.read_bytes() if guard.exists() else None) == before


def test_a_new_log_guards_its_empty_head_first(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        assert _size(ledgers.guard.read()) == 0
        assert ledgers.reader.head()[0] == 0


def test_a_crash_after_commit_loses_nothing(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open()
    ledgers.commit(note(1))
    ledgers.crash("committed", [accepted(2)])
    assert _size((tmp_path / "head").read_bytes()) == 1
    with ledgers.open():
        assert _size(ledgers.guard.read()) == 2
        (again,) = ledgers.commit(accepted(2))
        assert (again.index, again.fresh) == (1, False)
        verify_receipt(again.receipt, LOG)


def test_a_crash_after_the_guard_keeps_the_very_receipt(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open()
    ledgers.crash("head-signed", [accepted(1)])
    signed = (tmp_path / "head").read_bytes()
    with ledgers.open():
        head = ledgers.store.head()
        assert head is not None
        assert head.note == signed
        (again,) = ledgers.commit(accepted(1))
        assert again.receipt.checkpoint.encode() == signed
    with ledgers.open():
        ledgers.commit(note(1), note(2))
        assert ledgers.reader.receipt(0).canonical() == again.receipt.canonical()


def test_receipts_are_the_same_after_crashes_and_restarts(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open()
    kept = [each.receipt.canonical() for each in ledgers.commit(*(accepted(number) for number in range(300)))]
    ledgers.crash("head-signed", [note(1)])
    ledgers.open().crash("committed", [note(2)])
    ledgers.open().close()
    with ledgers.open():
        ledgers.fill(300)
        assert [each.canonical() for each in ledgers.reader.receipts(range(300))] == kept


def test_a_restored_backup_is_refused(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.fill(3)
    shutil.copy(tmp_path / "setu.db", tmp_path / "backup.db")
    with ledgers.open():
        ledgers.fill(3)
    for leftover in tmp_path.glob("setu.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "setu.db")
    _refused(tmp_path, Code.ROLLBACK, "Expected a log of at least 6 entries .the guard's., found 3")


def test_a_lost_store_is_refused(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.fill(3)
    for leftover in tmp_path.glob("setu.db*"):
        leftover.unlink()
    _refused(tmp_path, Code.ROLLBACK, "Expected a log of at least 3 entries, found an empty store")


def test_a_fork_of_the_same_size_is_refused(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with Ledgers(tmp_path / name) as ledgers:
            ledgers.commit(note(1 if name == "one" else 2))
    shutil.copy(tmp_path / "one" / "head", tmp_path / "two" / "head")
    _refused(tmp_path / "two", Code.ROLLBACK, "Expected the head of size 1 that the guard holds, found another")


def test_a_lost_guard_is_refused_and_a_mirrored_checkpoint_takes_its_place(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.fill(3)
        ledgers.publisher.publish()
        mirrored = ledgers.reader.checkpoint()
    (tmp_path / "head").unlink()
    _refused(tmp_path, Code.ROLLBACK, "found no guard file")
    (tmp_path / "head").write_bytes(mirrored)
    with ledgers.open():
        assert ledgers.commit(note(1))[0].index == 3


def test_a_store_behind_what_was_published_is_refused(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.fill(3)
        early = ledgers.guard.read()
        ledgers.fill(3)
        ledgers.store.publish(9, SIGNER.sign(9, bytes(32)))
    assert early is not None
    _refused(tmp_path, Code.ROLLBACK, "Expected a log of at least 9 entries .the published checkpoint's., found 6")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "three lines", id="empty"),
        pytest.param(SIGNER.sign(0, bytes(32))[:-9] + b"\n", "signature", id="torn"),
        pytest.param(LogSigner("other/log", SIGNER.ed25519, SIGNER.mldsa44).sign(0, bytes(32)), "origin", id="other"),
        pytest.param(b"x" * 100_000, "at most 65535 bytes", id="huge"),
    ],
)
def test_a_guard_that_is_not_ours_is_refused(tmp_path: Path, data: bytes, message: str):
    Ledgers(tmp_path).open().close()
    (tmp_path / "head").write_bytes(data)
    _refused(tmp_path, Code.LOG_INVALID, message)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            "UPDATE entries SET entry = CAST(entry || x'20' AS BLOB) WHERE idx = 700", id="an entry of the last tile"
        ),
        pytest.param("UPDATE entries SET leaf = zeroblob(32) WHERE idx = 700", id="a leaf hash of the last tile"),
        pytest.param("UPDATE tiles SET root = zeroblob(32) WHERE level = 0 AND n = 1", id="the root of a tile"),
        pytest.param("DELETE FROM tiles WHERE level = 0 AND n = 1", id="a tile"),
        pytest.param("DELETE FROM entries WHERE idx = 700", id="an entry"),
        pytest.param("UPDATE heads SET root = zeroblob(32) WHERE size = (SELECT max(size) FROM heads)", id="the head"),
    ],
)
def test_a_damaged_edge_is_not_signed(tmp_path: Path, statement: str):
    ledgers = Ledgers(tmp_path).open()
    ledgers.fill(700)
    ledgers.crash("committed", [note(1)])
    other = Ledgers(tmp_path).open(start=False)
    with other.store._engines.write.begin() as connection:
        connection.exec_driver_sql(statement)
    other.release()
    _refused(tmp_path, Code.LOG_INVALID, "Expected")


def test_unsigned_entries_are_hashed_again_before_they_are_signed(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open(start=False)
    ledgers.fail_at = "committed"
    waiting = ledgers.propose(*(note(number) for number in range(512)))
    ledgers.committer.start()
    assert all(future.exception(10) is not None for future in waiting)
    ledgers.committer.close()
    with ledgers.store._engines.write.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE entries SET entry = (SELECT entry FROM entries WHERE idx = 101) WHERE idx = 100"
        )
        connection.exec_driver_sql(
            "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE idx = 101) WHERE idx = 100"
        )
    ledgers.release()
    _refused(tmp_path, Code.LOG_INVALID, "Expected entries 0 to 511 as committed, found others")


def test_one_process_at_a_time(tmp_path: Path):
    with Ledgers(tmp_path):
        with pytest.raises(IntegrityError, match="Expected to be the only process on this ledger") as caught:
            FileGuard(tmp_path / "head")
        assert caught.value.code is Code.CONFIG_INVALID


def test_a_guard_without_a_directory_is_refused(tmp_path: Path):
    with pytest.raises(IntegrityError, match="Expected a directory for the guard file"):
        FileGuard(tmp_path / "missing" / "head")


def test_the_guard_leaves_no_half_written_file(tmp_path: Path):
    guard = FileGuard(tmp_path / "head")
    for size in range(3):
        guard.write(SIGNER.sign(size, bytes(32)), lambda _: [])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["head", "head.lock"]
    assert (tmp_path / "head").stat().st_mode & 0o077 == 0
    assert guard.newest(2, 0)[0] == 2
    guard.close()


def test_the_log_keeps_its_name(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        assert parse_checkpoint(ledgers.commit(note(1))[0].receipt.checkpoint.encode()).origin == ORIGIN
