"""Two signatures over one payload (RFC 7515, general serialisation), both required, each checked by itself."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.signatures import sign, verify
from broker.crypto.suites import Suite
from broker.envelope.hashes import sha384
from broker.envelope.shape import decoded, malformed, members, read_inner_json
from broker.errors import SignatureError
from schemas.canonical import MalformedBase64Error, b64u, canonical, unb64u
from schemas.packet import Signature
from schemas.problem import Code

PACKET_TYP = "setu1+jws"
ACKNOWLEDGEMENT_TYP = "setu1+ack"
ENROLMENT_TYP = "setu1+enrol"
ROTATION_TYP = "setu1+rotate"
ROTATION_PROOF_TYP = "setu1+rotate-new"
KeyOf = Callable[[str, str], PublicKey]
"""(kid, alg) -> the signer's key that is good for this use now; raises SignatureError, code `key-unknown`."""

# The only form of a protected header. Matching it leaves nothing to interpret; whatever differs is refused.
_FORM = re.compile(
    rb'\{"alg":"([A-Za-z0-9-]{1,16})","kid":"([A-Za-z0-9_-]{43})",'
    rb'"typ":"(setu1\+(?:jws|ack|enrol|rotate|rotate-new))"\}'
)
_LONGEST = 200
_ELSEWHERE = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"})


@dataclass(frozen=True, slots=True)
class Signer:
    """An agency's two signing keys of its realm's suite."""

    classical: PrivateKey
    post_quantum: PrivateKey

    @property
    def kids(self) -> tuple[str, str]:
        return (self.classical.public.kid, self.post_quantum.public.kid)

    def check_suite(self, suite: Suite) -> None:
        """Raises SignatureError, code `key-unknown`, where the keys are of another suite."""
        if (self.classical.alg, self.post_quantum.alg) != suite.signatures:
            raise SignatureError(
                Code.KEY_UNKNOWN,
                f"Expected signing keys of {suite.classical} and {suite.post_quantum}, found others.",
                advice="Use the keys enrolled for this realm.",
            )


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature as it was received."""

    alg: str
    kid: str
    protected: str
    signature: bytes


def sign_both(payload: str, signer: Signer, typ: str) -> tuple[Signature, Signature]:
    """Sign a payload, given in base64url, with both keys."""
    return (_sign(payload, signer.classical, typ), _sign(payload, signer.post_quantum, typ))


def read_signatures(value: object, typ: str, pointer: str) -> tuple[Signed, Signed]:
    """Recipe step 1 for signatures: exactly two, each with the one protected header of this `typ`.

    Raises:
        MalformedError: code `envelope-invalid`.
        SignatureError: `signature-invalid`, or `key-unknown` for a key that is named in any way but its kid.
    """
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - one classical, one post-quantum
        raise _invalid("Expected exactly two signatures, classical and post-quantum, found another number.", pointer)
    return (_read(value[0], typ, f"{pointer}/0"), _read(value[1], typ, f"{pointer}/1"))


def signature_models(signatures: Sequence[Mapping[str, str]]) -> tuple[Signature, Signature]:
    """The same two as models, for proofs; their shape was checked by `read_signatures`."""
    first, second = (
        Signature.model_construct(protected=each["protected"], signature=each["signature"]) for each in signatures
    )
    return (first, second)


def check_suite(signed: Sequence[Signed], suite: Suite, sig: Sequence[str], pointer: str) -> None:
    """Recipe step 3, the signatures' part: the suite's two algorithms, in order, and the kids the signer named.

    Raises:
        SignatureError: code `signature-invalid`.
        MalformedError: code `envelope-invalid`, for a signature of another size.
    """
    if tuple(each.alg for each in signed) != suite.signatures:
        raise _invalid(
            f"Expected the algorithms {suite.classical} and {suite.post_quantum}, in this order, found others.", pointer
        )
    if tuple(each.kid for each in signed) != tuple(sig):
        raise _invalid("Expected the signatures' kids to be those that `sig` names, in order, found others.", pointer)
    for n, (each, size) in enumerate(zip(signed, suite.signature_sizes, strict=True)):
        if len(each.signature) != size:
            raise malformed(
                f"{pointer}/{n}/signature",
                f"expected {size} bytes of {each.alg} signature, found {len(each.signature)}",
            )


def verify_both(payload: str, signed: Sequence[Signed], key: KeyOf) -> None:
    """Recipe step 4: each signature over the received bytes, with the key its kid names.

    Raises:
        SignatureError: `key-unknown` or `signature-invalid`.
    """
    for each in signed:
        public = key(each.kid, each.alg)
        if (public.kid, public.alg) != (each.kid, each.alg):
            raise SignatureError(
                Code.KEY_UNKNOWN,
                f"Expected the directory's {each.alg} key for this kid, found a key of another kid or algorithm.",
                advice="Refresh the directory.",
            )
        verify(public, f"{each.protected}.{payload}".encode(), each.signature)


def evidence(signed: Sequence[Signed]) -> str:
    """SHA-384 over the two signatures' bytes, base64url."""
    return b64u(sha384(b"".join([each.signature for each in signed])))


