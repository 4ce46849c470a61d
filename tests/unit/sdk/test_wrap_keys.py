"""A sender, and a gateway whose wrap key changes each day."""

import pytest

from broker.directory.lookup import Snapshot
from broker.directory.wrap import GatewayKeys
from broker.errors import PacketError
from schemas.directory import KeyUse
from schemas.problem import Code
from schemas.wrap import WrapKeys
from tests.builders import NOW, Realm, key_row, private_key
from tests.unit.sdk.simulator import HANDLING, TIP, SimulatedGateway

DAY = 86_400


class Rotating:
    """A directory source whose gateway has these wrap keys from its role, and none in its own row."""

    def __init__(self):
        rows = [each.to_object() for each in Realm().directory.agencies]
        for row in rows:
            if row["id"] == "in-setu":
                row["keys"] = [key for key in row["keys"] if key["use"] != "wrap"]
        self.world = Realm(document={"agencies": rows})
        self.realm = self.world.realm
        self.published = self.snapshot()
        self.held = self.published
        self.refreshed = 0

    def snapshot(self, *keys):
        document = WrapKeys(realm=self.realm, gateway="in-setu", keys=keys)
        gateways = [GatewayKeys("in-setu", 1, NOW + DAY, document)]
        return Snapshot(self.world.directory, raw=self.world.directory.canonical(), realm=self.realm, gateways=gateways)

    def publish(self, *keys):
        self.published = self.snapshot(*keys)

    def current(self):
        return self.held

    def at(self, version):
        return self.held

    def refresh(self):
        self.refreshed += 1
        self.held = self.published
        return self.held


def key(label, begins=NOW - 60):
    return key_row(private_key("HPKE-9-KE", label), KeyUse.WRAP, not_before=begins, not_after=begins + 2 * DAY)


FIRST, SECOND = key("the first"), key("the second", NOW)


@pytest.fixture
def directory():
    made = Rotating()
    made.publish(FIRST)
    return made


@pytest.fixture
def gateway(directory):
    return SimulatedGateway(directory.world)


def send(client, **over):
    return client.send("tip", **{"to": ["us-dea"], "payload": TIP, "handling": HANDLING, **over})


def own_kid(header):
    return next((each.kid for each in header.to if each.agency == "in-setu"), None)


def posts(gateway):
    return [body for _, method, path, body in gateway.seen if (method, path) == ("POST", "/v1/packets")]


def test_it_is_sealed_to_the_newest(gateway, directory):
    directory.publish(FIRST, SECOND)
    assert own_kid(send(gateway.client("in-ncb", directory=directory)).header) == SECOND.kid


def test_what_was_refused_for_a_key_that_is_over_is_sealed_anew_and_sent(gateway, directory):
    client = gateway.client("in-ncb", directory=directory)
    assert own_kid(send(client).header) == FIRST.kid
    directory.publish(SECOND)
    gateway.ended = {FIRST.kid}
    sent = send(client)
    assert own_kid(sent.header) == SECOND.kid
    assert len(posts(gateway)) == 3
    assert directory.refreshed == 2


def test_under_its_own_id_where_it_has_one(gateway, directory):
    client = gateway.client("in-ncb", directory=directory)
    send(client)
    directory.publish(SECOND)
    gateway.ended = {FIRST.kid}
    own = client._sealer.new_id()
    assert send(client, id=own).id == own


def test_where_no_newer_key_explains_it_it_is_refused(gateway, directory):
    client = gateway.client("in-ncb", directory=directory)
    gateway.ended = {FIRST.kid}
    with pytest.raises(PacketError) as refused:
        send(client)
    assert refused.value.code is Code.RECIPIENT_UNKNOWN
    assert len(posts(gateway)) == 1


def test_of_many_only_what_was_refused_for_it_is_sealed_anew(gateway, directory):
    client = gateway.client("in-ncb", directory=directory)
    send(client)
    directory.publish(SECOND)
    gateway.ended = {FIRST.kid}
    found = client.send_many("tip", to=["us-dea"], payloads=[TIP] * 3, handling=HANDLING)
    assert [own_kid(each.header) for each in found] == [SECOND.kid] * 3
    assert len(gateway.packets) == 4
    gateway.ended = {SECOND.kid}
    again = client.send_many("tip", to=["us-dea"], payloads=[TIP] * 2, handling=HANDLING)
    assert [each.code for each in again] == [Code.RECIPIENT_UNKNOWN] * 2


def test_a_machine_that_slept_over_a_keys_end_looks_again(gateway, directory):
    client = gateway.client("in-ncb", directory=directory, monotonic=lambda: 0.0)
    send(client)
    gateway.clock.sleep(3 * DAY)
    directory.publish(key("the third", NOW + 2 * DAY))
    assert own_kid(send(client).header) == key("the third", NOW + 2 * DAY).kid


def test_a_gateway_without_a_key_in_its_dates_is_no_reader(gateway, directory):
    directory.publish()
    sent = send(gateway.client("in-ncb", directory=directory))
    assert not sent.header.open


@pytest.mark.parametrize(
    ("over", "kinds"),
    [
        pytest.param({"sealed": False}, ("tip",), id="asked-to-send-it-open"),
        pytest.param({}, (), id="a-kind-that-must-be-open"),
    ],
)
def test_what_must_be_open_is_told_why_it_cannot_be_sent(gateway, directory, over, kinds):
    rows = [each.model_copy(update={"sealed_kinds": kinds}) for each in directory.world.directory.agencies]
    directory.world.directory = directory.world.directory.model_copy(update={"agencies": tuple(rows)})
    directory.publish()
    with pytest.raises(PacketError) as refused:
        send(gateway.client("in-ncb", directory=directory), **over)
    assert refused.value.code is Code.RECIPIENT_UNKNOWN
    assert "The gateway is no reader now" in refused.value.advice
    assert posts(gateway) == []
