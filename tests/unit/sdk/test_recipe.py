"""Every packet that must not be accepted, as a recipient's program meets it: rejected by name, and the stream goes on."""

import hashlib
import json

import pytest

from broker.directory.signing import keys_of
from broker.envelope.verify import parse
from broker.errors import CallerError, IntegrityError, PacketError, SignatureError, UnavailableError
from broker.sdk.source import Item
from broker.sdk.verify import Failed, Verified, Verifier
from schemas.canonical import b64u, canonical, unb64u
from schemas.evidence import AckEvent
from schemas.problem import Code
from tests.builders import NOW, Realm, uuid7
from tests.faults import BENT, CHANGED
from tests.forge import Forge, two_plaintexts
from tests.unit.sdk.simulator import TIP, SimulatedGateway, Stored, acknowledgements, follow, send
from tests.unit.sdk.world import SimulatedDirectory

PAYLOAD = canonical(TIP)


@pytest.fixture(scope="module")
def realm():
    return Realm()


def planted(realm, packet, index_off=0, entry=None, ref=None, digest=None):
    """An item as a gateway would serve it that accepted this packet (an object of JSON types)."""
    gateway = SimulatedGateway(realm)
    try:
        own = b64u(hashlib.sha384(unb64u(packet["jws"]["payload"])).digest())
    except (KeyError, TypeError, ValueError):
        own = b64u(bytes(48))
    named = {"from": "in-ncb", "id": uuid7(1), "digest": own, "kind": "tip", "kind_version": 1, "to": ["us-dea"]}
    made = {"type": "accepted", "actor": "in-ncb", "packet": {**named, **(ref or {})}, **(entry or {})}
    index = gateway.commit(made)
    raw = json.dumps(packet).encode()
    return Item("setu.us-dea.tip", index + index_off, digest or own, raw, gateway.receipt(index), None, None)


def judged(realm, item, keys=None):
    directory = SimulatedDirectory(realm.snapshot)
    return Verifier("us-dea", realm.gateway, directory, realm.members["us-dea"].keys if keys is None else keys).judge(
        item
    )


def test_the_forge_and_the_plant_are_sound(realm):
    found = judged(realm, planted(realm, Forge(realm, payload=PAYLOAD).object()))
    assert isinstance(found, Verified)
    assert found.payload.to_object() == TIP


@pytest.mark.parametrize(("code", "hooks"), [pytest.param(*case, id=name) for name, case in BENT.items()])
def test_signed_but_wrong(realm, code, hooks):
    found = judged(realm, planted(realm, json.loads(Forge(realm, payload=PAYLOAD, **hooks).make())))
    assert isinstance(found, Failed)
    assert found.error.code is code


@pytest.mark.parametrize(("code", "change"), [pytest.param(*case, id=name) for name, case in CHANGED.items()])
def test_changed_on_the_way(realm, code, change):
    found = judged(realm, planted(realm, json.loads(json.dumps(change(Forge(realm, payload=PAYLOAD).object())))))
    assert isinstance(found, Failed)
    assert found.error.code is code


def test_two_plaintexts(realm):
    found = judged(realm, planted(realm, json.loads(two_plaintexts(realm, payload=PAYLOAD).make())))
    assert isinstance(found, Failed)
    assert found.error.code is Code.COMMITMENT_MISMATCH


OTHER = b64u(b"another" + bytes(41))


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"index_off": 1}, id="index of the item"),
        pytest.param({"digest": OTHER}, id="digest of the item"),
        pytest.param({"entry": {"type": "refused"}}, id="type"),
        pytest.param({"entry": {"actor": "us-cbp"}}, id="actor"),
        pytest.param({"entry": {"aud": Realm(name="another").aud.to_object()}}, id="realm"),
        pytest.param({"ref": {"digest": OTHER}}, id="digest"),
        pytest.param({"ref": {"id": uuid7(9)}}, id="id"),
        pytest.param({"ref": {"from": "us-cbp"}}, id="sender"),
    ],
)
def test_a_sound_receipt_of_something_else(realm, over):
    found = judged(realm, planted(realm, Forge(realm, payload=PAYLOAD).object(), **over))
    assert isinstance(found, Failed)
    assert found.error.code is Code.RECEIPT_INVALID


