"""The one object -> bytes encoder (RFC 8785) and the one strict bytes -> object parser.

Everything that is signed, hashed or compared goes through this module, so that two programs
that hold the same object always hold the same bytes, and a program that was sent other bytes
always notices.
"""

import base64
import binascii
import json
import math
import re
from typing import Any, NoReturn

import rfc8785
from pydantic_core import from_json, to_json

MAX_DEPTH = 32
MAX_DIGITS = 64
MAX_SAFE_INTEGER = 2**53 - 1
_LARGEST = 10**MAX_DIGITS
_LEAST = -(10 ** (MAX_DIGITS - 1))

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(rb"\\.", re.DOTALL)
_STRINGS = re.compile(rb'"[^"]*+"?')  # the closing quote optional: linear in time on any bytes
_NOT_STRUCTURE = bytes(sorted(set(range(256)) - set(b'"[]{}')))
_BRACKETS = re.compile(rb"[\[\]{}]")
_B64U = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_B64U_TO_B64 = bytes.maketrans(b"-_", b"+/")
_LAST = {2: "AQgw", 3: "AEIMQUYcgkosw048"}  # last characters whose spare bits are zero, by length modulo 4


class MalformedJsonError(ValueError):
    """The bytes are not the one strict JSON text this project reads. Never quotes the bytes."""


class MalformedBase64Error(ValueError):
    """The text is not canonical, unpadded base64url of the size asked for (RFC 4648, section 5)."""


def canonical(value: object) -> bytes:
    """Encode an object of JSON types as RFC 8785 canonical JSON (UTF-8).

    Raises:
        ValueError: the object holds something JSON has no form for, or an integer beyond 2^53 - 1.
    """
    if _is_plain(value):
        # With ASCII names, no floats and safe integers the standard encoder writes RFC 8785, at a fifth of the cost.
        return _ENCODER.encode(value).encode("utf-8")
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def parse(raw: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Parse one strict JSON text (RFC 8259), refusing all that two parsers could read differently.

    Refused: anything but UTF-8 without BOM, lone surrogates, duplicate member names, NaN and
    infinities (also by overflow), numbers of more than 64 characters, nesting deeper than
    `max_depth`, bytes after the end.

    Raises:
        MalformedJsonError: with what was expected and found, never with the input.
    """
    # Nearly all texts here are as machines write them. One that is the same bytes when it is read and written again has
    # no name twice (one would be lost), nothing around it, one spelling of everything: this way costs a third.
    try:
        value = from_json(raw, allow_inf_nan=False)
        if to_json(value) == raw and _is_modest(value, max_depth):
            return value
    except ValueError:
        pass
    return _parse_strictly(raw, max_depth)


def _parse_strictly(raw: bytes, max_depth: int) -> Any:
    if raw[:3] == b"\xef\xbb\xbf" or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise MalformedJsonError("expected UTF-8 without a byte order mark, found a byte order mark")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJsonError(f"expected UTF-8, found an invalid byte sequence at byte {error.start}") from None
    _check_depth(raw, max_depth)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"expected one JSON text, found: {error.msg} at character {error.pos}") from None
    if "\\u" in text and _SURROGATE.search(text):
        _check_surrogates(value)
    return value


def b64u(data: bytes) -> str:
    """Encode as base64url without padding (RFC 4648, section 5; RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def known_b64u(text: str) -> bytes:
    """Decode what `check_b64u` has passed, or a part of it that begins at a multiple of four."""
    return binascii.a2b_base64(text.encode("ascii").translate(_B64U_TO_B64) + b"=" * (-len(text) % 4))


def unb64u(text: str, size: int | None = None) -> bytes:
    """Decode canonical unpadded base64url; `size` is the exact number of bytes expected.

    Raises:
        MalformedBase64Error: padding, a foreign character, non-zero spare bits, or another size.
    """
    raw = _checked_b64u(text, size)
    return binascii.a2b_base64(raw.translate(_B64U_TO_B64) + b"=" * (-len(raw) % 4))


def check_b64u(text: str, size: int | None = None) -> None:
    """Check as `unb64u` does, without decoding.

    Raises:
        MalformedBase64Error: as `unb64u`.
    """
    _checked_b64u(text, size)


def _checked_b64u(text: str, size: int | None) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    if raw.translate(None, _B64U):
        raise MalformedBase64Error("expected unpadded base64url, found another character")
    spare = len(raw) % 4
    if spare == 1:
        raise MalformedBase64Error(f"expected base64url, found an impossible length of {len(raw)}")
    if spare and text[-1] not in _LAST[spare]:
        raise MalformedBase64Error("expected canonical base64url, found non-zero spare bits")
    if size is not None and len(raw) * 3 // 4 != size:
        raise MalformedBase64Error(f"expected {size} bytes as base64url, found {len(raw) * 3 // 4}")
    return raw


def _check_depth(raw: bytes, max_depth: int) -> None:
    if raw.count(b"[") + raw.count(b"{") <= max_depth:
        return
    if b"\\" in raw:
        raw = _ESCAPES.sub(b"", raw)
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", raw.translate(None, _NOT_STRUCTURE))):
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            raise MalformedJsonError(f"expected nesting of at most {max_depth}, found more")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJsonError("expected each member name once in an object, found one twice")
    return members


def _constant(_: str) -> NoReturn:
    raise MalformedJsonError("expected a finite number, found NaN or an infinity")


def _float(text: str) -> float:
    value = float(text)
    if len(text) > MAX_DIGITS or not math.isfinite(value):
        raise MalformedJsonError(f"expected a finite number of at most {MAX_DIGITS} characters, found another")
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise MalformedJsonError(f"expected a number of at most {MAX_DIGITS} characters, found {len(text)}")
    return int(text)


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedJsonError("expected Unicode text, found a lone surrogate") from None


def _is_modest(value: Any, depth: int) -> bool:
    """Of at most this depth, and without whole numbers of more digits than are read; for what `from_json` gave."""
    layer = [value]
    while layer:
        below: list[Any] = []
        for each in layer:
            kind = type(each)
            if kind is dict:
                below += each.values()
            elif kind is list:
                below += each
            elif kind is int and not _LEAST < each < _LARGEST:
                return False
            else:
                continue
            if not depth:
                return False
        layer = below
        depth -= 1
    return True


def _is_plain(value: object) -> bool:
    waiting: list[Any] = [value]
    for each in waiting:
        kind = type(each)
        if kind is str or kind is bool or each is None:
            continue
        if kind is dict:
            for name in each:
                if type(name) is not str or not name.isascii():
                    return False
            waiting += each.values()
        elif kind is list or kind is tuple:
            waiting += each
        elif kind is int:
            if not -MAX_SAFE_INTEGER <= each <= MAX_SAFE_INTEGER:
                return False
        elif not isinstance(each, str):
            return False
    return True


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_float, parse_int=_int)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
