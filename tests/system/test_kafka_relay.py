"""From an accepted packet to a record, over a real ledger and a real Kafka: nothing lost, nothing out of order."""

import asyncio
import contextlib

import pytest
import pytest_asyncio

from broker.errors import UnavailableError
from broker.flows.relay import Relay
from broker.ledger.port import State
from broker.transport import records
from broker.transport.kafka import KafkaPublisher
from broker.transport.port import TopicFacts
from schemas.canonical import canonical
from schemas.directory import AgencyState, Channel
from schemas.evidence import Receipt
from tests.builders import NOW, Realm, uuid7
from tests.system.kafka import RELAY, SETTINGS, cluster
from tests.unit.flows.world import world

TIP = "setu.us-dea.tip"
BOTH = (Channel.HTTPS, Channel.KAFKA)


class Fails:
    """A publisher that keeps some records of a batch and then fails, as a broker that dies does."""

    def __init__(self, publisher) -> None:
        self._publisher = publisher
        self.keep: int | None = None

    async def renew(self) -> None:
        await self._publisher.renew()

    async def tail(self, topic, most, below=None):
        return await self._publisher.tail(topic, most, below)

    async def ends(self, topics):
        return await self._publisher.ends(topics)

    async def send(self, topic, made):
        if self.keep is None:
            return await self._publisher.send(topic, made)
        kept, self.keep = self.keep, None
        await self._publisher.send(topic, made[:kept])
        raise UnavailableError("Expected Kafka to answer, found no answer.")

    async def close(self) -> None:
        await self._publisher.close()


class Site:
    def __init__(self, gateway, publisher) -> None:
        self.gateway = gateway
        self.publisher = Fails(publisher)
        self.relay = self.new_relay()

    def new_relay(self) -> Relay:
        """As another process would have it."""
        made = self.gateway
        return Relay(made.in_force, made.ledger, made.reader, self.publisher, now=made.now, probe=made.probe)

    async def accept(self, count=1, **over):
        return [(await self.gateway.send(**over))[0] for _ in range(count)]

    async def drain(self) -> None:
        self.relay._all_due = 0.0
        while await self.relay.step():
            pass

    async def kept(self):
        return (await self.publisher.tail(TIP, 1000)).newest[::-1]

    async def digests(self):
        return [records.digest_of(each) for each in await self.kept()]


async def anew() -> None:
    """The topic as if it had never had a record."""
    made = cluster()
    made.drop(TIP)
    for _ in range(100):
        await asyncio.sleep(0.1)
        with contextlib.suppress(UnavailableError):
            made.admin.create({TIP: TopicFacts(1, 1, SETTINGS)})
            return
    raise AssertionError("the topic was never made anew")


@pytest_asyncio.fixture
async def site(tmp_path):
    made = cluster()
    made.empty(TIP)
    await anew()
    async with world(tmp_path, Realm().with_(agencies={"us-dea": {"channels": BOTH}})) as gateway:
        found = Site(gateway, KafkaPublisher(made.place(RELAY)))
        await found.relay.connect()
        yield found
        await found.publisher.close()


async def test_records_are_what_the_page_says_and_come_in_ledger_order(site):
    sent = await site.accept(5)
    await site.drain()
    found = await site.kept()
    assert [each.value for each in found] == [each.raw for each in sent]
    places = [site.gateway.reader.packet(each.digest).index for each in sent]
    assert [records.index_of(each) for each in found] == places
    assert [records.previous_of(each) for each in found] == [-1, *places[:-1]]
    for record, packet in zip(found, sent, strict=True):
        header = packet.header
        assert record.key == f"{header.from_}/{header.thread}".encode()
        assert (
            dict(record.headers).items()
            >= {
                "ce_specversion": b"1.0",
                "ce_id": packet.digest.encode(),
                "ce_source": b"urn:setu:agency:in-ncb",
                "ce_type": b"setu.tip.v%d" % header.kind_version,
                "content-type": b"application/vnd.setu.packet+json",
            }.items()
        )
        receipt = Receipt.from_json(canonical(records.receipt_of(record)))
        assert receipt == site.gateway.reader.receipt(records.index_of(record))


async def test_the_entry_is_committed_before_bytes_leave(site):
    (sent,) = await site.accept()
    seen, kafka = [], site.publisher.send

    async def send(topic, made):
        seen.append([each["channel"] for each in site.gateway.entries("delivered")])
        return await kafka(topic, made)

    site.publisher.send = send
    await site.drain()
    assert seen == [["kafka"]]
    assert site.gateway.reader.packet(sent.digest).states["us-dea"] is State.OFFERED


@pytest.mark.long
async def test_nothing_goes_to_kafka_for_agencies_that_did_not_ask_for_it(site):
    await site.accept(to=("us-cbp",))
    await site.drain()
    assert site.gateway.entries("delivered") == []


async def test_each_channel_has_its_own_entry(site):
    await site.accept()
    await site.gateway.page()
    await site.drain()
    await site.gateway.page()
    assert [each["channel"] for each in site.gateway.entries("delivered")] == ["https", "kafka"]


