from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.store.port import Store
from broker.store.sql import SqlStore, upgrade
from tests.contract import kafka
from tests.contract.rows import EMPTY
from tests.system import kafka as real_kafka
from tests.system import postgres

ENGINES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda directory: f"sqlite:///{directory / 'setu.db'}",
    "postgresql": lambda _: _upgraded(postgres.database()),
}


def _upgraded(url: str) -> str:
    upgrade(url)
    return url


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = SqlStore(url)
    with opened.transaction() as transaction:
        transaction.begin_log(EMPTY)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _sources_closed() -> Iterator[None]:
    yield
    kafka.close()


def pytest_sessionfinish() -> None:
    real_kafka.stop()
    postgres.stop()
