"""What a recipient is given: in order, judged again as it leaves, with an entry before each byte."""

import asyncio

import pytest

from broker.errors import CallerError, NotFoundError, RequestError, UnavailableError
from broker.flows.cursor import Cursors
from broker.flows.subscribe import Subscribe
from broker.ledger.port import Basis, Proposal
from broker.merkle.receipt import verify_receipt
from schemas import registry
from schemas.evidence import Delivery
from schemas.problem import Code
from tests.builders import NOW


async def test_pages_come_in_ledger_order_with_receipts_and_a_delivered_entry_each_once(gateway):
    sent = [(await gateway.send())[0].digest for _ in range(4)]
    first = await gateway.page(limit=2)
    rest = await gateway.page(cursor=first.cursor)
    assert [item.digest for item in (*first.items, *rest.items)] == sent
    for item in (*first.items, *rest.items):
        entry = verify_receipt(item.receipt, gateway.realm.directory.logs[0])
        assert (entry.type, entry.packet.digest, item.receipt.index) == ("accepted", item.digest, item.index)
    again = await gateway.page()
    assert [item.digest for item in again.items] == sent
    delivered = gateway.entries("delivered")
    assert [each["packet"]["digest"] for each in delivered] == sent
    assert {(each["recipient"], each["channel"]) for each in delivered} == {("us-dea", "https")}


async def test_the_delivered_entry_is_committed_before_the_page_is_given(gateway):
    await gateway.send()
    seen = []
    gateway.hooks["delivered"] = lambda: seen.extend(gateway.entries("delivered"))
    await gateway.page()
    assert len(seen) == 1


@pytest.mark.parametrize(
    "then",
    [
        pytest.param({"us_dea": {"clearance": {"system": "US", "level": "U"}}}, id="clearance lowered"),
        pytest.param({"us_dea": {"mandates": ["border"]}}, id="mandate taken away"),
    ],
)
async def test_what_policy_no_longer_permits_is_withheld_for_good(gateway, then):
    sealed, _ = await gateway.send()
    await gateway.change(**then)
    (item,) = (await gateway.page()).items
    assert (item.gone, item.digest) == ("withheld", sealed.digest)
    (entry,) = gateway.entries("withheld")
    assert (entry["recipient"], entry["decision"]["outcome"], entry["directory"]["version"]) == ("us-dea", "deny", 2)
    assert gateway.entries("delivered") == []
    await gateway.change(us_dea={}, in_ncb={})
    assert [item.gone for item in (await gateway.page()).items] == ["withheld"]


async def test_what_was_accepted_before_its_sender_was_suspended_stays_good(gateway):
    sealed, _ = await gateway.send()
    await gateway.change(in_ncb={"state": "suspended"})
    assert [item.digest for item in (await gateway.page()).items] == [sealed.digest]


async def test_what_was_delivered_is_judged_again_each_time(gateway):
    await gateway.send()
    assert isinstance((await gateway.page()).items[0], Delivery)
    await gateway.change(us_dea={"mandates": ["border"]})
    assert [item.gone for item in (await gateway.page()).items] == ["withheld"]


def put_in_force_elsewhere(gateway, version):
    """Another gateway of this ledger adopted a directory that this one has not looked at yet."""
    view = gateway.in_force.view()
    changed = {
        "v": "setu1.entry",
        "type": "directory_changed",
        "actor": "in-setu",
        "aud": gateway.in_force.audience.to_object(),
        "directory": {"version": version, "hash": view.snapshot.ref.hash},
        "policy": view.policy.version,
    }
    basis = Basis(version, view.policy.version)
    gateway.ledger.propose(Proposal(changed, once=f"directory/{version}", puts_in_force=basis)).result(5)


async def test_what_was_offered_leaves_again_only_under_what_is_in_force_for_all_gateways(gateway):
    """It leaves without an entry, so that no committer notices a gateway that is behind."""
    await gateway.send()
    assert isinstance((await gateway.page()).items[0], Delivery)
    gateway.realm = gateway.realm.with_(agencies={"us-dea": {"mandates": ["border"]}})
    gateway.directory.put(gateway.realm)
    put_in_force_elsewhere(gateway, 2)
    assert [item.gone for item in (await gateway.page()).items] == ["withheld"]


async def test_a_gateway_that_cannot_follow_the_others_lets_nothing_out(gateway):
    await gateway.send()
    await gateway.page()
    put_in_force_elsewhere(gateway, 2)
    with pytest.raises(UnavailableError):
        await gateway.page()


async def test_what_nobody_fetched_in_time_expires_once(gateway):
    sealed, _ = await gateway.send(exp=NOW + 60)
    gateway.clock.at += 60
    assert await gateway.expire() == 1
    assert await gateway.expire() == 0
    assert [item.gone for item in (await gateway.page()).items] == ["expired"]
    assert [each["packet"]["digest"] for each in gateway.entries("expired")] == [sealed.digest]


async def test_an_expired_packet_is_not_given_even_before_the_sweep(gateway):
    await gateway.send(exp=NOW + 60)
    gateway.clock.at += 61
    assert [item.gone for item in (await gateway.page()).items] == ["expired"]
    assert await gateway.expire() == 0


async def test_a_page_stops_growing_but_always_moves(gateway):
    for _ in range(8):
        await gateway.send()
    page, seen = await gateway.page(), 0
    while page.items:
        assert len(page.items) <= 5  # 64 KiB of packets of 13 kB
        seen += len(page.items)
        page = await gateway.page(cursor=page.cursor)
    assert seen == 8


