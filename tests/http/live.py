"""A real gateway over a real deployment, and the keys of its agencies in the shape `tests.forge` asks for."""

import time
from dataclasses import dataclass

import httpx

from broker.assembly import connect
from broker.assembly.agency import transport_of
from broker.assembly.keys import keys_in, signer_of
from broker.cli.deployment import create
from broker.cli.served import free_port
from broker.crypto.keys import PublicKey
from tests.system.killing import start


@dataclass
class Signing:
    """What `tests.forge` needs of a member."""

    sign: object


class Live:
    """One gateway, its agencies, and a plain HTTP client for each of them. Also a `realm` for `tests.forge.Forge`."""

    def __init__(self, folder, *, settings="", **limits):
        self.deployment = create(
            folder / "deployment",
            demo=True,
            host="localhost",
            port=free_port(),
            operations_port=free_port(),
            limits={"rate": 1e6, "burst": 1e6, **limits},
        )
        with self.deployment.config.open("a", encoding="utf-8") as file:
            file.write(settings)
        self.process = start(self.deployment.config, folder / "gateway.log")
        self._await()
        self.clients = {agency: connect(path) for agency, path in self.deployment.agencies.items()}
        self.http = {agency: transport_of(self.deployment.agency(agency)) for agency in self.deployment.agencies}
        self.gateway = self.deployment.gateway().gateway
        self.snapshot = self.clients["in-ncb"].directory.current()
        self.realm = self.snapshot.realm
        self.suite = self.snapshot.suite
        self.members = {agency: Signing(self._signer(agency)) for agency in self.deployment.agencies}

    def wrap_key(self, agency):
        return PublicKey.from_directory(self.snapshot.wrap_key(agency, int(time.time())))

    def accepted(self):
        """How many packets the ledger has accepted."""
        return len(list(self.clients["in-audit"].search(types=["accepted"])))

    def close(self):
        for each in (*self.clients.values(), *self.http.values()):
            each.close()
        self.process.terminate()
        self.process.join(20)

    def _signer(self, agency):
        settings = self.deployment.agency(agency)
        return signer_of(keys_in(settings.at(settings.keys)))

    def _await(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.deployment.operations}/readyz").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the gateway was not ready within 30 s")
