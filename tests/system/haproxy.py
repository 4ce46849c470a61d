"""HAProxy as deploy/haproxy/haproxy.cfg sets it up, for a while and on loopback; also before two gateways over fakes."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from broker.cli.served import free_port
from broker.gateway.identity import Proxied
from broker.gateway.server import bind_unix
from tests.arch.tree import ROOT
from tests.fakes.flows import Fakes
from tests.http.harness import QUICK, Pki, Wire, gateway

CONFIG = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
PATIENCE = 10
LIMITS = replace(QUICK, rate=1e6, burst=1e6)
BOTH = {"ready/a": "UP", "ready/b": "UP", "living/a": "UP", "living/b": "UP"}


def program() -> str:
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("HAProxy is not installed (Debian: haproxy)")
    return found


class Haproxy:
    """`with Haproxy(...) as proxy`: it listens on `port` inside, and has ended outside.

    Args:
        certificate: PEM of the server's certificate and key. clients_ca: PEM.
        gateways: two of (address, operator's host:port).
        port: where it listens; a free one without.
        settings: further variables of the configuration.
    """

    def __init__(
        self,
        folder: Path,
        certificate: Path,
        clients_ca: Path,
        gateways: tuple[tuple[str, str], tuple[str, str]],
        port: int | None = None,
        **settings: str,
    ) -> None:
        self.port = port or free_port()
        self.operations = free_port()
        self.log = folder / "haproxy.log"
        self.admin = folder / "admin.sock"
        (a, a_ready), (b, b_ready) = gateways
        self._environment = {
            **os.environ,
            "SETU_PROXY_BIND": f"127.0.0.1:{self.port}",
            "SETU_PROXY_OPERATIONS": f"127.0.0.1:{self.operations}",
            "SETU_PROXY_ADMIN": str(self.admin),
            "SETU_PROXY_CERTIFICATE": str(certificate),
            "SETU_PROXY_CLIENTS_CA": str(clients_ca),
            "SETU_GATEWAY_A": a,
            "SETU_GATEWAY_B": b,
            "SETU_GATEWAY_A_READY": a_ready,
            "SETU_GATEWAY_B_READY": b_ready,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> str:
        """What `haproxy -c` says of the configuration; empty where there is nothing to say."""
        done = subprocess.run(
            [program(), "-c", "-q", "-f", str(CONFIG)],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if not line.startswith("[NOTICE]")]
        return "\n".join(said) if done.returncode == 0 else done.stderr

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program(), "-db", "-f", str(CONFIG)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
                continue
            if self.admin.is_socket():  # bound after the port
                return self
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def told(self, command: str) -> str:
        """The answer on its admin socket."""
        with socket.socket(socket.AF_UNIX) as found:
            found.settimeout(PATIENCE)
            found.connect(str(self.admin))
            found.sendall(command.encode() + b"\n")
            answer = b""
            while piece := found.recv(65536):
                answer += piece
        return answer.decode()

    def until(self, states: dict[str, str]) -> None:
        """Wait until the servers are in these states: {"ready/a": "UP"}."""
        deadline = time.monotonic() + PATIENCE
        while True:
            rows = [line.split(",") for line in self.told("show stat").splitlines()]
            found = {f"{row[0]}/{row[1]}": row[17] for row in rows if len(row) > 17}
            if all(found[name] == state for name, state in states.items()):
                return
            assert time.monotonic() < deadline, {name: found[name] for name in states}
            time.sleep(0.02)


class Site:
    """Two gateways over fakes behind one proxy; us-dea and in-ncb are enrolled at both."""

    def __init__(self, pki, fakes, gateways, proxy):
        self.pki = pki
        self.fakes = fakes
        self.gateways = gateways
        self.proxy = proxy
        self.wire = Wire(pki, proxy.port)
        self.dea, self.ncb = pki.agency("us-dea"), pki.agency("in-ncb")
        for each in fakes:
            each.identify.enrol(self.dea.der, "us-dea")
            each.identify.enrol(self.ncb.der, "in-ncb")
        self.context = pki.context(self.dea)

    def hear(self, sent, quiet=0.4):
        """Everything that is answered to us-dea, until the other side ends it or says nothing for `quiet` seconds."""
        heard = bytearray()
        with contextlib.suppress(OSError), self.wire.connected(self.context) as secure:
            secure.settimeout(quiet)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                secure.sendall(sent)
            while piece := secure.recv(65536):
                heard += piece
        return bytes(heard)

    def ask(self, sent, **options):
        """As us-dea."""
        return self.wire.ask(self.context, sent, **options)

    @property
    def asked(self):
        """The calls that reached a flow of either gateway."""
        return [call for fakes in self.fakes for each in fakes.scripted() for call in each.calls if call]

    def clear(self):
        for fakes in self.fakes:
            fakes.identify.suspended.clear()
            for each in fakes.scripted():
                each.calls.clear()
                each.error = None


@contextlib.contextmanager
def standing(folder):
    """A `Site`, in a folder with a short path."""
    pki, fakes = pki_in(folder), (Fakes(), Fakes())
    with behind(pki, folder, fakes[0], "a") as a, behind(pki, folder, fakes[1], "b") as b:
        at = tuple(
            (f"unix@{folder / name}.sock", each.operator.removeprefix("http://")) for name, each in (("a", a), ("b", b))
        )
        with Haproxy(folder, whole(pki), pki.ca, at) as proxy:
            proxy.until(BOTH)
            yield Site(pki, fakes, (a, b), proxy)


def pki_in(folder):
    pki = Pki(folder)
    whole(pki).write_bytes((folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes())
    return pki


def whole(pki):
    """The server's certificate and key in one file, as HAProxy reads them."""
    return pki.folder / "server-all.pem"


def behind(pki, folder, fakes, name):
    proxied = Proxied(pki.authority.issued.certificate, None, lambda: pki.now)
    listener = bind_unix(folder / f"{name}.sock")
    return gateway(pki, fakes.services(), limits=LIMITS, identity=proxied, listener=listener, tls=False)
