"""Rotation: what an agency of a realm asks for in place of keys and a certificate it has, signed by those it has.

The format is explained in `schemas/spec/directory.md`. The file holds no secret.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import AgencyId, Digest, Kid, Model, Seconds, Sha256Hex
from schemas.directory import DirectoryRef, KeyUse
from schemas.enrolment import OfferedKey
from schemas.packet import B64u, Signature, SuiteName


class NextCertificate(Model):
    """replaces: SHA-256 of the DER of the certificate whose place it takes. generation: one above the agency's highest.

    csr: a PKCS #10 request (RFC 2986, DER) for a new P-256 key, whose challenge password is base64url SHA-384 of the
    RFC 8785 bytes of the body without this member.
    """

    generation: Annotated[int, Field(ge=2, le=10_000)]
    replaces: Sha256Hex
    csr: B64u


class RotationBody(Model):
    """What is signed, as RFC 8785 bytes.

    realm: base64url SHA-384 of the first TUF root. directory: the version it was made under. row: base64url SHA-384 of
    the RFC 8785 bytes of `{certificates, keys}` of the agency's row in it; so a request is good for that row alone.
    sig: the kids of the present signing keys, classical and post-quantum, which ask for this. made: seconds UTC.
    keys: the new ones: the suite's two signing keys, its wrap key, all three, in this order, or none.
    """

    v: Literal["setu1.rotation"]
    realm: Digest
    suite: SuiteName
    agency: AgencyId
    directory: DirectoryRef
    row: Digest
    sig: tuple[Kid, Kid]
    made: Seconds
    keys: Annotated[tuple[OfferedKey, ...], Field(max_length=3)]
    certificate: NextCertificate | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        uses = [each.use for each in self.keys]
        if uses not in ([], [KeyUse.SIGN] * 2, [KeyUse.WRAP], [KeyUse.SIGN, KeyUse.SIGN, KeyUse.WRAP]):
            raise ValueError("expected two signing keys, a wrap key, or these three in this order")
        if not self.keys and self.certificate is None:
            raise ValueError("expected keys or a certificate to rotate, found neither")
        return self


class Rotation(Model):
    """The request file: two JWS (RFC 7515, general) over one body.

    signatures: by the present signing keys, typ `setu1+rotate`. proofs: by the new ones, typ `setu1+rotate-new`; there
    exactly where the body has new signing keys.
    """

    payload: B64u
    signatures: tuple[Signature, Signature]
    proofs: tuple[Signature, Signature] | None = None
