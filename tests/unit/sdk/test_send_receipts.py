"""What a sender makes of a receipt: nothing but a sound one of its own packet is an acceptance."""

import json

import pytest

from broker.errors import (
    IntegrityError,
    PacketError,
)
from schemas.canonical import unb64u
from schemas.problem import Code
from tests.builders import Realm, uuid7
from tests.unit.sdk.simulator import HANDLING, TIP, SimulatedGateway
from tests.unit.sdk.world import SimulatedDirectory


@pytest.fixture
def gateway():
    return SimulatedGateway()


def send(client):
    return client.send("tip", to=["us-dea"], payload=TIP, handling=HANDLING)


def changed(name, value):
    return lambda receipt: {**receipt, name: value}


def flipped(receipt):
    return {**receipt, "entry": ("A" if receipt["entry"][0] != "A" else "B") + receipt["entry"][1:]}


def unsigned(which):
    def cut(receipt):
        body, _, signatures = receipt["checkpoint"].partition("\n\n")
        lines = signatures.splitlines(keepends=True)
        del lines[which]
        return {**receipt, "checkpoint": f"{body}\n\n{''.join(lines)}"}

    return cut


BAD_RECEIPTS = [
    pytest.param(lambda _: {}, id="no receipt"),
    pytest.param(lambda _: [], id="a list"),
    pytest.param(flipped, id="entry changed"),
    pytest.param(changed("index", 0), id="index changed"),
    pytest.param(changed("path", []), id="path dropped"),
    pytest.param(changed("checkpoint", "x"), id="no checkpoint"),
    pytest.param(unsigned(0), id="without the Ed25519 signature"),
    pytest.param(unsigned(1), id="without the ML-DSA-44 signature"),
]


@pytest.mark.parametrize("mangle", BAD_RECEIPTS)
def test_a_receipt_that_does_not_verify_is_no_acceptance(gateway, mangle):
    gateway.commit({"type": "ledger_read", "actor": "in-audit"})
    gateway.mangle["/v1/packets"] = mangle
    with pytest.raises(PacketError) as caught:
        send(gateway.client("in-ncb"))
    assert caught.value.code is Code.RECEIPT_INVALID


def entry_of(**over):
    """A true entry of the ledger that is not the acceptance of this packet."""

    def mangled(gateway, receipt):
        found = json.loads(unb64u(receipt["entry"]))
        for name, value in over.items():
            found[name] = {**found[name], **value} if isinstance(value, dict) else value
        return gateway.receipt(gateway.commit(found))

    return mangled


@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param(entry_of(type="refused"), id="type"),
        pytest.param(entry_of(actor="us-dea"), id="actor"),
        pytest.param(entry_of(packet={"digest": "A" * 64}), id="digest"),
        pytest.param(entry_of(packet={"id": uuid7(99)}), id="packet id"),
        pytest.param(entry_of(packet={"from": "us-dea"}), id="sender"),
        pytest.param(entry_of(aud={"realm": "A" * 64}), id="realm"),
        pytest.param(entry_of(aud={"gateway": "us-setu"}), id="gateway"),
    ],
)
def test_a_sound_receipt_of_something_else_is_no_acceptance(gateway, mangle):
    gateway.mangle["/v1/packets"] = lambda receipt: mangle(gateway, receipt)
    with pytest.raises(PacketError) as caught:
        send(gateway.client("in-ncb"))
    assert caught.value.code is Code.RECEIPT_INVALID


def test_another_hash_for_a_version_that_is_held_is_an_alarm(gateway):
    other = Realm(name="test realm", document={"name": "what others are shown"}).snapshot
    assert other.ref.version == gateway.realm.snapshot.ref.version
    client = gateway.client("in-ncb", directory=SimulatedDirectory(other))
    with pytest.raises(IntegrityError) as caught:
        send(client)
    assert caught.value.code is Code.DIRECTORY_INVALID


def test_a_newer_version_in_a_receipt_is_fetched(gateway):
    old = gateway.realm.snapshot
    gateway.realm = gateway.realm.with_()
    directory = SimulatedDirectory(old)
    client = gateway.client("in-ncb", directory=directory)
    client.seal("tip", to="us-dea", payload=TIP, handling=HANDLING)
    directory.published.append(gateway.realm.snapshot)
    assert send(client).index == 0
    assert directory.current().ref.version == 2


def test_a_newer_version_that_the_repository_does_not_show_is_an_alarm(gateway):
    old = gateway.realm.snapshot
    gateway.realm = gateway.realm.with_()
    with pytest.raises(IntegrityError) as caught:
        send(gateway.client("in-ncb", directory=SimulatedDirectory(old)))
    assert caught.value.code is Code.DIRECTORY_INVALID
