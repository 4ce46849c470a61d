"""What this process was started with to reach an HSM: the library of its maker, and a PIN."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from broker.assembly.asking import PIN, ask, source
from broker.crypto.keys import PrivateKey
from broker.crypto.place import parse_place
from broker.errors import IntegrityError
from schemas.problem import Code

if TYPE_CHECKING:
    from broker.crypto.hsm import Tokens

MODULE = "SETU_PKCS11_MODULE"
"""The whole path of the HSM's PKCS #11 library. It stands in no key file: a file must not say what code is loaded."""

Maker = Callable[[str, str], PrivateKey]
"""(algorithm, label) -> a new key in a token."""


def opened() -> "Tokens":
    """The same for the whole process: a library is initialised once, and a person asked once for each token's PIN.

    Raises:
        IntegrityError: code `config-invalid`; no library is named, or python-pkcs11 is not installed.
    """
    return _opened(os.environ.get(MODULE), os.environ.get("CREDENTIALS_DIRECTORY"), os.environ.get(PIN.descriptor))


def maker(uri: str) -> Maker:
    """Makes keys in the token of a PKCS #11 URI; raises as `opened` and `parse_place`, what it returns as `generate`.

    Where the URI has an object, that stands before the label of each key, as in `us-dea/sign-ed25519`.
    """
    place = parse_place(uri)
    prefix = f"{place.object}/" if place.object is not None else ""
    tokens = opened()
    return lambda alg, label: tokens.generate(alg, place, prefix + label)


@lru_cache(maxsize=1)
def _opened(module: str | None, credentials: str | None, descriptor: str | None) -> "Tokens":
    if module is None:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected the HSM's PKCS #11 library in {MODULE}, found none named.",
            advice="Set it to the whole path, such as /usr/lib/softhsm/libsofthsm2.so.",
        )
    try:
        # Imported where it is wanted: who has no HSM needs no binding to it.
        from broker.crypto.hsm import Tokens  # noqa: PLC0415
    except ImportError:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected python-pkcs11, by which keys in an HSM are reached, found that it is not installed.",
            advice="Install it with make install-hsm, or setu-broker with its extra `hsm`.",
        ) from None
    pin = source(PIN, Path(credentials) if credentials else None, descriptor)
    if pin is not None:
        return Tokens(Path(module), lambda _: pin())
    return Tokens(Path(module), lambda token: ask(f"PIN of the token {token}", secret=PIN))
