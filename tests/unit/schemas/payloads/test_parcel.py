from typing import Any

import pytest

from schemas import registry
from schemas.act import Asks
from schemas.payloads import parcel
from schemas.payloads.values import seconds
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

STATUSES = {
    "in-transit": parcel.ParcelInTransitV1,
    "detained": parcel.ParcelDetainedV1,
    "examined": parcel.ParcelExaminedV1,
    "released": parcel.ParcelReleasedV1,
}


def test_every_status_has_a_sample() -> None:
    assert list(registry.samples("parcel")) == list(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_read_as_its_own_model(status: str) -> None:
    payload = registry.check("parcel", 1, registry.samples("parcel")[status])
    assert type(payload) is STATUSES[status]
    assert not payload.replies()


@pytest.mark.parametrize(
    ("status", "pointer", "value", "at", "sentence"),
    [
        pytest.param("in-transit", "/status", MARKER, "/status", "'detained'", id="unknown-status"),
        pytest.param("in-transit", "/status", GONE, "/status", "add it", id="no-status"),
        pytest.param("examined", "/status", "released", "/released_at", "found none", id="examined-sent-as-released"),
        pytest.param("in-transit", "/s10", GONE, "/s10", "neither", id="no-number"),
        pytest.param("in-transit", "/s10", "LX473124828IN", "/s10", "S10", id="s10-check-digit"),
        pytest.param("in-transit", "/events", GONE, "/events", "found none", id="no-event"),
        pytest.param("in-transit", "/events", [], "/events", "at least 1", id="events-empty"),
        pytest.param("in-transit", "/events/0/event", "EMQ", "/events/0/event", "'EMA'", id="event-code"),
        pytest.param("in-transit", "/events/1/at", "2026-02-09T09:39:59Z", "/events/1/at", "event before", id="events-out-of-order"),
        pytest.param("in-transit", "/expected_on", "2026-02-08", "/expected_on", "posted_on", id="expected-before-posting"),
        pytest.param("in-transit", "/action_requested", "seize", "/action_requested", "'detain'", id="action-of-another-status"),
        pytest.param("in-transit", "/action_requested", GONE, "/action_requested", "found none", id="action-not-said"),
        pytest.param("in-transit", "/action_requested", "none", "/answer_by", "no action", id="answer-to-no-question"),
        pytest.param("in-transit", "/answer_by", "1969-12-31T23:59:59Z", "/answer_by", "from 1970", id="answer-before-1970"),
        pytest.param("in-transit", "/declaration/form", "CN24", "/declaration/form", "'CN22' or 'CN23'", id="form"),
        pytest.param("in-transit", "/declaration/category", "present", "/declaration/category", "'gift'", id="category"),
        pytest.param("in-transit", "/declaration/contents", [], "/declaration/contents", "at least 1", id="declares-nothing"),
        pytest.param("in-transit", "/declaration/contents/0/net_weight/unit", "LBR", "/declaration/contents/0/net_weight/unit", "'KGM' or 'GRM'", id="pounds"),
        pytest.param("in-transit", "/declaration/contents/0/net_weight/unit", GONE, "/declaration/contents/0/net_weight/unit", "found none", id="weight-without-unit"),
        pytest.param("in-transit", "/declaration/contents/0/quantity/unit", GONE, "/declaration/contents/0/quantity/unit", "found none", id="quantity-without-unit"),
        pytest.param("in-transit", "/declaration/contents/0/value/currency", "USX", "/declaration/contents/0/value/currency", "4217", id="currency"),
        pytest.param("in-transit", "/declaration/contents/0/hs", "3004.90", "/declaration/contents/0/hs", "without dots", id="hs-with-dot"),
        pytest.param("in-transit", "/declaration/contents/0/origin", "IN", "/declaration/contents/0/origin", "alpha-3", id="origin-of-two-letters"),
        pytest.param("in-transit", "/shipper_of_record", GONE, "/shipper_of_record", "found none", id="no-shipper"),
        pytest.param("in-transit", "/shipper_of_record", {"kind": "person"}, "/shipper_of_record/names", "a name, an identifier or an address", id="shipper-unknown"),
        pytest.param("in-transit", "/real_sender/confidence", "sure", "/real_sender/confidence", "'low', 'moderate' or 'high'", id="confidence"),
        pytest.param("in-transit", "/real_sender/basis", GONE, "/real_sender/basis", "found none", id="attributed-without-basis"),
        pytest.param("detained", "/detained_at", GONE, "/detained_at", "found none", id="held-since-when"),
        pytest.param("detained", "/review_by", GONE, "/review_by", "found none", id="held-for-ever"),
        pytest.param("detained", "/review_by", "2026-02-20T14:00:00Z", "/review_by", "after detained_at", id="review-before-holding"),
        pytest.param("detained", "/answer_by", "2026-02-20T13:59:59Z", "/answer_by", "detained_at", id="answer-due-before-holding"),
        pytest.param("detained", "/ground", "mood", "/ground", "'detector-dog'", id="ground"),
        pytest.param("examined", "/power", GONE, "/power", "found none", id="opened-by-no-power"),
        pytest.param("examined", "/power", "warrant", "/power_ref", "warrant's reference", id="warrant-without-reference"),
        pytest.param("examined", "/found", [], "/found", "what was found", id="found-nothing-controlled"),
        pytest.param("examined", "/found/0/quantity", GONE, "/found/0/quantity", "with its unit", id="found-no-quantity"),
        pytest.param("examined", "/finding", "nothing-illicit", "/found", "expected none", id="nothing-illicit-but-fentanyl"),
        pytest.param("released", "/legitimate_trade_impact", GONE, "/legitimate_trade_impact", "holding the item cost", id="lawful-at-no-cost"),
        pytest.param("released", "/legitimate_trade_impact/released_at", GONE, "/legitimate_trade_impact/released_at", "released_at", id="released-and-not"),
        pytest.param("released", "/released_at", "2026-02-23T17:46:00Z", "/legitimate_trade_impact/released_at", "agree", id="released-at-two-times"),
        pytest.param("released", "/legitimate_trade_impact/delay_hours", 54, "/legitimate_trade_impact/delay_hours", "whole hours", id="hours-that-do-not-add-up"),
        pytest.param("released", "/reason", "boredom", "/reason", "'lawful-contents'", id="reason"),
        pytest.param("released", "/ground", "scan", "", "only the members", id="a-ground-for-a-release"),
    ],
)  # fmt: skip
def test_is_refused(status: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("parcel", changed("parcel", status, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


def test_more_that_needs_two_changes_is_refused() -> None:
    document = changed("parcel", "detained", "/ground", "other")
    del document["explanation"]
    assert fault("parcel", document).pointer == "/explanation"
    document = changed("parcel", "examined", "/finding", "nothing-illicit") | {"found": [], "action_requested": "seize"}
    assert fault("parcel", document).pointer == "/action_requested"
    document = changed("parcel", "examined", "/action_requested", "seize") | {"answer_by": "2026-02-23T15:19:59Z"}
    assert fault("parcel", document).pointer == "/answer_by"
    document = changed("parcel", "released", "/action_requested", "watch") | {"answer_by": "2026-02-23T17:44:59Z"}
    assert fault("parcel", document).pointer == "/answer_by"


CARRIER = {"carrier": "Invented Express", "number": "1Z999AA10123456784"}


@pytest.mark.parametrize(
    ("status", "pointer", "value"),
    [
        pytest.param("in-transit", "/tracking", CARRIER, id="two-numbers"),
        pytest.param("in-transit", "/answer_by", GONE, id="action-without-a-date"),
        pytest.param("in-transit", "/declaration", GONE, id="no-declaration"),
        pytest.param("in-transit", "/declaration/total_value/amount", "3.80", id="a-declaration-that-lies"),
        pytest.param("in-transit", "/declaration/contents/0", {"description": "Gift"}, id="a-line-left-half-empty"),
        pytest.param("in-transit", "/events/1/at", "2026-02-09T09:40:00Z", id="two-events-at-once"),
        pytest.param("detained", "/explanation", GONE, id="a-ground-that-speaks-for-itself"),
        pytest.param("detained", "/answer_by", "2026-02-20T14:00:00Z", id="answer-at-once"),
        pytest.param("examined", "/power_ref", "W-1", id="reference-of-a-power"),
        pytest.param("examined", "/finding", "inconclusive", id="inconclusive"),
        pytest.param("released", "/reason", "controlled-delivery", id="released-under-watch"),
    ],
)
def test_is_taken(status: str, pointer: str, value: Any) -> None:
    document = changed("parcel", status, pointer, value)
    assert registry.check("parcel", 1, document).to_object() == document


def test_a_carriers_item_needs_no_s10() -> None:
    document = changed("parcel", "in-transit", "/tracking", CARRIER)
    del document["s10"]
    assert registry.check("parcel", 1, document).to_object() == document


def test_contents_that_were_seized_are_no_lawful_trade() -> None:
    document = changed("parcel", "released", "/reason", "contents-seized")
    del document["legitimate_trade_impact"]
    assert registry.check("parcel", 1, document).to_object() == document


def test_what_asks_for_an_answer_says_so_in_its_act() -> None:
    samples = registry.samples("parcel")
    for status in ("in-transit", "detained"):
        act = registry.act_of(registry.check("parcel", 1, samples[status]), None)
        assert act == Asks(does="asks", due=seconds(samples[status]["answer_by"]))
    for status in ("examined", "released"):
        assert registry.act_of(registry.check("parcel", 1, samples[status]), None) is None
    document = changed("parcel", "in-transit", "/answer_by", "1970-01-01T00:00:00Z")
    assert registry.act_of(registry.check("parcel", 1, document), None) == Asks(does="asks", due=0)


def test_people_are_told_wherever_they_stand() -> None:
    payload = registry.check("parcel", 1, registry.samples("parcel")["in-transit"])
    assert payload.people() == ("/shipper_of_record", "/real_sender/party", "/addressee")
    payload = registry.check("parcel", 1, changed("parcel", "in-transit", "/drop_shipper/kind", "person"))
    assert "/drop_shipper" in payload.people()
    assert registry.check("parcel", 1, registry.samples("parcel")["released"]).people() == ()
