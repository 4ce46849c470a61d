import json

import pytest

from schemas.canonical import (
    MAX_SAFE_INTEGER,
    MalformedBase64Error,
    MalformedJsonError,
    b64u,
    canonical,
    check_b64u,
    parse,
    unb64u,
)

REFUSED = [
    pytest.param(b"", "one JSON text", id="nothing"),
    pytest.param(b'{"a":1} x', "one JSON text", id="trailing-text"),
    pytest.param(b'{"a":1}{"a":1}', "one JSON text", id="two-texts"),
    pytest.param(b'{"a":1}\x00', "one JSON text", id="trailing-nul"),
    pytest.param(b'{"a":1,"a":1}', "each member name once", id="duplicate"),
    pytest.param(b'{"b":[{"a":1,"\\u0061":2}]}', "each member name once", id="duplicate-escaped-and-deep"),
    pytest.param(b"NaN", "finite number", id="nan"),
    pytest.param(b'{"a":Infinity}', "finite number", id="infinity"),
    pytest.param(b"[-Infinity]", "finite number", id="minus-infinity"),
    pytest.param(b"1e999", "finite number", id="overflow"),
    pytest.param(b"[" * 33 + b"]" * 33, "nesting of at most 32", id="depth-33"),
    pytest.param(b"[" * 100_000 + b"]" * 100_000, "nesting of at most 32", id="depth-100000"),
    pytest.param(b'{"a":' * 100_000, "nesting of at most 32", id="depth-100000-unclosed"),
    pytest.param('{"a":1}'.encode("utf-16"), "byte order mark", id="utf-16-bom"),
    pytest.param('{"a":1}'.encode("utf-16-le"), "one JSON text", id="utf-16-le-without-bom"),
    pytest.param(b'\xef\xbb\xbf{"a":1}', "byte order mark", id="utf-8-bom"),
    pytest.param(b'{"a":"\xc0\xaf"}', "invalid byte sequence", id="overlong-slash"),
    pytest.param(b'{"a":"\xed\xa0\x80"}', "invalid byte sequence", id="surrogate-as-utf-8"),
    pytest.param(b'{"a":"\xff"}', "invalid byte sequence", id="not-utf-8"),
    pytest.param(b'{"a":"\\ud800"}', "lone surrogate", id="lone-surrogate"),
    pytest.param(b'{"\\udc00":1}', "lone surrogate", id="lone-surrogate-in-a-name"),
    pytest.param(b'["\\ude00\\ud83d"]', "lone surrogate", id="surrogates-exchanged"),
    pytest.param(b"9" * 5000, "at most 64 characters", id="number-of-5000-digits"),
    pytest.param(b"0." + b"9" * 5000, "at most 64 characters", id="fraction-of-5000-digits"),
    pytest.param(b"-" + b"9" * 64, "at most 64 characters", id="number-of-65-characters"),
    pytest.param(b'{"a":"\x01"}', "one JSON text", id="control-character-in-a-string"),
    pytest.param(b"{'a':1}", "one JSON text", id="single-quotes"),
    pytest.param(b'{"a":1,}', "one JSON text", id="trailing-comma"),
    pytest.param(b"[01]", "one JSON text", id="leading-zero"),
    pytest.param(b"[+1]", "one JSON text", id="plus"),
    pytest.param(b'{"a":1 /* */}', "one JSON text", id="comment"),
]


@pytest.mark.parametrize(("raw", "message"), REFUSED)
def test_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(MalformedJsonError, match=message):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32), id="depth-32"),
        pytest.param(b'"' + b"[{" * 50 + b'"', "[{" * 50, id="brackets-in-a-string-are-no-depth"),
        pytest.param(b'"\\"' + b"[" * 50 + b'"', '"' + "[" * 50, id="brackets-after-an-escaped-quote"),
        pytest.param(b'"\\\\"', "\\", id="escaped-backslash-before-the-quote"),
        pytest.param(b' {"a" : [1, true, "x"]} \n', {"a": [1, True, "x"]}, id="white-space"),
        pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="surrogate-pair"),
        pytest.param(b"9" * 64, int("9" * 64), id="number-of-64-digits"),
        pytest.param(
            "\u0928\u092e\u0938\u094d\u0924\u0947".join('""').encode(),
            "\u0928\u092e\u0938\u094d\u0924\u0947",
            id="hindi",
        ),
    ],
)
def test_is_read(raw: bytes, value: object) -> None:
    assert parse(raw) == value


