"""Enrolment requests and their proofs of possession: made by an agency, checked by whoever writes the directory.

What is proven, and by what:
1. Signing keys: each signs the canonical body (JWS, typ `setu1+enrol`).
2. TLS key: it signs the certificate request, whose challenge password is the digest of the body without it.
3. Wrap key: a KEM cannot sign. The body names it, so the signing keys vouch for it; that it is held is shown by the
   answer to a challenge that was wrapped to it, which whoever asked compares with what they kept.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.parts import parts_of
from broker.crypto.requests import CertificateRequest, read_request
from broker.crypto.suites import CONTENT_KEY_SIZE, SUITES, Suite
from broker.crypto.wrap import unwrap, wrap
from broker.envelope.hashes import sha384
from broker.envelope.jws import ENROLMENT_TYP, Signer, check_suite, read_signatures, sign_both, verify_both
from broker.envelope.shape import decoded, is_canonical, malformed, members, not_the_schema, read_inner_json, read_json
from broker.errors import MalformedError, PacketError, SignatureError
from schemas.canonical import b64u, canonical, unb64u
from schemas.directory import Key, KeyUse
from schemas.enrolment import Answer, Challenge, Enrolment, EnrolmentBody, KeptChallenge, OfferedKey
from schemas.packet import SuiteName
from schemas.problem import Code

MAX_SIZE = 65_536
_INFO = b"setu1.enrolment\0"
_ANSWER = b"setu1.enrolment-answer\0"
_USES = (KeyUse.SIGN, KeyUse.SIGN, KeyUse.WRAP)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an agency asks for, before it is signed. `realm`, `generation`, `made`: as in `EnrolmentBody`."""

    realm: str
    suite: SuiteName
    agency: str
    name: str
    made: int
    generation: int = 1


@dataclass(frozen=True, slots=True)
class ParsedEnrolment:
    """A request whose proofs hold, but for the wrap key's. keys: classical, post-quantum, wrap, as in the body."""

    body: EnrolmentBody
    payload: bytes = field(repr=False)
    keys: tuple[PublicKey, PublicKey, PublicKey]
    csr: CertificateRequest

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the payload: what is compared by voice. It stands for every key, the TLS key too."""
        return hashlib.sha256(self.payload).digest()

    @property
    def digest(self) -> str:
        return b64u(sha384(self.payload))


def request_enrolment(
    offer: Offer, signer: Signer, wrap_key: PublicKey, certificate_request: Callable[[str], bytes]
) -> bytes:
    """The request file, canonical JSON. `certificate_request`: binding -> DER (`crypto.requests`).

    Raises:
        MalformedError: code `schema`; the agency's id or name is none.
        SignatureError: code `key-unknown`; keys of another suite.
    """
    suite = SUITES[offer.suite]
    signer.check_suite(suite)
    keys = (signer.classical.public, signer.post_quantum.public, wrap_key)
    fields: dict[str, Any] = {
        "v": "setu1.enrolment",
        "realm": offer.realm,
        "suite": offer.suite.value,
        "agency": offer.agency,
        "name": offer.name,
        "generation": offer.generation,
        "made": offer.made,
        "keys": [
            {"kid": key.kid, "use": use.value, "alg": key.alg, "public": b64u(key.raw)}
            for key, use in zip(keys, _USES, strict=True)
        ],
    }
    _body(canonical({**fields, "csr": "AA"}))
    payload = canonical({**fields, "csr": b64u(certificate_request(binding_of(fields)))})
    text = b64u(payload)
    return Enrolment(payload=text, signatures=sign_both(text, signer, ENROLMENT_TYP)).canonical()


def binding_of(fields: dict[str, Any]) -> str:
    """The certificate request's challenge password: base64url SHA-384 of the body without `csr`."""
    return b64u(sha384(canonical({name: value for name, value in fields.items() if name != "csr"})))


def parse_enrolment(raw: bytes) -> ParsedEnrolment:
    """All that needs no directory: form, sound keys of one suite, each proof but the wrap key's.

    Raises:
        MalformedError: `too-large`, `json-invalid`, `envelope-invalid`, or `schema` with a pointer into the body.
        SignatureError: `key-unknown`, `signature-invalid`, `sender-mismatch`.
        PacketError: `id-conflict`; one key for two uses.
    """
    raw = raw.rstrip(b"\r\n")
    if len(raw) > MAX_SIZE:
        raise MalformedError(Code.TOO_LARGE, f"Expected an enrolment request of at most {MAX_SIZE} bytes, found more.")
    value = read_json(raw)
    if isinstance(value, dict) and value.keys() == {"payload"}:
        raise _unproven()
    jws = members(value, {"payload", "signatures"}, "")
    if not is_canonical(value, raw):
        raise malformed("", "expected the request in its canonical form (RFC 8785), found another form")
    if not jws["signatures"]:
        raise _unproven()
    signed = read_signatures(jws["signatures"], ENROLMENT_TYP, "/signatures")
    payload = decoded(jws["payload"], "/payload")
    fields: dict[str, Any] = read_inner_json(payload, "/payload")
    body = _body(payload)
    if not is_canonical(fields, payload):
        raise malformed("/payload", "expected the body in its canonical form (RFC 8785), found another form")
    suite = SUITES[body.suite]
    keys = _keys(body, suite)
    check_suite(signed, suite, [key.kid for key in keys[:2]], "/signatures")
    own = {key.kid: key for key in keys[:2]}
    verify_both(jws["payload"], signed, lambda kid, _: own[kid])
    csr = read_request(decoded(body.csr, "/csr"), body.agency, body.generation, binding_of(fields))
    return ParsedEnrolment(body, payload, keys, csr)


