from typing import Any

import pytest

from schemas import registry
from schemas.act import Answers, Asks
from schemas.payloads import deconfliction
from schemas.payloads.blind import token
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

OF = "A" * 64
STAGES = {
    "check": deconfliction.DeconflictionCheckV1,
    "no-hit": deconfliction.DeconflictionNoHitV1,
    "conflict": deconfliction.DeconflictionConflictV1,
    "resolved": deconfliction.DeconflictionResolvedV1,
}


def test_every_stage_has_a_sample_and_its_model() -> None:
    samples = registry.samples("deconfliction")
    assert {name: type(registry.check("deconfliction", 1, each)) for name, each in samples.items()} == STAGES


def test_the_sample_meets_the_story() -> None:
    match = registry.samples("deconfliction")["check"]["match"]
    handle = token(match["key"], "handle", "@Bridge_Meds_24")
    others = token(match["key"], "phone", "+911123456789"), token(match["key"], "vehicle", "DL3CAB1234", "IND")
    assert match["tokens"] == sorted([handle, *others])
    assert registry.samples("deconfliction")["conflict"]["matched"] == [handle]


@pytest.mark.parametrize(
    ("sample", "pointer", "value", "at", "sentence"),
    [
        pytest.param("check", "/stage", MARKER, "/stage", "'check'", id="unknown-stage"),
        pytest.param("check", "/stage", "no-hit", "/checked_at", "found none", id="a-check-sent-as-an-answer"),
        pytest.param("check", "/check_ref", GONE, "/check_ref", "found none", id="no-reference"),
        pytest.param("check", "/event_type", "raid", "/event_type", "'undercover'", id="unknown-event"),
        pytest.param("check", "/window", GONE, "/window", "found none", id="no-window"),
        pytest.param("check", "/window/end", "2026-02-20T11:30:00Z", "/window/end", "after start", id="window-of-no-time"),
        pytest.param("check", "/window/end", "2026-02-20T11:29:59Z", "/window/end", "after start", id="window-exchanged"),
        pytest.param("check", "/area/latitude", 28.6289, "/area/latitude", "decimal as text", id="degrees-as-a-number"),
        pytest.param("check", "/area/latitude", "90.5", "/area/latitude", "-90 to 90", id="latitude"),
        pytest.param("check", "/area/longitude", GONE, "/area/longitude", "found none", id="one-degree-only"),
        pytest.param("check", "/area/radius/value", "0", "/area/radius/value", "above zero", id="a-point"),
        pytest.param("check", "/area/radius/value", "100000.1", "/area/radius/value", "at most 100000", id="half-a-country"),
        pytest.param("check", "/area/radius/value", 1500, "/area/radius/value", "a string", id="radius-as-a-number"),
        pytest.param("check", "/area/radius/unit", "KMT", "/area/radius/unit", "'MTR'", id="kilometres"),
        pytest.param("check", "/area/radius/unit", GONE, "/area/radius/unit", "found none", id="radius-without-unit"),
        pytest.param("check", "/match/scheme", "sha-256", "/match/scheme", "'hmac-sha-256'", id="hash-without-a-key"),
        pytest.param("check", "/match/key", GONE, "/match/key", "found none", id="tokens-without-their-key"),
        pytest.param("check", "/match/key", "A" * 42, "/match/key", "32 random bytes", id="key-too-short"),
        pytest.param("check", "/match/key", "A" * 42 + "B", "/match/key", "32 random bytes", id="key-with-spare-bits"),
        pytest.param("check", "/match/tokens", [], "/match/tokens", "at least 1", id="no-tokens"),
        pytest.param("check", "/match/tokens/0", "A" * 21 + "B", "/match/tokens/0", "16 bytes", id="token-with-spare-bits"),
        pytest.param("check", "/match/tokens/0", "+911123456789", "/match/tokens/0", "16 bytes", id="a-telephone-number-in-clear"),
        pytest.param("check", "/match/tokens", ["B" * 21 + "A", "A" * 22], "/match/tokens", "ascending", id="tokens-in-their-own-order"),
        pytest.param("check", "/match/tokens", ["A" * 22, "A" * 22], "/match/tokens", "once", id="token-twice"),
        pytest.param("check", "/answer_by", GONE, "/answer_by", "found none", id="no-answer-wanted"),
        pytest.param("check", "/answer_by", "2026-02-20T17:30:00Z", "/answer_by", "before the event is over", id="answer-after-the-event"),
        pytest.param("check", "/answer_by", "1969-02-20T17:30:00Z", "/answer_by", "1970", id="answer-before-clocks"),
        pytest.param("check", "/duty_contact", GONE, "/duty_contact", "found none", id="nobody-to-call"),
        pytest.param("check", "/duty_contact", {"office": "Duty desk"}, "/duty_contact/phone", "duty desk", id="no-way-to-call"),
        pytest.param("check", "/duty_contact/phone", "23456700", "/duty_contact/phone", "E.164", id="telephone-number"),
        pytest.param("check", "/duty_contact/email", "desk@", "/duty_contact/email", "an e-mail address", id="mailbox"),
        pytest.param("no-hit", "/checked_at", GONE, "/checked_at", "found none", id="no-time-of-the-check"),
        pytest.param("no-hit", "/valid_until", "2026-02-17T09:39:59Z", "/valid_until", "at or after", id="valid-until-before"),
        pytest.param("no-hit", "/matched", [], "", "only the members", id="matches-in-a-no-hit"),
        pytest.param("conflict", "/on", GONE, "/on", "found none", id="a-conflict-about-nothing"),
        pytest.param("conflict", "/matched", GONE, "/matched", "tokens of the check", id="a-target-without-token"),
        pytest.param("conflict", "/on", "place-and-time", "/matched", "only place and time", id="tokens-for-a-place"),
        pytest.param("conflict", "/matched", ["A" * 22, "A" * 22], "/matched", "once", id="match-twice"),
        pytest.param("conflict", "/hold_requested", GONE, "/hold_requested", "found none", id="hold-not-said"),
        pytest.param("conflict", "/duty_contact", GONE, "/duty_contact", "found none", id="conflict-with-nobody"),
        pytest.param("resolved", "/resolution", "ignored", "/resolution", "'proceed'", id="unknown-resolution"),
        pytest.param("resolved", "/arrangement", GONE, "/arrangement", "found none", id="resolved-without-a-word"),
        pytest.param("resolved", "/lead", GONE, "/lead", "the agency that leads", id="joint-without-a-lead"),
        pytest.param("resolved", "/resolution", "stand-down", "/lead", "no lead", id="a-lead-of-nothing"),
    ],
)  # fmt: skip
def test_is_refused(sample: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("deconfliction", changed("deconfliction", sample, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


def test_a_check_says_where_or_on_whom() -> None:
    document = changed("deconfliction", "check", "/area", GONE)
    assert registry.check("deconfliction", 1, document).to_object() == document
    del document["match"]
    assert fault("deconfliction", document).pointer == "/area"


@pytest.mark.parametrize(
    ("sample", "pointer", "value"),
    [
        pytest.param("check", "/match", GONE, id="place-and-time-alone"),
        pytest.param("check", "/area/radius/value", "100000.000", id="the-widest-circle"),
        pytest.param("check", "/area/radius/value", "99999.9", id="nearly-the-widest-circle"),
        pytest.param("check", "/answer_by", "2026-02-20T17:29:59Z", id="answer-while-it-goes-on"),
        pytest.param("check", "/duty_contact/email", GONE, id="telephone-alone"),
        pytest.param("check", "/duty_contact/phone", GONE, id="mailbox-alone"),
        pytest.param("no-hit", "/valid_until", GONE, id="no-promise"),
        pytest.param("conflict", "/on", "both", id="target-place-and-time"),
        pytest.param("conflict", "/event_type", GONE, id="what-it-is-not-told"),
    ],
)
def test_is_taken(sample: str, pointer: str, value: Any) -> None:
    document = changed("deconfliction", sample, pointer, value)
    assert registry.check("deconfliction", 1, document).to_object() == document


@pytest.mark.parametrize(
    ("sample", "act"),
    [
        pytest.param("no-hit", Answers(does="answers", of=OF), id="no-hit"),
        pytest.param("conflict", Answers(does="answers", of=OF), id="conflict"),
        pytest.param("resolved", None, id="resolved"),
    ],
)
def test_what_an_answer_does(sample: str, act: Any) -> None:
    payload = registry.check("deconfliction", 1, registry.samples("deconfliction")[sample])
    assert registry.act_of(payload, OF) == act
    with pytest.raises(registry.PayloadError, match="in_reply_to"):
        registry.act_of(payload, None)


def test_what_a_check_does() -> None:
    payload = registry.check("deconfliction", 1, registry.samples("deconfliction")["check"])
    assert registry.act_of(payload, None) == Asks(does="asks", due=1_771_502_400)
