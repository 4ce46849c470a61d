"""Private keys sealed with a passphrase: scrypt (RFC 7914) and AES-256-GCM, in one small JSON file.

What an attacker who has the file gains: as many guesses at the passphrase as it pays for, each 128 MiB and some tenths
of a second; and what `about` says in clear, which is public.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from broker.crypto.suites import CONTENT_KEY_SIZE, IV_SIZE
from broker.errors import IntegrityError
from schemas.canonical import MalformedBase64Error, MalformedJsonError, b64u, canonical, parse, unb64u
from schemas.problem import Code

FORMAT = "setu1.sealed"
COST = 2**17
"""scrypt's N, with r = 8 and p = 1: 128 MiB."""

LEAST, MOST = 2**10, 2**20
SALT_SIZE = 16
SHORTEST = 12
"""Characters of a passphrase that is chosen now."""

_BEGINS = b'{"about":'
_MEMBERS = {"v", "about", "kdf", "iv", "sealed"}


class Passphrase:
    """A passphrase that is asked for when it is first needed, and what it derives for each salt.

    `ask`: returns it, or raises IntegrityError (code `config-invalid`).
    """

    def __init__(self, ask: Callable[[], bytes]) -> None:
        self._ask = ask
        self._said: bytes | None = None
        self._derived: dict[tuple[int, bytes], bytes] = {}

    def asked(self) -> "Passphrase":
        """Itself, asked for now: before anything is written that it is to seal. Raises as `ask` does."""
        self._words()
        return self

    def key(self, cost: int, salt: bytes) -> bytes:
        if (cost, salt) not in self._derived:
            made = Scrypt(salt=salt, length=CONTENT_KEY_SIZE, n=cost, r=8, p=1).derive(self._words())
            self._derived[cost, salt] = made
        return self._derived[cost, salt]

    def _words(self) -> bytes:
        if self._said is None:
            self._said = self._ask()
        return self._said

    def __repr__(self) -> str:
        return "Passphrase(hidden)"


def is_sealed(raw: bytes) -> bool:
    return raw.startswith(_BEGINS)


def seal(
    plain: bytes,
    about: Mapping[str, str],
    passphrase: Passphrase,
    salt: bytes,
    *,
    random: Callable[[int], bytes],
    cost: int = COST,
) -> bytes:
    """The sealed file. `about` stays in clear and is bound to it; `salt` may be one for all files of a folder."""
    iv = random(IV_SIZE)
    head = {
        "v": FORMAT,
        "about": dict(about),
        "kdf": {"name": "scrypt", "n": cost, "r": 8, "p": 1, "salt": b64u(salt)},
        "iv": b64u(iv),
    }
    sealed = AESGCM(passphrase.key(cost, salt)).encrypt(iv, plain, canonical(head))
    return canonical({**head, "sealed": b64u(sealed)}) + b"\n"


def unseal(raw: bytes, passphrase: Passphrase, where: str) -> bytes:
    """What was sealed; `where` names the file in what is said.

    Raises:
        IntegrityError: code `config-invalid`; not such a file, changed, or another passphrase.
    """
    head, cost, salt = _read(raw, where)
    try:
        iv, sealed = unb64u(head["iv"], IV_SIZE), unb64u(head.pop("sealed"))
    except (MalformedBase64Error, TypeError, AttributeError):
        raise _no_sealed_key(where) from None
    try:
        return AESGCM(passphrase.key(cost, salt)).decrypt(iv, sealed, canonical(head))
    except InvalidTag:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected {where} to open with the passphrase, found that it does not.",
            advice="Give the passphrase it was sealed with, or restore the file from its backup.",
        ) from None


def seal_like(
    other: bytes,
    plain: bytes,
    about: Mapping[str, str],
    passphrase: Passphrase,
    where: str,
    random: Callable[[int], bytes],
) -> bytes:
    """Seal as the sealed file `other` is: by the same passphrase, cost and salt. Raises as `unseal`."""
    _, cost, salt = _read(other, where)
    unseal(other, passphrase, where)
    return seal(plain, about, passphrase, salt, random=random, cost=cost)


def about_of(raw: bytes, where: str) -> dict[str, str]:
    """What a sealed file says in clear; nothing vouches for it until it was unsealed. Raises as `unseal`."""
    about = _read(raw, where)[0]["about"]
    if not isinstance(about, dict) or not all(isinstance(each, str) for each in about.values()):
        raise _no_sealed_key(where)
    return about


def _read(raw: bytes, where: str) -> tuple[dict[str, Any], int, bytes]:
    try:
        head: Any = parse(raw)
        if not isinstance(head, dict) or head.keys() != _MEMBERS or head["v"] != FORMAT:
            raise _no_sealed_key(where)
        kdf: Any = head["kdf"]
        salt = unb64u(kdf["salt"], SALT_SIZE)
        cost = kdf["n"]
        if kdf != {"name": "scrypt", "n": cost, "r": 8, "p": 1, "salt": kdf["salt"]} or type(cost) is not int:
            raise _no_sealed_key(where)
    except (MalformedJsonError, MalformedBase64Error, TypeError, AttributeError, KeyError):
        raise _no_sealed_key(where) from None
    # A file that somebody changed must not make the program ask for all the memory there is.
    if not LEAST <= cost <= MOST or cost & (cost - 1):
        raise _no_sealed_key(where)
    return head, cost, salt


def _no_sealed_key(where: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected a sealed key ({FORMAT}) at {where}, found another content.",
        advice="Restore it from its backup.",
    )
