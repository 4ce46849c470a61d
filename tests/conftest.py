"""What holds for every test: no surprise on CI, no sockets but where a test says so, the same examples each time."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run; `HYPOTHESIS_PROFILE=explore make test` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Where tests meet real servers. Elsewhere one says so with the mark `sockets`.
WITH_SOCKETS = ("tests/http/", "tests/system/", "tests/docs/")


class NothingSkipped:
    """Lets a session fail in which anything was skipped, and says what and why."""

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}

    def _note(self, report: Any) -> None:
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
            self.skipped[report.nodeid] = str(reason)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.skipped:
            terminalreporter.section("skipped, which CI does not allow", red=True)
            for nodeid, reason in sorted(self.skipped.items()):
                terminalreporter.write_line(f"{nodeid}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI", "").lower() in {"1", "true"} and not hasattr(config, "workerinput"):
        config.pluginmanager.register(NothingSkipped(), "nothing-skipped")


class _Guard:
    """An audit hook, which cannot be taken away again: so it is installed once and asks what is allowed."""

    def __init__(self) -> None:
        self.test: str | None = None

    def __call__(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.bind") and self.test is not None:
            raise AssertionError(f"{self.test} opens a socket; tests that must are marked `sockets`")


_guard = _Guard()
sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    allowed = request.node.nodeid.startswith(WITH_SOCKETS) or request.node.get_closest_marker("sockets")
    _guard.test = None if allowed else request.node.nodeid
    yield
    _guard.test = None


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A software HSM with a token `setu`."""
    from tests.softhsm import SoftHsm  # noqa: PLC0415 - for tests that ask for it

    made = SoftHsm(tmp_path / "hsm")
    # SoftHSM has no other way to be told; it reads this when its library is initialised.
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.config))
    return made
