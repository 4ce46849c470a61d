from typing import Any

import pytest

from schemas import registry
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

SAMPLE = "bengali-market"


@pytest.mark.parametrize(
    ("pointer", "value", "at", "sentence"),
    [
        pytest.param("/title", GONE, "/title", "found none; add it", id="no-title"),
        pytest.param("/narrative", GONE, "/narrative", "found none; add it", id="no-narrative"),
        pytest.param("/evaluation", GONE, "/evaluation", "found none", id="no-evaluation"),
        pytest.param("/observed_at", GONE, "/observed_at", "found none", id="no-time"),
        pytest.param(f"/{MARKER}", 1, "", "only the members the schema names", id="extra-member"),
        pytest.param(f"/substances/0/{MARKER}", 1, "/substances/0", "only the members", id="extra-member-deep"),
        pytest.param("/title", "", "/title", "at least 1 character", id="empty-title"),
        pytest.param("/title", MARKER * 30, "/title", "at most 200", id="long-title"),
        pytest.param("/narrative", MARKER * 3000, "/narrative", "at most 20000", id="long-narrative"),
        pytest.param("/title", f"{MARKER}\n", "/title", "another form", id="newline-in-a-line"),
        pytest.param("/title", f"{MARKER}\u2028", "/title", "control or bidirectional", id="line-separator"),
        pytest.param("/narrative", f"{MARKER}\u202e", "/narrative", "control or bidirectional", id="bidi-override"),
        pytest.param("/narrative", f"{MARKER}\u2066", "/narrative", "control or bidirectional", id="bidi-isolate"),
        pytest.param("/narrative", f"{MARKER}\u200f", "/narrative", "control or bidirectional", id="bidi-mark"),
        pytest.param("/narrative", f"{MARKER}\u0000", "/narrative", "control or bidirectional", id="nul"),
        pytest.param("/narrative", f"{MARKER}\u001b[2J", "/narrative", "control or bidirectional", id="escape"),
        pytest.param("/narrative", f"{MARKER}\r\n", "/narrative", "control or bidirectional", id="carriage-return"),
        pytest.param("/narrative", f"{MARKER}\U000e0041", "/narrative", "control or bidirectional", id="tag-letter"),
        pytest.param("/narrative", f"{MARKER}e\u0301", "/narrative", "normalisation form C", id="not-nfc"),
        pytest.param("/discipline", MARKER, "/discipline", "'HUMINT', 'OSINT'", id="discipline"),
        pytest.param("/evaluation/scheme", MARKER, "/evaluation/scheme", "'admiralty'", id="evaluation-scheme"),
        pytest.param("/evaluation/scheme", GONE, "/evaluation/scheme", "add it", id="evaluation-without-scheme"),
        pytest.param("/evaluation/source", "X", "/evaluation/source", "'A', 'B'", id="europol-grade-in-admiralty"),
        pytest.param("/evaluation/information", 2, "/evaluation/information", "'1', '2'", id="grade-as-a-number"),
        pytest.param("/observed_at", "2026-02-10 13:40", "/observed_at", "a UTC time", id="time-form"),
        pytest.param("/observed_at", "2026-02-30T00:00:00Z", "/observed_at", "does not exist", id="time-that-never-was"),
        pytest.param("/observed_at", "2026-02-10T13:40:00+05:30", "/observed_at", "a UTC time", id="time-zone"),
        pytest.param("/observed_until", "2026-02-09T00:00:00Z", "/observed_until", "at or after", id="times-exchanged"),
        pytest.param("/offence", "060", "/offence", "an ICCS code", id="offence"),
        pytest.param("/substances", {}, "/substances", "an array", id="object-for-array"),
        pytest.param("/substances/0", MARKER, "/substances/0", "an object", id="string-for-object"),
        pytest.param("/substances/0/cas", "27203-92-6", "/substances/0/cas", "does not exist", id="cas-check-digit"),
        pytest.param("/substances/0/cas", "437-38-7", "/substances/0/cas", "another listed", id="cas-of-another"),
        pytest.param(
            "/substances/0/inchikey",
            "PJMPHNIQZUBGLI-UHFFFAOYSA-N",
            "/substances/0/inchikey",
            "another listed",
            id="inchikey-of-another",
        ),
        pytest.param("/substances/0/quantity/value", 48200, "/substances/0/quantity/value", "a string", id="number"),
        pytest.param("/substances/0/quantity/value", "0.0", "/substances/0/quantity/value", "above zero", id="zero"),
        pytest.param("/substances/0/quantity/value", "-1", "/substances/0/quantity/value", "without sign", id="minus"),
        pytest.param("/substances/0/quantity/value", "1e3", "/substances/0/quantity/value", "exponent", id="exponent"),
        pytest.param("/substances/0/quantity/value", "01", "/substances/0/quantity/value", "decimal", id="zero-before"),
        pytest.param("/substances/0/quantity/unit", "KG", "/substances/0/quantity/unit", "KGM", id="unit"),
        pytest.param("/substances/0/purity", "100.1", "/substances/0/purity", "0 to 100", id="purity"),
        pytest.param("/substances/0/hs6", "2933.33", "/substances/0/hs6", "without a dot", id="hs-with-dot"),
        pytest.param("/substances/0/un_list", "1988-III", "/substances/0/un_list", "'1988-I'", id="un-list"),
        pytest.param("/parties/0", {"kind": "person"}, "/parties/0/names", "a name, an identifier or an address", id="nobody"),
        pytest.param("/parties/0/identifiers/0/scheme", MARKER, "/parties/0/identifiers/0/scheme", "cas", id="scheme"),
        pytest.param("/parties/0/identifiers/0/value", MARKER, "/parties/0/identifiers/0/value", "E.164", id="phone"),
        pytest.param("/parties/2/identifiers/0/country", GONE, "/parties/2/identifiers/0/country", "issued", id="issuer"),
        pytest.param("/parties/1/ref", "supplier-1", "/parties", "each local name once", id="local-name-twice"),
        pytest.param("/places/0/country", "XQQ", "/places/0/country", "ISO 3166-1", id="country-not-assigned"),
        pytest.param("/places/0/country", "IN", "/places/0/country", "alpha-3", id="country-of-two-letters"),
        pytest.param("/places/0/subdivision", "IN-XX", "/places/0/subdivision", "ISO 3166-2", id="subdivision"),
        pytest.param("/places/0/latitude", "91", "/places/0/latitude", "-90 to 90", id="latitude"),
        pytest.param("/places/0/longitude", GONE, "/places/0/longitude", "both degrees", id="one-degree-only"),
        pytest.param("/consignments/0/mode", "9", "/consignments/0/mode", "Recommendation 19", id="mode"),
        pytest.param("/consignments/0/s10", "LX473124828IN", "/consignments/0/s10", "S10", id="s10"),
        pytest.param("/consignments/0/origin", "IN DEL", "/consignments/0/origin", "UN/LOCODE", id="locode"),
        pytest.param("/consignments/0/value/currency", "USX", "/consignments/0/value/currency", "4217", id="currency"),
        pytest.param("/evidence/0/sha256", "0" * 63, "/evidence/0/sha256", "another form", id="sha256"),
        pytest.param("/evidence/0/size", "482113", "/evidence/0/size", "an integer", id="size-as-text"),
        pytest.param("/evidence/0/size", 482113.0, "/evidence/0/size", "no fractions", id="whole-fraction"),
        pytest.param("/evidence/0/size", 2**53, "/evidence/0/size", "below 2^53", id="2^53"),
        pytest.param("/offence", None, "/offence", "leave the member out", id="null-for-an-optional-member"),
        pytest.param("/evidence/0/size", True, "/evidence/0/size", "an integer", id="true-for-an-integer"),
        pytest.param("/evidence/0/size", -1, "/evidence/0/size", "greater than or equal to 0", id="size-below-zero"),
        pytest.param("/evidence/0/name", "../order.pdf", "/evidence/0/name", "without folders", id="path-for-a-name"),
        pytest.param("/case_refs/0/agency", "ncb", "/case_refs/0/agency", "another form", id="agency-id"),
        pytest.param("/case_refs/0/agency", "in-n\u0441b", "/case_refs/0/agency", "another form", id="cyrillic-in-an-id"),
    ],
)  # fmt: skip
def test_is_refused(pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("tip", changed("tip", SAMPLE, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/title", "\u0926\u093f\u0932\u094d\u0932\u0940", id="hindi"),
        pytest.param("/title", "\u0915\u094d\u200d\u0937", id="zero-width-joiner"),
        pytest.param("/narrative", "one\n\ttwo", id="newline-and-tab-in-text"),
        pytest.param("/substances/0/name", "a nitazene nobody has named", id="unlisted-name-with-a-listed-number"),
        pytest.param("/substances/0/cas", "64-17-5", id="listed-name-with-an-unlisted-number"),
        pytest.param("/substances/0/quantity/value", "0.000000000000000001", id="eighteen-places"),
        pytest.param(
            "/evaluation", {"scheme": "uk352", "source": "1", "information": "E", "handling": "C"}, id="uk352"
        ),
        pytest.param("/observed_until", GONE, id="an-instant"),
        pytest.param("/places/0", {"country": "XZZ", "latitude": "8.5", "longitude": "71.25"}, id="on-the-high-seas"),
        pytest.param(
            "/parties/0",
            {"kind": "person", "addresses": [{"lines": ["Shop 4"], "country": "IND"}]},
            id="known-by-an-address-alone",
        ),
    ],
)
def test_is_taken(pointer: str, value: Any) -> None:
    document = changed("tip", SAMPLE, pointer, value)
    assert registry.check("tip", 1, document).to_object() == document
