"""The engines of a cluster on one machine, out of wheels: `deploy/kafka/run.py` and `deploy/postgres/run.py`."""

import importlib.util
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import ModuleType
from typing import Any

import broker
from broker.cli.cluster.process import Keeper
from broker.errors import IntegrityError, UnavailableError
from schemas.problem import Code

STEP = 8
"""Jars after which people are told again."""


class Node:
    """An engine as a part of the cluster, like `broker.cli.cluster.process.Process`.

    Args:
        failure: what its launcher raises where it cannot run, with what is missing in words.
    """

    def __init__(self, name: str, failure: type[Exception], keeper: Keeper) -> None:
        self.name = name
        self._failure = failure
        self._keeper = keeper
        self._engine: Any = None

    @property
    def pid(self) -> int | None:
        """None where it does not run."""
        found: int | None = self._engine.pid
        return found

    def made(self, make: Callable[[], Any]) -> Any:
        """Its launcher's own object, by which it is started and ended; raises as `start`."""
        self._engine = self.ask(make)
        return self._engine

    def start(self) -> None:
        """Raises UnavailableError: what is missing, or the end of its log."""
        self.ask(self._engine.start)
        if self.pid is not None:
            self._keeper.hold(self.pid)

    def stop(self) -> None:
        self._ended(self._engine.stop)

    def kill(self) -> None:
        self._ended(self._engine.kill)

    def pause(self) -> None:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGCONT)

    def ask(self, work: Callable[[], Any]) -> Any:
        """What `work` with its launcher gives; its failure as UnavailableError."""
        try:
            return work()
        except self._failure as error:
            raise UnavailableError(str(error), advice="See to that, then try again.") from None

    def _ended(self, end: Callable[[], None]) -> None:
        pid = self.pid
        end()
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


def fetch_jars(kafka: Any, say: Callable[[str], None]) -> None:
    """Kafka's jars into the user's cache, where they are not there yet; `say` is told how far it is.

    Raises:
        UnavailableError: they cannot be had, or one is not what its hash says.
    """
    cache: Path = kafka.default_cache()
    total = len((kafka.HERE / "jars.tsv").read_text("utf-8").splitlines()) - 1
    told = _kept(cache)
    if told >= total:
        return
    say(f"Kafka's {total} jars are fetched once, 43 MB, into {cache}")
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(kafka.jars, cache)
        while not fetching.done():
            wait([fetching], timeout=0.5)
            if _kept(cache) >= told + STEP:
                told = _kept(cache)
                say(f"{told} of {total}")
        try:
            fetching.result()
        except kafka.CannotRunError as error:
            raise UnavailableError(str(error), advice="See to that, then try again.") from None


def _kept(cache: Path) -> int:
    return sum(1 for _ in cache.glob("*.jar"))
