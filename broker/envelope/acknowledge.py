"""Acknowledgements: what a recipient signs about a packet, made and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from broker.crypto.suites import SUITES
from broker.envelope.jws import (
    ACKNOWLEDGEMENT_TYP,
    KeyOf,
    Signed,
    Signer,
    check_suite,
    evidence,
    read_signatures,
    sign_both,
    signature_models,
    verify_both,
)
from broker.envelope.shape import check_no_null, decoded, malformed, members, not_the_schema, read_inner_json, read_json
from broker.errors import MalformedError, PacketError
from schemas.canonical import b64u, canonical
from schemas.evidence import AckBody, AckEvent, Acknowledgement, AckPacket
from schemas.packet import Audience, SuiteName
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Statement:
    """What is to be acknowledged. `reason` only, and always, with `rejected`; `at` whole seconds UTC."""

    aud: Audience
    by: str
    event: AckEvent
    at: int
    packet: AckPacket
    reason: Code | None = None


@dataclass(frozen=True, slots=True)
class ParsedAck:
    """An acknowledgement whose shape holds; its signatures are not checked yet.

    `evidence`: SHA-384 over its signatures, base64url.
    """

    raw: bytes = field(repr=False)
    acknowledgement: Acknowledgement = field(repr=False)
    body: AckBody
    evidence: str
    suite: SuiteName
    signed: tuple[Signed, Signed] = field(repr=False)


def acknowledge(statement: Statement, signer: Signer, suite: SuiteName) -> bytes:
    """Sign a statement about a packet; the bytes to post.

    Raises:
        MalformedError: code `schema`.
        SignatureError: `key-unknown` where the keys are of another suite.
    """
    signer.check_suite(SUITES[suite])
    fields: dict[str, Any] = {
        "v": "setu1.ack",
        "aud": statement.aud.to_object(),
        "by": statement.by,
        "event": statement.event,
        "at": statement.at,
        "packet": statement.packet.to_object(),
        "sig": list(signer.kids),
    }
    if statement.reason is not None:
        fields["reason"] = statement.reason
    _body(json.dumps(fields).encode())
    payload = b64u(canonical(fields))
    made = Acknowledgement(payload=payload, signatures=sign_both(payload, signer, ACKNOWLEDGEMENT_TYP))
    return json.dumps(made.to_object(), separators=(",", ":")).encode()


def parse_acknowledgement(raw: bytes) -> ParsedAck:
    """All that needs no keys: strict JSON, shape, exact sizes, canonical body, the two algorithms of one suite.

    Raises:
        MalformedError: `json-invalid`, `envelope-invalid`, or `schema` with a pointer into the body.
        SignatureError: `signature-invalid` or `key-unknown`, as `broker.envelope.verify.parse`.
    """
    value = read_json(raw)
    if isinstance(value, dict) and value.keys() == {"payload"}:
        value = {**value, "signatures": []}  # stripped: not a fault of shape but of signature
    jws = members(value, {"payload", "signatures"}, "")
    signed = read_signatures(jws["signatures"], ACKNOWLEDGEMENT_TYP, "/signatures")
    payload = decoded(jws["payload"], "/payload")
    fields: Mapping[str, Any] = read_inner_json(payload, "/payload")
    body = _body(payload)
    check_no_null(payload, fields, "an acknowledgement")
    if canonical(fields) != payload:
        raise malformed("/payload", "expected the body in its canonical form (RFC 8785), found another form")
    # The body names no suite: the first algorithm does, and the gateway compares it with the realm's.
    suite = next((each for each in SUITES.values() if each.classical == signed[0].alg), SUITES[SuiteName.HYBRID_768])
    check_suite(signed, suite, body.sig, "/signatures")
    acknowledgement = Acknowledgement.model_construct(
        payload=jws["payload"], signatures=signature_models(jws["signatures"])
    )
    return ParsedAck(raw, acknowledgement, body, evidence(signed), suite.name, signed)


def check_acknowledgement_signatures(parsed: ParsedAck, suite: SuiteName, key: KeyOf) -> None:
    """Both signatures verify, each with a signing key of the agency in `by`, in the realm's suite.

    Raises:
        PacketError: code `wrong-suite`.
        SignatureError: `key-unknown` or `signature-invalid`.
    """
    if parsed.suite is not suite:
        raise PacketError(
            Code.WRONG_SUITE,
            f"Expected signatures of the realm's suite {suite}, found another suite's.",
            advice="Sign with the keys enrolled for this realm.",
        )
    verify_both(parsed.acknowledgement.payload, parsed.signed, key)


def _body(raw: bytes) -> AckBody:
    try:
        body = AckBody.model_validate_json(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        raise not_the_schema(error, "an acknowledgement") from None
    if (body.reason is not None) is not (body.event is AckEvent.REJECTED):
        raise MalformedError(
            Code.SCHEMA,
            "Expected a reason with `rejected` and with nothing else, found another combination.",
            advice="Give the problem code that made you reject the packet, or none.",
            pointer="/reason",
        )
    return body
