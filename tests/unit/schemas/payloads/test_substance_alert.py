from typing import Any

import pytest

from schemas import registry
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

KEY = "OIOQREYBGDAYGT-UHFFFAOYSA-N"


@pytest.mark.parametrize(
    ("sample", "pointer", "value", "at", "sentence"),
    [
        pytest.param("nitazene", "/substance", GONE, "/substance", "found none", id="no-substance"),
        pytest.param("nitazene", "/substance/inchikey", GONE, "/substance/inchikey", "the InChIKey", id="no-inchikey"),
        pytest.param(
            "nitazene", "/substance/inchikey", KEY[:-1] + "n", "/substance/inchikey", "InChIKey", id="inchikey"
        ),
        pytest.param("nitazene", "/substance/cas", "14188-81-8", "/substance/cas", "does not exist", id="cas"),
        pytest.param("nitazene", "/substance/cas", "437-38-7", "/substance/cas", "another listed", id="cas-of-another"),
        pytest.param("nitazene", "/substance/form", "powder", "/substance/form", "without form", id="form"),
        pytest.param(
            "nitazene",
            "/substance/quantity",
            {"value": "1", "unit": "GRM"},
            "/substance/quantity",
            "without form",
            id="quantity",
        ),
        pytest.param("nitazene", "/substance/purity", "9", "/substance/purity", "without form", id="purity"),
        pytest.param("nitazene", "/systematic_name", GONE, "/systematic_name", "found none", id="no-systematic-name"),
        pytest.param("nitazene", "/substance_group", MARKER, "/substance_group", "'aminoindanes'", id="group"),
        pytest.param("nitazene", "/effect_group", MARKER, "/effect_group", "'stimulants'", id="effect"),
        pytest.param(
            "nitazene", "/substance_group", GONE, "/substance_group", "a group, or in", id="neither-group-nor-use"
        ),
        pytest.param("nitazene", "/effect_group", GONE, "/effect_group", "together", id="group-without-effect"),
        pytest.param(
            "precursor", "/effect_group", "stimulants", "/substance_group", "together", id="effect-without-group"
        ),
        pytest.param("precursor", "/precursor_of", [], "/substance_group", "a group, or in", id="made-into-nothing"),
        pytest.param(
            "precursor",
            "/precursor_of/0",
            {"name": "tert-butyl 4-oxopiperidine-1-carboxylate"},
            "/precursor_of/0",
            "another substance",
            id="made-into-itself-by-a-synonym",
        ),
        pytest.param(
            "precursor",
            "/precursor_of/1",
            {"name": "a name nobody lists", "cas": "79099-07-3"},
            "/precursor_of/1",
            "another substance",
            id="made-into-itself-by-number",
        ),
        pytest.param("nitazene", "/first_seen", GONE, "/first_seen", "found none", id="never-seen"),
        pytest.param("nitazene", "/first_seen_place", GONE, "/first_seen_place", "found none", id="seen-nowhere"),
        pytest.param("nitazene", "/reported_on", "2026-02-12", "/reported_on", "first_seen", id="reported-before-seen"),
        pytest.param("nitazene", "/forms", ["powder", "powder"], "/forms", "each once", id="form-twice"),
        pytest.param("nitazene", "/forms/0", "gas", "/forms/0", "'powder'", id="no-such-form"),
        pytest.param("nitazene", "/synonyms", ["iso", "ISO"], "/synonyms", "each once", id="synonym-twice"),
        pytest.param("nitazene", "/harms/0/cases", 0, "/harms/0/cases", "greater than or equal to 1", id="no-case"),
        pytest.param("nitazene", "/harms/0/event", MARKER, "/harms/0/event", "'death'", id="harm"),
        pytest.param("nitazene", "/harms/0/exposure", MARKER, "/harms/0/exposure", "'confirmed'", id="exposure"),
        pytest.param("nitazene", "/harms/0/until", "2026-02-07", "/harms/0/until", "since", id="harm-until-before"),
        pytest.param("nitazene", "/analytical_ref", [], "/analytical_ref", "two techniques", id="confirmed-by-nothing"),
        pytest.param(
            "nitazene", "/analytical_ref/0/techniques", ["ms"], "/analytical_ref", "two techniques", id="one-technique"
        ),
        pytest.param(
            "nitazene",
            "/analytical_ref/0/techniques",
            ["gc", "tlc"],
            "/analytical_ref",
            "one of them",
            id="no-structure",
        ),
        pytest.param(
            "nitazene",
            "/analytical_ref/0/techniques",
            ["ms", "ms"],
            "/analytical_ref/0/techniques",
            "each technique once",
            id="technique-twice",
        ),
        pytest.param(
            "nitazene",
            "/analytical_ref/0/techniques/0",
            "gc-ms",
            "/analytical_ref/0/techniques/0",
            "'ir'",
            id="hyphenated",
        ),
        pytest.param(
            "nitazene", "/control/0/instrument", GONE, "/control/0/instrument", "law or order", id="by-no-law"
        ),
        pytest.param(
            "nitazene", "/control/1/since", "2026-01-01", "/control/1/since", "nothing is in force", id="since"
        ),
        pytest.param("nitazene", "/control/1/country", "USA", "/control", "each once", id="country-twice"),
        pytest.param("nitazene", "/control/0/status", MARKER, "/control/0/status", "'listed'", id="status"),
        pytest.param("nitazene", "/narrative", GONE, "/narrative", "found none", id="no-narrative"),
    ],
)
def test_is_refused(sample: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("substance-alert", changed("substance-alert", sample, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("sample", "pointer", "value"),
    [
        pytest.param("nitazene", "/substance/cas", GONE, id="not-numbered-yet"),
        pytest.param("nitazene", "/precursor_of", [{"name": "something else"}], id="psychoactive-and-a-precursor"),
        pytest.param("nitazene", "/reported_on", "2026-02-13", id="reported-that-day"),
        pytest.param("nitazene", "/confirmed_by", GONE, id="not-confirmed"),
        pytest.param("unnumbered", "/analytical_ref/0/techniques", ["tlc"], id="one-technique-unconfirmed"),
        pytest.param("nitazene", "/analytical_ref/0/techniques", ["nmr", "raman"], id="two-of-structure"),
        pytest.param("nitazene", "/control/0/since", GONE, id="in-force-since-nobody-knows"),
        pytest.param("nitazene", "/control/1/status", "not-controlled", id="not-controlled"),
        pytest.param("nitazene", "/harms/0/until", "2026-02-08", id="harm-of-one-day"),
    ],
)
def test_is_taken(sample: str, pointer: str, value: Any) -> None:
    document = changed("substance-alert", sample, pointer, value)
    assert registry.check("substance-alert", 1, document).to_object() == document


def test_a_plant_has_no_structure() -> None:
    document = changed("substance-alert", "nitazene", "/substance", {"name": "kratom leaf"})
    document |= {"systematic_name": "Mitragyna speciosa", "substance_group": "plants-extracts"}
    assert registry.check("substance-alert", 1, document).to_object() == document
    assert fault("substance-alert", document | {"substance_group": "opioids"}).pointer == "/substance/inchikey"


def test_an_alert_is_about_nobody() -> None:
    for sample in registry.samples("substance-alert").values():
        assert registry.check("substance-alert", 1, sample).people() == ()
