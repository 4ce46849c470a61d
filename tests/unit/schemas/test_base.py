from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.base import (
    AgencyId,
    Count,
    Country,
    Digest,
    Instant,
    Kid,
    Kind,
    Line,
    Model,
    Reference,
    Seconds,
    Sha256Hex,
    Text,
    Uuid7,
    UuidText,
    instant,
)
from schemas.canonical import MAX_SAFE_INTEGER, MalformedJsonError

UUID7 = "0190b8a5-0000-7000-8000-000000000000"


class Sample(Model):
    number: Count
    text: Line | None = None
    flag: bool = False


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(AgencyId, "in-ncb", id="agency"),
        pytest.param(AgencyId, "us-dea-el-paso", id="agency-of-three-words"),
        pytest.param(Country, "IND", id="country"),
        pytest.param(Kind, "payment-trail", id="kind"),
        pytest.param(Digest, "A" * 64, id="digest"),
        pytest.param(Kid, "A" * 43, id="kid"),
        pytest.param(Sha256Hex, "0f" * 32, id="sha256"),
        pytest.param(Uuid7, UUID7, id="uuid7"),
        pytest.param(UuidText, "0190b8a5-0000-4000-b000-000000000000", id="uuid4"),
        pytest.param(Seconds, MAX_SAFE_INTEGER, id="largest-second"),
        pytest.param(Line, "\u0928\u092e\u0938\u094d\u0924\u0947 \U0001f600", id="line"),
        pytest.param(Text, "one\n\ttwo", id="text"),
        pytest.param(Reference, "NCB/DZU/CR-17 (2)/2026#4", id="reference"),
        pytest.param(Instant, "2026-01-31T23:59:59.999999Z", id="instant"),
    ],
)
def test_is_taken(kind: Any, value: Any) -> None:
    assert TypeAdapter(kind).validate_python(value) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(AgencyId, "IN-NCB", id="agency-upper-case"),
        pytest.param(AgencyId, "in-", id="agency-without-name"),
        pytest.param(AgencyId, "ind-ncb", id="agency-of-three-letter-country"),
        pytest.param(AgencyId, "in-ncb\n", id="agency-newline"),
        pytest.param(AgencyId, "in-n\u0441b", id="agency-cyrillic"),
        pytest.param(AgencyId, "in-" + "n" * 30, id="agency-33-characters"),
        pytest.param(AgencyId, "in-../x", id="agency-path"),
        pytest.param(Country, "IN", id="country-of-two-letters"),
        pytest.param(Kind, "Tip", id="kind-upper-case"),
        pytest.param(Kind, "tip_1", id="kind-underscore"),
        pytest.param(Digest, "A" * 63, id="digest-short"),
        pytest.param(Digest, "A" * 63 + "=", id="digest-padded"),
        pytest.param(Digest, "A" * 63 + "+", id="digest-plain-base64"),
        pytest.param(Kid, "A" * 42 + "B", id="kid-spare-bits"),
        pytest.param(Kid, "../../etc/passwd", id="kid-path"),
        pytest.param(Kid, "' OR 1=1 --", id="kid-sql"),
        pytest.param(Sha256Hex, "0F" * 32, id="sha256-upper-case"),
        pytest.param(Uuid7, "0190b8a5-0000-4000-8000-000000000000", id="uuid4-for-7"),
        pytest.param(Uuid7, UUID7.upper(), id="uuid-upper-case"),
        pytest.param(Uuid7, UUID7.replace("8000", "c000"), id="uuid-variant"),
        pytest.param(Uuid7, UUID7.replace("-", ""), id="uuid-without-hyphens"),
        pytest.param(Seconds, -1, id="seconds-before-1970"),
        pytest.param(Seconds, 2**53, id="seconds-2^53"),
        pytest.param(Line, "", id="line-empty"),
        pytest.param(Line, "a\nb", id="line-newline"),
        pytest.param(Line, "a\tb", id="line-tab"),
        pytest.param(Line, "a\u2028b", id="line-separator"),
        pytest.param(Line, "a\u0085b", id="next-line"),
        pytest.param(Line, "x" * 201, id="line-long"),
        pytest.param(Text, "a\x00b", id="text-nul"),
        pytest.param(Text, "a\x7fb", id="text-delete"),
        pytest.param(Text, "a\ue000b", id="text-private-use"),
        pytest.param(Text, "a\ufdd0b", id="text-noncharacter"),
        pytest.param(Text, "a\ufeffb", id="text-byte-order-mark"),
        pytest.param(Text, "\u212b", id="text-not-nfc"),
        pytest.param(Text, "x" * 20_001, id="text-long"),
        pytest.param(Reference, "a;b", id="reference-semicolon"),
        pytest.param(Reference, " a", id="reference-space-first"),
        pytest.param(Reference, "=cmd", id="reference-formula"),
        pytest.param(Instant, "2026-01-31T12:00:00Z", id="instant-whole-seconds"),
        pytest.param(Instant, "2026-01-31T12:00:00.000000+00:00", id="instant-offset"),
        pytest.param(Instant, "2026-02-29T12:00:00.000000Z", id="instant-no-leap-year"),
        pytest.param(Instant, "2026-01-31T24:00:00.000000Z", id="instant-hour-24"),
        pytest.param(Instant, "2026-01-31T12:00:00.00000\u0663Z", id="instant-arabic-digit"),
        pytest.param(Instant, "2026-01-31T12:00:00.000000Z\n", id="instant-newline"),
    ],
)
def test_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("mark", [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C, 0x200E, 0x200F])
def test_no_bidirectional_character(mark: int) -> None:
    for kind in (Line, Text):
        with pytest.raises(ValidationError, match="bidirectional"):
            TypeAdapter(kind).validate_python(f"a{chr(mark)}b")


