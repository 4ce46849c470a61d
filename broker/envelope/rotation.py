"""Requests to rotate an agency's keys and certificate: made by the agency, checked by whoever writes the directory.

What is proven, and by what:
1. That the agency asks: its two present signing keys sign the canonical body (JWS, typ `setu1+rotate`). So nothing has
   to be compared by voice.
2. New signing keys: each signs the same body (typ `setu1+rotate-new`).
3. A new TLS key: it signs the certificate request, whose challenge password is the digest of the body without it.
4. A new wrap key: the signing keys' word. Who has those could hand out its packets anyway.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from broker.crypto.keys import PublicKey
from broker.crypto.requests import CertificateRequest, read_request
from broker.crypto.suites import SUITES, Suite
from broker.envelope.enrolment import MAX_SIZE, offered_keys
from broker.envelope.hashes import sha384
from broker.envelope.jws import (
    ROTATION_PROOF_TYP,
    ROTATION_TYP,
    KeyOf,
    Signed,
    Signer,
    check_suite,
    read_signatures,
    sign_both,
    verify_both,
)
from broker.envelope.shape import decoded, is_canonical, malformed, members, not_the_schema, read_inner_json, read_json
from broker.errors import MalformedError, SignatureError
from schemas.canonical import b64u, canonical
from schemas.directory import Agency, DirectoryRef, KeyUse
from schemas.packet import SuiteName
from schemas.problem import Code
from schemas.rotation import Rotation, RotationBody

_PAIR = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """What an agency asks for, before it is signed; the members are those of `RotationBody`.

    signer: the new signing keys; wrap: the new wrap key; certificate: generation, what it replaces, and what makes the
    certificate request (binding -> DER, `crypto.requests`). None of these: that stays as it is.
    """

    realm: str
    suite: SuiteName
    agency: str
    directory: DirectoryRef
    row: str
    made: int
    signer: Signer | None = None
    wrap: PublicKey | None = None
    certificate: tuple[int, str, Callable[[str], bytes]] | None = None


@dataclass(frozen=True, slots=True)
class ParsedRotation:
    """A request whose proofs hold, but for who asks, which a directory says (`check_asker`). keys: as in the body."""

    body: RotationBody
    payload: bytes = field(repr=False)
    keys: tuple[PublicKey, ...]
    csr: CertificateRequest | None
    text: str = field(repr=False)
    signed: tuple[Signed, Signed] = field(repr=False)

    @property
    def digest(self) -> str:
        return b64u(sha384(self.payload))

    def check_asker(self, key: KeyOf) -> None:
        """Both present keys signed it, which `key` knows; raises SignatureError, `key-unknown`, `signature-invalid`."""
        verify_both(self.text, self.signed, key)


def row_digest(row: Agency) -> str:
    """What a request says of the row it was made for: base64url SHA-384 of its keys and certificates, canonical."""
    fields = row.to_object()
    return b64u(sha384(canonical({name: fields.get(name, []) for name in ("certificates", "keys")})))


def request_rotation(wish: Wish, present: Signer) -> bytes:
    """The request file, canonical JSON.

    Raises:
        MalformedError: code `schema`; it asks for nothing.
        SignatureError: code `key-unknown`; keys of another suite.
    """
    suite = SUITES[wish.suite]
    for signer in (present, wish.signer):
        if signer is not None:
            signer.check_suite(suite)
    pair = () if wish.signer is None else (wish.signer.classical.public, wish.signer.post_quantum.public)
    offered = [(key, KeyUse.SIGN) for key in pair] + ([] if wish.wrap is None else [(wish.wrap, KeyUse.WRAP)])
    fields: dict[str, Any] = {
        "v": "setu1.rotation",
        "realm": wish.realm,
        "suite": wish.suite.value,
        "agency": wish.agency,
        "directory": wish.directory.to_object(),
        "row": wish.row,
        "sig": list(present.kids),
        "made": wish.made,
        "keys": [{"kid": key.kid, "use": use.value, "alg": key.alg, "public": b64u(key.raw)} for key, use in offered],
    }
    if wish.certificate is not None:
        generation, replaces, certificate_request = wish.certificate
        fields["certificate"] = {"generation": generation, "replaces": replaces}
        fields["certificate"]["csr"] = b64u(certificate_request(binding_of(fields)))
    payload = _body(canonical(fields)).canonical()
    text = b64u(payload)
    proofs = None if wish.signer is None else sign_both(text, wish.signer, ROTATION_PROOF_TYP)
    return Rotation(payload=text, signatures=sign_both(text, present, ROTATION_TYP), proofs=proofs).canonical()


def binding_of(fields: dict[str, Any]) -> str:
    """The certificate request's challenge password: base64url SHA-384 of the body without `certificate.csr`."""
    certificate = {name: value for name, value in fields["certificate"].items() if name != "csr"}
    return b64u(sha384(canonical({**fields, "certificate": certificate})))


