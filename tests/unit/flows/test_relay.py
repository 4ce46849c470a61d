"""A relay publishes again all that Kafka lost, by its lease alone, and only what may leave at that moment."""

import asyncio

import pytest

from broker.errors import CallerError, UnavailableError
from broker.flows.inforce import InForce
from broker.flows.relay import LAST, PART_BYTES, Relay
from broker.ledger.port import Basis, LeaseLost
from broker.transport.port import Kept, Tail
from schemas.act import Withdraws
from schemas.evidence import EntryType
from schemas.problem import Code
from tests.builders import NOW, Realm
from tests.unit.flows.seen import clocks
from tests.unit.flows.world import Directory, world

TIP, PEN = "setu.us-dea.tip", "setu.us-dea.pen"


class Topics:
    """A `Publisher` that keeps records in lists, and can forget them. hooks: topic -> what to wait for before its end
    is told.
    """

    def __init__(self):
        self.kept = {}
        self.hooks = {}
        self.sent = 0
        self.failing = False

    async def renew(self):
        return

    async def tail(self, topic, most, below=None):
        if topic in self.hooks:
            await self.hooks.pop(topic)()
        kept = self.kept.get(topic, [])
        return Tail(kept[:below][::-1][:most], len(kept))

    async def ends(self, topics):
        return {each: len(self.kept.get(each, [])) for each in topics}

    async def send(self, topic, records):
        self.sent += 1
        if self.failing:
            self.failing = False
            raise UnavailableError("Expected Kafka to answer, found no answer.")
        kept = self.kept.setdefault(topic, [])
        first = len(kept)
        kept += [Kept(each.key, each.value, each.headers, first + place) for place, each in enumerate(records)]
        return first

    async def close(self):
        return


class Policy:
    """Another policy than the relay's; being in force takes no more of one than its version."""

    version = "another"


@pytest.fixture
async def site(tmp_path):
    async with world(tmp_path, Realm().with_(agencies={"us-dea": {"channels": ("https", "kafka")}})) as gateway:
        topics = Topics()
        relay = Relay(gateway.in_force, gateway.ledger, gateway.reader, topics, now=gateway.now)
        await relay.connect()
        yield gateway, topics, relay


async def test_what_kafka_lost_is_published_again(site):
    gateway, topics, relay = site
    sealed, _ = await gateway.send()
    assert await relay.step()
    topics.kept.clear()
    with pytest.raises(UnavailableError, match="lost records"):
        await relay._find_losses()
    await relay.connect()
    assert await relay.step()
    assert [each.value for each in topics.kept[TIP]] == [sealed.raw]


def values(topics):
    return [each.value for each in topics.kept[TIP]]


async def next_send(relay):
    """A step that sends before the topics' ends are looked at again."""
    relay._all_due = float("inf")
    relay.ring(frozenset({("us-dea", "tip")}))
    await asyncio.sleep(0)
    return await relay.step()


async def other_policy(gateway):
    other = InForce(Directory(gateway.realm), Policy(), gateway.ledger, gateway.reader, gateway=gateway.realm.gateway)
    await other.start()


async def test_also_where_more_was_kept_behind_the_loss_than_is_read_of_a_topics_end(site):
    gateway, topics, relay = site
    sealed = [(await gateway.send())[0].raw for _ in range(3)]
    assert await relay.step()
    del topics.kept[TIP][1:]  # unnoticed until the next record is put where one had been before
    sealed += [(await gateway.send())[0].raw for _ in range(LAST + 1)]
    with pytest.raises(UnavailableError, match="lost records"):
        await next_send(relay)
    await relay.connect()
    assert await relay.step()
    assert set(values(topics)) == set(sealed)
    assert values(topics)[-len(sealed) + 1 :] == sealed[1:]