def make_challenge(request: ParsedEnrolment, random: Callable[[int], bytes]) -> tuple[Challenge, KeptChallenge]:
    """A question to the holder of the request's wrap key, and what the asker keeps to know the answer by."""
    secret = random(CONTENT_KEY_SIZE)
    ek, encrypted_key = wrap(request.keys[2], secret, _INFO + sha384(request.payload))
    expected = b64u(sha384(_answer_to(secret, request)))
    return (
        Challenge(
            v="setu1.enrolment-challenge", request=request.digest, ek=b64u(ek), encrypted_key=b64u(encrypted_key)
        ),
        KeptChallenge(v="setu1.enrolment-kept", request=request.digest, expected=expected),
    )


def answer_challenge(request: ParsedEnrolment, challenge: Challenge, key: PrivateKey) -> Answer:
    """Show that `key` is held. It says nothing of what is wrapped in packets, whose HPKE info is another.

    Raises:
        PacketError: `wrap-invalid`: made for another key or request.
    """
    _same_request(request, challenge.request)
    if key.public.kid != request.keys[2].kid:
        raise PacketError(
            Code.WRAP_INVALID,
            "Expected the wrap key of this request, found another.",
            advice="Name the folder in which `setu enrol request` made its keys.",
        )
    info = _INFO + sha384(request.payload)
    try:
        ek, encrypted_key = unb64u(challenge.ek), unb64u(challenge.encrypted_key)
    except ValueError:
        raise malformed("/ek", "expected canonical base64url, found another text") from None
    secret = unwrap(key, ek, encrypted_key, info)
    return Answer(v="setu1.enrolment-answer", request=request.digest, answer=b64u(_answer_to(secret, request)))


def check_answer(request: ParsedEnrolment, kept: KeptChallenge, answer: Answer) -> None:
    """The answer is the right one; `kept` must be one's own.

    Raises:
        PacketError: `wrap-invalid`, for another request.
        SignatureError: `signature-invalid`, for an answer that proves nothing.
    """
    _same_request(request, kept.request)
    _same_request(request, answer.request)
    found = b64u(sha384(unb64u(answer.answer)))
    if not hmac.compare_digest(found, kept.expected):
        raise SignatureError(
            Code.SIGNATURE_INVALID,
            "Expected the answer of whoever holds the wrap key, found one of another key, or to another challenge.",
            advice="Make a new challenge and have the agency answer it on the machine that has its keys.",
        )


def _answer_to(secret: bytes, request: ParsedEnrolment) -> bytes:
    return hmac.digest(secret, _ANSWER + sha384(request.payload), "sha384")


def _same_request(request: ParsedEnrolment, digest: str) -> None:
    if digest != request.digest:
        raise PacketError(
            Code.WRAP_INVALID,
            "Expected challenge and answer for this enrolment request, found them for another.",
            advice="Use the files that belong together; make a new challenge where the request was made anew.",
        )


def _keys(body: EnrolmentBody, suite: Suite) -> tuple[PublicKey, PublicKey, PublicKey]:
    wanted = (suite.classical, suite.post_quantum, suite.wrap)
    if tuple(key.alg for key in body.keys) != wanted or tuple(key.use for key in body.keys) != _USES:
        raise SignatureError(
            Code.KEY_UNKNOWN,
            f"Expected the keys of the suite {suite.name}, {', '.join(wanted)} in this order, found others.",
            advice="Have the agency make its request anew, for the realm's suite.",
            pointer="/keys",
        )
    first, second, third = offered_keys(body.keys)
    return first, second, third


def offered_keys(offered: Sequence[OfferedKey]) -> tuple[PublicKey, ...]:
    """Sound keys under their own kids, none of which is used twice, also not in part.

    Raises:
        SignatureError: code `key-unknown`.
        PacketError: code `id-conflict`.
    """
    dates = {"not_before": 0, "not_after": 0}
    keys = tuple(PublicKey.from_directory(Key.from_object({**each.to_object(), **dates})) for each in offered)
    parts = [part for key in keys for part in parts_of(key)]
    if len(set(parts)) != len(parts):
        raise PacketError(
            Code.ID_CONFLICT,
            "Expected keys that have nothing in common, found one key used twice.",
            advice="One key, one use: have the agency make its request anew.",
            pointer="/keys",
        )
    return keys


def _body(raw: bytes) -> EnrolmentBody:
    try:
        return EnrolmentBody.model_validate_json(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        raise not_the_schema(error, "an enrolment request") from None


def _unproven() -> SignatureError:
    return SignatureError(
        Code.SIGNATURE_INVALID,
        "Expected an enrolment request signed by both keys in it, found one without proof.",
        advice="Have the agency make its request with `setu enrol request`.",
        pointer="/signatures",
    )
