"""Processes that write one ledger, and the guard that they share: started, told what to do, stopped and killed by tests."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from broker.assembly.guard import shared_guard
from broker.assembly.witness import serve_guard
from broker.cli.served import free_port
from broker.config import GatewaySettings, GuardSettings, SharedGuard
from broker.crypto.certificates import Authority
from broker.errors import SetuError
from broker.ledger.committer import Committer
from broker.ledger.publisher import Publisher
from broker.ledger.reader import Reader
from broker.store.sql import SqlStore
from tests.system.killing import CONTEXT
from tests.unit.ledger.ledgers import LOG, ORIGIN, SIGNER, accepted

PATIENCE = 60.0


class GuardService:
    """`setu guard`, as a process of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        port, operations = free_port(), free_port()
        now = time.time()
        authority = Authority.create("IND", now=now)
        authority.issue_server("guard.g1", ("localhost",), now=now).save(folder / "server.pem", folder / "server.key")
        authority.issue_client("in-setu", 1, now=now, unit="gateway").save(folder / "client.pem", folder / "client.key")
        (folder / "clients-ca.pem").write_bytes(authority.issued.certificate)
        self.settings = GuardSettings(
            origin=ORIGIN,
            vkeys=SIGNER.vkeys,
            address=f"127.0.0.1:{port}",
            operations=f"127.0.0.1:{operations}",
            base=folder,
        )
        self.client = SharedGuard(
            url=f"https://localhost:{port}",
            ca=folder / "clients-ca.pem",
            certificate=folder / "client.pem",
            certificate_key=folder / "client.key",
        )
        self._ready = f"http://127.0.0.1:{operations}/readyz"
        self.start()

    def start(self) -> None:
        self.process = CONTEXT.Process(target=_guard, args=(self.settings, self.folder / "log"), daemon=True)
        self.process.start()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if httpx.get(self._ready).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError("the guard does not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def settings_of(self, url: str) -> GatewaySettings:
        return GatewaySettings(gateway="in-setu", store=url, guard=self.client)


@dataclass(frozen=True)
class Told:
    """What a caller was told: `error` a code or an outcome's name, or the entry's index and its receipt's SHA-256."""

    index: int | None
    fresh: bool
    receipt: str | None
    error: str | None = None


class Writer:
    """A process with a committer of its own. `answer` what it was told to `ask` first."""

    def __init__(self, settings: GatewaySettings, log: Path) -> None:
        self._connection, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_writer, args=(theirs, settings, log), daemon=True)
        self.process.start()
        theirs.close()
        self.began: str = self.answer()
        """`ready`, or the code with which the ledger refused to start."""

    def ask(self, name: str, *given: Any) -> None:
        self._connection.send((name, *given))

    def answer(self, patience: float = PATIENCE) -> Any:
        assert self._connection.poll(patience), "no answer"
        return self._connection.recv()

    def told(self, numbers: Sequence[int], at_once: int = 64) -> list[Told]:
        self.ask("propose", list(numbers), at_once)
        return list(self.answer())

    def failure(self) -> str | None:
        self.ask("failure")
        return self.answer()

    def await_stop(self) -> None:
        """Until it stands still (proc(5), `stat`)."""
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def resume(self) -> None:
        os.kill(self.process.pid or 0, signal.SIGCONT)

    def end(self) -> None:
        if self.process.is_alive():
            self.resume()
            self._connection.close()
        self.process.join(10)
        self.process.kill()
        self.process.join()


def _guard(settings: GuardSettings, log: Path) -> None:
    with log.open("ab") as out:
        os.dup2(out.fileno(), 2)
    serve_guard(settings)


class _Stopping:
    """A store that stops its process once, with a batch appended and the head lock held."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.armed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Any:
        with self._store.transaction() as transaction:
            yield transaction
            if self.armed:
                self.armed = False
                # To this thread: another one would take it when it next runs, and this one would go on meanwhile.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _writer(connection: Connection, settings: GatewaySettings, log: Path) -> None:
    with log.open("ab") as out:
        os.dup2(out.fileno(), 2)
    deadly: list[str] = []

    def probe(name: str) -> None:
        if name in deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    store = SqlStore(settings.store)
    stopping = _Stopping(store)
    guard = shared_guard(settings, SIGNER, store)
    committer = Committer(stopping, SIGNER, guard, probe=probe, max_queue=20_000)
    try:
        committer.start()
    except SetuError as error:
        connection.send(error.code.value)
        return
    publisher = Publisher(store, guard, interval=0.1, holder=str(os.getpid()))
    publisher.start()
    reader = Reader(store, guard, SIGNER)
    connection.send("ready")
    while True:
        try:
            name, *given = connection.recv()
        except EOFError:
            break
        match name:
            case "propose":
                connection.send(_propose(committer, *given))
            case "receipts":
                connection.send([_hash(each) for each in reader.receipts(*given)])
            case "die-at":
                deadly.extend(given)
            case "stop-with-the-lock":
                stopping.armed = True
            case "failure":
                connection.send(None if committer.failure is None else committer.failure.code.value)
    committer.close()
    publisher.close()
    guard.close()
    store.close()


def _propose(committer: Committer, numbers: list[int], at_once: int) -> list[Told]:
    told = []
    for start in range(0, len(numbers), at_once):
        futures = [committer.propose(accepted(number)) for number in numbers[start : start + at_once]]
        for future in futures:
            try:
                found = future.result(PATIENCE)
                told.append(Told(found.index, found.fresh, _hash(found.receipt)))
            except SetuError as error:
                told.append(Told(None, False, None, error.code.value))
    return told


def _hash(receipt: Any) -> str:
    return hashlib.sha256(receipt.canonical()).hexdigest()


__all__ = ["LOG", "GuardService", "Told", "Writer"]
