"""PKCS #11 URIs: what is taken, and what a key file must not say."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.crypto.place import Place, parse_place
from broker.errors import IntegrityError
from schemas.problem import Code

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("pkcs11:token=setu", Place("setu"), id="a-token"),
        pytest.param("pkcs11:token=setu;object=sign", Place("setu", object="sign"), id="an-object"),
        pytest.param("pkcs11:object=sign;token=setu", Place("setu", object="sign"), id="in-any-order"),
        pytest.param("pkcs11:token=a%20b;id=%01%FF;type=private", Place("a b", id=b"\x01\xff"), id="an-id"),
        pytest.param("pkcs11:token=%E0%A4%B8%E0%A5%87;serial=bf61", Place("से", "bf61"), id="in-utf-8"),
        pytest.param("pkcs11:token=a=b&c", Place("a=b&c"), id="reserved-in-a-value"),
    ],
)
def test_what_is_taken(text, place):
    assert parse_place(text) == place


@given(st.builds(Place, TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | st.binary(min_size=1, max_size=20)))
def test_what_is_written_is_read(place):
    assert parse_place(str(place)) == place


@given(st.text(max_size=60).map("pkcs11:".__add__) | st.from_regex(r"pkcs11:[a-z0-9=;?&%-]{0,40}", fullmatch=True))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(IntegrityError):
        assert parse_place(str(parse_place(text))) == parse_place(text)


SECRET, LIBRARY = "4711", "/usr/evil.so"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("pkcs11:token=setu?module-path=/usr/evil.so", "no library", id="module-path"),
        pytest.param("pkcs11:token=setu?module-name=evil", "no library", id="module-name"),
        pytest.param("pkcs11:token=setu;module-path=%2Fusr%2Fevil.so", "no library", id="module-path-as-an-attribute"),
        pytest.param("pkcs11:token=setu?pin-value=4711", "no PIN", id="pin-value"),
        pytest.param("pkcs11:token=setu?pin-source=file:pin", "no PIN", id="pin-source"),
        pytest.param("pkcs11:token=setu?x=1&pin-value=4711", "another attribute", id="an-unknown-query-first"),
        pytest.param("pkcs11:token=setu?", "another attribute", id="an-empty-query"),
        pytest.param("pkcs11:token=setu;slot-id=3", "another attribute", id="a-slot"),
        pytest.param("pkcs11:token=setu;library-version=3", "another attribute", id="a-library"),
        pytest.param("pkcs11:token=setu;x-vendor=1", "another attribute", id="a-vendors"),
        pytest.param("pkcs11:token=setu;type=cert", "type=private", id="a-certificate"),
        pytest.param("pkcs11:object=sign", "names a token", id="no-token"),
        pytest.param("pkcs11:", "another attribute", id="nothing"),
        pytest.param("pkcs11:token=setu;", "another attribute", id="an-empty-attribute"),
        pytest.param("pkcs11:token=", "a value of `token`", id="an-empty-value"),
        pytest.param("pkcs11:token=a/b", "a value of `token`", id="a-slash"),
        pytest.param("pkcs11:token=a b", "a value of `token`", id="a-blank"),
        pytest.param("pkcs11:token=%4", "a value of `token`", id="half-a-percent"),
        pytest.param("pkcs11:token=%FF", "UTF-8", id="not-utf-8"),
        pytest.param("pkcs11:token=a;token=b", "once", id="a-token-twice"),
        pytest.param("PKCS11:token=a", "a PKCS #11 URI", id="capitals"),
        pytest.param("file:a.key", "a PKCS #11 URI", id="a-file"),
        pytest.param("", "a PKCS #11 URI", id="empty"),
        pytest.param("pkcs11:token=" + "a" * 2000, "a PKCS #11 URI", id="too-long"),
    ],
)
def test_what_is_refused(text, said):
    with pytest.raises(IntegrityError) as found:
        parse_place(text)
    assert found.value.code is Code.CONFIG_INVALID
    assert said in str(found.value)
    assert SECRET not in str(found.value)
    assert LIBRARY not in str(found.value)
