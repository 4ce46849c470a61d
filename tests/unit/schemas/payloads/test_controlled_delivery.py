from typing import Any

import pytest

from schemas import registry
from schemas.act import Answers, Asks
from schemas.payloads import controlled_delivery as delivery
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

KIND = "controlled-delivery"
STAGES = {
    "request": delivery.DeliveryRequestV1,
    "authorise": delivery.DeliveryAuthoriseV1,
    "refuse": delivery.DeliveryRefuseV1,
    "handover": delivery.DeliveryHandoverV1,
    "terminate": delivery.DeliveryTerminateV1,
    "result": delivery.DeliveryResultV1,
}
DIGEST = "A" * 64
REPLACED = "/substitution/replacements"


def test_every_stage_has_a_sample() -> None:
    assert list(registry.samples(KIND)) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_read_as_its_own_model(stage: str) -> None:
    assert type(registry.check(KIND, 1, registry.samples(KIND)[stage])) is STAGES[stage]


@pytest.mark.parametrize(
    ("stage", "act"),
    [
        pytest.param("request", Asks(does="asks", due=1772193600), id="request-asks"),
        pytest.param("authorise", Answers(does="answers", of=DIGEST), id="authorisation-answers"),
        pytest.param("refuse", Answers(does="answers", of=DIGEST), id="refusal-answers"),
        pytest.param("handover", None, id="handover"),
        pytest.param("terminate", None, id="termination"),
        pytest.param("result", None, id="result"),
    ],
)
def test_what_a_stage_does_to_the_exchange(stage: str, act: Any) -> None:
    payload = registry.check(KIND, 1, registry.samples(KIND)[stage])
    assert registry.act_of(payload, DIGEST) == act
    assert payload.replies() == (stage != "request")


@pytest.mark.parametrize("stage", [each for each in STAGES if each != "request"])
def test_a_stage_that_follows_names_what_it_follows(stage: str) -> None:
    payload = registry.check(KIND, 1, registry.samples(KIND)[stage])
    with pytest.raises(registry.PayloadError) as caught:
        registry.act_of(payload, None)
    assert caught.value.code == "schema"
    assert "in_reply_to" in caught.value.message


