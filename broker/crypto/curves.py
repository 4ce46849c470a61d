"""Point checks that OpenSSL leaves out: small order on the Edwards and Montgomery curves, P-384 membership.

Sources: RFC 8032, section 5.1; RFC 7748, sections 5 and 6.1; FIPS 186-5, section D.1.2.
"""

P25519 = 2**255 - 19
_D = -121665 * pow(121666, -1, P25519) % P25519
_LOW_U = frozenset(
    {
        0,
        1,
        P25519 - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
_P384 = 2**384 - 2**128 - 2**96 + 2**32 - 1
_B384 = 0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF


def ed25519_acceptable(raw: bytes) -> bool:
    """A canonical encoding of a curve point whose order is not 1, 2, 4 or 8.

    For a key of small order one signature fits every message.
    """
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= P25519:
        return False
    x2 = (y * y - 1) * pow(_D * y * y + 1, -1, P25519) % P25519
    if pow(x2, (P25519 - 1) // 2, P25519) != 1:
        return False
    # x = 0 (order 1 or 2) fell with the non-squares; y = 0 is of order 4; what doubles to that, of order 8.
    return y != 0 and (x2 + y * y) % P25519 != 0


def montgomery_u(raw: bytes) -> bytes:
    """The X25519 public key with the secret of a sound Ed25519 key: u = (1 + y) / (1 - y) (RFC 7748, section 4.1)."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, -1, P25519) % P25519).to_bytes(32, "little")


def x25519_acceptable(raw: bytes) -> bool:
    """Not one of the points that make every shared secret zero, in any of their encodings (RFC 7748, section 6.1)."""
    return int.from_bytes(raw, "little") % 2**255 % P25519 not in _LOW_U


def p384_acceptable(raw: bytes) -> bool:
    """An uncompressed point (SEC 1, section 2.3.3) on the curve. Its order is prime, so none is of small order."""
    if len(raw) != 97 or raw[0] != 4:  # noqa: PLR2004 - 04, then two coordinates of 48 bytes
        return False
    x, y = int.from_bytes(raw[1:49]), int.from_bytes(raw[49:])
    return x < _P384 and y < _P384 and (y * y - (x * x * x - 3 * x + _B384)) % _P384 == 0
