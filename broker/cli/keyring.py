"""Key files of a deployment: which there are, and how they are named."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from broker.assembly.deny import deny_use
from broker.assembly.hsm import Maker
from broker.assembly.keystore import keystore
from broker.crypto.keyfile import write_key
from broker.crypto.keys import PrivateKey, generate
from broker.crypto.suites import SUITES
from broker.directory.roles import WRAP
from broker.errors import IntegrityError
from schemas.deny import OPERATOR as DENY_OPERATOR
from schemas.directory import KeyUse
from schemas.packet import SuiteName
from schemas.problem import Code

SUFFIX = ".key"
CLASSICAL, POST_QUANTUM = "Ed25519", "ML-DSA-65"
IN_HSM = ("Ed25519", "ES384")
"""Algorithms of keys that an HSM can hold by PKCS #11."""

Random = Callable[[int], bytes]
Made = tuple[str, KeyUse, PrivateKey]
Share = tuple[Sequence[PrivateKey], Sequence[PrivateKey]]
"""A country's root keys and targets keys."""


def write_agency_keys(
    folder: Path, suite: SuiteName, random: Random = os.urandom, *, wrap: bool = True, token: Maker | None = None
) -> list[Made]:
    """The two signing keys and the wrap key of an agency: (file name, use, key) each. `wrap`: False for a gateway,
    whose wrap keys change each day.

    token: makes the classical key in an HSM, whose file then says where it is; so with the others below.

    Raises:
        IntegrityError: code `config-invalid`; there is a file of that name, and none was written.
    """
    algorithms = SUITES[suite]
    wanted = [(key_name("sign", alg), KeyUse.SIGN, alg) for alg in algorithms.signatures]
    if wrap:
        wanted.append((key_name("wrap"), KeyUse.WRAP, algorithms.wrap))
    return _write(folder, wanted, random, token)


def write_log_keys(folder: Path, random: Random = os.urandom, *, token: Maker | None = None) -> list[Made]:
    """The two keys a ledger signs its heads with; raises as `write_agency_keys`."""
    names = [(key_name("log", alg), KeyUse.LOG, alg) for alg in ("Ed25519", "ML-DSA-44")]
    return _write(folder, names, random, token)


def write_country_keys(
    folder: Path,
    country: str,
    random: Random = os.urandom,
    *,
    only_missing: bool = False,
    token: Maker | None = None,
) -> Share:
    """A country's four root keys and two targets keys; `only_missing`: those that are there are read, not made.

    Raises:
        IntegrityError: code `config-invalid`; there is a file of that name, and none was written.
    """
    root = [(key_name("root", country, alg, n), alg) for alg in (CLASSICAL, POST_QUANTUM) for n in ("1", "2")]
    targets = [(key_name("targets", country, alg), alg) for alg in (CLASSICAL, POST_QUANTUM)]
    if not only_missing:
        _check_free(folder, [name for name, _ in root + targets])
    return _signers(folder, "root", root, random, token), _signers(folder, "targets", targets, random, token)


def write_operator_keys(
    folder: Path, random: Random = os.urandom, *, token: Maker | None = None
) -> tuple[PrivateKey, PrivateKey]:
    """The operator's keys for snapshot and timestamp; raises as `write_country_keys`."""
    _check_free(folder, [key_name("snapshot"), key_name("timestamp")])
    (snapshot,) = _signers(folder, "snapshot", [(key_name("snapshot"), CLASSICAL)], random, token)
    (timestamp,) = _signers(folder, "timestamp", [(key_name("timestamp"), CLASSICAL)], random, token)
    return snapshot, timestamp


def write_deny_keys(
    folder: Path, name: str, random: Random = os.urandom, *, token: Maker | None = None
) -> Sequence[PrivateKey]:
    """The keys that sign a deny list: a country's two (`name`: its alpha-3), or the operator's one."""
    algs = (CLASSICAL,) if name == DENY_OPERATOR else (CLASSICAL, POST_QUANTUM)
    return _signers(folder, deny_use(name), [(key_name("deny", name, alg), alg) for alg in algs], random, token)


def write_wrap_signers(folder: Path, gateway: str, random: Random = os.urandom) -> Sequence[PrivateKey]:
    """The two keys that sign a gateway's wrap keys."""
    role = WRAP + gateway
    return _signers(folder, role, [(f"{role}-{key_name(alg)}", alg) for alg in (CLASSICAL, POST_QUANTUM)], random, None)


def spoken(digest: bytes) -> str:
    """A digest in hex, in groups of four, to be compared by voice."""
    text = digest.hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def fingerprint_of(vkey: str) -> str:
    """What people compare of a log's verifier key: SHA-256 of its whole line, for voice."""
    return spoken(hashlib.sha256(vkey.encode("ascii")).digest())


def _signers(
    folder: Path, use: str, wanted: list[tuple[str, str]], random: Random, token: Maker | None
) -> list[PrivateKey]:
    made: list[PrivateKey] = []
    for name, alg in wanted:
        if (folder / name).exists():
            made.append(keystore().key(folder / name, use))
            continue
        key = _new(name, alg, random, token)
        write_key(folder / name, key, use)
        made.append(key)
    return made


def _new(name: str, alg: str, random: Random, token: Maker | None) -> PrivateKey:
    return generate(alg, random) if token is None or alg not in IN_HSM else token(alg, name.removesuffix(SUFFIX))


def key_name(*parts: str) -> str:
    """`sign-ed25519.key`, `log-mldsa44.key`, `root-in-mldsa65-2.key`."""
    return "-".join(part.lower().replace("-", "") for part in parts) + SUFFIX


def _write(folder: Path, wanted: list[tuple[str, KeyUse, str]], random: Random, token: Maker | None) -> list[Made]:
    _check_free(folder, [name for name, _, _ in wanted])
    made = [(name, use, _new(name, alg, random, token)) for name, use, alg in wanted]
    for name, use, key in made:
        write_key(folder / name, key, use)
    return made


def _check_free(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if (folder / name).exists():
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected no file at {folder / name}, found one.",
                advice="Name another folder; a key is never overwritten.",
            )
