"""The two sources of directories: the gateway's, on its own disk, and an agency's, through a gateway."""

import errno
import hashlib
import os
import re
import shutil
import stat
import weakref
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock

import pydantic

from broker.directory import deny, wrap
from broker.directory.check import check_document
from broker.directory.lookup import Snapshot
from broker.directory.roles import Found
from broker.directory.tuf_client import Fetch, TufReader, Verified
from broker.errors import IntegrityError, NotFoundError, SetuError, UnavailableError
from schemas.canonical import MalformedJsonError, b64u
from schemas.directory import Directory
from schemas.problem import Code

_HELD = 32
_SERVED = re.compile(r"(metadata|targets)/[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
Stamp = tuple[int, int, int]


class _Held:
    """What is in force, and the versions that were."""

    def __init__(self, reader: TufReader, root: bytes) -> None:
        self._reader = reader
        self.realm = b64u(hashlib.sha384(root).digest())
        self._current: Snapshot | None = None
        self._versions: dict[int, Snapshot] = {}
        self._found: tuple[Found, ...] = ()
        self._lists: dict[str, deny.Listed] = {}
        self._gateways: dict[str, wrap.GatewayKeys] = {}
        self._lock = Lock()

    def current(self) -> Snapshot:
        if self._current is None:
            raise _invalid("Expected a verified directory, found that none is held.", "Refresh it first.")
        return self._current

    def adopt(self, found: Verified) -> Snapshot:
        """Put what was verified in force, if the document in it is sound; and of other roles what is."""
        with self._lock:
            if self._current is None or self._current.raw != found.raw or self._found != found.delegated:
                signed = self._hold(found.version, found.raw)
                document, realm = signed.document, self.realm
                lists = deny.put_in_force(found.delegated, self._lists, document, realm)
                gateways = wrap.put_in_force(found.delegated, self._gateways, document, realm)
                if found.delegated:
                    signed = Snapshot(document, raw=found.raw, realm=realm, lists=lists, gateways=gateways)
                self._current, self._found = signed, found.delegated
                self._lists = {each.name: each for each in lists}
                self._gateways = {each.gateway: each for each in gateways}
            return self._current

    def at(self, version: int) -> Snapshot:
        newest = self.current().ref.version
        if version > newest:
            raise _invalid(
                f"Expected a directory version up to {newest}, the one in force, found a later one asked for.",
                "Refresh the directory.",
            )
        held = self._versions.get(version)
        if held is not None:
            return held  # as the countries signed it, whatever deny lists say since
        raw = self._reader.history(version)
        with self._lock:
            return self._hold(version, raw)

    def _hold(self, version: int, raw: bytes) -> Snapshot:
        try:
            document = Directory.from_json(raw)
        except (MalformedJsonError, pydantic.ValidationError) as error:
            raise _invalid("Expected a directory document, found another document.", _SIGNED) from error
        if document.version != version:
            raise _invalid(f"Expected a document of version {version}, found {document.version}.", _SIGNED)
        check_document(document)
        snapshot = Snapshot(document, raw=raw, realm=self.realm)
        self._versions[version] = snapshot
        while len(self._versions) > _HELD:
            self._versions.pop(next(iter(self._versions)))
        return snapshot


class LocalDirectory:
    """The gateway's `DirectorySource`: reads the repository's folder, verifying all of it from the pinned root.

    What is in force when it is made must verify. Afterwards `refresh` costs one stat while nothing changed, and
    whatever fails leaves in force what was.

    Args:
        repository: the folder with `metadata/` and `targets/`.
        root: the first root's bytes, pinned.
        now: unix seconds.
        cache: keeps the memory against rollback beyond this process's life; without it, it ends with the process.

    Raises:
        IntegrityError: code `directory-invalid`.
        UnavailableError: the folder cannot be read.
    """

    def __init__(self, repository: Path, root: bytes, now: Callable[[], float], *, cache: Path | None = None) -> None:
        self._repository = repository
        self._now = now
        if cache is None:
            cache = Path(mkdtemp(prefix="setu-directory-"))
            weakref.finalize(self, shutil.rmtree, cache, ignore_errors=True)
        self._reader = TufReader(self.read_file, root, cache, now)
        self._held = _Held(self._reader, root)
        self._seen: Stamp | None = None
        self._expires = 0.0
        self._lock = Lock()
        self.refresh()

    @property
    def realm(self) -> str:
        return self._held.realm

    def current(self) -> Snapshot:
        return self._held.current()

    def at(self, version: int) -> Snapshot:
        return self._held.at(version)

    def refresh(self) -> Snapshot:
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen or self._now() >= self._expires:
                found = self._reader.refresh()
                self._held.adopt(found)
                self._seen, self._expires = stamp, found.expires
            return self._held.current()

    def read_file(self, name: str) -> bytes:
        """A regular file of the repository by its relative name, as it is served; raises NotFoundError, OSError."""
        if not _SERVED.match(name):
            raise NotFoundError
        try:
            descriptor = os.open(self._repository / name, _READ)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                raise NotFoundError from None
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotFoundError
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def _stamp(self) -> Stamp:
        try:
            found = (self._repository / "metadata" / "timestamp.json").stat()
        except OSError as error:
            raise UnavailableError(
                "Expected the directory's repository, found no timestamp that can be read."
            ) from error
        return (found.st_mtime_ns, found.st_size, found.st_ino)


class RemoteDirectory:
    """An agency's `DirectorySource`: asks a gateway, trusts only the pinned root.

    It starts with what its cache holds, where that has not expired; else `refresh` must succeed before `current`.

    Args:
        fetch: bytes of `metadata/<name>` or `targets/<name>`, see `broker.directory.tuf_client.Fetch`.
        root: the first root's bytes, pinned.
        cache: a directory of the agency's own. Who can write to it gains: nothing but to make it forget what it saw.
        now: unix seconds.

    Raises:
        IntegrityError: code `directory-invalid`; the pinned root is none.
    """

    def __init__(self, fetch: Fetch, root: bytes, cache: Path, now: Callable[[], float]) -> None:
        self._reader = TufReader(fetch, root, cache, now)
        self._held = _Held(self._reader, root)
        self._lock = Lock()
        try:
            self._held.adopt(self._reader.remembered())
        except SetuError:
            # nothing cached, or stale: `current` says so until the first refresh
            return

    @property
    def realm(self) -> str:
        return self._held.realm

    def current(self) -> Snapshot:
        return self._held.current()

    def at(self, version: int) -> Snapshot:
        return self._held.at(version)

    def refresh(self) -> Snapshot:
        with self._lock:
            return self._held.adopt(self._reader.refresh())


_SIGNED = "The countries signed something else than a sound document; have them sign the next version."


def _invalid(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.DIRECTORY_INVALID, message, advice=advice)
