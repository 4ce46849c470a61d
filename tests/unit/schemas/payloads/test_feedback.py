from typing import Any

import pytest

from schemas import registry
from schemas.act import Outcome, Reports
from schemas.payloads.feedback import FeedbackV1
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault


@pytest.mark.parametrize(
    ("sample", "pointer", "value", "at", "sentence"),
    [
        pytest.param("seizure", "/target", GONE, "/target", "found none", id="about-nothing"),
        pytest.param("seizure", "/target/id", GONE, "/target/id", "found none", id="target-without-id"),
        pytest.param("seizure", "/target/id", "019c51f4-9a80-4c31-9d0e-4f2b8a6e1c57", "/target/id", "another form", id="uuid-of-another-version"),
        pytest.param("seizure", "/target/digest", "A" * 63, "/target/digest", "48 bytes", id="digest-too-short"),
        pytest.param("seizure", "/outcome", GONE, "/outcome", "found none", id="no-outcome"),
        pytest.param("seizure", "/outcome", MARKER, "/outcome", "'used', 'arrest'", id="unknown-outcome"),
        pytest.param("seizure", "/usefulness", GONE, "/usefulness", "found none", id="no-usefulness"),
        pytest.param("seizure", "/usefulness", 0, "/usefulness", "greater than or equal to 1", id="below-one"),
        pytest.param("seizure", "/usefulness", 6, "/usefulness", "less than or equal to 5", id="above-five"),
        pytest.param("seizure", "/usefulness", "5", "/usefulness", "an integer", id="usefulness-as-text"),
        pytest.param("seizure", "/public_credit", GONE, "/public_credit", "found none", id="credit-not-said"),
        pytest.param("seizure", "/sighting/count", 0, "/sighting/count", "greater than or equal to 1", id="seen-never"),
        pytest.param("seizure", "/sighting/place", GONE, "/sighting/place", "found none", id="seen-nowhere"),
        pytest.param("seizure", "/sighting/seen_until", "2026-02-13T18:19:59Z", "/sighting/seen_until", "at or after", id="seen-until-before"),
        pytest.param("seizure", "/lawful", True, "/lawful", "no lawful consignment", id="a-lawful-one-seized"),
        pytest.param("seizure", "/outcome", "false-positive", "/lawful", "expected true", id="false-positive-about-an-unlawful-one"),
        pytest.param("seizure", "/outcome", "no-trace", "/sighting", "no sighting", id="seen-without-a-trace"),
        pytest.param("seizure", "/consignment", GONE, "/consignment", "that lawful is about", id="lawful-without-a-consignment"),
        pytest.param("seizure", "/released_at", "2026-02-13T18:19:59Z", "/released_at", "at or after", id="released-before-held"),
        pytest.param("seizure", "/released_at", "2036-02-13T18:20:00Z", "/released_at", "ten years", id="held-for-decades"),
        pytest.param("false-positive", "/lawful", GONE, "/lawful", "expected true", id="false-positive-without-saying-lawful"),
        pytest.param("false-positive", "/held_from", GONE, "/held_from", "since when", id="released-and-never-held"),
        pytest.param("no-trace", "/held_from", "2026-02-21T03:15:00Z", "/consignment", "that held_from is about", id="held-nothing"),
        pytest.param("no-trace", "/released_at", "2026-02-21T03:15:00Z", "/consignment", "that released_at is about", id="released-nothing"),
        pytest.param("no-trace", "/lawful", False, "/consignment", "that lawful is about", id="nothing-unlawful"),
    ],
)  # fmt: skip
def test_is_refused(sample: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("feedback", changed("feedback", sample, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("sample", "pointer", "value"),
    [
        pytest.param("seizure", "/lawful", GONE, id="nobody-knows-yet"),
        pytest.param("seizure", "/outcome", "arrest", id="an-arrest-about-an-unlawful-consignment"),
        pytest.param("seizure", "/sighting", GONE, id="a-seizure-told-without-a-sighting"),
        pytest.param("false-positive", "/outcome", "used", id="a-lawful-consignment-of-use-all-the-same"),
        pytest.param("false-positive", "/released_at", GONE, id="still-held"),
        pytest.param("no-trace", "/outcome", "false-positive", id="a-false-positive-about-no-consignment"),
    ],
)
def test_is_taken(sample: str, pointer: str, value: Any) -> None:
    document = changed("feedback", sample, pointer, value)
    assert registry.check("feedback", 1, document).to_object() == document


@pytest.mark.parametrize(
    ("released", "hours"),
    [
        pytest.param("2026-02-21T03:15:00Z", 0, id="at-once"),
        pytest.param("2026-02-21T03:15:01Z", 1, id="a-second"),
        pytest.param("2026-02-21T04:15:00Z", 1, id="an-hour"),
        pytest.param("2026-02-21T04:15:01Z", 2, id="an-hour-and-a-second"),
        pytest.param("2026-02-22T09:40:00Z", 31, id="sample"),
        pytest.param(GONE, None, id="still-held"),
    ],
)
def test_hours_held_are_rounded_up(released: Any, hours: int | None) -> None:
    payload = registry.check("feedback", 1, changed("feedback", "false-positive", "/released_at", released))
    assert isinstance(payload, FeedbackV1)
    assert payload.held_hours() == hours


@pytest.mark.parametrize(
    ("sample", "outcome", "lawful", "hours"),
    [
        pytest.param("seizure", Outcome.SEIZURE, False, None, id="seizure"),
        pytest.param("false-positive", Outcome.FALSE_POSITIVE, True, 31, id="false-positive"),
        pytest.param("no-trace", Outcome.NO_TRACE, None, None, id="no-trace"),
    ],
)
def test_what_it_reports(sample: str, outcome: Outcome, lawful: bool | None, hours: int | None) -> None:
    document = registry.samples("feedback")[sample]
    payload = registry.check("feedback", 1, document)
    expected = Reports(
        does="reports", of=document["target"]["digest"], outcome=outcome, lawful=lawful, held_hours=hours
    )
    assert registry.act_of(payload, None) == expected
