"""A real ledger on a real file, opened, crashed and opened again by tests."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from hashlib import sha384
from pathlib import Path
from threading import Event
from typing import Any, Self

from broker.crypto.keys import SeedKey
from broker.errors import UnavailableError
from broker.ledger.committer import Committer
from broker.ledger.guard import FileGuard, Guard
from broker.ledger.port import Basis, Committed, NewPacket, Proposal, State, Transition
from broker.ledger.publisher import Publisher
from broker.ledger.reader import Reader
from broker.ledger.remote import RemoteGuard
from broker.ledger.witness import ADD, Answer, Witness
from broker.merkle.note import HeadSigner, LogSigner
from broker.store.port import Store
from broker.store.sql import SqlStore
from schemas.canonical import b64u
from schemas.directory import Log

ORIGIN = "gateway.example/log"
REALM = b64u(bytes(48))
START = 1_790_000_000.0
SIGNER = LogSigner(ORIGIN, SeedKey("Ed25519", bytes(32)), SeedKey("ML-DSA-44", bytes(32)))
LOG = Log(gateway="in-setu", origin=ORIGIN, ed25519=SIGNER.vkeys[0], mldsa44=SIGNER.vkeys[1])
BASIS = Basis(3, "2026.1")


def digest(seed: object) -> str:
    return b64u(sha384(str(seed).encode()).digest())


def packet_id(number: int) -> str:
    return f"01980000-0000-7000-8000-{number:012x}"


def entry(type_: str = "operator_action", actor: str = "in-setu", **members: Any) -> dict[str, Any]:
    return {
        "v": "setu1.entry",
        "type": type_,
        "actor": actor,
        "aud": {"realm": REALM, "gateway": "in-setu"},
        "directory": {"version": 3, "hash": digest("directory")},
        "policy": "2026.1",
        **members,
    }


def packet_ref(number: int, to: Sequence[str] = ("us-dea",), sender: str = "in-ncb", **over: Any) -> dict[str, Any]:
    return {
        "from": sender,
        "id": packet_id(number),
        "digest": digest(number),
        "kind": "tip",
        "kind_version": 1,
        "to": list(to),
        "exercise": False,
        **over,
    }


def note(number: int) -> Proposal:
    """An entry about nothing but itself."""
    return Proposal(entry(note=f"number {number}"))


def accepted(number: int, to: Sequence[str] = ("us-dea",), sender: str = "in-ncb", **over: Any) -> Proposal:
    ref = packet_ref(number, to, sender, **over)
    packet = NewPacket(sender, ref["id"], ref["digest"], ref["kind"], 1_790_600_000, tuple(to), b"packet %d" % number)
    return Proposal(entry("accepted", sender, packet=ref), once=f"accepted/{sender}/{ref['id']}", packet=packet)


def moved(
    number: int,
    state: State,
    recipient: str = "us-dea",
    *,
    type_: str = "delivered",
    required: bool = True,
    **over: Any,
) -> Proposal:
    return Proposal(
        entry(type_, "in-setu", packet=packet_ref(number), recipient=recipient),
        transitions=(Transition(digest(number), recipient, state, required),),
        **over,
    )


class Service:
    """The guard that several ledgers share, without the wire: it can be `down`, or lose its answers."""

    def __init__(self, directory: Path) -> None:
        self.file = FileGuard(directory / "shared-head")
        self.deaths: list[str] = []
        key = SeedKey("Ed25519", b"w" * 32)
        self.witness = Witness(
            self.file,
            ORIGIN,
            [SIGNER.pair],
            name="w",
            key=key,
            now=lambda: START,
            die=lambda: self.deaths.append("died"),
        )
        self.down = self.deaf = False
        self.asked: list[tuple[str, int]] = []

    def ask(self, path: str, body: bytes | None) -> Answer:
        if self.down:
            raise UnavailableError("down")
        answer = self.witness.newest() if body is None else self.witness.add(body)
        self.asked.append((path, answer.status))
        if self.deaf and path == ADD:
            raise UnavailableError("the answer was lost")
        return answer

    def guard(self, store: Store) -> RemoteGuard:
        return RemoteGuard(self.ask, SIGNER, store.has_head)


class Ledgers:
    """One log in one directory. `crash` leaves it as a killed process does: committed rows, nothing more.

    wrap: puts a failing store around the real one. service: a guard that several of these share, on one directory.
    signer: of its heads.
    """

    def __init__(
        self,
        directory: Path,
        *,
        wrap: Callable[[Store], Store] = lambda store: store,
        service: Service | None = None,
        signer: HeadSigner = SIGNER,
    ) -> None:
        self.signer = signer
        self.directory = directory
        self.wrap = wrap
        self.service = service
        self.clock = START
        self.deaths: list[str] = []
        self.probes: list[str] = []
        self.rung: list[frozenset[tuple[str, str]]] = []
        self.fail_at: str | None = None
        self.is_open = False

    def probe(self, name: str) -> None:
        self.probes.append(name)
        if name == self.fail_at:
            raise CrashError(name)

    def open(self, *, start: bool = True, **options: Any) -> "Ledgers":
        self.is_open = True
        self.store = SqlStore(f"sqlite:///{self.directory / 'setu.db'}")
        self.guard: Guard = (
            FileGuard(self.directory / "head") if self.service is None else self.service.guard(self.store)
        )
        self.committer = Committer(
            self.wrap(self.store),
            self.signer,
            self.guard,
            lambda: self.clock,
            on_commit=self.rung.append,
            probe=self.probe,
            die=lambda: self.deaths.append("died"),
            **options,
        )
        self.reader = Reader(self.store, self.guard, self.signer)
        self.publisher = Publisher(self.store, self.guard, holder=f"{id(self)}", signer=self.signer)
        if start:
            try:
                self.committer.start()
            except BaseException:
                self.release()
                raise
        return self

    def close(self) -> None:
        self.committer.close()
        self.publisher.publish()
        self.publisher.close()
        self.release()

    def release(self) -> None:
        self.is_open = False
        if isinstance(self.guard, FileGuard):
            self.guard.close()
        self.store.close()

    def crash(self, at: str, proposals: Sequence[Proposal]) -> None:
        """Propose, die at a failpoint, and let go of the files."""
        self.fail_at = at
        for future in [self.committer.propose(each) for each in proposals]:
            assert future.exception(10) is not None
        self.committer.close()
        self.fail_at = None
        self.release()

    def commit(self, *proposals: Proposal) -> list[Committed]:
        return [future.result(10) for future in self.propose(*proposals)]

    def propose(self, *proposals: Proposal) -> list[Future[Committed]]:
        return [self.committer.propose(each) for each in proposals]

    def fill(self, count: int) -> None:
        """Entries about nothing, in whatever batches come."""
        self.commit(*(note(number) for number in range(count)))

    def __enter__(self) -> Self:
        return self if self.is_open else self.open()

    def __exit__(self, *_: object) -> None:
        self.close()


class CrashError(Exception):
    """What a failpoint raises; nothing in the ledger knows it."""


def in_one_batch(ledgers: Ledgers, *proposals: Proposal) -> list[Any]:
    """Hold the writer up in a batch of its own, so that what is proposed meanwhile becomes one batch."""
    entered, go = Event(), Event()
    ledgers.committer._on_commit = lambda _: (entered.set(), go.wait(10))
    blocker = ledgers.committer.propose(accepted(999_999, ("us-fincen",)))
    assert entered.wait(10)
    ledgers.committer._on_commit = ledgers.rung.append
    futures = ledgers.propose(*proposals)
    go.set()
    blocker.result(10)
    return [future.exception(10) or future.result() for future in futures]
