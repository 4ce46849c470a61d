from tests.system.kafka import stop


def pytest_sessionfinish() -> None:
    stop()
