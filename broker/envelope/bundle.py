"""The header in a proof bundle: the packet's own, by nothing but the packet's digest."""

import hashlib

from pydantic import ValidationError

from broker.envelope.content import digest_of
from broker.errors import IntegrityError
from schemas.canonical import MalformedBase64Error, MalformedJsonError, b64u, canonical, parse, unb64u
from schemas.evidence import Proof
from schemas.packet import VERSION, Header
from schemas.problem import Code


def proven_header(proof: Proof) -> Header:
    """The manifest is the packet's, by its digest, and the header is the manifest's.

    Raises:
        IntegrityError: code `receipt-invalid`.
    """
    try:
        raw, aad = unb64u(proof.manifest), unb64u(proof.aad)
        man, header = parse(raw), Header.from_json(aad)
    except (MalformedBase64Error, MalformedJsonError, ValidationError):
        raise broken("a manifest and a header of the format", "something else") from None
    if not isinstance(man, dict) or man.keys() != {"v", "hdr", "jwe"} or man["v"] != VERSION or canonical(man) != raw:
        raise broken("a manifest of the format", "another form")
    if digest_of(raw) != proof.digest:
        raise broken("the manifest of this digest", "another packet's")
    if man["hdr"] != b64u(hashlib.sha384(proof.aad.encode("ascii")).digest()) or header.canonical() != aad:
        raise broken("the header that the manifest names", "another")
    return header


def broken(expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.RECEIPT_INVALID,
        f"Expected {expected}, found {found}.",
        advice="This bundle proves nothing as it is: keep it, and ask for it again.",
    )
