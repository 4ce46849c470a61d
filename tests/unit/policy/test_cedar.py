"""The engine around the rules: what it refuses to start with, what it remembers, how it fails."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import cedarpy
import pytest

from broker.errors import IntegrityError
from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from broker.policy.port import Policy, Question
from broker.policy.request import Parties
from schemas.directory import DirectoryRef
from schemas.problem import Code
from tests.unit.policy.world import agency, directory, policy, question

OWN = default_rules()
PERMIT = '@id("p") permit (principal, action, resource);'
NOTES = '@sentence("s.") @remedy("r.")'

REFUSED = [
    pytest.param({"a.cedar": '@id("p") permit (principal'}, "a.cedar", "parse error", id="syntax"),
    pytest.param(
        {
            "a.cedar": PERMIT,
            "b.cedar": f'@id("x") {NOTES} forbid (principal, action, resource) when {{context.tpl == ""}};',
        },
        "b.cedar",
        "x: for policy `policy0`, attribute `tpl`",
        id="misspelt-attribute",
    ),
    pytest.param(
        {"a.cedar": '@id("p") permit (principal, action == Action::"deliwer", resource);'},
        "a.cedar",
        "deliwer",
        id="unknown-action",
    ),
    pytest.param(
        {"a.cedar": '@id("p") permit (principal, action, resource) when { context.rank < 3 };'},
        "a.cedar",
        "rank",
        id="optional-attribute-unguarded",
    ),
    pytest.param({"a.cedar": "permit (principal, action, resource);"}, "a.cedar", "without an @id", id="no-id"),
    pytest.param({"a.cedar": '@id("A B") permit (principal, action, resource);'}, "a.cedar", "@id", id="bad-id"),
    pytest.param({"a.cedar": '@id("engine") permit (principal, action, resource);'}, "a.cedar", "@id", id="own-id"),
    pytest.param({"a.cedar": PERMIT, "b.cedar": PERMIT}, "b.cedar", "second time", id="id-twice"),
    pytest.param(
        {"a.cedar": '@id("x") @remedy("r.") forbid (principal, action, resource);'}, "a.cedar", "@sentence", id="mute"
    ),
    pytest.param(
        {"a.cedar": '@id("x") @sentence("s.") forbid (principal, action, resource);'}, "a.cedar", "@remedy", id="no-way"
    ),
    pytest.param(
        {"a.cedar": '@id("x") @sentence("{payload}") @remedy("r.") forbid (principal, action, resource);'},
        "a.cedar",
        "{payload}",
        id="unknown-placeholder",
    ),
    pytest.param(
        {"a.cedar": '@id("t") permit (principal == ?principal, action, resource);'},
        "a.cedar",
        "template",
        id="template",
    ),
    pytest.param(
        {"a.cedar": f'@id("x") {NOTES} forbid (principal, action, resource);'},
        "the rules",
        "none that permits",
        id="no-permit",
    ),
    pytest.param({}, "the rules", "none that permits", id="no-rules"),
]


@pytest.mark.parametrize(("rules", "where", "fault"), REFUSED)
def test_refuses_to_start_with(rules: Mapping[str, str], where: str, fault: str) -> None:
    with pytest.raises(IntegrityError) as refused:
        CedarPolicy(rules, OWN.schema)
    assert refused.value.code is Code.CONFIG_INVALID
    assert f"found in {where}: " in refused.value.message
    assert fault in refused.value.message


def test_refuses_a_schema_that_is_none() -> None:
    with pytest.raises(IntegrityError, match="found in the schema"):
        CedarPolicy(OWN.rules, "entity {")


def test_version_is_of_texts_and_schema() -> None:
    version = policy().version
    assert len(version) == 64
    assert version == CedarPolicy(dict(reversed(OWN.rules.items())), OWN.schema).version
    assert version != CedarPolicy({**OWN.rules, "z.cedar": "// nothing"}, OWN.schema).version
    assert version != CedarPolicy(OWN.rules, OWN.schema + "\n").version
    name, *_ = OWN.rules
    assert (
        version
        != CedarPolicy(
            {("z" + each if each == name else each): OWN.rules[each] for each in OWN.rules}, OWN.schema
        ).version
    )


def test_every_rule_that_is_cedars_is_there() -> None:
    port: Policy = policy()
    assert isinstance(port, CedarPolicy)
    assert {rule.id.split(".")[0] for rule in port.rules if rule.forbids} == {"1", "2", "3", "4", "5", "8", "12"}
    assert {rule.id for rule in port.rules if rule.looks.passing} == {"3.third-party"}


class Counting:
    """Cedar's evaluation, counted."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *arguments: Any) -> cedarpy.AuthzResult:
        self.calls += 1
        return cedarpy.is_authorized(*arguments)


def test_the_same_question_is_evaluated_once() -> None:
    count = Counting()
    cedar = policy(evaluate=count)
    first = cedar.decide(question("us-cbp", tlp="GREEN"))
    again = cedar.decide(question("us-cbp", tlp="GREEN"))
    assert count.calls == 1
    assert again == first
    assert not again.permit


