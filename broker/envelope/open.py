"""The verification recipe, step 7: open a packet whose signatures were checked."""

from collections.abc import Mapping

from broker.crypto.content import decrypt
from broker.crypto.keys import PrivateKey
from broker.crypto.suites import SUITES
from broker.crypto.wrap import unwrap
from broker.envelope.content import aad_of, check_commitment, info_of, unpack
from broker.envelope.verify import Parsed
from broker.errors import PacketError
from schemas.canonical import known_b64u
from schemas.problem import Code


def open_packet(parsed: Parsed, agency: str, keys: Mapping[str, PrivateKey]) -> bytes:
    """The payload, for `agency`, which holds `keys` by kid. Check the signatures first.

    Raises:
        PacketError: `not-for-me`; `wrap-invalid` where the wrap or the content does not open; `commitment-mismatch`
            where it opens to another content than the sender signed for.
        MalformedError: `envelope-invalid`, for a wrong padding.
    """
    # 7. Own (agency, kid) is in `to`; unwrap, decrypt, recompute the commitment in constant time, unpad strictly.
    jwe = parsed.jwe
    position = next((n for n, each in enumerate(parsed.header.to) if each.agency == agency), None)
    key = None if position is None else keys.get(parsed.header.to[position].kid)
    if position is None or key is None:
        raise _not_for_me("in `to` and the key it is wrapped to held here")
    if key.alg != SUITES[parsed.header.suite].wrap or key.public.kid != parsed.header.to[position].kid:
        raise _not_for_me("wrapped to a key that is held here under its own kid")
    wrap = jwe.wraps[position]
    cek = unwrap(key, known_b64u(wrap.ek), known_b64u(wrap.encrypted_key), info_of(jwe.aad))
    iv, tag = known_b64u(jwe.iv), known_b64u(jwe.tag)
    plain = decrypt(cek, iv, known_b64u(jwe.ciphertext), tag, aad_of(jwe.protected, jwe.aad))
    check_commitment(parsed.hdr, parsed.header.commitment, plain)
    return unpack(plain)


def _not_for_me(what: str) -> PacketError:
    return PacketError(
        Code.NOT_FOR_ME,
        f"Expected this agency {what}, found that it is not.",
        advice="Check which wrap keys this program was given; a retired key still opens older packets.",
    )
