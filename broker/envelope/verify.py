"""The verification recipe, steps 1 to 5, numbered as in schemas/spec/packet.md. Step 6 is the SDK's, 7 is open.py.

`parse` does all that needs neither keys nor a place in the world: what it returns is a packet of the format, whose
header is canonical, whose manifest is its own, and whose readers and wraps agree.
"""

from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import from_json

from broker.crypto.suites import SUITES, Suite
from broker.crypto.wrap import MAX_POINT, check_encapsulation
from broker.envelope.content import check_size, digest_of, manifest
from broker.envelope.jws import (
    PACKET_TYP,
    KeyOf,
    Signed,
    check_suite,
    evidence,
    read_signatures,
    verify_both,
)
from broker.envelope.shape import (
    JweText,
    check_no_null,
    malformed,
    members,
    not_the_schema,
    read_inner_json,
    read_json,
    read_jwe,
    text,
)
from broker.errors import PacketError
from schemas.canonical import b64u, canonical, known_b64u
from schemas.packet import MAX_RECIPIENTS, Header, Packet, SuiteName
from schemas.problem import Code

# The schema's own limits keep every header below this; more could only be many unknown members, each an error to tell.
_MAX_HEADER = 16_384

# The end of an encapsulated key's text, of whole groups, that surely holds its curve point.
_POINT_TEXT = 4 * (MAX_POINT // 3 + 1)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A packet whose shape holds; its signatures are not checked yet.

    `aad`, `manifest`: base64url strings as received. `digest`: the packet's. `evidence`: SHA-384 over its signatures,
    base64url. `hdr`: the header's canonical bytes.
    """

    raw: bytes = field(repr=False)
    jwe: JweText = field(repr=False)
    header: Header
    hdr: bytes = field(repr=False)
    aad: str = field(repr=False)
    manifest: str = field(repr=False)
    digest: str
    evidence: str
    signed: tuple[Signed, Signed] = field(repr=False)

    @property
    def packet(self) -> Packet:
        """The schema's model, made when it is asked for: it costs as much as all the checks."""
        return Packet.model_validate_json(self.raw)


def parse(raw: bytes) -> Parsed:
    """Steps 1, 2, 3 but for the audience, and 5.

    Raises:
        MalformedError: `json-invalid`, `envelope-invalid`, or `schema` with a pointer into the header.
        SignatureError: `signature-invalid` for signatures missing, of another algorithm or typ, or with extensions;
            `key-unknown` for a key named in any way but by the kid in the header's `sig`.
    """
    # 1. Shape: exactly these members, canonical unpadded base64url, exact sizes.
    outer = members(read_json(raw), {"jwe", "jws"}, "")
    jwe = read_jwe(outer["jwe"])
    payload, signed = _read_jws(outer["jws"])

    # 2. MAN recomputed from the received strings equals the signed payload.
    man = manifest(jwe)
    if b64u(man) != payload:
        raise malformed("/jws/payload", "expected the manifest of this JWE, found another payload")

    # 3. HDR parses and is canonical; the signatures' algorithms are the suite's two, in order, their kids are `sig`.
    header, hdr = _read_header(jwe.aad)
    suite = SUITES[header.suite]
    check_suite(signed, suite, header.sig, "/jws/signatures")

    # 1. again: the sizes that the suite sets.
    check_size(len(jwe.ciphertext) * 3 // 4)
    _check_wraps(jwe, suite)

    # 5. `to` and `recipients` agree one to one, in order; no agency twice.
    check_readers(header)
    _check_agreement(header, jwe)
    return Parsed(raw, jwe, header, hdr, jwe.aad, payload, digest_of(man), evidence(signed), signed)


def check_audience(parsed: Parsed, *, realm: str, gateway: str, suite: SuiteName) -> None:
    """Step 3, the rest: `aud` is mine and `suite` is the realm's.

    Raises:
        PacketError: `wrong-audience` or `wrong-suite`.
    """
    header = parsed.header
    if (header.aud.realm, header.aud.gateway) != (realm, gateway):
        raise PacketError(
            Code.WRONG_AUDIENCE,
            "Expected a packet for this realm and gateway, found another audience.",
            advice="Seal it anew for this gateway, with the realm of the directory you pinned.",
            pointer="/aud",
        )
    if header.suite is not suite:
        raise PacketError(
            Code.WRONG_SUITE,
            f"Expected the realm's suite {suite}, found another.",
            advice="Seal it anew with the suite the directory names.",
            pointer="/suite",
        )


def check_signatures(parsed: Parsed, key: KeyOf) -> None:
    """Step 4: both signatures verify, over the received bytes, each with the directory's key.

    `key(kid, alg)` returns the sender's signing key that is good at the time that counts, or raises SignatureError.

    Raises:
        SignatureError: `key-unknown` or `signature-invalid`.
    """
    verify_both(parsed.manifest, parsed.signed, key)


def check_recipients(parsed: Parsed) -> None:
    """Step 5, for a recipe that shows it; `parse` has done it.

    Raises:
        MalformedError: code `envelope-invalid`.
    """
    check_readers(parsed.header)
    _check_agreement(parsed.header, parsed.jwe)


def check_readers(header: Header) -> None:
    """No agency and no key twice in `to`; 1 to 64 recipients beside the gateway.

    Raises:
        MalformedError: code `envelope-invalid`.
    """
    if len({each.agency for each in header.to}) != len(header.to) or len({each.kid for each in header.to}) != len(
        header.to
    ):
        raise malformed("/to", "expected each agency and each key once in `to`, found one twice")
    if not 1 <= len(header.recipients()) <= MAX_RECIPIENTS:
        raise malformed("/to", f"expected 1 to {MAX_RECIPIENTS} recipients beside the gateway, found another number")


def _check_agreement(header: Header, jwe: JweText) -> None:
    if [each.kid for each in header.to] != [each.kid for each in jwe.wraps]:
        raise malformed("/jwe/recipients", "expected one wrap for each reader in `to`, in order, found others")


def _check_wraps(jwe: JweText, suite: Suite) -> None:
    for n, each in enumerate(jwe.wraps):
        if each.alg != suite.wrap:
            raise malformed(f"/jwe/recipients/{n}/header/alg", f"expected {suite.wrap}, found another key wrap")
        size = len(each.ek) * 3 // 4
        check_encapsulation(suite.wrap, known_b64u(each.ek[-(len(each.ek) % 4) - _POINT_TEXT :]), size)


def _read_jws(value: object) -> tuple[str, tuple[Signed, Signed]]:
    if isinstance(value, dict) and value.keys() == {"payload"}:
        value = {**value, "signatures": []}  # stripped: not a fault of shape but of signature
    jws = members(value, {"payload", "signatures"}, "/jws")
    signed = read_signatures(jws["signatures"], PACKET_TYP, "/jws/signatures")
    return text(jws["payload"], "/jws/payload"), signed


def _read_header(aad: str) -> tuple[Header, bytes]:
    raw = known_b64u(aad)
    if len(raw) > _MAX_HEADER:
        raise malformed("/jwe/aad", f"expected at most {_MAX_HEADER} bytes of header, found {len(raw)}")
    if b"null" not in raw:
        # A header of the schema that is the canonical form of what it says is all that the steps below ask for.
        try:
            header = Header.model_validate_json(raw, by_alias=True, by_name=False)
            if canonical(from_json(raw)) == raw:
                return header, raw
        except ValueError:
            pass
    return _read_any_header(raw), raw


def _read_any_header(raw: bytes) -> Header:
    """Step by step: says what is wrong with a header."""
    fields = read_inner_json(raw, "/jwe/aad")
    try:
        header = Header.model_validate_json(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        raise not_the_schema(error, "a header") from None
    check_no_null(raw, fields, "a header")
    if canonical(fields) != raw:
        raise malformed("/jwe/aad", "expected the header in its canonical form (RFC 8785), found another form")
    return header
