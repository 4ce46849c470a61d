from typing import Any

import pytest

from schemas import registry
from schemas.act import Answers, Asks, Extends
from schemas.payloads import rfi
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

OF = "A" * 64
STAGES = {
    "request": rfi.RfiRequestV1,
    "reply": rfi.RfiReplyV1,
    "decline": rfi.RfiDeclineV1,
    "extend": rfi.RfiExtendV1,
    "extension-asked": rfi.RfiExtendV1,
}


def test_every_stage_has_a_sample_and_its_model() -> None:
    samples = registry.samples("rfi")
    assert {name: type(registry.check("rfi", 1, each)) for name, each in samples.items()} == STAGES
    assert next(iter(samples)) == "request"


@pytest.mark.parametrize(
    ("sample", "pointer", "value", "at", "sentence"),
    [
        pytest.param("request", "/stage", MARKER, "/stage", "'request'", id="unknown-stage"),
        pytest.param("request", "/stage", GONE, "/stage", "add it", id="no-stage"),
        pytest.param("request", "/stage", "reply", "/answered_at", "found none", id="a-request-sent-as-a-reply"),
        pytest.param("request", "/request_ref", GONE, "/request_ref", "found none", id="no-reference"),
        pytest.param("request", "/title", GONE, "/title", "found none", id="no-title"),
        pytest.param("request", "/background", GONE, "/background", "found none", id="no-background"),
        pytest.param("request", "/questions", GONE, "/questions", "found none", id="no-questions"),
        pytest.param("request", "/questions", [], "/questions", "at least 1", id="nothing-asked"),
        pytest.param("request", "/questions/1/id", "parcels", "/questions", "each local name once", id="two-questions-of-one-id"),
        pytest.param("request", "/questions/0/id", "Q 1", "/questions/0/id", "a name used inside", id="question-id"),
        pytest.param("request", "/questions/0/text", GONE, "/questions/0/text", "found none", id="question-without-text"),
        pytest.param("request", "/questions/1/about/0", "nobody", "/questions/1/about/0", "one of the parties", id="about-nobody"),
        pytest.param("request", "/purpose", GONE, "/purpose", "found none", id="no-purpose"),
        pytest.param("request", "/purpose", [], "/purpose", "at least 1", id="for-nothing"),
        pytest.param("request", "/purpose/0", "revenge", "/purpose/0", "'prevention'", id="unknown-purpose"),
        pytest.param("request", "/purpose/1", "investigation", "/purpose", "each purpose once", id="purpose-twice"),
        pytest.param("request", "/due_at", GONE, "/due_at", "found none", id="no-due-time"),
        pytest.param("request", "/due_at", "2026-02-12T10:30:00Z", "/due_at", "after asked_at", id="due-as-it-is-asked"),
        pytest.param("request", "/due_at", "2026-02-11T10:30:00Z", "/due_at", "after asked_at", id="due-before-it-is-asked"),
        pytest.param("request", "/due_at", "1969-12-31T23:59:59Z", "/due_at", "from 1970 on", id="due-before-clocks"),
        pytest.param("request", "/due_at", "2026-02-14", "/due_at", "a UTC time", id="due-on-a-day"),
        pytest.param("request", "/urgency_reason", GONE, "/urgency_reason", "three days", id="urgent-without-a-reason"),
        pytest.param("request", "/parties/1/ref", "vendor-1", "/parties", "each local name once", id="party-named-twice"),
        pytest.param("request", "/status", "full", "", "only the members", id="a-status-in-a-request"),
        pytest.param("reply", "/answered_at", GONE, "/answered_at", "found none", id="no-time-of-the-answer"),
        pytest.param("reply", "/status", GONE, "/status", "found none", id="no-status"),
        pytest.param("reply", "/status", "hit", "/status", "'full'", id="unknown-status"),
        pytest.param("reply", "/status", "full", "/status", "expected partial", id="full-with-a-refusal"),
        pytest.param("reply", "/status", "refused", "/status", "expected partial", id="refused-with-answers"),
        pytest.param("reply", "/answers", GONE, "/answers", "found none", id="no-answers"),
        pytest.param("reply", "/answers", [], "/answers", "at least 1", id="nothing-answered"),
        pytest.param("reply", "/answers/0/question", GONE, "/answers/0/question", "found none", id="an-answer-to-no-question"),
        pytest.param("reply", "/answers/1/question", "parcels", "/answers", "one answer to each", id="two-answers-to-one-question"),
        pytest.param("reply", "/answers/0/text", GONE, "/answers/0/text", "what is known", id="a-partial-answer-without-text"),
        pytest.param("reply", "/answers/1/text", GONE, "/answers/1/text", "what is known", id="a-full-answer-without-text"),
        pytest.param("reply", "/answers/3/refusal_ground", GONE, "/answers/3/refusal_ground", "the ground on which", id="refused-without-ground"),
        pytest.param("reply", "/answers/3/refusal_ground", "busy", "/answers/3/refusal_ground", "'domestic-law'", id="unknown-ground"),
        pytest.param("reply", "/answers/3/refusal_ground", "other", "/answers/3/text", "explanation", id="other-ground-unexplained"),
        pytest.param("reply", "/answers/2/refusal_ground", "safety", "/answers/2/refusal_ground", "only with status refused", id="a-ground-for-a-no-hit"),
        pytest.param("reply", "/questions", [], "", "only the members", id="questions-in-a-reply"),
        pytest.param("decline", "/refusal_ground", GONE, "/refusal_ground", "found none", id="declined-without-ground"),
        pytest.param("decline", "/declined_at", GONE, "/declined_at", "found none", id="declined-at-no-time"),
        pytest.param("decline", "/ask_instead", "fincen", "/ask_instead", "another form", id="ask-no-agency"),
        pytest.param("extend", "/by", GONE, "/by", "found none", id="extended-by-nobody"),
        pytest.param("extend", "/by", "third", "/by", "'requester' or 'asked'", id="extended-by-a-third"),
        pytest.param("extend", "/due_at", GONE, "/due_at", "found none", id="extended-to-no-time"),
        pytest.param("extension-asked", "/due_at", GONE, "/due_at", "found none", id="no-time-proposed"),
        pytest.param("extension-asked", "/reason", GONE, "/reason", "more time", id="more-time-without-a-reason"),
    ],
)  # fmt: skip
def test_is_refused(sample: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("rfi", changed("rfi", sample, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


def test_an_unexplained_other_ground_declines_nothing() -> None:
    document = changed("rfi", "decline", "/refusal_ground", "other")
    del document["explanation"]
    assert fault("rfi", document).pointer == "/explanation"


@pytest.mark.parametrize("status", ["no-hit", "refused"])
def test_what_was_found_is_no_no_hit_and_no_refusal(status: str) -> None:
    document = changed("rfi", "reply", "/status", status)
    document["answers"] = [
        {"question": "parcels", "status": status, **({"refusal_ground": "safety"} if status == "refused" else {})}
    ]
    assert fault("rfi", document).pointer == "/status"
    del document["consignments"]
    assert registry.check("rfi", 1, document).to_object() == document


@pytest.mark.parametrize(
    ("sample", "pointer", "value"),
    [
        pytest.param("request", "/due_at", "9999-12-31T23:59:59Z", id="due-in-the-far-future"),
        pytest.param("request", "/questions/1/about", GONE, id="a-question-about-nobody-named"),
        pytest.param("reply", "/answers/2/text", GONE, id="a-no-hit-without-a-word"),
        pytest.param("reply", "/answers/3/text", "A risk to life.", id="a-refusal-with-a-word"),
        pytest.param("decline", "/explanation", GONE, id="declined-on-a-listed-ground-alone"),
        pytest.param("extend", "/reason", GONE, id="the-requester-needs-no-reason"),
        pytest.param("request", "/channel_ref", "ESW/2026/IND/0131", id="also-on-the-channel-of-record"),
    ],
)
def test_is_taken(sample: str, pointer: str, value: Any) -> None:
    document = changed("rfi", sample, pointer, value)
    assert registry.check("rfi", 1, document).to_object() == document


def test_three_days_need_no_reason() -> None:
    document = changed("rfi", "request", "/due_at", "2026-02-15T10:30:00Z")
    del document["urgency_reason"]
    assert registry.check("rfi", 1, document).to_object() == document
    document["due_at"] = "2026-02-15T10:29:59Z"
    assert fault("rfi", document).pointer == "/urgency_reason"


@pytest.mark.parametrize(
    ("sample", "act"),
    [
        pytest.param("reply", Answers(does="answers", of=OF), id="reply"),
        pytest.param("decline", Answers(does="answers", of=OF), id="decline"),
        pytest.param("extend", Extends(does="extends", of=OF, due=1_771_237_800), id="extend"),
        pytest.param("extension-asked", None, id="extension-asked"),
    ],
)
def test_what_an_answer_does(sample: str, act: Any) -> None:
    payload = registry.check("rfi", 1, registry.samples("rfi")[sample])
    assert registry.act_of(payload, OF) == act
    with pytest.raises(registry.PayloadError, match="in_reply_to"):
        registry.act_of(payload, None)


def test_what_a_request_does() -> None:
    payload = registry.check("rfi", 1, registry.samples("rfi")["request"])
    assert registry.act_of(payload, None) == Asks(does="asks", due=1_771_065_000)
    assert registry.act_of(payload, OF) == Asks(does="asks", due=1_771_065_000)


def test_people_are_declared() -> None:
    payload = registry.check("rfi", 1, registry.samples("rfi")["request"])
    assert payload.people() == ("/parties/0",)
