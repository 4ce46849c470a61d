"""Whose signature counts: an agency's signing keys, by one version of the directory, at one time."""

from collections.abc import Callable

from broker.crypto.keys import PublicKey
from broker.directory.lookup import Snapshot
from broker.errors import SignatureError
from schemas.directory import KeyUse
from schemas.problem import Code


def keys_of(snapshot: Snapshot, agency: str, at: int) -> Callable[[str, str], PublicKey]:
    """Look-up of an agency's signing keys, valid at `at` (seconds UTC), by kid and algorithm. It raises SignatureError,
    code `key-unknown`.
    """

    def key(kid: str, alg: str) -> PublicKey:
        found = snapshot.key(kid, agency=agency, use=KeyUse.SIGN, at=at)
        if found.alg != alg:
            raise SignatureError(
                Code.KEY_UNKNOWN,
                "Expected a key of the suite's algorithm for this kid, found one of another.",
                advice="Sign with the two keys that the directory lists for the suite.",
            )
        return PublicKey.from_directory(found)

    return key
