"""Several processes on one ledger: PostgreSQL, the shared guard over TLS, and what kills and stops do to them."""

import random
import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path

import pytest

from broker.assembly.guard import shared_guard
from broker.ledger.fetch import files_of
from broker.ledger.fsck import check_log
from broker.ledger.port import EntryFilter
from broker.ledger.reader import Reader
from broker.merkle.note import parse_checkpoint
from broker.store.sql import SqlStore, upgrade
from tests.system import postgres
from tests.system.writers import LOG, GuardService, Told, Writer
from tests.unit.ledger.ledgers import SIGNER

Make = Callable[[], Writer]


@pytest.fixture
def url() -> str:
    made = postgres.database()
    upgrade(made)
    return made


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[GuardService]:
    service = GuardService(tmp_path / "guard")
    yield service
    service.kill()


@pytest.fixture
def make(tmp_path: Path, url: str, guard: GuardService) -> Iterator[Make]:
    made: list[Writer] = []

    def writer() -> Writer:
        made.append(Writer(guard.settings_of(url), tmp_path / "log"))
        assert made[-1].began == "ready"
        return made[-1]

    yield writer
    for each in made:
        each.end()


def _check(url: str, guard: GuardService, expected: int) -> None:
    """Published up to its head, whole, without a gap, guarded; every receipt the same for ever."""
    store = SqlStore(url)
    client = shared_guard(guard.settings_of(url), SIGNER, store)
    reader = Reader(store, client)
    deadline = time.monotonic() + 10
    while parse_checkpoint(reader.checkpoint()).size < expected and time.monotonic() < deadline:
        time.sleep(0.05)
    report = check_log(files_of(reader), LOG)
    assert (report.size, report.root) == reader.head()
    assert report.size == expected
    found = [each.index for each in reader.search(EntryFilter(limit=expected + 1))]
    assert found == list(range(expected))
    assert parse_checkpoint(client.read() or b"").size == expected
    client.close()
    store.close()


def _all_right(told: list[Told]) -> list[Told]:
    assert [each.error for each in told if each.error is not None] == []
    return told


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("packets", "processes"),
    [pytest.param(1500, 2, id="1500"), pytest.param(10_000, 3, id="10000", marks=pytest.mark.long)],
)
def test_the_same_packets_to_all_at_once(url: str, guard: GuardService, make: Make, packets: int, processes: int):
    writers = [make() for _ in range(processes)]
    orders = []
    for seed, each in enumerate(writers):
        # Shuffled within reach of each other: in one and the same order the first would always be first.
        chance = random.Random(seed)
        orders.append([start + place for start in range(0, packets, 100) for place in chance.sample(range(100), 100)])
        each.ask("propose", orders[-1], 50)
    told = [
        [answer for _, answer in sorted(zip(order, _all_right(each.answer(300)), strict=True), key=itemgetter(0))]
        for order, each in zip(orders, writers, strict=True)
    ]
    for number, answers in enumerate(zip(*told, strict=True)):
        assert [each.fresh for each in answers].count(True) == 1, number
        assert len({(each.index, each.receipt) for each in answers}) == 1, number
    assert {each.index for each in told[0]} == set(range(packets))
    assert all(any(each.fresh for each in answers) for answers in told), "one process did it all"
    late = make()
    late.ask("receipts", [each.index for each in told[0]])
    assert late.answer() == [each.receipt for each in told[0]]
    _check(url, guard, packets)


def test_who_is_stopped_with_the_lock_delays_the_others_by_two_seconds(url: str, guard: GuardService, make: Make):
    stopped, other = make(), make()
    _all_right(other.told(range(3)))
    stopped.ask("stop-with-the-lock")
    stopped.ask("propose", [100], 1)
    stopped.await_stop()
    begun = time.monotonic()
    told: list[Told] = []
    while not told or told[0].error is not None:
        told = other.told([200])  # the first may be told to ask again
    took = time.monotonic() - begun
    assert took < 8.0  # two, and what a busy machine adds
    assert told[0].index == 3
    stopped.resume()
    assert [each.error for each in stopped.answer()] == ["unavailable"]  # it had the lock, and lost it
    (again,) = _all_right(stopped.told([100]))
    assert (again.index, again.fresh, stopped.failure()) == (4, True, None)
    _check(url, guard, 5)


@pytest.mark.parametrize("failpoint", ["committed", "head-signed"])
def test_what_a_killed_process_left_unsigned_others_sign(url: str, guard: GuardService, make: Make, failpoint: str):
    killed, other = make(), make()
    first = _all_right(killed.told(range(3)))
    killed.ask("die-at", failpoint)
    killed.ask("propose", range(10, 20), 10)
    killed.process.join(30)
    assert killed.process.exitcode == -9
    told = _all_right(other.told(range(20)))
    assert [each.receipt for each in told[:3]] == [each.receipt for each in first]
    made_anew = [each.fresh for each in told[10:]]
    assert made_anew == sorted(made_anew), "what was committed is the beginning of what was proposed, without a gap"
    assert not made_anew[0]
    assert sorted(each.index or 0 for each in told) == list(range(20))
    late = make()
    assert [each.receipt for each in _all_right(late.told(range(20)))] == [each.receipt for each in told]
    _check(url, guard, 20)


def test_an_older_database_behind_running_processes_is_not_signed(
    url: str, guard: GuardService, make: Make, tmp_path: Path
):
    name = url.partition("?")[0].rpartition("/")[2]
    first = make()
    _all_right(first.told(range(5)))
    first.end()
    running = postgres._started()
    running.sql(f"CREATE DATABASE {name}_kept TEMPLATE {name} OWNER setu")
    one, two = make(), make()
    _all_right(one.told(range(5, 10)))  # two knows only what was there when it began
    running.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    running.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
    running.sql(f"ALTER DATABASE {name} RENAME TO {name}_true")
    running.sql(f"ALTER DATABASE {name}_kept RENAME TO {name}")
    for each in (one, two):
        for _ in range(3):
            assert each.told([50])[0].error is not None
        assert each.failure() == "rollback"
    late = Writer(guard.settings_of(url), tmp_path / "log")
    assert late.began == "rollback"
    late.end()
    store = SqlStore(url)
    kept = shared_guard(guard.settings_of(url), SIGNER, store)
    assert parse_checkpoint(kept.read() or b"").size == 10
    kept.close()
    store.close()


def test_without_the_guard_nobody_is_told_anything_and_with_it_all_goes_on(url: str, guard: GuardService, make: Make):
    one, two = make(), make()
    _all_right(one.told(range(3)))
    guard.kill()
    for each in (one, two, one):
        assert {told.error for told in each.told(range(10, 13))} == {"unavailable"}
    guard.start()
    deadline = time.monotonic() + 20
    told = one.told(range(10, 13))
    while any(each.error for each in told) and time.monotonic() < deadline:
        told = one.told(range(10, 13))
    assert [each.receipt for each in _all_right(told)] == [each.receipt for each in _all_right(two.told(range(10, 13)))]
    _all_right(two.told(range(20, 23)))
    assert (one.failure(), two.failure()) == (None, None)
    _check(url, guard, 9)
