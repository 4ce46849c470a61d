"""What passes while packet, directory and policy stay: the clock and release decisions. No answer that rests on them is kept."""

from typing import Any

import cedarpy
import pytest

from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from tests.builders import NOW
from tests.unit.policy.world import question

OWN = default_rules()
NOTES = '@sentence("s.") @remedy("r.")'
NIGHT = f'@id("9.night") {NOTES} forbid (principal, action, resource) when {{ context.hour < 6 }};'
HOUR = 3600
MIDNIGHT = NOW // 86_400 * 86_400


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *arguments: Any) -> cedarpy.AuthzResult:
        self.calls += 1
        return cedarpy.is_authorized(*arguments)


def cedar(*rules: str, count: Counting | None = None) -> CedarPolicy:
    texts = {f"9-{number}.cedar": text for number, text in enumerate(rules)}
    return CedarPolicy(OWN.rules | texts, OWN.schema, evaluate=count or Counting())


def test_a_rule_of_hours_answers_by_the_clock_though_nothing_else_moved() -> None:
    count = Counting()
    rules = cedar(NIGHT, count=count)
    answers = [rules.decide(question(at=MIDNIGHT + hour * HOUR)).rules for hour in (5, 6, 23, 24)]
    assert answers == [("9.night",), ("permit.deliver",), ("permit.deliver",), ("9.night",)]
    assert count.calls == 1 + 4, "what looks at no clock is evaluated once"


@pytest.mark.parametrize(
    ("said", "moments"),
    [
        pytest.param("context.now >= 1790000000", [(NOW - 1, False), (NOW, True)], id="now"),
        pytest.param("context.hour == 14", [(MIDNIGHT + 14 * HOUR - 1, False), (NOW, True)], id="hour"),
        pytest.param("context.weekday == 7", [(0, False), (3 * 86_400, True), (10 * 86_400, True)], id="sunday"),
        pytest.param("context.weekday == 4", [(0, True), (86_399, True), (86_400, False)], id="thursday-1970"),
        pytest.param("context has now && context.now == 7", [(7, True), (8, False)], id="asked-for-first"),
        pytest.param('{"a": context}.a.hour == 1', [(HOUR, True), (0, False)], id="by-way-of-a-record"),
    ],
)
def test_what_a_rule_may_ask_of_the_clock(said: str, moments: list[tuple[int, bool]]) -> None:
    rules = cedar(f'@id("9.own") {NOTES} forbid (principal, action, resource) when {{ {said} }};')
    for _ in range(2):
        for at, applies in moments:
            assert rules.decide(question(at=at)).permit is not applies, at


def test_a_permit_may_look_at_the_clock_too() -> None:
    rules = CedarPolicy(
        {"a.cedar": '@id("by-day") permit (principal, action, resource) when { context.hour >= 6 };'}, OWN.schema
    )
    assert rules.decide(question(at=MIDNIGHT)).rules == ("no-permit",)
    assert rules.decide(question(at=MIDNIGHT + 6 * HOUR)).rules == ("by-day",)


def test_a_release_that_is_given_or_lapses_counts_at_once() -> None:
    count = Counting()
    rules = cedar(count=count)
    held = ("in-nia",)
    answers = [
        rules.decide(question(unreleased=each, sources=("C" * 64,))).rules for each in (held, (), held, (), held)
    ]
    assert answers == [("3.third-party",), ("permit.deliver",)] * 2 + [("3.third-party",)]
    assert count.calls == 1 + 5, "the rules about nothing that passes are evaluated once, the one that does each time"


def test_a_usual_packet_costs_one_evaluation_and_then_none() -> None:
    count = Counting()
    rules = cedar(count=count)
    for at in range(NOW, NOW + 5):
        assert rules.decide(question(at=at)).permit
    assert count.calls == 1


def test_with_and_without_sources_are_two_questions() -> None:
    count = Counting()
    rules = cedar(f'@id("9.own") {NOTES} forbid (principal, action, resource) when {{ context.derived }};', count=count)
    assert rules.decide(question()).permit
    assert rules.decide(question(sources=("C" * 64,))).rules == ("9.own",)
    assert rules.decide(question()).permit
    assert count.calls == 1 + 2


def test_rules_that_pass_and_rules_that_last_stand_against_it_together() -> None:
    rules = cedar(NIGHT)
    asked = question(at=MIDNIGHT, unreleased=("in-nia",), tlp="RED")
    assert rules.decide(asked).rules == ("2.tlp-red", "3.third-party", "9.night")
    assert [hit.rule for hit in rules.decide(asked).hits] == ["2.tlp-red", "3.third-party", "9.night"]


def test_a_rule_of_an_operator_may_look_at_the_originators() -> None:
    own = f'@id("9.own") {NOTES} forbid (principal, action, resource) when {{ context.third_party.isEmpty() }};'
    rules = cedar(own)
    assert rules.decide(question()).rules == ("9.own",)
    assert rules.decide(question(unreleased=("in-nia",))).rules == ("3.third-party",)
    assert rules.decide(question(sources=("C" * 64,))).rules == ("9.own",)
