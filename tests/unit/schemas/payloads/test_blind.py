import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import b64u
from schemas.payloads.blind import normalised, token, tokens
from schemas.payloads.parts import Identifier

KEY, OTHER = b64u(bytes(range(32))), b64u(bytes(32))
ETHER = "eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def test_the_construction() -> None:
    # the text is what `openssl dgst -sha256 -mac HMAC` makes of the same message
    message = b"setu1.deconfliction\0vehicle\0IND\0DL3CAB1234"
    expected = b64u(hmac.new(bytes(range(32)), message, hashlib.sha256).digest()[:16])
    assert token(KEY, "vehicle", "DL3CAB1234", "IND") == expected == "xa5gWl6PCrLTOG9TPMJCLw"
    message = b"setu1.deconfliction\0phone\0\0+911123456789"
    expected = b64u(hmac.new(bytes(range(32)), message, hashlib.sha256).digest()[:16])
    assert token(KEY, "phone", "+911123456789") == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("handle", "@Bridge_Meds_24"), ("handle", "bridge_meds_24"), id="handle"),
        pytest.param(("email", "Desk@Example.org"), ("email", "desk@example.org"), id="email"),
        pytest.param(("caip10", ETHER), ("caip10", ETHER.lower()), id="eip-55"),
        pytest.param(("phone", "+911123456789", "IND"), ("phone", "+911123456789"), id="a-country-nobody-needs"),
    ],
)
def test_two_spellings_of_one_identifier_match(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert token(KEY, *one) == token(KEY, *other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("phone", "+911123456789"), ("phone", "+911123456788"), id="value"),
        pytest.param(("passport", "Z1234567", "IND"), ("passport", "Z1234567", "USA"), id="country"),
        pytest.param(("passport", "Z1234567", "IND"), ("national-id", "Z1234567", "IND"), id="scheme"),
        pytest.param(
            ("caip10", "tron:0x2b6653dc:TKMApvjMZNkXWuF77727LGsqYyiWvmLuhV"),
            ("caip10", "tron:0x2b6653dc:TGweEqUiEVJZ6RMatScGsr5aYpynnNNNKn"),
            id="account",
        ),
    ],
)
def test_two_identifiers_do_not(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert token(KEY, *one) != token(KEY, *other)


def test_two_checks_cannot_be_compared() -> None:
    assert token(KEY, "phone", "+911123456789") != token(OTHER, "phone", "+911123456789")


@pytest.mark.parametrize(
    ("key", "scheme", "value", "country"),
    [
        pytest.param(KEY, "name", "Zq7Marker", None, id="scheme"),
        pytest.param(KEY, "phone", "Zq7Marker", None, id="value"),
        pytest.param(KEY, "phone", "011 2345 6789", None, id="spelling"),
        pytest.param(KEY, "handle", "bridge_m\u0435ds_24", None, id="cyrillic"),
        pytest.param(KEY, "passport", "Z1234567", None, id="country-missing"),
        pytest.param(KEY[:-1], "phone", "+911123456789", None, id="key-too-short"),
    ],
)
def test_is_refused(key: str, scheme: str, value: str, country: str | None) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        token(key, scheme, value, country)
    assert value not in str(caught.value)


def test_tokens_stand_in_an_order_that_tells_nothing() -> None:
    targets = [
        Identifier(scheme="phone", value="+911123456789"),
        Identifier(scheme="vehicle", value="DL3CAB1234", country="IND"),
        Identifier(scheme="handle", value="@bridge_meds_24"),
        Identifier(scheme="handle", value="bridge_meds_24"),
    ]
    made = tokens(KEY, targets)
    assert made == tokens(KEY, reversed(targets)) == tuple(sorted(made))
    assert len(made) == 3


@given(st.binary(min_size=32, max_size=32), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.]{0,30}", fullmatch=True))
def test_both_sides_find_what_they_share_and_nothing_else(key: bytes, handle: str) -> None:
    shared, text = Identifier(scheme="handle", value=handle), b64u(key)
    asked = {*tokens(text, [shared, Identifier(scheme="phone", value="+911123456789")])}
    own = tokens(text, [Identifier(scheme="phone", value="+12025550143"), shared])
    assert [each for each in own if each in asked] == [token(text, "handle", handle)]
    assert normalised("handle", normalised("handle", handle)) == normalised("handle", handle)