@pytest.mark.parametrize("keep", [3, *(pytest.param(each, marks=pytest.mark.long) for each in (0, 1, 5))])
async def test_after_a_failed_send_it_goes_on_from_what_kafka_holds(site, keep):
    sent = await site.accept(5)
    site.publisher.keep = keep
    with pytest.raises(UnavailableError):
        await site.drain()
    await site.relay.connect()
    await site.drain()
    assert await site.digests() == [each.digest for each in sent]


async def test_a_new_relay_sends_nothing_twice(site):
    sent = await site.accept(3)
    await site.drain()
    site.relay = site.new_relay()
    await site.relay.connect()
    sent += await site.accept(2)
    await site.drain()
    assert await site.digests() == [each.digest for each in sent]


async def test_a_position_that_was_not_written_any_more_repeats_nothing(site):
    sent = await site.accept(3)
    site.gateway.hooks["relayed"] = lambda: (_ for _ in ()).throw(UnavailableError("stopped"))
    with pytest.raises(UnavailableError, match="stopped"):
        await site.drain()
    assert site.gateway.reader.positions() == {}
    site.relay = site.new_relay()
    await site.relay.connect()
    await site.drain()
    assert await site.digests() == [each.digest for each in sent]


async def test_what_kafka_lost_is_sent_again(site):
    sent = await site.accept(4)
    await site.drain()
    await anew()
    await site.relay.connect()
    await site.drain()
    assert await site.digests() == [each.digest for each in sent]


@pytest.mark.long
async def test_what_kafka_lost_is_noticed_while_nothing_is_sent(site):
    sent = await site.accept(4)
    await site.drain()
    await anew()
    site.relay._all_due = 0.0
    with pytest.raises(UnavailableError, match="found that it lost records"):
        await site.relay.step()
    await site.relay.connect()
    await site.drain()
    assert await site.digests() == [each.digest for each in sent]


@pytest.mark.long
async def test_what_kafka_lost_is_sent_again_though_something_was_kept_behind_it(site):
    sent = await site.accept(4)
    await site.drain()
    await anew()
    site.relay._all_due = asyncio.get_running_loop().time() + 60  # it does not look before it sends
    sent += await site.accept(1)
    site.relay._heard(frozenset({("us-dea", "tip")}))
    with pytest.raises(UnavailableError, match="found that it lost records"):
        await site.relay.step()
    await site.relay.connect()
    await site.drain()
    wanted = [each.digest for each in sent]
    assert await site.digests() == [wanted[-1], *wanted]


async def test_a_stranger_at_the_end_of_a_topic_moves_no_position(site):
    sent = await site.accept(2)
    await site.drain()
    index = b"%d" % (records.index_of((await site.kept())[-1]) + 50)
    forged = records.Record(b"", b"x", [("setu-index", index), ("ce_id", sent[0].digest.encode())])
    await site.publisher.send(TIP, [forged])
    sent += await site.accept(2)
    site.relay = site.new_relay()
    await site.relay.connect()
    await site.drain()
    found = [each.value for each in await site.kept()]
    assert found == [sent[0].raw, sent[1].raw, b"x", sent[2].raw, sent[3].raw]


@pytest.mark.long
async def test_a_suspended_agency_gets_nothing_until_it_is_active_again(site):
    sent = await site.accept(2)
    await site.gateway.change(us_dea={"state": AgencyState.SUSPENDED})
    await site.drain()
    assert await site.digests() == []
    await site.gateway.change(us_dea={"state": AgencyState.ACTIVE})
    await site.drain()
    assert await site.digests() == [each.digest for each in sent]


@pytest.mark.long
async def test_what_policy_no_longer_permits_stays_and_leaves_a_gap_that_says_so(site):
    mandates = site.gateway.realm.snapshot.agency("us-dea").mandates
    sent = await site.accept(1)
    await site.drain()
    sent += await site.accept(1)
    await site.gateway.change(us_dea={"mandates": ()})
    await site.drain()
    assert site.gateway.reader.packet(sent[1].digest).states["us-dea"] is State.WITHHELD
    await site.gateway.change(us_dea={"mandates": mandates})
    sent += await site.accept(1, id=uuid7(99))
    await site.drain()
    found = await site.kept()
    assert [records.digest_of(each) for each in found] == [sent[0].digest, sent[2].digest]
    assert records.previous_of(found[1]) == site.gateway.reader.packet(sent[1].digest).index


@pytest.mark.long
async def test_what_expired_while_kafka_was_away_does_not_leave(site):
    await site.accept(1)
    site.gateway.clock.at = NOW + 40 * 86_400
    await site.drain()
    assert await site.digests() == []
    assert [each["type"] for each in site.gateway.entries("expired", "delivered")] == ["expired"]


@pytest.mark.long
async def test_run_goes_on_through_failures_and_hears_what_is_committed(site):
    site.gateway.ledger._on_commit = site.relay.ring
    site.relay._pause = 0.05
    task = asyncio.create_task(site.relay.run())
    try:
        sent = await site.accept(2)
        site.publisher.keep = 1
        sent += await site.accept(2)
        wanted = [each.digest for each in sent]
        for _ in range(100):
            await asyncio.sleep(0.1)
            if site.publisher.keep is None and len(site.gateway.reader.positions()) == 1:
                break
        for _ in range(100):
            with contextlib.suppress(UnavailableError):
                if await site.digests() == wanted:
                    break
            await asyncio.sleep(0.1)
        assert await site.digests() == wanted
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await site.publisher.renew()
