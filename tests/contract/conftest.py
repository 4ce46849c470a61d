from collections.abc import Iterator

import pytest

from tests.contract import kafka
from tests.system import kafka as real_kafka
from tests.system import postgres


@pytest.fixture(autouse=True)
def _sources_closed() -> Iterator[None]:
    yield
    kafka.close()


def pytest_sessionfinish() -> None:
    real_kafka.stop()
    postgres.stop()