def _sign(payload: str, key: PrivateKey, typ: str) -> Signature:
    protected = b64u(canonical({"alg": key.alg, "kid": key.public.kid, "typ": typ}))
    return Signature(protected=protected, signature=b64u(sign(key, f"{protected}.{payload}".encode())))


def _read(value: object, typ: str, pointer: str) -> Signed:
    each = members(value, {"protected", "signature"}, pointer)
    protected = each["protected"]
    known = _known(protected) if isinstance(protected, str) and len(protected) <= _LONGEST else None
    if known is None or known[2] != typ:
        _diagnose(decoded(protected, f"{pointer}/protected"), typ, f"{pointer}/protected")
    alg, kid, _ = known
    if alg == "none" or not each["signature"]:
        raise _invalid("Expected a signature, found none.", pointer)
    return Signed(alg, kid, each["protected"], decoded(each["signature"], f"{pointer}/signature"))


# An agency signs all it sends with the same two keys, and so under the same two headers.
@lru_cache(maxsize=4096)
def _known(protected: str) -> tuple[str, str, str] | None:
    """(alg, kid, typ) of a protected header that is of the form."""
    try:
        form = _FORM.fullmatch(unb64u(protected))
    except MalformedBase64Error:
        return None
    return None if form is None else (form[1].decode(), form[2].decode(), form[3].decode())


def _diagnose(raw: bytes, typ: str, pointer: str) -> NoReturn:
    """Say why a protected header that is not of the form is refused."""
    header: Any = read_inner_json(raw, pointer)
    if not isinstance(header, dict):
        raise malformed(pointer, "expected an object with exactly the members alg, kid, typ, found something else")
    names = header.keys()
    if names & {"crit", "b64"}:
        raise _invalid("Expected no critical extensions, found crit or b64.", pointer)
    if names & _ELSEWHERE:
        raise _unknown("Expected a key named by its kid alone, found a key or a reference to one.", pointer)
    if not isinstance(header.get("kid"), str) or not re.fullmatch(r"[A-Za-z0-9_-]{43}", header["kid"]):
        raise _unknown("Expected a kid that is a thumbprint, found another.", pointer)
    if names != {"alg", "kid", "typ"}:
        raise malformed(pointer, "expected exactly the members alg, kid, typ, found others")
    if header["typ"] != typ:
        raise _invalid(f"Expected a signature of typ {typ}, found one made for something else.", pointer)
    if _canonical_of(header) == raw:
        raise _invalid("Expected an algorithm of the suite, found another.", pointer)
    raise malformed(pointer, "expected a canonical protected header (RFC 8785), found another form")


def _canonical_of(value: object) -> bytes:
    """The canonical bytes, or none where there is no canonical form."""
    try:
        return canonical(value)
    except ValueError:
        return b""


def _invalid(message: str, pointer: str) -> SignatureError:
    return SignatureError(
        Code.SIGNATURE_INVALID,
        message,
        advice="Sign with both of the suite's keys, as the format says.",
        pointer=pointer,
    )


def _unknown(message: str, pointer: str) -> SignatureError:
    return SignatureError(
        Code.KEY_UNKNOWN, message, advice="Enrol the key and name it by its kid; nothing is fetched.", pointer=pointer
    )
