"""`setu store`: an embedded ledger moves to a real PostgreSQL and goes on there, and no receipt of it changes."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.cli.app import app
from broker.ledger.committer import Committer
from broker.ledger.fetch import files_of
from broker.ledger.fsck import check_log
from broker.ledger.guard import FileGuard
from broker.ledger.port import State
from broker.ledger.publisher import Publisher
from broker.ledger.reader import Reader
from broker.merkle.receipt import verify_receipt
from broker.store.look_postgres import look_at_server
from broker.store.sql import SqlStore
from tests.system import postgres
from tests.unit.ledger.ledgers import LOG, SIGNER, START, Ledgers, Service, accepted, moved, note

NOTES, PACKETS = 2000, 400
SECRET = "correct-horse"


@pytest.fixture
def url() -> str:
    return postgres.database()


@pytest.fixture
def ledger(tmp_path: Path):
    """A log with tiles, packets in several states, and positions, whose process was killed after its last batch."""
    made = Ledgers(tmp_path).open()
    made.fill(NOTES)
    made.commit(*(accepted(number, ("us-dea", "us-cbp")) for number in range(PACKETS)))
    made.commit(*(moved(number, State.OFFERED) for number in range(0, PACKETS, 3)))
    made.publisher.publish()
    made.commit(note(-1))
    made.store.set_positions({"setu.us-dea.tip": NOTES + 7})
    made.release()
    return made


@pytest.fixture
def config(tmp_path: Path):
    """Settings of the embedded store, or of another."""

    def write(store: str = "sqlite") -> str:
        path = tmp_path / f"setu-{len(store)}.toml"
        lines = ['gateway = "in-setu"', f'store = "{store}"', "[paths]", 'store = "setu.db"', 'guard = "head"']
        if store != "sqlite":
            lines += ["[guard]", 'url = "https://localhost:8543"']
        path.write_text("\n".join(lines), "utf-8")
        return str(path)

    return write


@pytest.fixture
def setu():
    def run(*words: str, status: int = 0):
        done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == status, done.output
        return done

    return run


def _receipts(folder: Path, indices: list[int]) -> list[bytes]:
    with closing(SqlStore(f"sqlite:///{folder / 'setu.db'}")) as store, closing(FileGuard(folder / "head")) as guard:
        guard.adopt(guard.read())
        return [each.canonical() for each in Reader(store, guard, SIGNER).receipts(indices)]


def test_a_ledger_moves_with_all_that_it_promised(setu, config, ledger: Ledgers, url: str, tmp_path: Path):
    total = NOTES + PACKETS + len(range(0, PACKETS, 3)) + 1
    indices = [0, 255, 256, NOTES - 1, *range(NOTES, total, 97), total - 1]
    before = _receipts(tmp_path, indices)
    said = json.loads(setu("store", "copy", "--config", config(), "--to", url, "--json").stdout)
    shown = json.loads(setu("store", "show", "--config", config(), "--json").stdout)
    assert (said["ok"], said["size"], said["root"]) == (True, total, shown["head"]["root"])
    assert said["rows"]["entries"] == total
    assert said["rows"]["packets"] == PACKETS
    assert Path(said["guard"]) == tmp_path / "head"

    moved_to = json.loads(setu("store", "show", "--config", config(url), "--json").stdout)
    assert moved_to["engine"].startswith("PostgreSQL 18")
    assert {**moved_to, "engine": shown["engine"], "leases": shown["leases"]} == shown

    shutil.copy(tmp_path / "head", tmp_path / "shared-head")
    service = Service(tmp_path)
    store = SqlStore(url)
    guard = service.guard(store)
    committer = Committer(store, SIGNER, guard, lambda: START, die=lambda: pytest.fail("the ledger died"))
    committer.start()
    reader = Reader(store, guard, SIGNER)
    assert [each.canonical() for each in reader.receipts(indices)] == before
    assert reader.positions() == {"setu.us-dea.tip": NOTES + 7}
    assert reader.checkpoint() == store.published()

    again = committer.propose(accepted(5, ("us-dea", "us-cbp"))).result(30)
    assert (again.index, again.fresh) == (NOTES + 5, False)
    fresh = [committer.propose(accepted(PACKETS + number)) for number in range(300)]
    for future in fresh:
        verify_receipt(future.result(30).receipt, LOG)
    basis = committer.propose(moved(3, State.OPENED, type_="acknowledged")).result(30)
    assert basis.fresh
    Publisher(store, guard).publish()
    assert [each.canonical() for each in reader.receipts(indices)] == before
    report = check_log(files_of(reader), LOG)
    assert report.size == total + 301
    committer.close()
    store.close()
    service.file.close()


def test_a_gateway_that_runs_is_in_the_way(setu, config, tmp_path: Path, url: str):
    with Ledgers(tmp_path) as running:
        running.fill(3)
        said = setu("store", "copy", "--config", config(), "--to", url, status=1)
    assert "Expected to be the only process on this ledger" in said.stderr
    assert postgres.ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"


def test_a_database_with_a_log_is_not_written_over(setu, config, ledger: Ledgers, url: str):
    setu("store", "copy", "--config", config(), "--to", url)
    before = postgres.ask(url, "SELECT max(size) FROM heads")
    said = setu("store", "copy", "--config", config(), "--to", url, status=1)
    assert "Expected an empty store to copy to" in said.stderr
    assert "what to do" in said.stderr
    assert postgres.ask(url, "SELECT max(size) FROM heads") == before


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param("UPDATE entries SET entry = x'00' WHERE idx = 700", "hash to the head", id="an entry"),
        pytest.param("UPDATE entries SET entry = 'text' WHERE idx = 700", "as they were copied", id="of another type"),
        pytest.param("UPDATE entries SET entry = entry || x'00' WHERE idx = 700", "one that it refuses", id="no text"),
        pytest.param("DELETE FROM entries WHERE idx = 2400", "hash to the head", id="an entry less"),
        pytest.param("UPDATE heads SET root = zeroblob(32)", "found another history", id="another log"),
        pytest.param("DELETE FROM heads WHERE size > 2000", "found another history", id="older than the guard"),
    ],
)
def test_a_ledger_that_is_not_what_it_was_is_not_copied(
    setu, config, ledger: Ledgers, url: str, tmp_path: Path, harm: str, said: str
):
    with closing(sqlite3.connect(tmp_path / "setu.db", isolation_level=None)) as connection:
        connection.execute(harm)
    found = setu("store", "copy", "--config", config(), "--to", url, status=1)
    assert said in found.stderr
    assert postgres.ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"


def test_a_lost_guard_is_said(setu, config, ledger: Ledgers, url: str, tmp_path: Path):
    (tmp_path / "head").unlink()
    assert "found no guard file" in setu("store", "copy", "--config", config(), "--to", url, status=1).stderr


def test_a_password_is_not_repeated(setu, config, ledger: Ledgers):
    to = f"postgresql://setu:{SECRET}@localhost/setu"
    said = setu("store", "copy", "--config", config(), "--to", to, status=1)
    assert "without a password" in said.stderr
    assert SECRET not in said.output


def test_upgrade_makes_the_tables_once(setu, config, url: str):
    where = config(url)
    first = setu("store", "upgrade", "--config", where, "--json")
    assert json.loads(first.stdout) == {"ok": True, "before": None, "after": "0005"}
    assert "nothing was done" in setu("store", "upgrade", "--config", where).stdout
    shown = setu("store", "show", "--config", where).stdout
    assert "no log was begun" in shown


def test_upgrade_takes_an_embedded_store_too(setu, config):
    said = setu("store", "show", "--config", config(), status=1)
    assert "found no file yet" in said.stderr
    assert json.loads(setu("store", "upgrade", "--config", config(), "--json").stdout)["after"] == "0005"
    assert "SQLite" in setu("store", "show", "--config", config()).stdout


def test_a_look_finds_a_head_or_not(setu, config, ledger: Ledgers, url: str):
    said = json.loads(setu("store", "copy", "--config", config(), "--to", url, "--json").stdout)
    head = (said["size"], bytes.fromhex(said["root"]))
    assert look_at_server(url, head).shared
    assert not look_at_server(url, (head[0], bytes(32))).shared
    assert not look_at_server(url).shared
    assert (look_at_server(url).unsafe, look_at_server(url).fault, look_at_server(url).known) == (None, None, True)


def test_a_server_that_is_not_there_is_said(setu, config, tmp_path: Path):
    said = setu("store", "show", "--config", config(f"postgresql://setu@/setu?host={tmp_path}"), status=1)
    assert "Expected PostgreSQL to take a connection" in said.stderr
    assert "what to do" in said.stderr


def test_a_user_who_may_not_make_tables_is_told_what_the_server_said(setu, config):
    url = postgres.database(owner="postgres")
    said = setu("store", "upgrade", "--config", config(url), status=1)
    assert "found 42501: permission denied for schema public" in said.stderr
    assert "OWNER TO setu" in said.stderr


def test_show_names_leases_and_what_is_published(setu, config, url: str):
    where = config(url)
    setu("store", "upgrade", "--config", where)
    with closing(SqlStore(url)) as store:
        store.lease("publisher", "gateway-a", 60)
        store.publish(7, b"a note")
    shown = setu("store", "show", "--config", where).stdout
    assert "publisher: gateway-a, epoch 1" in shown
    assert "7 entries" in shown