def parse_rotation(raw: bytes) -> ParsedRotation:
    """All that needs no directory: form, sound keys of one suite, and what the new keys prove themselves.

    Raises:
        MalformedError: `too-large`, `json-invalid`, `envelope-invalid`, or `schema` with a pointer into the body.
        SignatureError: `key-unknown`, `signature-invalid`, `sender-mismatch`.
        PacketError: `id-conflict`; one key for two uses.
    """
    raw = raw.rstrip(b"\r\n")
    if len(raw) > MAX_SIZE:
        raise MalformedError(Code.TOO_LARGE, f"Expected a request to rotate of at most {MAX_SIZE} bytes, found more.")
    value = read_json(raw)
    proven = isinstance(value, dict) and "proofs" in value
    jws = members(value, {"payload", "signatures"} | ({"proofs"} if proven else set()), "")
    if not is_canonical(value, raw):
        raise malformed("", "expected the request in its canonical form (RFC 8785), found another form")
    signed = read_signatures(jws["signatures"], ROTATION_TYP, "/signatures")
    payload = decoded(jws["payload"], "/payload")
    fields: dict[str, Any] = read_inner_json(payload, "/payload")
    body = _body(payload)
    if body.canonical() != payload:
        raise malformed("/payload", "expected the body in its canonical form (RFC 8785), found another form")
    suite = SUITES[body.suite]
    check_suite(signed, suite, body.sig, "/signatures")
    keys = _keys(body, suite)
    _check_proofs(jws, body, suite, keys)
    csr = None
    if body.certificate is not None:
        der = decoded(body.certificate.csr, "/certificate/csr")
        csr = read_request(der, body.agency, body.certificate.generation, binding_of(fields))
    return ParsedRotation(body, payload, keys, csr, jws["payload"], signed)


def _keys(body: RotationBody, suite: Suite) -> tuple[PublicKey, ...]:
    wanted = [suite.classical, suite.post_quantum, suite.wrap]
    chosen = {0: [], 1: wanted[_PAIR:], _PAIR: wanted[:_PAIR]}.get(len(body.keys), wanted)
    if [key.alg for key in body.keys] != chosen:
        raise SignatureError(
            Code.KEY_UNKNOWN,
            f"Expected keys of the suite {suite.name}, {', '.join(chosen)} in this order, found others.",
            advice="Have the agency make its request anew, for the realm's suite.",
            pointer="/keys",
        )
    return offered_keys(body.keys)


def _check_proofs(jws: dict[str, Any], body: RotationBody, suite: Suite, keys: Sequence[PublicKey]) -> None:
    own = {key.kid: key for key in keys[:_PAIR] if len(keys) >= _PAIR}
    if bool(own) != ("proofs" in jws):
        raise SignatureError(
            Code.SIGNATURE_INVALID,
            "Expected proofs by the new signing keys exactly where there are some, found otherwise.",
            advice="Have the agency make its request with `setu rotate request`.",
            pointer="/proofs",
        )
    if own:
        proofs = read_signatures(jws["proofs"], ROTATION_PROOF_TYP, "/proofs")
        check_suite(proofs, suite, [key.kid for key in body.keys[:_PAIR]], "/proofs")
        verify_both(jws["payload"], proofs, lambda kid, _: own[kid])


def _body(raw: bytes) -> RotationBody:
    try:
        return RotationBody.model_validate_json(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        raise not_the_schema(error, "a request to rotate") from None
