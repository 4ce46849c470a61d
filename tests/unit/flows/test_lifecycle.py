"""Withdrawal, destruction, onward release: each in the transaction that accepts the packet that says so."""

import asyncio
import json

import pytest

from broker.envelope.acknowledge import Statement, acknowledge
from broker.errors import NotFoundError, PacketError
from broker.ledger.port import EntryFilter
from schemas.act import Asks, Attests, DecidesRelease, RequestsRelease, Withdraws
from schemas.evidence import AckEvent, AckPacket, EntryType
from tests.builders import NOW, uuid7
from tests.unit.flows.seen import clocks, gone, states, timeline

DUE = NOW + 3600
BOTH = ("us-cbp", "us-dea")


def withdraws(target, due=DUE):
    return Withdraws(does="withdraws", of=target.digest, due=due)


def attests(target):
    return Attests(does="attests", of=target.digest)


async def shown(gateway, to=("us-dea",), act=None):
    target, sent = await gateway.act(act, to)
    for each in to:
        await gateway.page(each)
    return target, sent.receipt.index


async def opened(gateway, target, index, event=AckEvent.OPENED, by="us-dea"):
    named = {"from": target.header.from_, "id": target.header.id, "digest": target.digest, "index": index}
    statement = Statement(
        aud=gateway.in_force.audience, by=by, event=event, at=int(gateway.now()), packet=AckPacket.from_object(named)
    )
    raw = acknowledge(statement, gateway.realm.members[by].sign, gateway.realm.suite)
    return await gateway.acknowledge(gateway.caller(by), raw)


async def test_what_is_withdrawn_is_no_longer_served_and_its_recipients_are_told(gateway):
    target, index = await shown(gateway, BOTH)
    await opened(gateway, target, index)
    notice, accepted = await gateway.act(withdraws(target), BOTH)
    assert states(gateway, target) == {"us-cbp": "retracted", "us-dea": "retracted"}
    assert clocks(gateway, target) == [(each, "destruction", DUE, "running") for each in BOTH]
    for each in BOTH:
        assert await gone(gateway, each) == ["retracted", notice.digest]
    (entry,) = gateway.entries("retracted")
    assert (entry["actor"], entry["packet"]["digest"]) == ("in-ncb", target.digest)
    assert entry["act"] == {"does": "withdraws", "of": target.digest, "due": DUE}
    assert entry["evidence"] == gateway.entries("accepted")[-1]["evidence"]
    assert gateway.reader.timeline(target.digest)[-1].index == accepted.receipt.index + 1


async def test_both_sides_see_the_withdrawal_and_a_stranger_nothing(gateway):
    target, _ = await shown(gateway)
    await gateway.act(withdraws(target))
    for each in ("in-ncb", "us-dea", "in-audit"):
        assert await timeline(gateway, each, target) == (["accepted", "delivered", "retracted"], ["running"])
    with pytest.raises(NotFoundError):
        await timeline(gateway, "us-cbp", target)


async def test_what_was_never_offered_is_not_to_be_destroyed(gateway):
    target, _ = await gateway.act(to=BOTH)
    await gateway.page("us-cbp")
    await gateway.act(withdraws(target), BOTH)
    assert states(gateway, target) == {"us-cbp": "retracted", "us-dea": "retracted"}
    assert clocks(gateway, target) == [("us-cbp", "destruction", DUE, "running")]
    with pytest.raises(NotFoundError):
        await timeline(gateway, "us-dea", target)
    with pytest.raises(PacketError):
        await gateway.act(attests(target), ("in-ncb",), sender="us-dea")


async def test_who_was_offered_it_destroys_it_also_where_it_ended_otherwise(gateway):
    """Offered, then expired: the bytes left all the same."""
    target, _ = await gateway.act(exp=NOW + 60)
    await gateway.page()
    gateway.clock.at += 61
    await gateway.expire()
    await gateway.act(withdraws(target))
    assert states(gateway, target) == {"us-dea": "expired"}
    assert clocks(gateway, target) == [("us-dea", "destruction", DUE, "running")]


async def test_an_offer_that_comes_between_decision_and_commit_is_not_overlooked(gateway):
    target, _ = await gateway.act()
    rows = gateway.reader.topic("us-dea", "tip", after=-1, limit=9)
    packet, view = gateway.reader.packet(target.digest), gateway.in_force.view()
    offered = []

    def meanwhile():
        agency = gateway.caller("us-dea").agency
        judged = gateway.subscribe._offered.judge(agency, rows[0], packet, view)
        offered.append(asyncio.run(gateway.subscribe._offered.settle(agency, rows[0], packet, view, judged)))

    gateway.hooks["decided"] = meanwhile
    await gateway.act(withdraws(target))
    assert offered == ["offered"]
    assert [each["recipient"] for each in gateway.entries("delivered")] == ["us-dea"]
    assert clocks(gateway, target) == [("us-dea", "destruction", DUE, "running")]


async def test_what_was_asked_and_withdrawn_is_not_to_be_answered(gateway):
    question, _ = await shown(gateway, act=Asks(does="asks", due=DUE))
    await gateway.act(withdraws(question))
    assert clocks(gateway, question) == [
        ("us-dea", "answer", DUE, "stopped"),
        ("us-dea", "destruction", DUE, "running"),
    ]


