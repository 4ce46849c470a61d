"""Recipe step 1: exactly these members, canonical unpadded base64url, exact sizes. One error type, with a pointer."""

from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from pydantic import ValidationError

from broker.crypto.suites import ENCRYPTED_KEY_SIZE, IV_SIZE, TAG_SIZE
from broker.errors import MalformedError
from schemas.canonical import (
    MalformedBase64Error,
    MalformedJsonError,
    b64u,
    canonical,
    check_b64u,
    known_b64u,
    parse,
)
from schemas.packet import MAX_RECIPIENTS, Jwe
from schemas.problem import Code

JWE_PROTECTED = b64u(canonical({"enc": "A256GCM", "typ": "setu1+jwe"}))
KID_SIZE = 32
_JWE = frozenset({"protected", "aad", "iv", "ciphertext", "tag", "recipients"})
_RECIPIENT = frozenset({"header", "encrypted_key"})
_RECIPIENT_HEADER = frozenset({"alg", "kid", "ek"})


class Wrap(NamedTuple):
    """A recipient's wrap as received: strings of canonical base64url."""

    alg: str
    kid: str
    ek: str
    encrypted_key: str


class JweText(NamedTuple):
    """A JWE as received: strings of canonical base64url. Not the schema's model, which costs more than reading it."""

    protected: str
    aad: str
    iv: str
    ciphertext: str
    tag: str
    wraps: tuple[Wrap, ...]


def text_of(jwe: Jwe) -> JweText:
    """The same of a model, for who makes one."""
    return JweText(
        jwe.protected,
        jwe.aad,
        jwe.iv,
        jwe.ciphertext,
        jwe.tag,
        tuple(Wrap(each.header.alg, each.header.kid, each.header.ek, each.encrypted_key) for each in jwe.recipients),
    )


def read_json(raw: bytes) -> Any:
    """Parse the outer JSON.

    Raises:
        MalformedError: code `json-invalid`.
    """
    try:
        return parse(raw)
    except MalformedJsonError as error:
        raise MalformedError(Code.JSON_INVALID, _sentence(error)) from None


def read_inner_json(raw: bytes, pointer: str) -> Any:
    """Parse JSON that travels inside the envelope as base64url.

    Raises:
        MalformedError: code `envelope-invalid`.
    """
    try:
        return parse(raw)
    except MalformedJsonError as error:
        raise malformed(pointer, str(error)) from None


def malformed(pointer: str, what: str) -> MalformedError:
    return MalformedError(
        Code.ENVELOPE_INVALID, _sentence(what), advice="Build the envelope as the format says.", pointer=pointer
    )


def not_the_schema(error: ValidationError, what: str) -> MalformedError:
    """The first fault pydantic found, with its pointer; the name of an unknown member is input and left out."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    at = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
    pointer = "".join(f"/{step}" for step in at)
    return MalformedError(
        Code.SCHEMA,
        f"Expected {what} of the schema, found: {first['msg']}.",
        advice="Correct this member and seal anew.",
        pointer=pointer,
    )


def check_no_null(raw: bytes, fields: object, what: str) -> None:
    """An absent member is left out; null is a second spelling of the same, which the models would read as absent.

    Raises:
        MalformedError: code `schema`.
    """
    if b"null" in raw and _holds_null(fields):
        raise MalformedError(
            Code.SCHEMA,
            f"Expected {what} without null, found one.",
            advice="Leave out members that are absent.",
        )


def is_canonical(value: object, raw: bytes) -> bool:
    """Are these the RFC 8785 bytes of a value that was parsed? A value that has none is not."""
    try:
        return canonical(value) == raw
    except ValueError:
        return False


def members(value: object, names: AbstractSet[str], pointer: str) -> dict[str, Any]:
    """The object, if it has exactly these members."""
    if not isinstance(value, dict) or value.keys() != names:
        raise malformed(
            pointer, f"expected an object with exactly the members {', '.join(sorted(names))}, found another"
        )
    return value


def text(value: object, pointer: str, size: int | None = None) -> str:
    """The string, if it is canonical base64url, of `size` bytes."""
    if not isinstance(value, str):
        raise malformed(pointer, "expected a string, found something else")
    try:
        check_b64u(value, size)
    except MalformedBase64Error as error:
        raise malformed(pointer, str(error)) from None
    return value


def decoded(value: object, pointer: str, size: int | None = None) -> bytes:
    return known_b64u(text(value, pointer, size))


def read_jwe(value: object) -> JweText:
    """The JWE, with all sizes that do not depend on the suite checked.

    Raises:
        MalformedError: code `envelope-invalid`.
    """
    jwe = members(value, _JWE, "/jwe")
    if jwe["protected"] != JWE_PROTECTED:
        # There is one protected header, so zip, PBES2 or another enc is not interpreted but simply another text.
        raise malformed("/jwe/protected", 'expected the JCS of {"enc":"A256GCM","typ":"setu1+jwe"}, found another')
    recipients = jwe["recipients"]
    if not isinstance(recipients, list) or not 1 <= len(recipients) <= MAX_RECIPIENTS + 1:
        raise malformed("/jwe/recipients", f"expected 1 to {MAX_RECIPIENTS} recipients and the gateway, found another")
    return JweText(
        JWE_PROTECTED,
        text(jwe["aad"], "/jwe/aad"),
        text(jwe["iv"], "/jwe/iv", IV_SIZE),
        text(jwe["ciphertext"], "/jwe/ciphertext"),
        text(jwe["tag"], "/jwe/tag", TAG_SIZE),
        tuple(_wrap(each, f"/jwe/recipients/{n}") for n, each in enumerate(recipients)),
    )


def _wrap(value: object, pointer: str) -> Wrap:
    recipient = members(value, _RECIPIENT, pointer)
    header = members(recipient["header"], _RECIPIENT_HEADER, f"{pointer}/header")
    if not isinstance(header["alg"], str):
        raise malformed(f"{pointer}/header/alg", "expected the name of the suite's key wrap, found something else")
    return Wrap(
        header["alg"],
        text(header["kid"], f"{pointer}/header/kid", KID_SIZE),
        text(header["ek"], f"{pointer}/header/ek"),
        text(recipient["encrypted_key"], f"{pointer}/encrypted_key", ENCRYPTED_KEY_SIZE),
    )


def _holds_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_holds_null, value)))


def _sentence(what: object) -> str:
    told = str(what)
    return f"{told[:1].upper()}{told[1:]}."
