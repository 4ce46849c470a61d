"""An agency's own keys as they lie in its folder now: a program that runs takes up new ones without a restart."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock

from broker.assembly.keys import Keys, keys_in, wrap_keys_of
from broker.assembly.keystore import keystore
from broker.crypto.keyfile import Stamp, stamp_of_files
from broker.crypto.keys import PrivateKey
from broker.directory.lookup import Snapshot
from broker.envelope.jws import Signer
from broker.errors import IntegrityError, SetuError
from broker.sdk.own import newest_pair
from schemas.directory import KeyUse
from schemas.problem import Code


class FolderKeys:
    """The keys of a folder, a `Signing`. Safe to call from several threads.

    Files are looked for each time, and read when they are others than before. Where they cannot be read then, what was
    stays in use: the folder may be in the middle of a change.

    Raises:
        IntegrityError: code `config-invalid`; a key that cannot be read, or not both kinds of signing keys.
    """

    def __init__(self, folder: Path, agency: str) -> None:
        self._folder = folder
        self._agency = agency
        self._lock = Lock()
        self._stamp = self._look()
        self._keys = keys_in(folder)
        check_both(self._keys)
        self.wraps: Mapping[str, PrivateKey] = _Wraps(self)

    def signer(self, snapshot: Snapshot, at: int) -> Signer:
        own = [key for use, key in self.now() if use == KeyUse.SIGN]
        return newest_pair(own, snapshot, self._agency, at)

    def now(self) -> Keys:
        """(use, key) of each key that is at hand now."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                try:
                    keys = keys_in(self._folder)
                    check_both(keys)
                except (SetuError, OSError):
                    return self._keys
                self._stamp, self._keys = stamp, keys
            return self._keys

    def _look(self) -> Stamp:
        return stamp_of_files(*keystore().paths(self._folder))


class _Wraps(Mapping[str, PrivateKey]):
    """The wrap keys that are at hand when one is asked for, by kid."""

    def __init__(self, own: FolderKeys) -> None:
        self._own = own

    def __getitem__(self, kid: str) -> PrivateKey:
        return wrap_keys_of(self._own.now())[kid]

    def __iter__(self) -> Iterator[str]:
        return iter(wrap_keys_of(self._own.now()))

    def __len__(self) -> int:
        return len(wrap_keys_of(self._own.now()))


def check_both(keys: Keys) -> None:
    """There are signing keys of both kinds among these; raises IntegrityError (code `config-invalid`)."""
    algs = {key.alg.startswith("ML-DSA") for use, key in keys if use == KeyUse.SIGN}
    if algs != {True, False}:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected at least one classical and one post-quantum signing key, found none of one kind or of both.",
            advice="Put the agency's current two into the keys folder; `setu keys list` shows what is there.",
        )
