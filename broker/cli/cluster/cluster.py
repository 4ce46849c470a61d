"""A cluster on this machine: Kafka, PostgreSQL, a guard, gateways, relays, adapters; each a process of its own."""

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from broker.assembly.topics import make_certificates
from broker.cli.cluster.engines import Node, fetch_jars, launcher
from broker.cli.cluster.process import Keeper, Process, answers
from broker.cli.deployment import Deployment, create
from broker.cli.served import free_ports
from broker.cli.sharing import GUARD, LOOPBACK, Shared
from broker.config import GuardSettings, load
from broker.errors import UnavailableError

HOST = "localhost"
STANDS_STILL = 0.05
LEASE_SECONDS = 15.0
OTHERS = 5
"""Ports of PostgreSQL, the guard (two), Kafka and its controller."""

_HOLDER = "SELECT holder FROM leases WHERE name = 'relay'"
_RELAYED = (
    "SELECT coalesce((SELECT epoch FROM leases WHERE name = 'relay'), 0), "
    "coalesce((SELECT sum(idx + 1) FROM positions), 0)"
)
_STANDING = (
    "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND backend_xid IS NOT NULL "
    "AND clock_timestamp() - state_change > interval '40 ms'"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster is made of.

    readers: agencies that read Kafka. adapters: those of them whose packets an adapter drops into a folder.
    kinds: what the adapters hand on; all kinds where none is named.
    """

    gateways: int = 2
    relays: int = 2
    readers: frozenset[str] = frozenset({"us-dea", "us-cbp"})
    adapters: tuple[str, ...] = ("us-cbp",)
    kinds: tuple[str, ...] = ()
    limits: Mapping[str, float] | None = None


class Cluster:
    """`with Cluster(folder) as cluster`: everything runs inside, and nothing outside.

    Args:
        folder: a new or empty one; it stays, with every process's log in `logs`. The database does not.
        say: is told each step before it is done.
    """

    def __init__(self, folder: Path, shape: Shape | None = None, *, say: Say = lambda _: None) -> None:
        self.folder = folder.resolve()
        self.shape = shape or Shape()
        self.logs = self.folder / "logs"
        self._say = say
        self._stack = ExitStack()
        self._keeper: Keeper
        ports = free_ports(2 * self.shape.gateways + OTHERS + self.shape.relays)
        self._ports = ports[: 2 * self.shape.gateways]
        self._free = iter(ports[2 * self.shape.gateways :])
        self.deployment: Deployment
        self.postgres: Node
        self._server: Any
        self.kafka: Node
        self.guard: Process
        self.gateways: list[Process] = []
        self.relays: list[Process] = []
        self.adapters: dict[str, Process] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def urls(self) -> list[str]:
        """Of each gateway."""
        return [self.deployment.url, *(url for _, url, _ in self.deployment.further)]

    @property
    def operations(self) -> list[str]:
        """The operator's address of each gateway."""
        return [self.deployment.operations, *(url for _, _, url in self.deployment.further)]

    @property
    def pids(self) -> list[int]:
        """Of what runs now."""
        engines: list[Node | Process] = [self.postgres, self.kafka]
        parts = (*engines, self.guard, *self.gateways, *self.relays, *self.adapters.values())
        return [each.pid for each in parts if each.pid is not None]

    def drop(self, agency: str) -> Path:
        """The folder that an agency's adapter drops packets into."""
        return self.folder / "adapters" / agency / "drop"

    def kafka_data(self) -> Path:
        return self.deployment.path / "kafka" / "data"

    def hold(self, pid: int) -> None:
        """End also this process, should the one that started the cluster be killed."""
        self._keeper.hold(pid)

    def held(self) -> bool:
        """Does some client of the database stand still within a transaction that writes?"""
        time.sleep(STANDS_STILL)
        return self._sql(_STANDING).strip() != "0"

    def active_relay(self) -> Process:
        """The relay that holds the lease.

        Raises:
            UnavailableError: none does within some seconds.
        """
        deadline = time.monotonic() + LEASE_SECONDS
        while time.monotonic() < deadline:
            # A holder's name has its process in it.
            holder = re.split(r"\D+", self._sql(_HOLDER))
            for each in self.relays:
                if each.pid is not None and str(each.pid) in holder:
                    return each
            time.sleep(0.1)
        raise UnavailableError("Expected a relay that is active, found none.", advice=f"Read the logs in {self.logs}.")

    def relayed(self) -> tuple[int, int]:
        """The epoch of the relays' lease, and a sum over topics that grows with each packet brought to Kafka.

        Raises:
            UnavailableError: the store does not say.
        """
        epoch, _, places = self._sql(_RELAYED).strip().partition("|")
        return int(epoch), int(places)

    def start_relays(self) -> None:
        """Those that do not run."""
        for each in self.relays:
            if each.pid is None:
                each.start()

    def resume_relays(self) -> None:
        for each in self.relays:
            each.resume()

    def _sql(self, statement: str) -> str:
        found: str = self.postgres.ask(lambda: self._server.sql(statement, database="setu"))
        return found

    def _start(self, stack: ExitStack) -> None:
        self.logs.mkdir(parents=True)
        keeper = self._keeper = stack.enter_context(Keeper())
        self._store(stack, keeper)
        self._found()
        self._kafka(stack, keeper)
        self._services(stack, keeper)

    def _store(self, stack: ExitStack, keeper: Keeper) -> None:
        self._say("PostgreSQL")
        found = launcher("postgres")
        self.postgres = Node("PostgreSQL", found.CannotRunError, keeper)
        server = self.postgres.made(lambda: found.Postgres(self.folder / "postgres", port=next(self._free)))
        self._server = server
        stack.callback(server.remove)
        self.postgres.start()
        self._store_url = server.tcp_url()

    def _found(self) -> None:
        self._say("the realm: keys, certificates and the signed directory")
        shape, ports = self.shape, self._ports
        self.deployment = create(
            self.folder / "deployment",
            demo=True,
            host=HOST,
            port=ports[0],
            operations_port=ports[1],
            limits=shape.limits,
            shared=Shared(
                store=self._store_url,
                guard=next(self._free),
                guard_operations=next(self._free),
                kafka=next(self._free),
                further=tuple(zip(ports[2::2], ports[3::2], strict=True)),
                readers=shape.readers,
            ),
        )

    def _kafka(self, stack: ExitStack, keeper: Keeper) -> None:
        found = launcher("kafka")
        self._say("Kafka")
        fetch_jars(found, self._say)
        settings = self.deployment.gateway()
        make_certificates(settings, (HOST,))
        port = int(settings.kafka.bootstrap[0].rpartition(":")[2]) if settings.kafka is not None else 0
        self.kafka = Node("Kafka", found.CannotRunError, keeper)
        self.kafka.made(lambda: found.Kafka(self.deployment.path / "kafka", port=port, controller=next(self._free)))
        stack.callback(self.kafka.stop)
        self.kafka.start()

    def _services(self, stack: ExitStack, keeper: Keeper) -> None:
        deployment = self.deployment
        configs = [deployment.config, *(path for path, _, _ in deployment.further)]

        def process(name: str, *module: str, ready: Callable[[], bool] = lambda: True) -> Process:
            made = Process(name, module, self.logs / f"{name.replace(' ', '-')}.log", keeper, ready)
            stack.callback(made.stop)
            return made

        def done(name: str, *module: str) -> None:
            process(name, *module).run()

        self._say("the store's tables, Kafka's topics and ACLs")
        done("store upgrade", "broker", "store", "upgrade", "--config", str(deployment.config))
        done("topics apply", "broker", "topics", "apply", "--config", str(deployment.config))
        self._say("the guard, gateways, relays and adapters")
        guard = deployment.path / GUARD / "guard.toml"
        alive = answers(f"http://{load(GuardSettings, guard).operations}/healthz")
        self.guard = process("guard", "broker", "guard", "--config", str(guard), ready=alive)
        self.guard.start()
        self.gateways = [
            process(f"gateway {number}", "broker", "serve", "--config", str(config), ready=answers(f"{at}/readyz"))
            for number, (config, at) in enumerate(zip(configs, self.operations, strict=True), 1)
        ]
        # One after the other: the first one writes down which directory and policy are in force.
        for each in self.gateways:
            each.start()
        self.relays = [self._relay(number, next(self._free), process) for number in range(1, self.shape.relays + 1)]
        self.adapters = {agency: self._adapter(agency, process) for agency in self.shape.adapters}
        for each in (*self.relays, *self.adapters.values()):
            each.launch()
        for each in (*self.relays, *self.adapters.values()):
            each.wait()

    def _relay(self, number: int, port: int, process: Callable[..., Process]) -> Process:
        words = ("broker", "relay", "--config", str(self.deployment.config), "--operations", f"{LOOPBACK}:{port}")
        return process(f"relay {number}", *words, ready=answers(f"http://{LOOPBACK}:{port}/healthz"))

    def _adapter(self, agency: str, process: Callable[..., Process]) -> Process:
        folder = self.drop(agency).parent
        self.drop(agency).mkdir(parents=True)
        settings = folder / "adapter.toml"
        kinds = f"kinds = {json.dumps(self.shape.kinds)}\n" if self.shape.kinds else ""
        settings.write_text(
            f'profile = "{self.deployment.agencies[agency].as_posix()}"\nsource = "kafka"\n{kinds}\n'
            '[filedrop]\nfolder = "drop"\nform = "sealed"\n',
            "utf-8",
        )
        return process(f"adapter of {agency}", "adapters", "run", str(settings))
