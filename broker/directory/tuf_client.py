"""A reader of a TUF repository: tuf's own client from a pinned root, with the clock and the fetching given to it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.ngclient import FetcherInterface, Updater

from broker.directory.alarm import check_same
from broker.directory.files import one_at_a_time, write_whole
from broker.directory.roles import Found
from broker.directory.tuf_delegated import check_delegations
from broker.directory.tuf_keys import check_root
from broker.directory.tuf_signed import DelegatedReader
from broker.errors import IntegrityError, NotFoundError, SetuError, UnavailableError
from schemas.canonical import b64u
from schemas.directory import TARGET, DirectoryRef
from schemas.problem import Code

T = TypeVar("T")
Fetch = Callable[[str], bytes]
"""The bytes of `metadata/<name>` or `targets/<name>`. Raises NotFoundError where there is no such file; another error
of the broker's tree reaches the caller as it is; any other means that the repository cannot be read now. It bounds how
much it reads."""
_METADATA_LIMIT = 5_000_000


@dataclass(frozen=True, slots=True)
class Verified:
    """A directory document's bytes, and the version the countries signed it as. `expires` (unix seconds): when the
    first of the four signed files that lead to it does. `delegated`: what other roles signed beside it, at any age.
    """

    raw: bytes
    version: int
    expires: float
    delegated: tuple[Found, ...] = ()


class _Fetcher(FetcherInterface):
    def __init__(self, fetch: Fetch) -> None:
        self._get = fetch

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return iter([self._get(url)])
        except NotFoundError:
            raise DownloadHTTPError(f"no {url}", 404) from None

    def found(self, name: str, limit: int) -> bytes:
        """Raises NotFoundError, also where there is more than so many bytes."""
        try:
            return self.download_bytes(name, limit)
        except (DownloadHTTPError, DownloadLengthMismatchError):
            raise NotFoundError from None


class _Updater(Updater):
    """tuf's client. It asks the system for its reference time when it is made, and offers no way to give it one but to
    set it after that and before anything is judged by it.
    """

    def __init__(self, cache: Path, fetch: Fetch, root: bytes, now: float) -> None:
        super().__init__(
            str(cache / "metadata"), "metadata/", str(cache / "targets"), "targets/", _Fetcher(fetch), bootstrap=root
        )
        self._trusted_set.reference_time = datetime.fromtimestamp(now, UTC)
        self._delegated = DelegatedReader(_Fetcher(fetch).found, cache / "delegated")

    def run(self) -> Verified:
        self.refresh()
        trusted = self._trusted_set
        check_root(trusted.root)
        # only what all countries signed themselves: a delegation may not stand in for it
        file = trusted.targets.targets.get(TARGET)
        if file is None:
            raise _invalid(f"expected {TARGET} among the targets, found none")
        path = Path(self.find_cached_target(file) or self.download_target(file))
        raw = path.read_bytes()
        file.verify_length_and_hashes(raw)
        check_delegations(trusted.targets, trusted.root)
        signed = (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets)
        found = self._delegated.read(trusted.targets, trusted.snapshot)
        return Verified(raw, trusted.targets.version, min(each.expires for each in signed).timestamp(), found)


class TufReader:
    """Verified documents of one repository. Several processes may share a cache; they take turns.

    Args:
        fetch: see `Fetch`.
        root: the first root's bytes, pinned.
        cache: a directory of its own: tuf's memory against rollback, and the documents once in force.
        now: unix seconds.

    Raises:
        IntegrityError: code `directory-invalid`; the pinned root is none of version 1 signed by its own keys.
    """

    def __init__(self, fetch: Fetch, root: bytes, cache: Path, now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._pinned = root
        self._cache = cache
        self._now = now
        self._past = cache / "history"
        for folder in (cache / "metadata", cache / "targets", cache / "delegated", self._past):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _judged(lambda: _first(root))

    def refresh(self) -> Verified:
        """What is in force now, verified from the pinned root, not rolled back, not expired.

        Raises:
            IntegrityError: code `directory-invalid`.
            UnavailableError: the repository cannot be read now.
        """
        return self._run(self._fetch)

    def remembered(self) -> Verified:
        """What the cache holds, where it has not expired; nothing is fetched. Raises as `refresh`."""

        def from_cache(name: str) -> bytes:
            if name != "metadata/timestamp.json":
                raise NotFoundError
            return (self._cache / name).read_bytes()

        return self._run(from_cache)

    def history(self, version: int) -> bytes:
        """The document of an earlier version, signed by the countries under a root of that time. Expiry is not asked.

        Raises:
            IntegrityError: code `directory-invalid`; there is none, or it does not verify.
            UnavailableError: it is not in the cache, and the repository cannot be read now.
        """
        return _judged(lambda: self._history(version))

    def _run(self, fetch: Fetch) -> Verified:
        def run() -> Verified:
            with one_at_a_time(self._cache):
                found = _Updater(self._cache, fetch, self._pinned, self._now()).run()
                self._remember(found)
                return found

        return _judged(run)

    def _remember(self, found: Verified) -> None:
        # tuf forgets the versions it saw when the operator's keys change in the root; this does not
        newest = max((int(path.name.split(".")[0]) for path in self._past.glob(f"*.{TARGET}")), default=0)
        if found.version < newest:
            raise _invalid(f"expected directory version {newest} or newer, found {found.version}")
        self._keep(found.version, (self._cache / "metadata" / "targets.json").read_bytes(), found.raw)

    def _keep(self, version: int, metadata: bytes, raw: bytes) -> None:
        for name, content in ((f"{version}.targets.json", metadata), (f"{version}.{TARGET}", raw)):
            path = self._past / name
            if not path.exists():
                write_whole(path, content)
            elif name.endswith(TARGET):
                check_same(reference(version, path.read_bytes()), reference(version, content))

    def _history(self, version: int) -> bytes:
        metadata = self._kept(f"{version}.targets.json", f"metadata/{version}.targets.json", _METADATA_LIMIT)
        signed = Metadata[Targets].from_bytes(metadata)
        if not isinstance(signed.signed, Targets) or signed.signed.version != version:
            raise _invalid(f"expected targets metadata of version {version}, found another")
        if not any(
            root.get_verification_result(Targets.type, signed.signed_bytes, signed.signatures) for root in self._roots()
        ):
            raise _invalid(
                f"expected directory version {version} signed under one of the realm's roots, found it is not"
            )
        file = signed.signed.targets.get(TARGET)
        if file is None:
            raise _invalid(f"expected {TARGET} among the targets of version {version}, found none")
        raw = self._kept(f"{version}.{TARGET}", f"targets/{file.get_prefixed_paths()[0]}", file.length)
        file.verify_length_and_hashes(raw)
        with one_at_a_time(self._cache):
            self._keep(version, metadata, raw)
        return raw

    def _kept(self, name: str, remote: str, limit: int) -> bytes:
        try:
            return (self._past / name).read_bytes()
        except FileNotFoundError:
            pass
        try:
            return _Fetcher(self._fetch).download_bytes(remote, limit)
        except DownloadHTTPError:
            raise _invalid("expected an earlier version that was in force, found none") from None

    def _roots(self) -> Iterator[Root]:
        """The chain of roots, each signed by the one before and by itself, oldest first."""
        root = _first(self._pinned)
        yield root
        while (path := self._cache / "metadata" / "root_history" / f"{root.version + 1}.root.json").exists():
            following = Metadata[Root].from_bytes(path.read_bytes())
            for judge in (root, following.signed):
                judge.verify_delegate(Root.type, following.signed_bytes, following.signatures)
            root = following.signed
            yield root


def reference(version: int, raw: bytes) -> DirectoryRef:
    return DirectoryRef(version=version, hash=b64u(hashlib.sha384(raw).digest()))


def check_first_root(pinned: bytes) -> None:
    """These bytes are a realm's first root, signed by its own keys; raises IntegrityError (`directory-invalid`)."""
    _judged(lambda: _first(pinned))


def _first(pinned: bytes) -> Root:
    read = Metadata[Root].from_bytes(pinned)
    root = read.signed
    if not isinstance(root, Root) or root.version != 1:
        raise _invalid("expected the realm's first root pinned, found other metadata")
    root.verify_delegate(Root.type, read.signed_bytes, read.signatures)
    check_root(root)
    return root


def _judged(step: Callable[[], T]) -> T:
    """Run a step of tuf's with its errors told in our own."""
    try:
        return step()
    except RepositoryError as error:
        raise _invalid(f"expected metadata that verifies from the pinned root, found: {error}") from error
    except DownloadLengthMismatchError as error:
        raise _invalid("expected a file of the signed length, found a longer one") from error
    except (DownloadError, OSError) as error:
        if isinstance(error.__cause__, SetuError):
            raise error.__cause__ from None
        raise UnavailableError(
            "Expected to read the directory's repository, found that it cannot be read now."
        ) from error


def _invalid(what: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"{what[0].upper()}{what[1:]}.",
        advice="What was in force stays so. Ask the operator of the gateway, and the other agencies what they see.",
    )