class Watched:
    """A ledger that keeps how many proposals waited in it at most."""

    def __init__(self, ledger):
        self.ledger, self.open, self.most = ledger, 0, 0

    def propose(self, proposal):
        self.open += 1
        self.most = max(self.most, self.open)
        found = self.ledger.propose(proposal)
        found.add_done_callback(lambda _: self.answered())
        return found

    def answered(self):
        self.open -= 1


async def test_an_agency_that_asks_for_many_pages_at_once_does_not_fill_the_ledgers_queue(gateway):
    sent = [(await gateway.send())[0].digest for _ in range(4)]
    ledger = Watched(gateway.ledger)
    subscribe = Subscribe(
        gateway.in_force,
        ledger,
        gateway.reader,
        Cursors(lambda: [b"k" * 32]),
        gateway.bell,
        now=gateway.now,
        page_bytes=2**20,
        probe=gateway.probe,
        at_once=2,
        turns=2,
    )
    ask = (subscribe.page(lambda: gateway.caller("us-dea"), "setu.us-dea.tip", None, 100, 0.0) for _ in range(12))
    pages = await asyncio.gather(*ask)
    assert [[item.digest for item in page.items] for page in pages] == [sent] * 12
    assert ledger.most <= 4


@pytest.mark.parametrize("topic", ["setu.us-cbp.tip", "setu.us-deaf.tip", "setu.us-dea.", "tip", "setu.us-dea.tip.x"])
async def test_topics_of_others_are_not_there(gateway, topic):
    with pytest.raises(NotFoundError):
        await gateway.subscribe.page(lambda: gateway.caller("us-dea"), topic, None, 10, 0.0)


async def test_a_cursor_of_another_topic_is_refused(gateway):
    page = await gateway.page(kind="pen")
    with pytest.raises(RequestError) as caught:
        await gateway.page(kind="tip", cursor=page.cursor)
    assert caught.value.code is Code.BAD_CURSOR


async def test_a_long_poll_answers_as_soon_as_something_is_there(gateway):
    waiting = asyncio.ensure_future(gateway.page(wait=30))
    await asyncio.sleep(0.05)
    sealed, _ = await gateway.send()
    page = await asyncio.wait_for(waiting, 5)
    assert [item.digest for item in page.items] == [sealed.digest]


async def test_a_long_poll_ends_when_standing_does_and_what_comes_then_goes_on_waiting(gateway):
    """A suspension may end: what arrives under an open poll is not withheld for good for its sake."""
    standing = True

    def caller():
        if not standing:
            raise CallerError(Code.AGENCY_SUSPENDED, "Expected an active agency, found a suspended one.")
        return gateway.caller("us-dea")

    waiting = asyncio.ensure_future(gateway.subscribe.page(caller, "setu.us-dea.tip", None, 10, 30.0))
    await asyncio.sleep(0.05)
    standing = False
    sealed, _ = await gateway.send()
    with pytest.raises(CallerError):
        await asyncio.wait_for(waiting, 5)
    assert gateway.entries("delivered", "withheld") == []
    standing = True
    assert [item.digest for item in (await gateway.page()).items] == [sealed.digest]


async def test_a_suspension_withholds_nothing_for_good(gateway):
    sealed, _ = await gateway.send()
    await gateway.change(us_dea={"state": "suspended"})
    with pytest.raises(CallerError) as caught:
        await gateway.page()
    assert caught.value.code is Code.AGENCY_SUSPENDED
    assert gateway.entries("delivered", "withheld") == []
    await gateway.change(us_dea={"state": "active"})
    assert [item.digest for item in (await gateway.page()).items] == [sealed.digest]


async def test_a_long_poll_ends_when_the_gateway_stops(gateway):
    waiting = asyncio.ensure_future(gateway.page(wait=30))
    await asyncio.sleep(0.05)
    gateway.bell.close()
    assert (await asyncio.wait_for(waiting, 5)).items == ()


async def test_a_stream_goes_on_and_ends_when_standing_does(gateway):
    standing = True

    def caller():
        if not standing:
            raise CallerError(Code.AGENCY_SUSPENDED, "Expected an active agency, found a suspended one.")
        return gateway.caller("us-dea")

    first, _ = await gateway.send()
    stream = await gateway.subscribe.stream(caller, "setu.us-dea.tip", None)
    cursor, item = await anext(stream)
    assert item.digest == first.digest
    assert await anext(stream) is None
    second, _ = await gateway.send()
    _, item = await anext(stream)
    assert item.digest == second.digest
    resumed = await gateway.subscribe.stream(caller, "setu.us-dea.tip", cursor)
    assert (await anext(resumed))[1].digest == second.digest
    standing = False
    with pytest.raises(CallerError):
        await anext(stream)
    await resumed.aclose()


async def test_topics_count_what_waits(gateway):
    await gateway.send()
    await gateway.send(kind="pen")
    await gateway.page()
    counted = {
        each.topic: (each.packets, each.unacknowledged)
        for each in await gateway.subscribe.topics(gateway.caller("us-dea"))
    }
    none = {f"setu.us-dea.{kind}": (0, 0) for kind in registry.kinds()}
    assert counted == {**none, "setu.us-dea.tip": (1, 1), "setu.us-dea.pen": (1, 1)}
