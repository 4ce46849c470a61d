"""The log keys of a running process: those in its keys folder, by the directory's row in force; both may change."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from broker.assembly.keys import CURSOR, cursor_key, keys_in, log_pairs_of
from broker.assembly.keystore import keystore
from broker.crypto.keyfile import Stamp, stamp_of_files
from broker.crypto.keys import SeedKey
from broker.directory.lookup import Snapshot
from broker.errors import SetuError
from broker.merkle.note import LogSigner
from broker.merkle.signers import LogSigners, id_of
from schemas.directory import Log

_log = logging.getLogger(__name__)


class LogKeys:
    """Args:
        folder: the keys folder. gateway: whose log it is. log: its row in force.
        shared: other processes write this log too.

    Raises:
        IntegrityError: code `config-invalid`; a key file is none, or the current pair is not there.
    """

    def __init__(self, folder: Path, gateway: str, log: Log, *, shared: bool = False) -> None:
        self._folder = folder
        self._gateway = gateway
        self._row = log
        self._shared = shared
        self._stamp = self._now()
        self._cursors: tuple[bytes, ...] = ()
        self.signers = LogSigners(log, self._read(log))

    def look(self) -> None:
        """Read the folder again where a key file in it came, went or changed. One that cannot be read yet, or a folder
        without the current pair, leaves what signs as it was; it is read again at the next look.
        """
        stamp = self._now()
        if stamp == self._stamp:
            return
        try:
            self.signers.take(self._read(self._row))
        except SetuError as error:
            _log.warning("log keys not read again", extra={"code": error.code, "found": error.message})
            return
        self._stamp = stamp

    def adopting(self, snapshot: Snapshot) -> Callable[[], None]:
        """Before a directory version comes in force here: from now on sign as both want it. Returns what to call once
        it is in force.

        Raises:
            IntegrityError: code `config-invalid`; it makes a pair the current one that is not here, so this process
                must not go by it; where others may, it signs nothing until it does. Code `directory-invalid`: it has no
                row for this log.
            UnavailableError: the token of one of its keys does not answer; as before.
        """
        log = snapshot.log(self._gateway)
        try:
            if not any(each.vkeys == (log.ed25519, log.mldsa44) for each in self.signers.held):
                self._stamp = self._now()
                self.signers.take((*self._read(log), *self.signers.held))
            self.signers.widen(log)
        except SetuError as error:
            # An HSM that does not answer, too: under the pair before alone it may sign what counts for nobody.
            if self._shared:
                self.signers.withhold(error.advice or error.message)
            raise

        def in_force() -> None:
            self._row = log
            self.signers.go_by(log)

        return in_force

    def cursor_keys(self) -> Sequence[bytes]:
        """What cursors are signed with, and after the first what those were that are still good."""
        own = [cursor_key(each.ed25519) for each in (self.signers.signing[0], *self.signers.held)]
        return list(dict.fromkeys((*own, *self._cursors)))

    def names(self) -> list[str]:
        """The pairs that sign now, the current one first."""
        return [id_of(each.pair) for each in self.signers.signing]

    def _read(self, log: Log) -> tuple[LogSigner, ...]:
        keys = keys_in(self._folder)
        held = log_pairs_of(keys, log)
        self._cursors = tuple(key.seed() for use, key in keys if use == CURSOR and isinstance(key, SeedKey))
        return held

    def _now(self) -> Stamp:
        return stamp_of_files(*keystore().paths(self._folder))
