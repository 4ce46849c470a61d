"""The engines of a cluster on one machine, out of wheels: `deploy/kafka/run.py` and `deploy/postgres/run.py`."""

import importlib.util
import os
import signal
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import broker
from broker.cli.cluster.process import Keeper
from broker.errors import IntegrityError, UnavailableError
from schemas.problem import Code


class Engine(Protocol):
    """What both launchers give: one node in a folder."""

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class Node:
    """An engine as a part of the cluster, like `broker.cli.cluster.process.Process`.

    Args:
        failure: what its launcher raises where it cannot run, with what is missing in words.
    """

    def __init__(self, name: str, engine: Engine, failure: type[Exception], keeper: Keeper) -> None:
        self.name = name
        self._engine = engine
        self._failure = failure
        self._keeper = keeper

    @property
    def pid(self) -> int | None:
        return self._engine.pid

    def start(self) -> None:
        """Raises UnavailableError: what is missing, or the end of its log."""
        try:
            self._engine.start()
        except self._failure as error:
            raise UnavailableError(str(error), advice="See to that, then try again.") from None
        if self.pid is not None:
            self._keeper.hold(self.pid)

    def stop(self) -> None:
        pid = self.pid
        self._engine.stop()
        self._let_go(pid)

    def kill(self) -> None:
        pid = self.pid
        self._engine.kill()
        self._let_go(pid)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)

    def _let_go(self, pid: int | None) -> None:
        if pid is not None:
            self._keeper.release(pid)


def launcher(engine: str) -> Any:
    """`deploy/<engine>/run.py` as a module.

    Raises:
        IntegrityError: code `config-invalid`; this is an installed package, not a clone.
    """
    path = Path(broker.__file__).resolve().parents[1] / "deploy" / engine / "run.py"
    spec = importlib.util.spec_from_file_location(f"setu_run_{engine}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected deploy/{engine}/run.py beside the broker, found none.",
            advice="A cluster on one machine is started from a clone of the repository: make demo-cluster.",
        )
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
