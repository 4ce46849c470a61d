"""A relay that publishes again what Kafka lost does so under what is in force now, whoever put it there."""

import asyncio

import pytest

from broker.errors import UnavailableError
from broker.flows.inforce import InForce
from broker.flows.relay import Relay
from broker.ledger.port import Basis
from broker.transport.port import Kept, Tail
from tests.builders import Realm
from tests.unit.flows.world import Directory, world

TIP = "setu.us-dea.tip"


class Topics:
    """A `Publisher` that keeps records in lists, and can forget them."""

    def __init__(self):
        self.kept = {}

    async def renew(self):
        return

    async def tail(self, topic, most):
        kept = self.kept.get(topic, [])
        return Tail(kept[::-1][:most], len(kept))

    async def ends(self, topics):
        return {each: len(self.kept.get(each, [])) for each in topics}

    async def send(self, topic, records):
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


async def test_but_not_while_another_gateways_policy_is_in_force(site):
    gateway, topics, relay = site
    await gateway.send()
    assert await relay.step()
    other = InForce(Directory(gateway.realm), Policy(), gateway.ledger, gateway.reader, gateway=gateway.realm.gateway)
    await other.start()
    assert await asyncio.to_thread(gateway.reader.in_force) == Basis(2, "another")
    topics.kept.clear()
    await relay.connect()
    with pytest.raises(UnavailableError, match="being changed"):
        await relay.step()
    assert not topics.kept
