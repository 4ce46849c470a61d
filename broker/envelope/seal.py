"""Seal a payload for its readers. The format is schemas/spec/packet.md."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from broker.crypto.content import encrypt
from broker.crypto.keys import PublicKey
from broker.crypto.suites import CONTENT_KEY_SIZE, IV_SIZE, SUITES
from broker.crypto.wrap import wrap
from broker.envelope.content import RANDOM_SIZE, aad_of, commitment, digest_of, info_of, manifest, pack
from broker.envelope.jws import PACKET_TYP, Signer, sign_both
from broker.envelope.shape import JWE_PROTECTED, not_the_schema, text_of
from broker.envelope.verify import check_readers
from broker.errors import SignatureError
from schemas.act import Act
from schemas.canonical import b64u, canonical
from schemas.handling import Handling
from schemas.packet import (
    VERSION,
    Audience,
    Header,
    Jwe,
    Jws,
    Packet,
    Precedence,
    Recipient,
    RecipientHeader,
    SuiteName,
)
from schemas.problem import Code

__all__ = ["Draft", "Sealed", "Signer", "seal"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A header before it is sealed. `id` a UUIDv7, `thread` a UUID, `in_reply_to` a packet's digest; whole seconds."""

    id: str
    aud: Audience
    from_: str
    kind: str
    kind_version: int
    handling: Handling
    thread: str
    iat: int
    exp: int
    precedence: Precedence = Precedence.ROUTINE
    exercise: bool = False
    in_reply_to: str | None = None
    act: Act | None = None
    sources: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A packet ready to send, its digest and its header."""

    raw: bytes
    digest: str
    header: Header


def seal(
    draft: Draft,
    payload: bytes,
    readers: Sequence[tuple[str, PublicKey]],
    signer: Signer,
    suite: SuiteName,
    *,
    random: Callable[[int], bytes] = os.urandom,
) -> Sealed:
    """Seal `payload` so that exactly `readers`, pairs of agency and wrap key, can open it.

    Randomness is asked for r (32 bytes), the content key (32) and the iv (12), in this order.

    Raises:
        MalformedError: `schema` where the draft is no header; `envelope-invalid` for a reader twice or too many.
        SignatureError: `key-unknown` where a key is of another suite or use.
    """
    algorithms = SUITES[suite]
    signer.check_suite(algorithms)
    if any(key.alg != algorithms.wrap for _, key in readers):
        raise SignatureError(
            Code.KEY_UNKNOWN,
            f"Expected readers' keys of {algorithms.wrap}, found another algorithm.",
            advice="Take each reader's wrap key from the directory.",
        )
    plain = pack(random(RANDOM_SIZE), payload)
    fields = _fields(draft, readers, signer, suite)
    # Judged before it is committed to: the canonical form exists only for what the schema allows.
    check_readers(_header({**fields, "commitment": b64u(bytes(48))}))
    fields["commitment"] = b64u(commitment(fields, plain))
    header = _header(fields)
    aad = b64u(canonical(fields))
    cek, iv = random(CONTENT_KEY_SIZE), random(IV_SIZE)
    ciphertext, tag = encrypt(cek, iv, plain, aad_of(JWE_PROTECTED, aad))
    info = info_of(aad)
    jwe = Jwe(
        protected=JWE_PROTECTED,
        aad=aad,
        iv=b64u(iv),
        ciphertext=b64u(ciphertext),
        tag=b64u(tag),
        recipients=tuple(_recipient(key, cek, info) for _, key in readers),
    )
    man = manifest(text_of(jwe))
    jws = Jws(payload=b64u(man), signatures=sign_both(b64u(man), signer, PACKET_TYP))
    packet = Packet(jwe=jwe, jws=jws)
    raw = json.dumps(packet.model_dump(mode="json"), separators=(",", ":")).encode()
    return Sealed(raw, digest_of(man), header)


def _fields(draft: Draft, readers: Sequence[tuple[str, PublicKey]], signer: Signer, suite: SuiteName) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "v": VERSION,
        "id": draft.id,
        "aud": draft.aud.to_object(),
        "from": draft.from_,
        "to": [{"agency": agency, "kid": key.kid} for agency, key in readers],
        "suite": suite,
        "kind": draft.kind,
        "kind_version": draft.kind_version,
        "handling": draft.handling.to_object(),
        "precedence": draft.precedence,
        "exercise": draft.exercise,
        "thread": draft.thread,
        "iat": draft.iat,
        "exp": draft.exp,
        "sig": list(signer.kids),
    }
    if draft.in_reply_to is not None:
        fields["in_reply_to"] = draft.in_reply_to
    if draft.act is not None:
        fields["act"] = draft.act.to_object()
    if draft.sources is not None:
        fields["sources"] = list(draft.sources)
    return fields


def _header(fields: dict[str, Any]) -> Header:
    try:
        return Header.model_validate_json(json.dumps(fields), by_alias=True, by_name=False)
    except ValidationError as error:
        raise not_the_schema(error, "a header") from None


def _recipient(key: PublicKey, cek: bytes, info: bytes) -> Recipient:
    ek, encrypted_key = wrap(key, cek, info)
    return Recipient(
        header=RecipientHeader(alg=key.alg, kid=key.kid, ek=b64u(ek)),
        encrypted_key=b64u(encrypted_key),
    )