@pytest.mark.parametrize(
    ("stage", "pointer", "value", "at", "sentence"),
    [
        pytest.param("request", "/stage", MARKER, "/stage", "'request'", id="unknown-stage"),
        pytest.param("request", "/stage", GONE, "/stage", "add it", id="no-stage"),
        pytest.param("request", "/stage", "refuse", "/decided_on", "found none", id="a-request-sent-as-a-refusal"),
        pytest.param("request", "/operation_ref", GONE, "/operation_ref", "found none", id="no-operation"),
        pytest.param("request", "/answer_by", GONE, "/answer_by", "found none", id="no-answer-asked"),
        pytest.param("request", "/answer_by", "1969-01-01T00:00:00Z", "/answer_by", "from 1970", id="answer-before-1970"),
        pytest.param("request", "/answer_by", "2026-03-02T13:00:01Z", "/answer_by", "first leg", id="answer-after-the-start"),
        pytest.param("request", "/consignment", GONE, "/consignment", "found none", id="no-consignment"),
        pytest.param("request", "/substances/0/quantity", GONE, "/substances/0/quantity", "with its unit", id="no-quantity"),
        pytest.param("request", "/substances", [{"name": "x", "quantity": {"value": "1", "unit": "GRM"}}] * 2, "/substances", "each substance once", id="substance-twice"),
        pytest.param("request", "/legs", [], "/legs", "at least 1", id="no-leg"),
        pytest.param("request", "/legs/0/responsible", GONE, "/legs/0/responsible", "found none", id="nobody-answers-for-a-leg"),
        pytest.param("request", "/legs/0/responsible", "CBP", "/legs/0/responsible", "another form", id="agency-id"),
        pytest.param("request", "/legs/0/ends_at", "2026-03-02T13:00:00Z", "/legs/0/ends_at", "after starts_at", id="leg-that-takes-no-time"),
        pytest.param("request", "/legs/1/start/unlocode", "USEWR", "/legs/1/start", "leg before ends", id="gap-in-place"),
        pytest.param("request", "/legs/1/start/name", GONE, "/legs/1/start", "written alike", id="place-written-in-another-way"),
        pytest.param("request", "/legs/1/starts_at", "2026-03-03T12:00:01Z", "/legs/1/starts_at", "leg before ends", id="gap-in-time"),
        pytest.param("request", "/legs/1/starts_at", "2026-03-03T11:59:59Z", "/legs/1/starts_at", "leg before ends", id="two-answer-at-once"),
        pytest.param("request", "/substitution", GONE, "/substitution", "found none", id="substitution-not-said"),
        pytest.param("request", "/substitution/extent", "some", "/substitution/extent", "'none', 'partial' or 'total'", id="extent"),
        pytest.param("request", "/substitution/extent", "none", REPLACED, "stays intact", id="intact-but-replaced"),
        pytest.param("request", "/substitution/extent", "total", "/substitution/extent", "every substance", id="total-of-a-part"),
        pytest.param("request", f"{REPLACED}/0/removed/value", "96.40", "/substitution/extent", "else partial", id="part-that-is-all"),
        pytest.param("request", REPLACED, GONE, REPLACED, "what replaces what", id="replaced-by-nothing-named"),
        pytest.param("request", f"{REPLACED}/0/substance", "Heroin", f"{REPLACED}/0/substance", "one of the substances", id="replaces-what-is-not-there"),
        pytest.param("request", f"{REPLACED}/0/removed/unit", "KGM", f"{REPLACED}/0/removed/unit", "unit of that", id="removed-in-another-unit"),
        pytest.param("request", f"{REPLACED}/0/removed/value", "96.5", f"{REPLACED}/0/removed/value", "no more than", id="removed-more-than-there-is"),
        pytest.param("request", f"{REPLACED}/0/by", GONE, f"{REPLACED}/0/by", "only how much", id="so-much-of-nothing"),
        pytest.param("request", "/abort_criteria", [], "/abort_criteria", "at least 1", id="never-stopped"),
        pytest.param("request", "/abort_criteria/0/event", "rain", "/abort_criteria/0/event", "'loss-of-surveillance'", id="abort-event"),
        pytest.param("request", "/abort_criteria/1/event", "risk-to-life", "/abort_criteria", "each event once", id="abort-event-twice"),
        pytest.param("request", "/abort_criteria/3/explanation", GONE, "/abort_criteria/3/explanation", "in words", id="other-event-not-explained"),
        pytest.param("request", "/evidence_plan", GONE, "/evidence_plan", "found none", id="no-evidence-plan"),
        pytest.param("request", "/evidence_plan/recording", [], "/evidence_plan/recording", "at least 1", id="nothing-recorded"),
        pytest.param("request", "/evidence_plan/recording", ["video", "video"], "/evidence_plan/recording", "once", id="recorded-twice"),
        pytest.param("request", "/parties", [{"ref": "a", "kind": "person", "names": [{"full": "x"}]}] * 2, "/parties", "each local name once", id="party-named-twice"),
        pytest.param("authorise", "/authorisation", GONE, "/authorisation", "found none", id="no-authorisation"),
        pytest.param("authorise", "/authorisation/authority", GONE, "/authorisation/authority", "found none", id="authorised-by-nobody"),
        pytest.param("authorise", "/authorisation/reference", GONE, "/authorisation/reference", "found none", id="authorised-without-reference"),
        pytest.param("authorise", "/authorisation/authorised_on", GONE, "/authorisation/authorised_on", "found none", id="authorised-never"),
        pytest.param("authorise", "/authorisation/valid_until", GONE, "/authorisation/valid_until", "until when", id="authorised-for-ever"),
        pytest.param("authorise", "/authorisation/valid_until", "2026-02-25", "/authorisation/valid_until", "authorised_on", id="valid-until-before"),
        pytest.param("authorise", "/authorisation/valid_until", "2026-03-01", "/authorisation/valid_until", "last leg", id="expires-on-the-way"),
        pytest.param("authorise", "/authorisation/authorised_on", "2026-03-04", "/authorisation/authorised_on", "first leg", id="authorised-after-the-start"),
        pytest.param("authorise", "/legs/1/starts_at", "2026-03-03T13:00:00Z", "/legs/1/starts_at", "leg before ends", id="authorised-with-a-gap"),
        pytest.param("authorise", "/substitution_agreed", GONE, "/substitution_agreed", "found none", id="substitution-not-agreed"),
        pytest.param("authorise", "/abort_criteria", [{"event": "compromise", "action": "seize"}] * 2, "/abort_criteria", "each event once", id="authorised-event-twice"),
        pytest.param("refuse", "/ground", GONE, "/ground", "found none", id="refused-without-ground"),
        pytest.param("refuse", "/ground", MARKER, "/ground", "'no-legal-basis'", id="unknown-ground"),
        pytest.param("refuse", "/explanation", GONE, "/explanation", "found none", id="refused-unexplained"),
        pytest.param("refuse", "/authorisation", {}, "", "only the members", id="authorised-and-refused"),
        pytest.param("handover", "/authorisation", GONE, "/authorisation", "found none", id="handed-over-without-authorisation"),
        pytest.param("handover", "/authorisation/authority", GONE, "/authorisation/authority", "found none", id="handed-over-on-nobodys-word"),
        pytest.param("handover", "/authorisation/reference", GONE, "/authorisation/reference", "found none", id="handed-over-on-no-reference"),
        pytest.param("handover", "/authorisation/authorised_on", "2026-03-05", "/authorisation/authorised_on", "follows it", id="authorised-afterwards"),
        pytest.param("handover", "/authorisation/valid_until", "2026-03-01", "/authorisation/valid_until", "still holds", id="authorisation-expired"),
        pytest.param("handover", "/to_agency", "us-cbp", "/to_agency", "another agency", id="handed-to-oneself"),
        pytest.param("handover", "/leg", 0, "/leg", "greater than or equal to 1", id="leg-zero"),
        pytest.param("handover", "/leg", 31, "/leg", "less than or equal to 30", id="leg-31"),
        pytest.param("handover", "/custody_ref", GONE, "/custody_ref", "found none", id="chain-of-custody-broken"),
        pytest.param("handover", "/condition", "intact", "/condition", "together", id="intact-but-substituted"),
        pytest.param("handover", "/condition", "opened", "/condition", "together", id="opened-but-substituted"),
        pytest.param("handover", "/substitution", GONE, "/substitution", "together", id="substituted-by-nothing-named"),
        pytest.param("handover", "/substitution", {"extent": "none"}, "/substitution", "together", id="substituted-and-intact"),
        pytest.param("handover", "/gross_weight/unit", GONE, "/gross_weight/unit", "found none", id="weight-without-unit"),
        pytest.param("terminate", "/event", GONE, "/event", "found none", id="stopped-for-nothing"),
        pytest.param("terminate", "/place", GONE, "/place", "where the consignment is", id="seized-nowhere"),
        pytest.param("terminate", "/last_seen_at", "2026-03-06T02:15:01Z", "/last_seen_at", "terminated_at", id="seen-after-the-end"),
        pytest.param("terminate", "/consignment_status", "gone", "/consignment_status", "'lost'", id="consignment-status"),
        pytest.param("result", "/outcome", MARKER, "/outcome", "'seized-at-delivery'", id="outcome"),
        pytest.param("result", "/outcome", "lost", "/unaccounted", "what is lost", id="nothing-lost"),
        pytest.param("result", "/seized", [], "/seized", "what was seized", id="nothing-seized"),
        pytest.param("result", "/seized/1/quantity", GONE, "/seized/1/quantity", "with its unit", id="seized-without-quantity"),
        pytest.param("result", "/unaccounted", [{"name": "Fentanyl"}], "/unaccounted/0/quantity", "with its unit", id="lost-without-quantity"),
        pytest.param("result", "/arrests/1/country", "USA", "/arrests", "each country once", id="country-twice"),
        pytest.param("result", "/narrative", GONE, "/narrative", "found none", id="no-narrative"),
    ],
)  # fmt: skip
def test_is_refused(stage: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault(KIND, changed(KIND, stage, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


def test_more_that_needs_two_changes_is_refused() -> None:
    document = changed(KIND, "terminate", "/consignment_status", "lost")
    del document["last_seen_at"]
    assert fault(KIND, document).pointer == "/last_seen_at"
    document = changed(KIND, "handover", "/condition", "damaged")
    del document["substitution"]
    assert fault(KIND, document).pointer == "/explanation"
    document = changed(KIND, "request", REPLACED, registry.samples(KIND)["request"]["substitution"]["replacements"] * 2)
    assert fault(KIND, document).pointer == REPLACED


TOTAL = {"extent": "total", "replacements": [{"substance": "Fentanyl", "removed": {"value": "96.40", "unit": "GRM"}}]}


@pytest.mark.parametrize(
    ("stage", "pointer", "value"),
    [
        pytest.param("request", "/answer_by", "2026-03-02T13:00:00Z", id="answer-when-it-starts"),
        pytest.param("request", "/substitution", {"extent": "none"}, id="intact"),
        pytest.param("request", "/substitution", TOTAL, id="all-removed-and-nothing-in-its-place"),
        pytest.param("request", "/parties", GONE, id="nobody-known"),
        pytest.param("authorise", "/authorisation/authorised_on", "2026-03-02", id="authorised-on-the-day"),
        pytest.param("authorise", "/authorisation/authorised_on", "2026-03-03", id="authorised-where-it-is-tomorrow"),
        pytest.param("authorise", "/authorisation/valid_until", "2026-03-03", id="valid-for-the-day"),
        pytest.param("authorise", "/substitution_agreed", "none", id="no-substitution-agreed"),
        pytest.param("handover", "/authorisation/valid_until", GONE, id="validity-as-in-the-authorise-packet"),
        pytest.param("handover", "/authorisation/authorised_on", "2026-03-03", id="authorised-on-the-day-of-handover"),
        pytest.param("result", "/arrests", GONE, id="nobody-arrested"),
        pytest.param("result", "/outcome", "stopped", id="stopped"),
    ],
)
def test_is_taken(stage: str, pointer: str, value: Any) -> None:
    document = changed(KIND, stage, pointer, value)
    assert registry.check(KIND, 1, document).to_object() == document


def test_an_intact_consignment_is_handed_over_without_substitution() -> None:
    document = changed(KIND, "handover", "/condition", "intact")
    document["substitution"] = {"extent": "none"}
    assert registry.check(KIND, 1, document).to_object() == document
    del document["substitution"]
    assert registry.check(KIND, 1, document).to_object() == document


def test_other_events_may_be_several() -> None:
    other = {"event": "other", "action": "seize", "explanation": "The van leaves the city."}
    document = changed(KIND, "request", "/abort_criteria", [other, other | {"explanation": "It rains."}])
    assert registry.check(KIND, 1, document).to_object() == document


def test_people_are_the_parties_of_a_request() -> None:
    assert registry.check(KIND, 1, registry.samples(KIND)["request"]).people() == ("/parties/0",)
    assert registry.check(KIND, 1, registry.samples(KIND)["result"]).people() == ()
