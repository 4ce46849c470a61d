"""Which of an agency's own signing keys sign now: the newest that the directory in force lists.

While keys are rotated there are several. A program may hold the next ones before the directory has them, and the old
ones for as long as they are good; each time it signs, it goes by the directory that it holds at that moment.
"""

from collections.abc import Iterable
from typing import Protocol

from broker.crypto.keys import PrivateKey
from broker.directory.lookup import Snapshot
from broker.envelope.jws import Signer
from broker.errors import SignatureError
from schemas.directory import Key, KeyState, KeyUse
from schemas.problem import Code


class Signing(Protocol):
    """An agency's own signing keys. Safe to call from several threads."""

    def signer(self, snapshot: Snapshot, at: int) -> Signer:
        """The two keys to sign with at `at` (seconds UTC), by this directory.

        Raises:
            SignatureError: code `key-unknown`; there are none that it lists.
        """
        ...


class OnePair:
    """Always the same two keys: for a program that is given them, and leaves to the gateway whether they are good."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def signer(self, snapshot: Snapshot, at: int) -> Signer:
        del snapshot, at
        return self._signer


def newest_pair(own: Iterable[PrivateKey], snapshot: Snapshot, agency: str, at: int) -> Signer:
    """Of these keys the newest of each algorithm that the directory lists for the agency, active and within its dates.

    Raises:
        SignatureError: code `key-unknown`.
    """
    row = snapshot.agency(agency)
    listed = {key.kid: key for key in (() if row is None else row.keys) if _good(key, at)}
    found = sorted(
        ((listed[key.public.kid].not_before, key) for key in own if key.public.kid in listed), key=lambda each: each[0]
    )
    classical = [key for _, key in found if not key.alg.startswith("ML-DSA")]
    quantum = [key for _, key in found if key.alg.startswith("ML-DSA")]
    if not classical or not quantum:
        raise SignatureError(
            Code.KEY_UNKNOWN,
            f"Expected signing keys of {agency} here that directory version {snapshot.ref.version} lists as good now, "
            "found none of one kind or of both.",
            advice="Put the agency's current keys into its keys folder; `setu doctor` says what the directory lists.",
        )
    return Signer(classical[-1], quantum[-1])


def _good(key: Key, at: int) -> bool:
    return key.use is KeyUse.SIGN and key.state is KeyState.ACTIVE and key.not_before <= at < key.not_after
