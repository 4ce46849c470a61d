"""What went into a packet, traced through a port in memory."""

from typing import Any

import pytest

from broker.policy.lineage import MOST, Source, decide, trace
from broker.policy.port import ENGINE, Decision, Question
from schemas.act import DecidesRelease
from tests.builders import NOW
from tests.unit.policy.world import header, policy, question

CEDAR = policy()


def digest(number: int) -> str:
    return f"{number:064d}"


def packet(number: int, sender: str, to: tuple[str, ...], *sources: int, **over: Any) -> Source:
    named = tuple(digest(each) for each in sources)
    return Source.of(digest(number), header(sender, to, sources=named or None, **over))


class Known:
    """A `Lineage` of a few packets and decisions, which counts what it is asked."""

    def __init__(self, *packets: Source, released: dict[tuple[int, str], dict[str, Any]] | None = None) -> None:
        self.packets = {each.digest: each for each in packets}
        self.released = released or {}
        self.asked: list[str] = []

    def sources(self, digests: Any) -> dict[str, Source]:
        self.asked += sorted(digests)
        return {each: self.packets[each] for each in digests if each in self.packets}

    def decision(self, source: Source, agency: str) -> DecidesRelease | None:
        self.asked.append(f"decision {int(source.digest)}")
        said = self.released.get((int(source.digest), agency))
        if said is None:
            return None
        made = {"does": "decides-release", "of": source.digest, "agency": agency, "permit": True, **said}
        return DecidesRelease.from_object(made)


def asked(known: Known, *sources: int, recipient: str = "us-dea", sender: str = "in-ncb", **over: Any) -> Decision:
    named = tuple(digest(each) for each in sources) or None
    made = question(recipient, sender=sender, sources=named, **over)
    return decide(CEDAR, made, trace(made.header, known))


def test_a_packet_without_sources_asks_nothing() -> None:
    known = Known()
    assert asked(known).permit
    assert known.asked == []


def test_what_is_under_nobodys_control_asks_for_no_decision() -> None:
    known = Known(packet(1, "in-nia", ("in-ncb",)))
    assert asked(known, 1).permit
    assert known.asked == [digest(1)]


def test_each_originator_on_the_way_is_named_once() -> None:
    oc = {"dissem": ["OC"]}
    known = Known(
        packet(1, "in-nia", ("in-lab",), **oc),
        packet(2, "in-lab", ("in-ncb",), 1, **oc),
        packet(3, "in-lab", ("in-ncb",), 1, **oc),
        packet(4, "in-ncb", ("in-nia",), 1, 2, **oc),
    )
    decision = asked(known, 3, 4, **oc)
    assert decision.rules == ("3.third-party",)
    assert "control of in-lab, who" in decision.hits[0].sentence
    assert sorted(known.asked) == sorted(
        [digest(1), digest(2), digest(3), digest(4), "decision 1", "decision 2", "decision 3"]
    )


def test_nobody_learns_from_a_refusal_where_others_have_their_information_from() -> None:
    """in-lab handed on what in-nia gave it alone: in-ncb is told of in-lab."""
    oc = {"dissem": ["OC"], "tlp": "GREEN"}
    known = Known(packet(1, "in-nia", ("in-lab",), **oc), packet(2, "in-lab", ("in-ncb",), 1, **oc))
    decision = asked(known, 2)
    assert decision.rules == ("3.third-party", "6.derivative", "7.originator")
    assert "in-nia" not in str(decision.hits)
    assert decision.hits[0].sentence.startswith("Something in the packet is under the control of in-lab, who has not")
    given = Known(packet(1, "in-nia", ("in-lab", "in-ncb"), **oc), packet(2, "in-lab", ("in-ncb",), 1, **oc))
    assert "control of in-lab, in-nia, who" in asked(given, 2).hits[0].sentence


