"""Key files as a deployment holds them, sorted by use."""

from collections.abc import Mapping
from pathlib import Path

from broker.assembly.keystore import keystore
from broker.crypto.keys import PrivateKey
from broker.envelope.jws import Signer
from broker.errors import IntegrityError
from schemas.directory import KeyUse
from schemas.problem import Code

CURSOR_LABEL = b"setu1.cursor-key"

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


def log_keys_of(keys: Keys) -> Mapping[str, PrivateKey]:
    """The log's two keys by algorithm; raises IntegrityError (code `config-invalid`)."""
    found = {key.alg: key for use, key in keys if use == KeyUse.LOG}
    if found.keys() != {"Ed25519", "ML-DSA-44"}:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected an Ed25519 and an ML-DSA-44 log key, found others.",
            advice="Restore the gateway's keys folder; a log has the same two keys for life.",
        )
    return found


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
