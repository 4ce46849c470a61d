"""Enrolment: what an agency asks a realm to write into its directory, and how it shows that the keys are its own.

The formats are explained in `schemas/spec/directory.md`. None of these files holds a secret.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import AgencyId, Digest, Kid, Line, Model, Seconds
from schemas.directory import Algorithm, KeyUse
from schemas.packet import B64u, Signature, SuiteName


class OfferedKey(Model):
    """A public key that an agency asks to be enrolled."""

    kid: Kid
    use: KeyUse
    alg: Algorithm
    public: B64u


class EnrolmentBody(Model):
    """What an agency signs. Its RFC 8785 bytes are the request's payload, their SHA-256 is compared by voice.

    realm: base64url SHA-384 of the first TUF root. generation: of the client certificate. made: seconds UTC.
    keys: the suite's classical and post-quantum signing keys and its wrap key, in this order.
    csr: a PKCS #10 request (RFC 2986, DER) for a P-256 key, whose challenge password is base64url SHA-384 of the
    RFC 8785 bytes of this body without `csr`: so neither the TLS key nor the signing keys stand for another's.
    """

    v: Literal["setu1.enrolment"]
    realm: Digest
    suite: SuiteName
    agency: AgencyId
    name: Line
    generation: Annotated[int, Field(ge=1, le=10_000)]
    made: Seconds
    keys: tuple[OfferedKey, OfferedKey, OfferedKey]
    csr: B64u


class Enrolment(Model):
    """The request file: a JWS (RFC 7515, general) over the body by both signing keys in it, typ `setu1+enrol`."""

    payload: B64u
    signatures: tuple[Signature, Signature]


class Challenge(Model):
    """A question that only the holder of the request's wrap key can answer.

    request: base64url SHA-384 of the request's payload. ek, encrypted_key: 32 random bytes, wrapped to its wrap key.
    """

    v: Literal["setu1.enrolment-challenge"]
    request: Digest
    ek: B64u
    encrypted_key: B64u


class Answer(Model):
    """answer: base64url HMAC-SHA-384 under the 32 bytes of the challenge (`broker.envelope.enrolment`)."""

    v: Literal["setu1.enrolment-answer"]
    request: Digest
    answer: Digest


class KeptChallenge(Model):
    """What whoever asked keeps, and takes from nobody. expected: base64url SHA-384 of the right answer's bytes."""

    v: Literal["setu1.enrolment-kept"]
    request: Digest
    expected: Digest
