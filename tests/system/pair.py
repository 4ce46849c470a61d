"""Two gateways, as processes, on one PostgreSQL and one guard."""

import shutil
from contextlib import ExitStack

from broker.cli.cluster.process import Keeper, Process, answers
from broker.cli.deployment import create
from broker.cli.served import free_port
from broker.cli.sharing import GUARD, Shared
from broker.config import GuardSettings, load
from broker.store.sql import upgrade
from tests.system import postgres


class Pair:
    """`with Pair(folder) as pair`: both are ready inside. `workers`: processes of each. `listen`: what else stands in
    the table `[listen]` of the gateway with this number. `own_keys`: the second has a keys folder of its own, `keys-2`.

    deployment, guard, gateways: as made; `urls`: of each gateway.
    """

    def __init__(self, folder, *, workers=1, limits=None, listen=lambda _: "", own_keys=False):
        self.folder = folder
        self.listen = listen
        self.own_keys = own_keys
        self.workers = workers
        self.limits = limits

    def __enter__(self):
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _start(self, stack):
        store = postgres.database()
        ports = [(free_port(), free_port()), (free_port(), free_port())]
        self.deployment = create(
            self.folder / "deployment",
            demo=True,
            port=ports[0][0],
            operations_port=ports[0][1],
            limits=self.limits,
            shared=Shared(
                store=store,
                guard=free_port(),
                guard_operations=free_port(),
                kafka=free_port(),
                further=(ports[1],),
                readers=frozenset(),
            ),
        )
        upgrade(store)
        keeper = stack.enter_context(Keeper())

        def process(name, *module, ready):
            made = Process(name, module, self.folder / f"{name}.log", keeper, answers(ready))
            stack.callback(made.stop)
            return made

        toml = self.deployment.path / GUARD / "guard.toml"
        operations = load(GuardSettings, toml).operations
        self.guard = process("guard", "broker", "guard", "--config", str(toml), ready=f"http://{operations}/healthz")
        self.guard.start()
        configs = [self.deployment.config, *(path for path, _, _ in self.deployment.further)]
        self.urls = [self.deployment.url, *(url for _, url, _ in self.deployment.further)]
        self.operations = [f"http://127.0.0.1:{port}" for _, port in ports]
        for number, config in enumerate(configs, 1):
            listen = f"\nworkers = {self.workers}\n[listen]\n{self.listen(number)}"
            config.write_text(config.read_text().replace("\n[listen]\n", listen, 1))
        if self.own_keys:
            shutil.copytree(self.deployment.path / "keys", self.deployment.path / "keys-2")
            configs[1].write_text(f'{configs[1].read_text()}\n[paths]\nkeys = "keys-2"\n')
        self.gateways = [
            process(f"gateway-{number}", "broker", "serve", "--config", str(config), ready=f"{at}/readyz")
            for number, (config, at) in enumerate(zip(configs, self.operations, strict=True), 1)
        ]
        for each in self.gateways:
            each.start()
