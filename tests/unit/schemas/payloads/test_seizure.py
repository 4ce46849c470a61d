from typing import Any

import pytest

from schemas import registry
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

SAMPLE = "bengali-market"


@pytest.mark.parametrize(
    ("pointer", "value", "at", "sentence"),
    [
        pytest.param("/seizure_ref", GONE, "/seizure_ref", "found none", id="no-reference"),
        pytest.param("/seized_on", "2026-02-30", "/seized_on", "does not exist", id="date-that-never-was"),
        pytest.param("/place", GONE, "/place", "found none", id="no-place"),
        pytest.param("/exhibits", [], "/exhibits", "at least 1", id="no-exhibit"),
        pytest.param("/exhibits/0/exhibit_id", GONE, "/exhibits/0/exhibit_id", "found none", id="exhibit-without-number"),
        pytest.param("/exhibits/1/exhibit_id", "DZU/MAL/2026/041", "/exhibits", "each exhibit_id once", id="two-exhibits-of-a-number"),
        pytest.param("/exhibits/0/substance/quantity", GONE, "/exhibits/0/substance/quantity", "with its unit", id="no-quantity"),
        pytest.param("/exhibits/0/substance/quantity/unit", GONE, "/exhibits/0/substance/quantity/unit", "found none", id="no-unit"),
        pytest.param("/exhibits/0/substance/cas", "437-38-7", "/exhibits/0/substance/cas", "another listed", id="cas-of-another"),
        pytest.param("/exhibits/0/packages", 0, "/exhibits/0/packages", "greater than or equal to 1", id="no-package"),
        pytest.param("/exhibits/0/lab_ref", GONE, "/exhibits/0/lab_ref", "laboratory's reference", id="laboratory-without-reference"),
        pytest.param("/exhibits/0/analysis", MARKER, "/exhibits/0/analysis", "'laboratory'", id="analysis"),
        pytest.param("/exhibits/0/analysed_on", "2026-02-09", "/exhibits/0/analysed_on", "seized_on", id="analysed-before-seized"),
        pytest.param("/offence", "060", "/offence", "ICCS", id="offence"),
        pytest.param("/conveyance", {"scheme": "phone", "value": "+12025550143"}, "/conveyance/scheme", "vehicle", id="telephone-that-drives"),
        pytest.param("/conveyance/country", GONE, "/conveyance/country", "issued", id="plate-of-no-country"),
        pytest.param("/route/0/role", "destination", "/route/1/role", "in order", id="destination-first"),
        pytest.param("/route/2/role", "origin", "/route/2/role", "in order", id="origin-last"),
        pytest.param("/route/2/role", "seizure", "/route/2/role", "in order", id="seized-twice"),
        pytest.param("/route/2/on", "2026-02-09", "/route/2/on", "points before", id="dates-out-of-order"),
        pytest.param("/concealment/0/method", "magic", "/concealment/0/method", "'in-body'", id="concealment"),
        pytest.param("/concealment/0", {"method": "other"}, "/concealment/0/description", "in words", id="other-not-explained"),
        pytest.param("/persons_arrested", GONE, "/persons_arrested", "found none", id="arrests-not-said"),
        pytest.param("/persons_arrested", 1, "/persons_arrested", "at least as many", id="more-nationals-than-persons"),
        pytest.param("/persons_arrested", "2", "/persons_arrested", "an integer", id="count-as-text"),
        pytest.param("/nationalities/0/country", "XQQ", "/nationalities/0/country", "ISO 3166", id="nationality"),
        pytest.param("/nationalities/0/persons", 0, "/nationalities/0/persons", "greater than or equal to 1", id="nobody-of-a-country"),
        pytest.param("/nationalities", [{"country": "IND", "persons": 1}] * 2, "/nationalities", "each country once", id="country-twice"),
        pytest.param("/parties", [{"ref": "a", "kind": "person", "names": [{"full": "x"}]}] * 2, "/parties", "each local name once", id="party-named-twice"),
        pytest.param("/stage", "notify", "", "only the members", id="a-stage"),
    ],
)  # fmt: skip
def test_is_refused(pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("seizure", changed("seizure", SAMPLE, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


ROUTE = [
    {"role": role, "place": {"country": "IND"}, "on": f"2026-02-1{day}"}
    for day, role in enumerate(["departure", "transit", "transit", "seizure", "transit", "destination"])
]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/exhibits/0/analysed_on", "2026-02-10", id="analysed-on-the-day"),
        pytest.param("/exhibits/2/lab_ref", "CRCL/1", id="reference-of-a-field-test"),
        pytest.param("/route", ROUTE, id="seized-between-transits"),
        pytest.param("/route", GONE, id="way-not-known"),
        pytest.param("/nationalities", GONE, id="nationality-not-known"),
        pytest.param("/persons_arrested", 3, id="one-of-unknown-nationality"),
        pytest.param("/conveyance", {"scheme": "imo", "value": "9319466"}, id="ship"),
        pytest.param("/concealment/0", {"method": "other", "description": "In a wedding cake."}, id="other-explained"),
    ],
)
def test_is_taken(pointer: str, value: Any) -> None:
    document = changed("seizure", SAMPLE, pointer, value)
    assert registry.check("seizure", 1, document).to_object() == document


def test_people_are_the_parties_and_nationals_are_counts() -> None:
    payload = registry.check("seizure", 1, registry.samples("seizure")[SAMPLE])
    assert payload.people() == ("/parties/0",)
    assert registry.act_of(payload, None) is None
    document = registry.samples("seizure")["mail-item"] | {"persons_arrested": 2}
    assert registry.check("seizure", 1, document).people() == ()