def test_a_decision_for_each_of_them_is_needed() -> None:
    oc = {"dissem": ["OC"]}
    packets = packet(1, "in-nia", ("in-lab",), **oc), packet(2, "in-lab", ("in-ncb",), 1, **oc)
    both = {(1, "in-ncb"): {"release_to": ["USA"]}, (2, "in-ncb"): {"release_to": ["us-dea"], "until": NOW + 1}}
    assert asked(Known(*packets, released=both), 2, **oc).permit
    for missing in both:
        left = {each: said for each, said in both.items() if each != missing}
        assert asked(Known(*packets, released=left), 2, **oc).rules == ("3.third-party",)
    assert asked(Known(*packets, released=both), 2, at=NOW + 1, **oc).rules == ("3.third-party",)


def test_what_is_no_longer_kept_counts_as_controlled() -> None:
    purged = Source(digest(1), "in-nia", frozenset({"in-nia", "in-ncb"}), None)
    assert asked(Known(purged), 1).rules == ("3.third-party",)
    assert asked(Known(purged, released={(1, "in-ncb"): {"release_to": ["us-dea"]}}), 1).permit
    assert asked(Known(purged), 1, recipient="in-nia", to=("in-nia",)).permit


def test_a_source_that_is_not_to_be_had_is_left_to_who_has_it() -> None:
    assert asked(Known(), 1).permit


@pytest.mark.parametrize("via", ["https", "kafka", "reader"])
def test_a_gateway_that_would_read_is_a_third_party_too(via: Any) -> None:
    recipient = "in-setu" if via == "reader" else "us-dea"
    made = {"recipient": recipient, "to": ("us-dea", "in-setu"), "via": via, "dissem": ["OC"]}
    sealed, opened = (
        packet(1, "in-nia", ("in-ncb",), dissem=["OC"]),
        packet(1, "in-nia", ("in-ncb", "us-dea", "in-setu"), dissem=["OC"]),
    )
    assert asked(Known(sealed), 1, **made).rules == ("3.third-party",)
    assert asked(Known(opened), 1, **made).permit


def test_what_stands_against_it_stands_together() -> None:
    known = Known(packet(1, "in-nia", ("in-ncb",), dissem=["OC"], tlp="RED", releasable_to=["in-ncb"]))
    decision = asked(known, 1, purpose=["prosecution"])
    assert decision.rules == ("3.third-party", "4.basis", "6.derivative", "7.originator")
    assert [hit.rule for hit in decision.hits] == ["3.third-party", "4.basis", "6.derivative", "7.originator"]
    assert {hit.recipient for hit in decision.hits} == {"us-dea"}
    assert decision.hits[2].sentence == (
        "The packet is marked less strictly than what went into it: dissem, purpose, releasable_to, tlp."
    )


def test_packets_that_name_each_other_in_a_circle_end() -> None:
    known = Known(packet(1, "in-nia", ("in-ncb",), 2), packet(2, "in-nia", ("in-ncb",), 1))
    assert asked(known, 1).permit
    assert known.asked == [digest(1), digest(2)]


@pytest.mark.parametrize(
    ("length", "rules"),
    [pytest.param(MOST, ("permit.deliver",), id="the-most"), pytest.param(MOST + 1, ("6.sources",), id="one-more")],
)
def test_more_than_is_traced_is_refused(length: int, rules: tuple[str, ...]) -> None:
    chain = [
        packet(each, "in-nia", ("in-ncb",), *([each + 1] if each < length else [])) for each in range(1, length + 1)
    ]
    assert asked(Known(*chain), 1).rules == rules


def test_a_policy_that_cannot_be_evaluated_says_only_that() -> None:
    class Broken:
        version = "0" * 64

        def decide(self, question: Question) -> Decision:
            return Decision(permit=False, rules=(ENGINE,))

    made = question(sources=(digest(1),))
    known = Known(packet(1, "in-nia", ("in-ncb",), tlp="RED"))
    assert decide(Broken(), made, trace(made.header, known)).rules == (ENGINE,)
