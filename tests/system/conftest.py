from tests.system import kafka, postgres


def pytest_sessionfinish() -> None:
    kafka.stop()
    postgres.stop()
