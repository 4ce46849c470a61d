from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from schemas.directory import Role
from tests.fakes.flows import Fakes
from tests.http.harness import QUICK, Gateway, Pki, Reply, gateway


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@dataclass(frozen=True)
class Site:
    """A gateway over fakes that stands for a whole session; `site` clears what the fakes remember for each test."""

    fakes: Fakes
    gateway: Gateway
    pki: Pki

    def __post_init__(self) -> None:
        object.__setattr__(self, "dea", self.pki.context(self._enrolled("us-dea")))
        object.__setattr__(self, "ncb", self.pki.context(self._enrolled("in-ncb")))
        object.__setattr__(self, "auditor", self.pki.context(self._enrolled("in-audit", Role.AUDITOR)))

    def _enrolled(self, name: str, *roles: Role):
        issued = self.pki.agency(name)
        self.fakes.identify.enrol(issued.der, name, *roles)
        return issued

    def ask(self, sent, **options) -> Reply | None:
        """As us-dea."""
        return self.gateway.wire.ask(self.dea, sent, **options)

    @property
    def asked(self) -> int:
        """How many calls reached a flow."""
        return sum(len(each.calls) for each in self.fakes.scripted())


@pytest.fixture(scope="session")
def standing(pki: Pki) -> Iterator[Site]:
    fakes = Fakes()
    with gateway(pki, fakes.services(), limits=replace(QUICK, rate=1e6, burst=1e6, idle_seconds=5)) as running:
        yield Site(fakes, running, pki)


@pytest.fixture
def site(standing: Site) -> Site:
    for each in standing.fakes.scripted():
        each.calls.clear()
        each.error = None
    standing.fakes.refusals.counted.clear()
    standing.fakes.identify.suspended.clear()
    standing.gateway.written.seek(0)
    standing.gateway.written.truncate()
    return standing
