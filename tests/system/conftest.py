import pytest

from tests.system import kafka, postgres
from tests.system.languages import Programs


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The examples in other languages, built at their first use."""
    return Programs(tmp_path_factory.mktemp)


def pytest_sessionfinish() -> None:
    kafka.stop()
    postgres.stop()
