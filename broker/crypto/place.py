"""Where a key is in an HSM: PKCS #11 URIs (RFC 7512), of which only what names a token and an object is taken.

A URI may also name a library to load, or say a secret. Whoever writes a key file must do neither.
"""

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote_from_bytes, unquote_to_bytes

from broker.errors import IntegrityError
from schemas.problem import Code

_SCHEME = "pkcs11:"
_LONGEST = 1024
# unreserved, pk11-res-avail and "&" of RFC 7512, section 2.3
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})+")
_SAFE = ":[]@!$'()*+,=&"
_CODE = frozenset({"module-path", "module-name"})
_SECRET = frozenset({"pin-value", "pin-source"})
_TAKEN = frozenset({"token", "serial", "object", "id", "type"})


@dataclass(frozen=True, slots=True)
class Place:
    """`token`, `serial`: of the token; `object`: the key's CKA_LABEL, `id` its CKA_ID."""

    token: str
    serial: str | None = None
    object: str | None = None
    id: bytes | None = None

    def __str__(self) -> str:
        parts = {"token": self.token, "serial": self.serial, "object": self.object}
        found = [f"{name}={quote_from_bytes(text.encode(), _SAFE)}" for name, text in parts.items() if text is not None]
        if self.id is not None:
            found.append("id=" + "".join(f"%{byte:02X}" for byte in self.id))
        return _SCHEME + ";".join(found)


def parse_place(text: str) -> Place:
    """A PKCS #11 URI with `token`, and of `serial`, `object`, `id` and `type=private` what there is.

    Raises:
        IntegrityError: code `config-invalid`; none, or it names a library, a secret, or what is not looked at here.
    """
    if not text.startswith(_SCHEME) or len(text) > _LONGEST:
        _refuse("a PKCS #11 URI (RFC 7512)", "another text")
    path, mark, query = text.removeprefix(_SCHEME).partition("?")
    _check_query(query.split("&") if mark else [])
    found: dict[str, bytes] = {}
    for part in path.split(";"):
        name, is_there, value = part.partition("=")
        _check_name(name)
        if not is_there or not _VALUE.fullmatch(value):
            _refuse(f"a value of `{name}` in the characters of RFC 7512", "another")
        if name in found:
            _refuse(f"`{name}` once", "it twice")
        found[name] = unquote_to_bytes(value)
    if found.pop("type", b"private") != b"private":
        _refuse("type=private, or no type", "another type")
    if "token" not in found:
        _refuse("a PKCS #11 URI that names a token", "none")
    try:
        texts = {name: value.decode("utf-8") for name, value in found.items() if name != "id"}
    except UnicodeDecodeError:
        _refuse("a PKCS #11 URI in UTF-8", "another encoding")
    return Place(texts["token"], texts.get("serial"), texts.get("object"), found.get("id"))


def _check_query(parts: list[str]) -> None:
    for part in parts:
        _check_name(part.partition("=")[0])
    if parts:
        _refuse("a PKCS #11 URI without a query", "one with it")


def _check_name(name: str) -> None:
    if name in _CODE:
        _refuse(
            "a PKCS #11 URI that names no library to load",
            f"`{name}`",
            "Take it out. Which module is loaded is said where the program runs, in SETU_PKCS11_MODULE.",
        )
    if name in _SECRET:
        _refuse(
            "a PKCS #11 URI that holds no PIN and no way to one",
            f"`{name}`",
            "Take it out, and change the PIN where it stood there. It is given in the credential setu-pin, behind "
            "SETU_PIN_FD or on the terminal.",
        )
    if name not in _TAKEN:
        _refuse("`token`, `serial`, `object`, `id` and `type` in a PKCS #11 URI", "another attribute")


def _refuse(expected: str, found: str, advice: str = "") -> NoReturn:
    raise IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected {expected}, found {found}.",
        advice=advice or "Write it like pkcs11:token=setu;object=sign-ed25519.",
    )
