from typing import Any

import pytest

from schemas import registry
from schemas.payloads import pen
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

STAGES = {
    "notify": pen.PenNotifyV1,
    "acknowledge": pen.PenAcknowledgeV1,
    "suspend": pen.PenSuspendV1,
    "object": pen.PenObjectV1,
    "no-objection": pen.PenNoObjectionV1,
    "cleared": pen.PenClearedV1,
    "arrived": pen.PenArrivedV1,
    "moved": pen.PenMovedV1,
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_read_as_its_own_model(stage: str) -> None:
    payload = registry.check("pen", 1, registry.samples("pen")[stage])
    assert type(payload) is STAGES[stage]


@pytest.mark.parametrize(
    ("stage", "pointer", "value", "at", "sentence"),
    [
        pytest.param("notify", "/stage", MARKER, "/stage", "'notify'", id="unknown-stage"),
        pytest.param("notify", "/stage", GONE, "/stage", "add it", id="no-stage"),
        pytest.param("notify", "/stage", "object", "/decided_on", "found none", id="a-notice-sent-as-an-objection"),
        pytest.param("notify", "/pen_ref", GONE, "/pen_ref", "found none", id="no-reference"),
        pytest.param("notify", "/authority", GONE, "/authority", "found none", id="no-authority"),
        pytest.param("notify", "/exporter", GONE, "/exporter", "found none", id="no-exporter"),
        pytest.param("notify", "/importer", GONE, "/importer", "found none", id="no-importer"),
        pytest.param("notify", "/importer/address", GONE, "/importer/address", "found none", id="no-address"),
        pytest.param("notify", "/exporter/address/lines", [], "/exporter/address/lines", "at least 1", id="no-lines"),
        pytest.param("notify", "/substance", GONE, "/substance", "found none", id="no-substance"),
        pytest.param("notify", "/substance/quantity", GONE, "/substance/quantity", "the quantity", id="no-quantity"),
        pytest.param("notify", "/substance/cas", GONE, "/substance/cas", "CAS number", id="no-cas"),
        pytest.param("notify", "/substance/un_list", "1961-I", "/substance/un_list", "1988", id="a-drug"),
        pytest.param("notify", "/point_of_entry", GONE, "/point_of_entry", "found none", id="no-point-of-entry"),
        pytest.param("notify", "/dispatch_date", GONE, "/dispatch_date", "found none", id="no-dispatch-date"),
        pytest.param("notify", "/response_due", GONE, "/response_due", "found none", id="no-response-due"),
        pytest.param("notify", "/end_use", GONE, "/end_use", "found none", id="no-end-use"),
        pytest.param("notify", "/response_due", "2026-02-15", "/response_due", "issued_on", id="due-before-issue"),
        pytest.param(
            "notify", "/response_due", "2026-03-10", "/dispatch_date", "response_due", id="due-after-dispatch"
        ),
        pytest.param(
            "notify", "/dispatch_date", "2026-03-02", "/dispatch_date", "response_due", id="dispatch-too-soon"
        ),
        pytest.param(
            "notify", "/arrival_by", "2026-03-08", "/arrival_by", "dispatch_date", id="arrival-before-dispatch"
        ),
        pytest.param(
            "notify", "/importer/address/country", "IND", "/importer/address/country", "another country", id="no-export"
        ),
        pytest.param(
            "notify", "/point_of_entry/country", "IND", "/point_of_entry/country", "other than", id="entry-at-home"
        ),
        pytest.param("notify", "/iec", "AAACE1234", "/iec", "Importer-Exporter", id="iec"),
        pytest.param(
            "notify",
            "/consignment/containers/0",
            "MSKU4129076",
            "/consignment/containers/0",
            "ISO 6346",
            id="container-check-digit",
        ),
        pytest.param("notify", "/ground", "other", "", "only the members", id="a-ground-in-a-notice"),
        pytest.param("acknowledge", "/received_on", GONE, "/received_on", "found none", id="no-date-of-receipt"),
        pytest.param(
            "acknowledge", "/answer_by", "2026-02-16", "/answer_by", "received_on", id="answer-before-receipt"
        ),
        pytest.param("acknowledge", "/exporter", {}, "", "only the members", id="an-exporter-in-an-answer"),
        pytest.param("object", "/ground", GONE, "/ground", "found none", id="objection-without-ground"),
        pytest.param("object", "/ground", MARKER, "/ground", "'importer-unknown'", id="unknown-ground"),
        pytest.param("object", "/explanation", GONE, "/explanation", "found none", id="objection-unexplained"),
        pytest.param("object", "/decided_on", "2026-02-29", "/decided_on", "does not exist", id="no-leap-year"),
        pytest.param("suspend", "/ground", GONE, "/ground", "found none", id="suspension-without-ground"),
        pytest.param("suspend", "/review_on", GONE, "/review_on", "found none", id="suspension-for-ever"),
        pytest.param("suspend", "/review_on", "2026-02-19", "/review_on", "decided_on", id="review-before-decision"),
        pytest.param(
            "no-objection", "/valid_until", "2026-02-24", "/valid_until", "decided_on", id="valid-until-before"
        ),
        pytest.param("no-objection", "/quantity/unit", "XX", "/quantity/unit", "KGM", id="unit"),
        pytest.param("no-objection", "/ground", "other", "", "only the members", id="a-ground-without-objection"),
        pytest.param("cleared", "/lifts", GONE, "/lifts", "found none", id="clears-nothing"),
        pytest.param("cleared", "/lifts", "notify", "/lifts", "'object' or 'suspend'", id="clears-a-notice"),
        pytest.param("cleared", "/explanation", GONE, "/explanation", "found none", id="clearance-unexplained"),
        pytest.param("notify", "/response_due", "1969-12-31", "/response_due", "from 1970", id="due-before-time"),
        pytest.param("notify", "/response_due", "9999-12-31", "/response_due", "to 9998", id="due-after-time"),
    ],
)
def test_is_refused(stage: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("pen", changed("pen", stage, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/consignee", GONE, id="consignee-when-available"),
        pytest.param("/substance/un_list", GONE, id="a-substance-in-neither-table"),
        pytest.param("/substance/un_list", "1988-II", id="table-two"),
        pytest.param("/response_due", "2026-03-09", id="due-on-the-day-of-dispatch"),
        pytest.param("/arrival_by", GONE, id="arrival-not-known"),
    ],
)
def test_notice_is_taken(pointer: str, value: Any) -> None:
    document = changed("pen", "notify", pointer, value)
    assert registry.check("pen", 1, document).to_object() == document
