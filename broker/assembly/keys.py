"""Key files as a deployment holds them, sorted by use."""

from collections.abc import Mapping
from pathlib import Path

from broker.assembly.keystore import keystore
from broker.crypto.keys import PrivateKey
from broker.envelope.jws import Signer
from broker.errors import IntegrityError
from broker.merkle.note import ED25519, MLDSA44, LogSigner, VerifierKey
from schemas.directory import KeyUse, Log
from schemas.problem import Code

CURSOR_LABEL = b"setu1.cursor-key"
CURSOR = "cursor"
"""The use of a key file with what a former pair's cursors were signed with; the pair itself was destroyed."""

_TYPES = {"Ed25519": ED25519, "ML-DSA-44": MLDSA44}

Keys = list[tuple[str, PrivateKey]]
"""(use, key)."""


def keys_in(folder: Path) -> Keys:
    """(use, key) of each `*.key` file in a folder, and among the credentials of those that are not in it.

    Raises IntegrityError (code `config-invalid`).
    """
    return list(keystore().keys_in(folder))


def signer_of(keys: Keys) -> Signer:
    """The two signing keys among these; raises IntegrityError (code `config-invalid`)."""
    signing = {key.alg: key for use, key in keys if use == KeyUse.SIGN}
    classical = [key for alg, key in signing.items() if alg in ("Ed25519", "ES384")]
    quantum = [key for alg, key in signing.items() if alg.startswith("ML-DSA")]
    if len(classical) != 1 or len(quantum) != 1:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected one classical and one post-quantum signing key, found another number.",
            advice="Keep exactly the current two in the keys folder; `setu keys list` shows them.",
        )
    return Signer(classical[0], quantum[0])


def wrap_keys_of(keys: Keys) -> Mapping[str, PrivateKey]:
    """The wrap keys among these, by kid."""
    return {key.public.kid: key for use, key in keys if use == KeyUse.WRAP}


def log_pairs_of(keys: Keys, log: Log) -> tuple[LogSigner, ...]:
    """The pairs of log keys among these: those that the row names, and one that it does not name yet, where there is
    exactly one further key of each algorithm.
    """
    found = {str(VerifierKey(log.origin, _TYPES[key.alg], key.public)): key for use, key in keys if use == KeyUse.LOG}
    held = []
    for each in log.pairs:
        classical, quantum = found.pop(each.ed25519, None), found.pop(each.mldsa44, None)
        if classical is not None and quantum is not None:
            held.append(LogSigner(log.origin, classical, quantum))
    further = {alg: [key for key in found.values() if key.alg == alg] for alg in _TYPES}
    if all(len(each) == 1 for each in further.values()):
        held.append(LogSigner(log.origin, *(each[0] for each in further.values())))
    return tuple(held)


def cursor_key(log_key: PrivateKey) -> bytes:
    """What cursors are signed with: the same wherever the log's key is, in the same form; raises as `derive`."""
    return log_key.derive(CURSOR_LABEL)


def pinned_root(root: Path) -> bytes:
    """The first root's bytes, which name the realm; raises IntegrityError (code `config-invalid`)."""
    try:
        return root.read_bytes()
    except OSError:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected the pinned root of the realm at {root}, found none that can be read.",
            advice="Put the root there that both countries compared by voice. A realm that is not founded yet has none "
            "before `setu realm publish`.",
        ) from None
