"""The key files of a log in a gateway's keys folder: making a new pair beside those in use, destroying a former one."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.assembly.keys import CURSOR, cursor_key, log_pairs_of
from broker.assembly.keystore import keystore
from broker.crypto.keyfile import GOING, destroy
from broker.crypto.keys import PrivateKey, SeedKey
from broker.crypto.keystore import KeyStore
from broker.errors import IntegrityError
from broker.merkle.note import ED25519, MLDSA44, LogSigner, VerifierKey
from schemas.directory import KeyUse, Log, LogPair
from schemas.problem import Code

NUMBERED = {"Ed25519": "log-ed25519-{}.key", "ML-DSA-44": "log-mldsa44-{}.key"}
CURSORS = "cursor-{}.key"
_TYPES = {"Ed25519": ED25519, "ML-DSA-44": MLDSA44}


@dataclass(frozen=True, slots=True)
class LogFile:
    path: Path
    key: PrivateKey
    vkey: str


def staged(folder: Path, log: Log, keys: KeyStore | None = None) -> LogSigner | None:
    """The pair here that the directory does not name yet.

    Raises:
        IntegrityError: code `config-invalid`; there are further log keys that are no one pair.
    """
    keys = keys or keystore()
    files = list(_files(folder, log, keys))
    held = log_pairs_of([(KeyUse.LOG, each.key) for each in files], log)
    listed = {key for pair in log.pairs for key in (pair.ed25519, pair.mldsa44)}
    strange = [each.path.name for each in files if each.vkey not in listed]
    found = [each for each in held if each.pair not in _bare(log.pairs)]
    if strange and not found:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected no log keys beside those of the directory, or one new pair, found {', '.join(strange)}.",
            advice="Move away those that no gateway uses; keep a pair that is on its way into the directory. A single "
            "new file is what is left of a run that was stopped: remove it, and run it again.",
        )
    return found[0] if found else None


def make_pair(folder: Path, log: Log, random: Callable[[int], bytes], keys: KeyStore | None = None) -> LogSigner:
    """A new pair in numbered files, each kept as the current one of its kind is: sealed, or in the same token.

    Raises:
        IntegrityError: code `config-invalid`. UnavailableError: the token does not answer.
    """
    keys = keys or keystore()
    number = next(n for n in itertools.count(2) if not any((folder / f.format(n)).exists() for f in NUMBERED.values()))
    paths = {alg: folder / name.format(number) for alg, name in NUMBERED.items()}
    current = {"Ed25519": log.ed25519, "ML-DSA-44": log.mldsa44}
    beside = {alg: _beside(folder, log, vkey, keys) for alg, vkey in current.items()}
    made = {alg: keys.successor(beside[alg], alg, path.stem, random) for alg, path in paths.items()}
    for alg, key in made.items():
        keys.write_beside(beside[alg], paths[alg], key, KeyUse.LOG)
    return LogSigner(log.origin, made["Ed25519"], made["ML-DSA-44"])


@dataclass(frozen=True, slots=True)
class Ended:
    """Files of former pairs that sign no more: those destroyed, and credentials, which only a unit can take away. Keys
    in an HSM, of which only the files are gone: only its own tools destroy them.
    """

    destroyed: list[Path]
    granted: list[Path]
    in_hsm: list[str]


def destroy_ended(folder: Path, log: Log, keys: KeyStore | None = None) -> Ended:
    """Destroy the private halves of former pairs that sign no more.

    What cursors were signed with is kept, so that whoever stands at one is at no loss; also of a compromised pair, for
    a cursor only says where in its own topic an agency stands. Raises IntegrityError (code `config-invalid`).
    """
    keys = keys or keystore()
    files = _ended(folder, log, keys)
    for each in files:
        if each.key.alg == "Ed25519":
            _keep_cursors(folder, log, each.key, keys)
    own = [each.path for each in files if each.path.parent == folder]
    there = [str(place) for each in files if (place := keys.place(each.path)) is not None]
    for path in (*folder.glob(f".log-*{GOING}"), *own):
        destroy(path)
    return Ended(own, [each.path for each in files if each.path.parent != folder], there)


def unfinished(folder: Path, log: Log, keys: KeyStore | None = None) -> list[Path]:
    """Files in the folder of former pairs that sign no more, which were to be destroyed; raises as `destroy_ended`."""
    return [each.path for each in _ended(folder, log, keys or keystore()) if each.path.parent == folder]


def _ended(folder: Path, log: Log, keys: KeyStore) -> list[LogFile]:
    ended = {key for pair in log.former or () if pair.size is not None for key in (pair.ed25519, pair.mldsa44)}
    return [each for each in _files(folder, log, keys) if each.vkey in ended]


def _keep_cursors(folder: Path, log: Log, key: PrivateKey, keys: KeyStore) -> None:
    kept = SeedKey("Ed25519", cursor_key(key))
    for path in folder.glob(CURSORS.format("*")):
        if keys.key(path, CURSOR).public == kept.public:
            return
    number = next(n for n in itertools.count(1) if not (folder / CURSORS.format(n)).exists())
    keys.write_beside(_beside(folder, log, log.ed25519, keys), folder / CURSORS.format(number), kept, CURSOR)


def _beside(folder: Path, log: Log, vkey: str, keys: KeyStore) -> Path:
    for each in _files(folder, log, keys):
        if each.vkey == vkey:
            return each.path
    raise IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected the log's current keys in {folder}, found none.",
        advice="Run it where the gateway's keys folder is.",
    )


def _files(folder: Path, log: Log, keys: KeyStore) -> Iterator[LogFile]:
    for path in keys.paths(folder, "log-*.key"):
        use, key = keys.key_with_use(path)
        if use == KeyUse.LOG:
            yield LogFile(path, key, str(VerifierKey(log.origin, _TYPES[key.alg], key.public)))


def _bare(pairs: Sequence[LogPair]) -> list[LogPair]:
    return [LogPair(ed25519=each.ed25519, mldsa44=each.mldsa44) for each in pairs]
