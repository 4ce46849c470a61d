"""`setu doctor` where the store is a PostgreSQL and the guard is shared."""

import time
from contextlib import closing

import pytest

from broker.assembly.guard import shared_guard
from broker.assembly.keys import keys_in, log_pairs_of
from broker.assembly.realm import local_directory
from broker.cli.checks import examine
from broker.cli.deployment import create
from broker.cli.findings import State
from broker.cli.served import free_port
from broker.ledger.committer import Committer
from broker.store.sql import SqlStore, upgrade
from tests.system import postgres
from tests.system.writers import GuardService
from tests.unit.ledger.ledgers import note


@pytest.fixture
def url() -> str:
    return postgres.database()


@pytest.fixture
def own(tmp_path, url):
    """(settings, signer, guard's process): a deployment on one PostgreSQL and one guard, with nothing in either."""
    made = create(tmp_path / "d", port=free_port(), operations_port=free_port())
    service = GuardService(tmp_path / "guard")
    settings = made.gateway().model_copy(update={"store": url, "guard": service.client})
    (log,) = local_directory(settings).current().document.logs
    (signer,) = log_pairs_of(keys_in(made.path / "keys"), log)
    service.kill()
    service.settings = service.settings.model_copy(update={"origin": log.origin, "vkeys": signer.vkeys})
    service.start()
    yield settings, signer, service
    service.kill()


def found(settings):
    return {each.name: (each.state, each.found) for each in examine(settings)}


def test_a_cluster_is_examined(own, url):
    settings, signer, service = own
    without_tables = [each for each in examine(settings) if each.state is State.WARNING]
    assert [each.name for each in without_tables] == ["store"]
    assert "setu store upgrade" in without_tables[0].advice
    upgrade(url)
    empty = found(settings)
    assert {name: state for name, (state, _) in empty.items() if state is not State.OK} == {}
    assert "holds no head yet" in empty["guard"][1]
    with closing(SqlStore(url)) as store, closing(shared_guard(settings, signer, store)) as guard:
        committer = Committer(store, signer, guard, time.time)
        committer.start()
        for future in [committer.propose(note(number)) for number in range(5)]:
            future.result(30)
        committer.close()
    full = found(settings)
    assert {name: state for name, (state, _) in full.items() if state is not State.OK} == {}
    assert "PostgreSQL 18" in full["store"][1]
    assert "5 ledger entries" in full["store"][1]
    assert "size 5, is among the store's heads" in full["guard"][1]

    postgres.ask(url, "DELETE FROM heads WHERE size = 5")
    assert found(settings)["guard"][0] is State.BAD
    service.kill()
    assert found(settings)["guard"][0] is State.BAD


def test_a_database_that_is_not_there_is_bad(own, url):
    settings, _, _ = own
    gone = settings.model_copy(update={"store": url.replace("/setu_", "/never_")})
    state, said = found(gone)["store"]
    assert state is State.BAD
    assert "Expected PostgreSQL to take a connection" in said


def test_a_server_that_may_lose_commits_is_bad(own, url):
    """Row `store-unsafe`: what a page that is damaged would be read as."""
    settings, _, _ = own
    postgres.ask(url, f"ALTER DATABASE {url.rpartition('/')[2].partition('?')[0]} SET zero_damaged_pages = on")
    state, said = found(settings)["store"]
    assert state is State.BAD
    assert "zero_damaged_pages = off, found on" in said