async def test_a_loss_is_still_known_after_a_failure_in_the_middle_of_its_mending(site):
    gateway, topics, relay = site
    sealed = [(await gateway.send())[0].raw for _ in range(3)]
    assert await relay.step()
    del topics.kept[TIP][1:]
    sealed.append((await gateway.send())[0].raw)
    with pytest.raises(UnavailableError, match="lost records"):
        await next_send(relay)

    topics.failing = True
    await relay.connect()
    with pytest.raises(UnavailableError, match="no answer"):
        await relay.step()
    await relay.connect()
    assert await relay.step()
    assert set(values(topics)) == set(sealed)


async def test_a_loss_in_a_topic_that_was_left_alone_meanwhile_is_noticed(site):
    gateway, topics, relay = site
    sealed = [(await gateway.send())[0].raw for _ in range(2)]
    assert await relay.step()
    relay._leave_alone(TIP, CallerError(Code.FORBIDDEN, "no", advice="no"))
    relay._left_alone.clear()  # some seconds later
    topics.kept.clear()
    sealed.append((await gateway.send())[0].raw)
    assert await next_send(relay)
    assert values(topics) == sealed


async def test_what_was_decided_on_does_not_leave_once_something_else_is_in_force(site):
    gateway, topics, relay = site
    await gateway.send()

    async def meanwhile():
        while not await asyncio.to_thread(gateway.entries, EntryType.DELIVERED):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        await other_policy(gateway)

    topics.hooks[PEN] = meanwhile
    assert not await relay.step()
    assert not topics.kept


async def test_a_lease_that_ends_in_the_middle_of_much_ends_it_there(tmp_path):
    held = True

    def lease():
        if not held:
            raise LeaseLost

    async with world(tmp_path, Realm().with_(agencies={"us-dea": {"channels": ("https", "kafka")}})) as gateway:
        topics = Topics()
        relay = Relay(gateway.in_force, gateway.ledger, gateway.reader, topics, now=gateway.now, lease=lease)
        await relay.connect()
        raws = [(await gateway.send())[0].raw for _ in range(40)]
        assert sum(map(len, raws)) > PART_BYTES
        first = topics.send

        async def send(topic, records):
            nonlocal held
            held = False
            return await first(topic, records)

        topics.send = send
        with pytest.raises(LeaseLost):
            await relay.step()
        assert topics.sent == 1
        assert values(topics) == raws[: len(topics.kept[TIP])] != raws


async def test_but_not_while_another_gateways_policy_is_in_force(site):
    gateway, topics, relay = site
    await gateway.send()
    assert await relay.step()
    await other_policy(gateway)
    assert await asyncio.to_thread(gateway.reader.in_force) == Basis(2, "another")
    topics.kept.clear()
    await relay.connect()
    with pytest.raises(UnavailableError, match="being changed"):
        await relay.step()
    assert not topics.kept


async def test_what_was_withdrawn_or_purged_is_published_no_more(site):
    gateway, topics, relay = site
    withdrawn, _ = await gateway.act()
    notice, _ = await gateway.act(Withdraws(does="withdraws", of=withdrawn.digest, due=NOW + 60))
    assert await relay.step()
    assert [each.value for each in topics.kept[TIP]] == [notice.raw]
    topics.kept.clear()
    await gateway.act(Withdraws(does="withdraws", of=notice.digest, due=NOW + 60))
    await gateway.purge()
    await relay.connect()
    await relay.step()
    assert {each.value for each in topics.kept[TIP]} & {withdrawn.raw, notice.raw} == set()
    assert len(topics.kept[TIP]) == 1


async def test_what_is_withdrawn_while_its_offer_is_written_is_not_published(site):
    """By Kafka what left cannot be called back, so it is looked at once more when its entry stands."""
    gateway, topics, relay = site
    sealed, _ = await gateway.act()
    settle = relay._offered.settle

    async def and_then_withdrawn(*asked):
        state = await settle(*asked)
        await gateway.act(Withdraws(does="withdraws", of=sealed.digest, due=NOW + 60))
        return state

    relay._offered.settle = and_then_withdrawn
    await relay.step()
    assert TIP not in topics.kept
    assert clocks(gateway, sealed) == [("us-dea", "destruction", NOW + 60, "running")]