async def test_an_attestation_stops_the_clock_and_who_gives_none_is_overdue(gateway):
    target, _ = await shown(gateway, BOTH)
    await gateway.act(withdraws(target), BOTH)
    for _ in range(2):
        await gateway.act(attests(target), ("in-ncb",), sender="us-dea")
    (entry,) = gateway.entries("attested")
    assert (entry["actor"], entry["recipient"], entry["packet"]["digest"]) == ("us-dea", "us-dea", target.digest)
    gateway.clock.at = float(DUE)
    await gateway.overdue()
    (late,) = gateway.entries("overdue")
    assert (late["recipient"], late["word"], late["due"]) == ("us-cbp", "destruction", DUE)
    assert (await timeline(gateway, "us-dea", target))[0] == ["accepted", "delivered", "retracted", "attested"]
    assert (await timeline(gateway, "us-cbp", target))[0] == ["accepted", "delivered", "retracted", "overdue"]
    await gateway.act(attests(target), ("in-ncb",), sender="us-cbp")
    assert [each[3] for each in clocks(gateway, target)] == ["stopped", "stopped"]


async def test_a_second_withdrawal_moves_what_is_not_attested_yet(gateway):
    target, _ = await shown(gateway, BOTH)
    await gateway.act(withdraws(target), BOTH)
    await gateway.act(attests(target), ("in-ncb",), sender="us-dea")
    await gateway.act(withdraws(target, DUE - 60), BOTH)
    assert len(gateway.entries("retracted")) == 1
    assert clocks(gateway, target) == [
        ("us-cbp", "destruction", DUE - 60, "running"),
        ("us-dea", "destruction", DUE, "stopped"),
    ]


async def test_a_withdrawal_that_not_all_are_told_of_is_refused(gateway):
    target, _ = await shown(gateway, BOTH)
    with pytest.raises(PacketError, match="every recipient of what is withdrawn") as found:
        await gateway.act(withdraws(target))
    assert (found.value.code, found.value.pointer) == ("reference-unknown", "/to")
    assert states(gateway, target) == {"us-cbp": "offered", "us-dea": "offered"}
    assert gateway.entries("retracted") == []


async def test_who_is_suspended_need_not_be_told_for_it_cannot_be_and_owes_all_the_same(gateway):
    target, _ = await shown(gateway, BOTH)
    await gateway.change(us_cbp={"state": "suspended"})
    await gateway.act(withdraws(target), id=uuid7(99))
    assert states(gateway, target) == {"us-cbp": "retracted", "us-dea": "retracted"}
    assert [each[0] for each in clocks(gateway, target)] == list(BOTH)


async def test_what_stands_is_not_attested(gateway):
    target, _ = await shown(gateway)
    with pytest.raises(PacketError, match="its sender has withdrawn") as found:
        await gateway.act(attests(target), ("in-ncb",), sender="us-dea")
    assert (found.value.code, found.value.pointer) == ("reference-unknown", "/act/of")


async def test_an_acknowledgement_after_the_withdrawal_is_recorded_and_moves_nothing(gateway):
    target, index = await shown(gateway)
    await gateway.act(withdraws(target))
    await gateway.purge()
    await opened(gateway, target, index, AckEvent.RECEIVED)
    assert gateway.entries("acknowledged")[-1]["packet"]["id"] == target.header.id
    assert states(gateway, target) == {"us-dea": "retracted"}


async def test_a_withdrawal_told_again_gets_its_receipt_and_nothing_happens_twice(gateway):
    target, _ = await shown(gateway)
    notice, first = await gateway.act(withdraws(target))
    again = await gateway.submit(gateway.caller("in-ncb"), notice.raw)
    assert (again.receipt, again.fresh) == (first.receipt, False)
    assert len(gateway.entries("retracted")) == 1


def decides(target, agency="us-dea", permit=True):
    return DecidesRelease(
        does="decides-release", of=target.digest, agency=agency, release_to=("USA",), permit=permit, until=DUE
    )


async def test_a_release_decision_is_found_by_what_it_is_about(gateway):
    target, _ = await shown(gateway)
    requests = RequestsRelease(does="requests-release", of=target.digest, release_to=("USA",))
    await gateway.act(requests, ("in-ncb",), sender="us-dea")
    for permit in (True, False):
        await gateway.act(decides(target, permit=permit))
    found = gateway.reader.search(EntryFilter(packet=target.digest, types=(EntryType.RELEASE_DECIDED,)))
    entries = [json.loads(each.entry) for each in found]
    assert [(each["actor"], each["recipient"], each["decision"]["outcome"]) for each in entries] == [
        ("in-ncb", "us-dea", "permit"),
        ("in-ncb", "us-dea", "deny"),
    ]
    assert entries[0]["act"]["release_to"] == ["USA"]
    assert (await timeline(gateway, "us-dea", target))[0][-2:] == ["release_decided"] * 2


@pytest.mark.parametrize(
    ("agency", "to", "pointer"),
    [
        pytest.param("us-cbp", ("us-dea", "us-cbp"), "/act/agency", id="about-no-recipient"),
        pytest.param("us-dea", ("us-cbp",), "/to", id="not-told"),
    ],
)
async def test_a_release_decision_that_does_not_fit_is_refused(gateway, agency, to, pointer):
    target, _ = await shown(gateway)
    with pytest.raises(PacketError, match="the agency that it decides about") as found:
        await gateway.act(decides(target, agency), to)
    assert (found.value.code, found.value.pointer) == ("reference-unknown", pointer)
    assert gateway.entries("release_decided") == []