def test_hostile_strings_cost_linear_time() -> None:
    # quadratic work on this megabyte would take hours, and the test's time limit would end it
    with pytest.raises(MalformedJsonError):
        parse(b'"' + b'\\"' * 500_000)
    with pytest.raises(MalformedJsonError):
        parse(b'"' * 1_000_001)


def test_refusals_do_not_quote_the_input() -> None:
    for raw in (b'{"Zq7Marker":1,"Zq7Marker":2}', b'{"a":Zq7Marker}', b'"Zq7Marker'):
        with pytest.raises(MalformedJsonError) as caught:
            parse(raw)
        assert "Zq7Marker" not in str(caught.value)


# RFC 8785, sections 3.2.2 and 3.2.3: the examples of the text
@pytest.mark.parametrize(
    ("value", "raw"),
    [
        pytest.param(
            {"literals": [None, True, False], "numbers": [333333333.33333329, 1e30, 4.5, 2e-3, 1e-27]},
            b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}',
            id="numbers-and-literals",
        ),
        pytest.param(
            {
                "\u20ac": "Euro Sign",
                "\r": "Carriage Return",
                "\ufb33": "Hebrew Letter Dalet With Dagesh",
                "1": "One",
                "\U0001f600": "Emoji: Grinning Face",
                "\u0080": "Control",
                "\u00f6": "Latin Small Letter O With Diaeresis",
            },
            '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",'
            '"\u20ac":"Euro Sign","\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'.encode(),
            id="names-by-utf-16-units",
        ),
        pytest.param(
            "\u20ac$\u000f\nA'\u0042\u0022\u005c\\\"/", b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"', id="strings"
        ),
        pytest.param({}, b"{}", id="empty"),
        pytest.param(MAX_SAFE_INTEGER, b"9007199254740991", id="largest-integer"),
    ],
)
def test_rfc_8785(value: object, raw: bytes) -> None:
    assert canonical(value) == raw


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(2**53, id="2^53"),
        pytest.param(-(2**53), id="-2^53"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param("\ud800", id="lone-surrogate"),
        pytest.param({1: 2}, id="name-that-is-a-number"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(object(), id="object"),
    ],
)
def test_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ValueError):
        canonical(value)


@pytest.mark.parametrize(
    ("text", "size", "message"),
    [
        pytest.param("QQ==", None, "another character", id="padding"),
        pytest.param("Q+", None, "another character", id="plus-of-plain-base64"),
        pytest.param("Q/", None, "another character", id="slash-of-plain-base64"),
        pytest.param("QQ\n", None, "another character", id="newline"),
        pytest.param("\u0430Q", None, "another character", id="cyrillic"),
        pytest.param("\udc80Q", None, "another character", id="lone-surrogate"),
        pytest.param("Q", None, "impossible length", id="one-character"),
        pytest.param("QQQQQ", None, "impossible length", id="five-characters"),
        pytest.param("QR", None, "spare bits", id="spare-bits-of-one-byte"),
        pytest.param("QUF", None, "spare bits", id="spare-bits-of-two-bytes"),
        pytest.param("QQ", 2, "expected 2 bytes as base64url, found 1", id="short"),
        pytest.param("QUFB", 2, "expected 2 bytes as base64url, found 3", id="long"),
        pytest.param("", 1, "expected 1 bytes as base64url, found 0", id="empty"),
    ],
)
def test_base64url_is_refused(text: str, size: int | None, message: str) -> None:
    for check in (unb64u, check_b64u):
        with pytest.raises(MalformedBase64Error, match=message):
            check(text, size)


# RFC 4648, section 10, without the padding
@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"foob", "Zm9vYg"), (b"\xfb\xff", "-_8")],
)
def test_base64url(raw: bytes, text: str) -> None:
    assert b64u(raw) == text
    assert unb64u(text, len(raw)) == raw
    check_b64u(text, len(raw))
