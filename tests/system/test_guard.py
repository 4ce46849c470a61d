"""The shared guard's service as a process: who may speak to it, and what it says to what is no checkpoint."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from broker.assembly.witness import serve_guard
from broker.crypto.certificates import Authority
from broker.errors import IntegrityError
from broker.ledger.witness import Request
from broker.merkle.tree import EMPTY_ROOT
from tests.system.writers import GuardService
from tests.unit.ledger.ledgers import SIGNER

EMPTY = Request(0, [], SIGNER.sign(0, EMPTY_ROOT)).encode()


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardService]:
    service = GuardService(tmp_path_factory.mktemp("service") / "guard")
    yield service
    service.kill()


@pytest.fixture
def client(guard: GuardService) -> Iterator[httpx.Client]:
    with closing(httpx.Client(base_url=guard.client.url, verify=_context(guard.folder), trust_env=False)) as found:
        yield found


def _context(folder: Path, certificate: str | None = "client") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "clients-ca.pem")
    if certificate is not None:
        context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    return context


def test_it_keeps_what_the_log_signed(guard: GuardService, client: httpx.Client):
    assert client.get("/checkpoint").status_code == 404
    answer = client.post("/add-checkpoint", content=EMPTY)
    assert (answer.status_code, answer.text[:13]) == (200, "\u2014 setu-guard ")
    kept = client.get("/checkpoint")
    assert (kept.status_code, kept.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert kept.content == (guard.folder / "head").read_bytes() == EMPTY.partition(b"\n\n")[2]
    behind = client.post("/add-checkpoint", content=Request(3, [], SIGNER.sign(9, bytes(32))).encode())
    assert (behind.status_code, behind.headers["content-type"], behind.content) == (409, "text/x.tlog.size", b"0\n")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "/", b"", 404, id="no path"),
        pytest.param("GET", "/add-checkpoint", b"", 405, id="GET where one posts"),
        pytest.param("POST", "/checkpoint", EMPTY, 405, id="POST where one gets"),
        pytest.param("POST", "/add-checkpoint", b"", 400, id="nothing"),
        pytest.param("POST", "/add-checkpoint", b"x" * (72 << 10), 400, id="not a checkpoint"),
        pytest.param("POST", "/add-checkpoint", b"x" * (80 << 10), 413, id="too large"),
        pytest.param("GET", "/checkpoint?" + "x" * (16 << 10), b"", 431, id="a long head"),
    ],
)
def test_what_is_none_of_its_business(client: httpx.Client, method: str, path: str, body: bytes, status: int):
    assert client.request(method, path, content=body or None).status_code == status


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_without_a_certificate_of_its_ca_it_says_nothing(guard: GuardService, who: str, tmp_path: Path):
    now = time.time()
    (tmp_path / "clients-ca.pem").write_bytes((guard.folder / "clients-ca.pem").read_bytes())
    other = Authority.create("IND", now=now).issue_client("in-setu", 1, now=now, unit="gateway")
    other.save(tmp_path / "stranger.pem", tmp_path / "stranger.key")
    context = _context(tmp_path, "stranger" if who == "stranger" else None)
    host, port = "localhost", int(guard.client.url.rpartition(":")[2])
    received = b""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as tls,
        ):
            tls.sendall(b"GET /checkpoint HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = tls.recv(100)
    except (ssl.SSLError, ConnectionError):
        pass
    assert received == b""


def test_a_second_one_on_the_same_file_is_refused(guard: GuardService):
    with pytest.raises(IntegrityError, match="only process on this ledger"):
        serve_guard(guard.settings)
