from collections.abc import Iterator

import pytest

from tests.contract import kafka
from tests.system.kafka import stop


@pytest.fixture(autouse=True)
def _sources_closed() -> Iterator[None]:
    yield
    kafka.close()


def pytest_sessionfinish() -> None:
    stop()
