"""What the policy would say about a header that nobody sent."""

from typing import Any

import pytest

from broker.policy.explain import explain, header_of
from tests.unit.policy.world import directory, handling, header, policy, reference

REALM = directory()


def draft(**over: Any) -> dict[str, Any]:
    return {"from": "in-ncb", "to": ["us-dea"], "kind": "tip", "handling": handling(), **over}


def test_every_addressee_is_answered_in_order() -> None:
    written = header_of(draft(to=["us-cbp", "us-dea", "us-fbi", "in-setu"]), REALM)
    answers = explain(policy(), written, REALM, reference())
    assert [(each.agency, each.via, each.decision.rules) for each in answers] == [
        ("us-cbp", "https", ("1.purpose",)),
        ("us-dea", "https", ("permit.deliver",)),
        ("us-fbi", "https", ("1.clearance", "1.purpose", "1.releasable", "1.standing")),
        ("in-setu", "reader", ("permit.read",)),
    ]


def test_a_sender_that_is_not_listed_is_denied() -> None:
    answers = explain(policy(), header_of(draft(**{"from": "in-cbi"}), REALM), REALM, reference())
    assert [each.decision.rules for each in answers] == [("1.originator",)]


def test_the_channel_is_asked_about() -> None:
    answers = explain(policy(), header(to=("us-dea", "in-setu")), REALM, reference(), via="kafka")
    assert [each.via for each in answers] == ["kafka", "reader"]


def test_a_whole_header_stays_as_it_is() -> None:
    whole = header(to=("us-dea", "us-cbp"))
    assert header_of(whole.to_object(), REALM) == whole


def test_another_gateway_may_be_named() -> None:
    written = header_of(draft(to=["us-dea", "us-gate"], gateway="us-gate"), REALM)
    assert [each.via for each in explain(policy(), written, REALM, reference())] == ["https", "reader"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"to": "us-dea"}, id="to-is-text"),
        pytest.param({"to": []}, id="nobody"),
        pytest.param({"to": ["US DEA"]}, id="no-agency-id"),
        pytest.param({"handling": {}}, id="no-handling"),
        pytest.param({"surplus": 1}, id="unknown-member"),
        pytest.param({"to": None}, id="to-is-null"),
    ],
)
def test_refuses_what_is_no_header(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|validation error"):
        header_of(draft(**wrong), REALM)