@pytest.mark.parametrize("code", [*range(9), *range(0xB, 0x20), *range(0x7F, 0xA0)])
def test_no_control_character(code: int) -> None:
    with pytest.raises(ValidationError, match="control"):
        TypeAdapter(Text).validate_python(f"a{chr(code)}b")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"number":true}', id="true-for-an-integer"),
        pytest.param(b'{"number":"1"}', id="text-for-an-integer"),
        pytest.param(b'{"number":1.0}', id="float-for-an-integer"),
        pytest.param(b'{"number":9007199254740992}', id="2^53"),
        pytest.param(b'{"number":1,"flag":1}', id="integer-for-a-boolean"),
        pytest.param(b'{"number":1,"flag":"true"}', id="text-for-a-boolean"),
        pytest.param(b'{"number":1,"Zq7Marker":1}', id="extra-member"),
        pytest.param(b'{"text":"Zq7Marker"}', id="missing-member"),
        pytest.param(b'{"number":1,"text":5}', id="integer-for-text"),
        pytest.param(b"[1]", id="array"),
    ],
)
def test_a_model_is_strict(raw: bytes) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.from_json(raw)
    assert "input_value" not in str(caught.value)


def test_a_model_is_read_from_strict_json_only() -> None:
    with pytest.raises(MalformedJsonError):
        Sample.from_json(b'{"number":1,"number":2}')


def test_a_model_is_frozen() -> None:
    sample = Sample(number=1)
    with pytest.raises(ValidationError):
        sample.number = 2  # type: ignore[misc]


def test_absent_members_are_left_out() -> None:
    assert Sample(number=1).to_object() == {"number": 1, "flag": False}
    assert Sample(number=1, text="x").canonical() == b'{"flag":false,"number":1,"text":"x"}'
    assert Sample.from_object({"number": 1}) == Sample(number=1)


def test_an_instant_is_utc_with_microseconds() -> None:
    assert instant(datetime(2026, 1, 31, 12, 0, tzinfo=UTC)) == "2026-01-31T12:00:00.000000Z"
    delhi = timezone(timedelta(hours=5, minutes=30))
    assert instant(datetime(2026, 1, 31, 12, 0, 0, 7, delhi)) == "2026-01-31T06:30:00.000007Z"
