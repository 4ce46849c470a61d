from typing import Any

import pytest

from schemas import registry
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

BASIS = "/reasonable_suspicion_basis"
ENTRY = {"list": "SDN", "reference": "SDN-1"}


@pytest.mark.parametrize(
    ("sample", "pointer", "value", "at", "sentence"),
    [
        pytest.param("suspect", "/party", GONE, "/party", "found none", id="nobody"),
        pytest.param(
            "suspect",
            "/party",
            {"kind": "person"},
            "/party/names",
            "a name, an identifier or an address",
            id="nameless",
        ),
        pytest.param("suspect", "/category", MARKER, "/category", "'suspect', 'associate'", id="category"),
        pytest.param("suspect", "/category", GONE, "/category", "found none", id="no-category"),
        pytest.param("suspect", "/summary", GONE, "/summary", "found none", id="no-summary"),
        pytest.param("suspect", "/evaluation", GONE, "/evaluation", "found none", id="not-evaluated"),
        pytest.param("suspect", BASIS, GONE, BASIS, "28 CFR 23.20", id="suspect-without-basis"),
        pytest.param("organisation", BASIS, GONE, BASIS, "28 CFR 23.20", id="associate-without-basis"),
        pytest.param("victim", BASIS, "x", BASIS, "none for a victim", id="victim-under-suspicion"),
        pytest.param("suspect", "/category", "witness", BASIS, "none for a victim", id="witness-under-suspicion"),
        pytest.param("suspect", "/dob", "1987-13", "/dob", "does not exist", id="thirteenth-month"),
        pytest.param("suspect", "/dob", "1987-02-29", "/dob", "does not exist", id="no-leap-year"),
        pytest.param("suspect", "/dob", "04/03/1987", "/dob", "a date, month or year", id="date-form"),
        pytest.param("suspect", "/dob", "0000", "/dob", "does not exist", id="year-zero"),
        pytest.param("organisation", "/dob", "1987", "/dob", "only of a person", id="born-company"),
        pytest.param("organisation", "/gender", "male", "/gender", "only of a person", id="gendered-company"),
        pytest.param("organisation", "/nationalities", ["USA"], "/nationalities", "only of a person", id="national"),
        pytest.param(
            "organisation",
            "/place_of_birth",
            {"country": "USA"},
            "/place_of_birth",
            "only of a person",
            id="birthplace",
        ),
        pytest.param("suspect", "/nationalities", ["IND", "IND"], "/nationalities", "each country once", id="twice"),
        pytest.param("suspect", "/nationalities/0", "IN", "/nationalities/0", "alpha-3", id="two-letters"),
        pytest.param("suspect", "/interpol_notice/colour", MARKER, "/interpol_notice/colour", "'red'", id="colour"),
        pytest.param(
            "suspect", "/interpol_notice/reference", GONE, "/interpol_notice/reference", "found none", id="no-number"
        ),
        pytest.param(
            "suspect", "/interpol_notice/colour", "un-special", "/sanctions_refs", "Security Council", id="no-entry"
        ),
        pytest.param(
            "terror-nexus", "/sanctions_refs", [ENTRY], "/sanctions_refs", "Security Council", id="not-the-un-s"
        ),
        pytest.param("terror-nexus", "/sanctions_refs/0/list", MARKER, "/sanctions_refs/0/list", "'UN1267'", id="list"),
        pytest.param("suspect", "/sanctions_refs", [ENTRY, ENTRY], "/sanctions_refs", "once", id="entry-twice"),
        pytest.param("suspect", "/last_seen_at", GONE, "/last_seen_at", "the time", id="seen-when"),
        pytest.param("suspect", "/links/0/relation", MARKER, "/links/0/relation", "'associate'", id="relation"),
        pytest.param("suspect", "/links/0/confidence", "likely", "/links/0/confidence", "'low'", id="likelihood"),
        pytest.param("terror-nexus", "/terror_nexus/0/list", "EU", "/terror_nexus/0/list", "'UN1267'", id="nexus-list"),
    ],
)
def test_is_refused(sample: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("subject", changed("subject", sample, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("sample", "pointer", "value"),
    [
        pytest.param("suspect", "/dob", "1987", id="year-of-birth"),
        pytest.param("suspect", "/dob", "2000-02-29", id="leap-day"),
        pytest.param("suspect", "/category", "contact", id="contact-with-a-basis"),
        pytest.param("victim", "/category", "contact", id="contact-without-a-basis"),
        pytest.param("victim", "/category", "witness", id="witness"),
        pytest.param("suspect", "/party/kind", "account-holder", id="account-holder-with-a-birthday"),
        pytest.param("suspect", "/last_seen_place", GONE, id="seen-somewhere"),
        pytest.param("terror-nexus", "/sanctions_refs/0/list", "UNSC", id="another-list-of-the-council"),
        pytest.param("organisation", "/party/kind", "vessel", id="vessel"),
        pytest.param("terror-nexus", "/terror_nexus", GONE, id="no-nexus"),
    ],
)
def test_is_taken(sample: str, pointer: str, value: Any) -> None:
    document = changed("subject", sample, pointer, value)
    assert registry.check("subject", 1, document).to_object() == document


@pytest.mark.parametrize(
    ("kind", "people"),
    [
        pytest.param("person", ("/party", "/links/0/party"), id="person"),
        pytest.param("account-holder", ("/party", "/links/0/party"), id="account-holder"),
        pytest.param("organisation", ("/links/0/party",), id="organisation-with-a-linked-person"),
    ],
)
def test_people(kind: str, people: tuple[str, ...]) -> None:
    document = changed("subject", "suspect", "/party/kind", kind)
    for member in ("dob", "place_of_birth", "nationalities", "gender") if kind == "organisation" else ():
        del document[member]
    assert registry.check("subject", 1, document).people() == people


def test_an_organisation_alone_is_nobody() -> None:
    assert registry.check("subject", 1, registry.samples("subject")["organisation"]).people() == ()