def test_a_packet_of_another_realm_is_not_accepted_here_whatever_a_receipt_says(realm):
    other = Realm(name="another")
    made = other.sealed("in-ncb", ["us-dea"])
    gateway = SimulatedGateway(realm)
    named = {"from": "in-ncb", "id": made.header.id, "digest": made.digest, "kind": "tip", "kind_version": 1}
    index = gateway.commit(
        {"type": "accepted", "actor": "in-ncb", "packet": {**named, "to": ["us-dea"]}, "aud": other.aud.to_object()}
    )
    verifier = Verifier("in-ncb", realm.gateway, SimulatedDirectory(realm.snapshot), {})
    with pytest.raises(PacketError) as caught:
        verifier.accepted(parse(made.raw), gateway.receipt(index))
    assert caught.value.code is Code.RECEIPT_INVALID


def test_a_key_of_another_algorithm_is_none(realm):
    signer = realm.members["in-ncb"].sign
    key = keys_of(realm.snapshot, "in-ncb", NOW)
    assert key(signer.classical.public.kid, "Ed25519") == signer.classical.public
    with pytest.raises(SignatureError):
        key(signer.post_quantum.public.kid, "Ed25519")


@pytest.mark.parametrize(("to", "named"), [(["us-dea"], True), (["us-cbp"], False)])
def test_a_packet_that_cannot_be_read_is_named_by_its_entry_where_it_was_meant_for_us(realm, to, named):
    item = planted(realm, {}, ref={"to": to})
    found = judged(realm, item)
    assert isinstance(found, Failed)
    assert (found.named is not None) is named


def test_left_sealed_a_packet_is_checked_up_to_the_opening(realm):
    gateway = SimulatedGateway(realm)
    sent = send(gateway)[0]
    item = next(iter(gateway.client("us-dea").source().read("setu.us-dea.tip", 0)))
    verifier = Verifier("us-dea", realm.gateway, SimulatedDirectory(realm.snapshot), {})
    assert isinstance(verifier.judge(item, opened=False), Verified)
    assert isinstance(verifier.judge(item), Failed)
    other = Verifier("us-cbp", realm.gateway, SimulatedDirectory(realm.snapshot), {})
    assert other.judge(item, opened=False).error.code is Code.NOT_FOR_ME
    assert sent.index == item.index


def test_the_two_plaintext_packet_is_rejected_in_a_stream(realm):
    gateway = SimulatedGateway(realm)
    forged = json.loads(two_plaintexts(realm, payload=PAYLOAD).make())
    item = planted(realm, forged)
    ref = {"from": "in-ncb", "id": uuid7(1), "digest": item.digest, "kind": "tip", "kind_version": 1, "to": ["us-dea"]}
    index = gateway.commit({"type": "accepted", "actor": "in-ncb", "packet": ref})
    header = Forge(realm).realm.sealed("in-ncb", ["us-dea"]).header
    gateway.packets[item.digest] = Stored(header, item.digest, item.raw, index)
    gateway.topics["setu.us-dea.tip"].append(item.digest)
    send(gateway)
    assert [each.index for each in follow(gateway.client("us-dea"), report=lambda _: None)] == [1]
    assert [(said.event, said.reason) for said in acknowledgements(gateway)] == [
        (AckEvent.REJECTED, Code.COMMITMENT_MISMATCH)
    ]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b"null", None])
def test_nothing_but_packet_errors_come_of_bytes(realm, raw):
    item = planted(realm, Forge(realm, payload=PAYLOAD).object())
    found = judged(realm, Item(item.topic, item.index, item.digest, raw, item.receipt, None, None))
    assert isinstance(found, Failed)
    assert isinstance(found.error, PacketError)
    assert not isinstance(found.error, UnavailableError | IntegrityError | CallerError)
    assert found.named is not None
    assert found.named.digest == item.digest