OTHERWISE = [
    pytest.param(lambda: question("us-cbp"), id="recipient"),
    pytest.param(lambda: question(sender="in-nia"), id="sender"),
    pytest.param(lambda: question(tlp="GREEN"), id="handling"),
    pytest.param(lambda: question(to=("us-dea", "us-cbp")), id="other-recipients"),
    pytest.param(lambda: question(via="kafka"), id="channel"),
    pytest.param(lambda: question(via="reader"), id="action"),
    pytest.param(lambda: question(realm=directory(version=2)), id="directory-version"),
    pytest.param(
        lambda: replace(question(), ref=DirectoryRef(version=1, hash="B" * 63 + "A")), id="other-directory-same-version"
    ),
]


@pytest.mark.parametrize("other", OTHERWISE)
def test_another_question_is_evaluated_anew(other: Callable[[], Question]) -> None:
    count = Counting()
    cedar = policy(evaluate=count)
    cedar.decide(question())
    cedar.decide(other())
    assert count.calls == 2


def test_a_new_directory_changes_the_outcome_of_a_cached_question() -> None:
    cedar = policy()
    assert cedar.decide(question()).permit
    rows = [agency("in-ncb"), agency("us-dea", state="suspended"), agency("in-setu", roles=["gateway"])]
    assert cedar.decide(question(realm=directory(version=2, agencies=rows, communities=[]))).rules == ("1.standing",)
    assert cedar.decide(question()).permit


def test_two_unlisted_recipients_are_told_apart() -> None:
    cedar = policy()
    for name in ("us-fbi", "us-atf"):
        assert {hit.recipient for hit in cedar.decide(question(name)).hits} == {name}


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    count = Counting()
    cedar = policy(evaluate=count, remember=2)
    cedar.decide(question("us-dea"))
    cedar.decide(question("us-cbp"))
    cedar.decide(question("us-dea"))
    cedar.decide(question("in-nia"))
    assert count.calls == 3
    cedar.decide(question("us-dea"))
    assert count.calls == 3
    cedar.decide(question("us-cbp"))
    assert count.calls == 4


def test_the_cache_holds_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        policy(remember=0)


def _broken(*_: object) -> cedarpy.AuthzResult:
    raise ValueError("the engine broke")


def _no_decision(*_: object) -> cedarpy.AuthzResult:
    return cedarpy.AuthzResult({"decision": "NoDecision", "diagnostics": {"reason": [], "errors": ["no"]}})


def _permit_with_a_rule_skipped(*_: object) -> cedarpy.AuthzResult:
    return cedarpy.AuthzResult({"decision": "Allow", "diagnostics": {"reason": ["permit.deliver"], "errors": ["2.x"]}})


def _unknown_reason(*_: object) -> cedarpy.AuthzResult:
    return cedarpy.AuthzResult({"decision": "Deny", "diagnostics": {"reason": ["policy0"], "errors": []}})


FAULTS = [
    pytest.param(_broken, id="raises"),
    pytest.param(_no_decision, id="no-decision"),
    pytest.param(_permit_with_a_rule_skipped, id="permit-with-a-rule-skipped"),
    pytest.param(_unknown_reason, id="reason-that-is-no-rule"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_fails_closed(fault: Callable[..., cedarpy.AuthzResult]) -> None:
    broken = True

    def evaluate(*arguments: Any) -> cedarpy.AuthzResult:
        return fault(*arguments) if broken else cedarpy.is_authorized(*arguments)

    cedar = policy(evaluate=evaluate)
    decision = cedar.decide(question())
    assert not decision.permit
    assert decision.rules == ("engine",)
    assert decision.hits[0].recipient == "us-dea"
    broken = False
    assert cedar.decide(question()).permit, "a fault was remembered"


def test_a_forbid_that_overflows_denies() -> None:
    rules = {
        "a.cedar": PERMIT,
        "b.cedar": f'@id("x") {NOTES} forbid (principal, action, resource) '
        "when { context.ceiling * 9223372036854775807 + 9223372036854775807 == 0 };",
    }
    assert CedarPolicy(rules, OWN.schema).decide(question()).rules == ("engine",)


def test_many_threads_agree() -> None:
    cedar = policy(remember=8)
    names = ["us-dea", "us-cbp", "in-nia", "us-out", "us-fbi"]
    asked = [question(name, tlp=tlp) for name in names for tlp in ("CLEAR", "GREEN", "AMBER", "RED")]
    expected = [policy().decide(each) for each in asked]
    found: list[bool] = []

    def ask(start: int) -> None:
        order = [(start + each) % len(asked) for each in range(len(asked) * 3)]
        found.append(all(cedar.decide(asked[each]) == expected[each] for each in order))

    threads = [threading.Thread(target=ask, args=(each * 5,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [True] * 4


def test_entities_have_nobody_for_the_unlisted() -> None:
    rows = {row["uid"]["id"]: row["attrs"] for row in json.loads(Parties(directory()).entities())}
    assert rows["?"]["known"] is False
    assert rows["?"]["mandates"] == rows["?"]["roles"] == rows["?"]["circle"] == []
    assert "clearance" not in rows["?"]
    assert "clearance" not in rows["us-odd"]
    assert rows["us-cbp"]["client_of"] == [{"__entity": {"type": "Agency", "id": "us-dea"}}]
