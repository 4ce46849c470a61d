from typing import Any

import pytest

from schemas import registry
from schemas.payloads import diversion
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

TYPES = {
    "diversion": diversion.DiversionCompletedV1,
    "attempted-diversion": diversion.DiversionAttemptV1,
    "stopped-shipment": diversion.DiversionStoppedShipmentV1,
    "theft": diversion.DiversionTheftV1,
    "suspicious-order": diversion.DiversionSuspiciousOrderV1,
    "seizure": diversion.DiversionSeizureV1,
    "illicit-lab": diversion.DiversionIllicitLabV1,
}
TABLETS = {"value": "1", "unit": "U2"}


def test_every_type_has_a_sample() -> None:
    assert list(registry.samples("diversion")) == list(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_is_read_as_its_own_model(kind: str) -> None:
    payload = registry.check("diversion", 1, registry.samples("diversion")[kind])
    assert type(payload) is TYPES[kind]
    assert registry.act_of(payload, None) is None


@pytest.mark.parametrize(
    ("kind", "pointer", "value", "at", "sentence"),
    [
        pytest.param("diversion", "/type", MARKER, "/type", "'stopped-shipment'", id="unknown-type"),
        pytest.param("diversion", "/type", GONE, "/type", "add it", id="no-type"),
        pytest.param("diversion", "/type", "theft", "/loss", "found none", id="a-diversion-sent-as-a-theft"),
        pytest.param("diversion", "/authority", GONE, "/authority", "found none", id="no-authority"),
        pytest.param("diversion", "/lots", [], "/lots", "at least 1", id="no-lot"),
        pytest.param("diversion", "/detected_point", "shelf", "/detected_point", "'manufacture'", id="point"),
        pytest.param("diversion", "/method", "luck", "/method", "'front-company'", id="method"),
        pytest.param("diversion", "/detected_on", "2026-01-21", "/detected_on", "occurred_on", id="noticed-before-it-happened"),
        pytest.param("diversion", "/parties", [{"ref": "a", "kind": "person", "names": [{"full": "x"}]}] * 2, "/parties", "each local name once", id="party-named-twice"),
        pytest.param("diversion", "/lots/0/quantity_missing", GONE, "/lots/0/quantity_missing", "how much", id="nothing-missing-from-a-diversion"),
        pytest.param("diversion", "/lots/0/quantity_missing/unit", GONE, "/lots/0/quantity_missing/unit", "found none", id="quantity-without-unit"),
        pytest.param("diversion", "/lots/0/quantity_missing/unit", "KGM", "/lots/0/quantity_missing/unit", "unit of quantity", id="two-units"),
        pytest.param("diversion", "/lots/0/quantity_missing/value", "60000.01", "/lots/0/quantity_missing/value", "no more than", id="more-missing-than-there-was"),
        pytest.param("diversion", "/lots/0/substance", {"name": "Tapentadol"}, "/lots/0/substance", "either", id="substance-and-product"),
        pytest.param("diversion", "/lots/0/product", GONE, "/lots/0/substance", "neither", id="lot-of-nothing"),
        pytest.param("diversion", "/lots/0/product/gtin", "08901234567891", "/lots/0/product/gtin", "GTIN", id="gtin-check-digit"),
        pytest.param("diversion", "/lots/0/product/active", [], "/lots/0/product/active", "at least 1", id="product-of-nothing"),
        pytest.param("diversion", "/lots/0/batch", "tpx#", "/lots/0/batch", "batch", id="batch"),
        pytest.param("diversion", "/lots/0/expires_on", "2025-11-03", "/lots/0/expires_on", "after made_on", id="expired-when-made"),
        pytest.param("diversion", "/holder", GONE, "/holder", "found none", id="no-holder"),
        pytest.param("diversion", "/holder/licences/0/scheme", "in-pan", "/holder/licences/0/value", "PAN", id="urn-as-a-pan"),
        pytest.param("diversion", "/holder/licences", [{"scheme": "phone", "value": "+12025550143"}], "/holder/licences/0/scheme", "dea-registration or in-ndps-urn", id="telephone-for-a-licence"),
        pytest.param("diversion", "/holder/business", "shop", "/holder/business", "'pharmacy'", id="business"),
        pytest.param("theft", "/holder/licences", GONE, "/holder/licences", "found none", id="holder-without-licence"),
        pytest.param("theft", "/holder/licences/0/value", "BB1388569", "/holder/licences/0/value", "DEA registration", id="dea-check-digit"),
        pytest.param("theft", "/loss", "magic", "/loss", "'lost-in-transit'", id="loss"),
        pytest.param("theft", "/carrier", GONE, "/carrier", "carrier", id="lost-in-transit-with-nobody"),
        pytest.param("theft", "/lots/1/quantity_missing", GONE, "/lots/1/quantity_missing", "how much", id="nothing-stolen"),
        pytest.param("attempted-diversion", "/lots/0/quantity_missing", {"value": "1", "unit": "KGM"}, "/lots/0/quantity_missing", "expected none", id="missing-after-an-attempt"),
        pytest.param("attempted-diversion", "/lots/0/quantity", GONE, "/lots/0/quantity", "with its unit", id="attempt-without-quantity"),
        pytest.param("attempted-diversion", "/lots/0/substance/quantity", {"value": "1", "unit": "KGM"}, "/lots/0/substance/quantity", "beside", id="quantity-in-two-places"),
        pytest.param("attempted-diversion", "/how_noticed", GONE, "/how_noticed", "found none", id="not-said-how-noticed"),
        pytest.param("attempted-diversion", "/channel_refs/0/channel", "PICS2", "/channel_refs/0/channel", "'PICS'", id="channel"),
        pytest.param("stopped-shipment", "/legitimate_trade_impact", GONE, "/legitimate_trade_impact", "found none", id="stop-that-costs-nobody"),
        pytest.param("stopped-shipment", "/legitimate_trade_impact/parties_affected", [], "/legitimate_trade_impact/parties_affected", "at least 1", id="nobody-affected"),
        pytest.param("stopped-shipment", "/legitimate_trade_impact/delay_hours", -1, "/legitimate_trade_impact/delay_hours", "greater than or equal to 0", id="hours-below-zero"),
        pytest.param("stopped-shipment", "/stopped_on", "2026-02-25", "/stopped_on", "detected_on", id="stopped-before-noticed"),
        pytest.param("stopped-shipment", "/review_on", "2026-02-26", "/review_on", "stopped_on", id="review-before-stop"),
        pytest.param("stopped-shipment", "/review_on", GONE, "/review_on", "found none", id="stopped-for-ever"),
        pytest.param("stopped-shipment", "/ground", "mood", "/ground", "'suspected-diversion'", id="ground"),
        pytest.param("stopped-shipment", "/consignment", GONE, "/consignment", "found none", id="no-consignment"),
        pytest.param("stopped-shipment", "/lots/0/quantity", GONE, "/lots/0/quantity", "with its unit", id="stop-without-quantity"),
        pytest.param("diversion", "/legitimate_trade_impact/released_at", "2026-02-13T05:59:59Z", "/legitimate_trade_impact/released_at", "held_from", id="released-before-held"),
        pytest.param("diversion", "/legitimate_trade_impact/delay_hours", 77, "/legitimate_trade_impact/delay_hours", "whole hours", id="hours-that-do-not-add-up"),
        pytest.param("suspicious-order", "/ordered_on", "2026-02-25", "/detected_on", "ordered_on", id="noticed-before-ordered"),
        pytest.param("suspicious-order", "/indicators", ["other", "other"], "/indicators", "each indicator once", id="indicator-twice"),
        pytest.param("suspicious-order", "/disposition", "lost", "/disposition", "'refused', 'held' or 'filled'", id="disposition"),
        pytest.param("suspicious-order", "/legitimate_trade_impact", GONE, "/legitimate_trade_impact", "holding the order", id="held-at-no-cost"),
        pytest.param("suspicious-order", "/lots/0/quantity", GONE, "/lots/0/quantity", "with its unit", id="order-of-no-quantity"),
        pytest.param("suspicious-order", "/lots/0/quantity_missing", {"value": "1", "unit": "LTR"}, "/lots/0/quantity_missing", "expected none", id="missing-from-an-order"),
        pytest.param("seizure", "/lots/0/quantity", GONE, "/lots/0/quantity", "with its unit", id="seizure-without-quantity"),
        pytest.param("illicit-lab", "/detected_point", "manufacture", "/detected_point", "illicit-site", id="laboratory-in-lawful-trade"),
        pytest.param("illicit-lab", "/activities", ["storage", "storage"], "/activities", "each activity once", id="activity-twice"),
        pytest.param("illicit-lab", "/activities", [], "/activities", "at least 1", id="no-activity"),
        pytest.param("illicit-lab", "/lots/1/quantity", GONE, "/lots/1/quantity", "with its unit", id="found-without-quantity"),
        pytest.param("illicit-lab", "/loss", "other", "", "only the members", id="a-loss-in-a-laboratory"),
    ],
)  # fmt: skip
def test_is_refused(kind: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("diversion", changed("diversion", kind, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("kind", "pointer", "value"),
    [
        pytest.param("diversion", "/occurred_on", GONE, id="nobody-knows-when"),
        pytest.param("diversion", "/occurred_on", "2026-02-13", id="noticed-on-the-day"),
        pytest.param("diversion", "/lots/0/quantity", GONE, id="stock-not-known"),
        pytest.param("diversion", "/lots/0/quantity_missing/value", "60000.00", id="all-of-it-missing"),
        pytest.param("diversion", "/holder/licences", GONE, id="a-licence-of-another-law"),
        pytest.param("diversion", "/legitimate_trade_impact", GONE, id="lawful-trade-not-touched"),
        pytest.param("diversion", "/legitimate_trade_impact/released_at", "2026-02-16T10:00:00Z", id="the-whole-hour"),
        pytest.param("diversion", "/legitimate_trade_impact/released_at", "2026-02-16T10:59:59Z", id="an-hour-begun"),
        pytest.param("diversion", "/legitimate_trade_impact/released_at", GONE, id="still-held"),
        pytest.param("theft", "/lots/0/quantity", GONE, id="only-the-missing"),
        pytest.param("stopped-shipment", "/review_on", "2026-02-27", id="review-on-the-day"),
        pytest.param("stopped-shipment", "/stopped_on", "2026-02-26", id="stopped-on-the-day"),
        pytest.param("illicit-lab", "/made", GONE, id="nobody-knows-what-was-made"),
    ],
)
def test_is_taken(kind: str, pointer: str, value: Any) -> None:
    document = changed("diversion", kind, pointer, value)
    assert registry.check("diversion", 1, document).to_object() == document


@pytest.mark.parametrize("disposition", ["refused", "filled"])
def test_an_order_that_is_not_held_need_not_say_what_it_costs(disposition: str) -> None:
    document = changed("diversion", "suspicious-order", "/disposition", disposition)
    del document["legitimate_trade_impact"]
    assert registry.check("diversion", 1, document).to_object() == document


def test_a_theft_that_was_not_on_the_road_names_no_carrier() -> None:
    document = changed("diversion", "theft", "/loss", "break-in")
    del document["carrier"]
    assert registry.check("diversion", 1, document).to_object() == document


@pytest.mark.parametrize(
    ("kind", "member"), [("diversion", "holder"), ("attempted-diversion", "holder"), ("theft", "holder"), ("suspicious-order", "supplier")]
)  # fmt: skip
def test_a_practitioner_is_personal_data(kind: str, member: str) -> None:
    assert registry.check("diversion", 1, registry.samples("diversion")[kind]).people() == ()
    document = changed("diversion", kind, f"/{member}/kind", "person")
    assert registry.check("diversion", 1, document).people() == (f"/{member}",)


def test_people_are_told_beside_a_practitioner() -> None:
    document = changed("diversion", "diversion", "/parties/0/kind", "person")
    document["holder"]["kind"] = "person"
    assert registry.check("diversion", 1, document).people() == ("/holder", "/parties/0")
    assert registry.check("diversion", 1, registry.samples("diversion")["seizure"]).people() == ()
