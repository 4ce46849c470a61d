"""What became of the goods (stages `arrived`, `moved`), and what each stage does to an exchange."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import registry
from schemas.act import Answers, Asks
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

NOTICE = "A" * 64
SHORT = {"kinds": ["quantity-short"], "explanation": "x", "quantity": {"value": "1", "unit": "KGM"}}


@pytest.mark.parametrize(
    ("stage", "pointer", "value", "at", "sentence"),
    [
        pytest.param("arrived", "/arrived_on", GONE, "/arrived_on", "found none", id="no-day-of-arrival"),
        pytest.param("arrived", "/place", GONE, "/place", "found none", id="no-place-of-arrival"),
        pytest.param("arrived", "/substance", GONE, "/substance", "found none", id="nothing-arrived"),
        pytest.param("arrived", "/substance/quantity", GONE, "/substance/quantity", "that arrived", id="no-quantity"),
        pytest.param("arrived", "/discrepancy/kinds", [], "/discrepancy/kinds", "at least 1", id="differs-in-nothing"),
        pytest.param("arrived", "/discrepancy/kinds/0", MARKER, "/discrepancy/kinds/0", "'quantity-short'", id="kind"),
        pytest.param(
            "arrived", "/discrepancy/kinds", ["other", "other"], "/discrepancy/kinds", "each once", id="kind-twice"
        ),
        pytest.param(
            "arrived",
            "/discrepancy/kinds",
            ["quantity-short", "quantity-over"],
            "/discrepancy/kinds",
            "not both",
            id="short-and-over",
        ),
        pytest.param(
            "arrived", "/discrepancy/quantity", GONE, "/discrepancy/quantity", "how much", id="short-of-nobody-knows"
        ),
        pytest.param(
            "arrived", "/discrepancy/kinds", ["other"], "/discrepancy/quantity", "only with", id="amount-of-nothing"
        ),
        pytest.param(
            "arrived", "/discrepancy/explanation", GONE, "/discrepancy/explanation", "found none", id="no-word"
        ),
        pytest.param("arrived", "/dispatch_date", "2026-03-09", "", "only the members", id="a-notice-s-member"),
        pytest.param("moved", "/moved_on", GONE, "/moved_on", "found none", id="no-day-of-movement"),
        pytest.param("moved", "/received_on", "2026-02-10", "/received_on", "moved_on", id="received-before-it-left"),
        pytest.param("moved", "/consignor", GONE, "/consignor", "found none", id="from-nobody"),
        pytest.param("moved", "/consignee", GONE, "/consignee", "found none", id="to-nobody"),
        pytest.param(
            "moved",
            "/consignee/address/country",
            "USA",
            "/consignee/address/country",
            "notified, not moved",
            id="an-export",
        ),
        pytest.param("moved", "/substance/quantity", GONE, "/substance/quantity", "that moved", id="no-quantity-moved"),
        pytest.param("moved", "/substance/cas", GONE, "/substance/cas", "CAS number", id="no-cas-moved"),
        pytest.param("moved", "/consignment_note", GONE, "/consignment_note", "Order of 2013", id="no-note-in-india"),
        pytest.param("moved", "/form", "Form F", "/form", "the letter", id="form-in-words"),
        pytest.param("moved", "/arrived_on", "2026-02-13", "", "only the members", id="an-arrival-s-member"),
    ],
)
def test_is_refused(stage: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("pen", changed("pen", stage, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("stage", "pointer", "value"),
    [
        pytest.param("arrived", "/discrepancy", GONE, id="as-notified"),
        pytest.param("arrived", "/consignment", GONE, id="consignment-not-told"),
        pytest.param("arrived", "/discrepancy", {"kinds": ["documents-differ"], "explanation": "x"}, id="no-amount"),
        pytest.param("moved", "/received_on", GONE, id="on-its-way"),
        pytest.param("moved", "/received_on", "2026-02-11", id="the-same-day"),
        pytest.param("moved", "/form", "F", id="form"),
        pytest.param("moved", "/discrepancy", SHORT, id="short"),
    ],
)
def test_is_taken(stage: str, pointer: str, value: Any) -> None:
    document = changed("pen", stage, pointer, value)
    assert registry.check("pen", 1, document).to_object() == document


def test_a_movement_elsewhere_needs_no_note_and_a_form_does() -> None:
    document = changed("pen", "moved", "/consignment_note", GONE)
    for end in ("consignor", "consignee"):
        document[end]["address"] = {"lines": ["1 Invented Way"], "country": "USA"}
    assert registry.check("pen", 1, document).to_object() == document
    assert fault("pen", document | {"form": "F"}).pointer == "/consignment_note"


def test_a_movement_in_india_of_what_is_not_of_schedule_a_needs_no_note() -> None:
    document = changed("pen", "moved", "/consignment_note", GONE)
    document["substance"]["ndps_schedule"] = "B"
    assert registry.check("pen", 1, document).to_object() == document
    document["substance"]["ndps_schedule"] = "A"
    assert fault("pen", document).pointer == "/consignment_note"


def test_a_notice_asks_until_the_end_of_its_day() -> None:
    notice = registry.check("pen", 1, changed("pen", "notify", "/response_due", "2026-03-03"))
    due = int(datetime(2026, 3, 4, tzinfo=UTC).timestamp())
    assert registry.act_of(notice, None) == registry.act_of(notice, NOTICE) == Asks(does="asks", due=due)


@pytest.mark.parametrize("day", ["1970-01-01", "9998-12-31"])
def test_the_first_and_last_day_have_an_end(day: str) -> None:
    document = changed("pen", "notify", "/issued_on", "1970-01-01") | {
        "response_due": day,
        "dispatch_date": "9999-01-01",
    }
    del document["arrival_by"]
    asks = registry.act_of(registry.check("pen", 1, document), None)
    assert isinstance(asks, Asks)
    assert datetime.fromtimestamp(asks.due - 1, UTC).date().isoformat() == day


@pytest.mark.parametrize("stage", ["object", "no-objection"])
def test_an_answer_stops_the_clock_of_what_it_answers(stage: str) -> None:
    answer = registry.check("pen", 1, registry.samples("pen")[stage])
    assert registry.act_of(answer, NOTICE) == Answers(does="answers", of=NOTICE)


@pytest.mark.parametrize("stage", ["suspend", "acknowledge", "cleared", "arrived", "moved"])
def test_what_stops_no_clock(stage: str) -> None:
    payload = registry.check("pen", 1, registry.samples("pen")[stage])
    assert registry.act_of(payload, NOTICE) is None


@pytest.mark.parametrize("stage", ["object", "no-objection", "suspend", "acknowledge", "cleared", "arrived"])
def test_a_reply_says_to_what(stage: str) -> None:
    payload = registry.check("pen", 1, registry.samples("pen")[stage])
    with pytest.raises(registry.PayloadError, match="in_reply_to") as caught:
        registry.act_of(payload, None)
    assert caught.value.code == "schema"


def test_a_movement_may_stand_alone() -> None:
    assert registry.act_of(registry.check("pen", 1, registry.samples("pen")["moved"]), None) is None
