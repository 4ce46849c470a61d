import json

import pytest

from broker.envelope.acknowledge import (
    Statement,
    acknowledge,
    check_acknowledgement_signatures,
    parse_acknowledgement,
)
from broker.envelope.seal import Signer
from broker.envelope.verify import parse
from broker.errors import PacketError
from schemas.canonical import b64u, unb64u
from schemas.evidence import AckEvent, Acknowledgement, AckPacket
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.builders import NOW, Realm
from tests.faults import ACKNOWLEDGEMENTS
from tests.forge import acknowledged

SIGNATURE, KEY, SCHEMA = Code.SIGNATURE_INVALID, Code.KEY_UNKNOWN, Code.SCHEMA


@pytest.fixture(scope="module", params=list(SuiteName))
def realm(request):
    return Realm(request.param)


def packet_of(sealed):
    return AckPacket.from_object({"from": "in-ncb", "id": sealed.header.id, "digest": sealed.digest, "index": 7})


def statement(realm, **over):
    sealed = realm.sealed("in-ncb", ["us-dea"])
    made = {"aud": realm.aud, "by": "us-dea", "event": AckEvent.OPENED, "at": NOW, "packet": packet_of(sealed)}
    return Statement(**{**made, **over})


def check(raw, realm):
    parsed = parse_acknowledgement(raw)
    check_acknowledgement_signatures(parsed, realm.suite, realm.signing_key(parsed.body.by))
    return parsed


@pytest.mark.parametrize(
    ("event", "reason"),
    [(AckEvent.RECEIVED, None), (AckEvent.OPENED, None), (AckEvent.REJECTED, Code.COMMITMENT_MISMATCH)],
)
def test_what_is_signed_is_read(realm, event, reason):
    said = statement(realm, event=event, reason=reason)
    raw = acknowledge(said, realm.members["us-dea"].sign, realm.suite)
    parsed = check(raw, realm)
    body = parsed.body
    assert (body.by, body.event, body.reason, body.at, body.packet) == ("us-dea", event, reason, NOW, said.packet)
    assert parsed.raw == raw
    assert parsed.acknowledgement == Acknowledgement.from_json(raw)
    assert parsed.suite is realm.suite


def test_what_another_maker_signs_is_accepted(realm):
    assert check(acknowledged(realm), realm).body.event is AckEvent.OPENED


def test_evidence_is_of_both_signatures(realm):
    one, two = (parse_acknowledgement(acknowledged(realm)) for _ in range(2))
    assert one.body == two.body
    assert one.evidence != two.evidence


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        pytest.param({"reason": Code.SCHEMA}, "/reason", id="a reason without rejected"),
        pytest.param({"event": AckEvent.REJECTED}, "/reason", id="rejected without a reason"),
        pytest.param({"at": -1}, "/at", id="a negative time"),
        pytest.param({"by": "DEA"}, "/by", id="an agency of another form"),
    ],
)
def test_what_may_not_be_said(realm, over, pointer):
    with pytest.raises(PacketError) as refused:
        acknowledge(statement(realm, **over), realm.members["us-dea"].sign, realm.suite)
    assert (refused.value.code, refused.value.pointer) == (SCHEMA, pointer)


def test_signing_keys_of_another_suite(realm):
    other = Realm(next(suite for suite in SuiteName if suite is not realm.suite)).members["us-dea"].sign
    with pytest.raises(PacketError) as refused:
        acknowledge(statement(realm), other, realm.suite)
    assert refused.value.code is KEY


@pytest.mark.parametrize(("code", "hooks"), [pytest.param(*case, id=name) for name, case in ACKNOWLEDGEMENTS.items()])
def test_refused(code, hooks):
    realm = Realm()
    with pytest.raises(PacketError) as refused:
        check(acknowledged(realm, **hooks), realm)
    assert refused.value.code is code


def test_changed_on_the_way(realm):
    ack = json.loads(acknowledged(realm))
    ack["payload"] = b64u(unb64u(ack["payload"]).replace(b"opened", b"received"))
    with pytest.raises(PacketError) as refused:
        check(json.dumps(ack).encode(), realm)
    assert refused.value.code is SIGNATURE


def test_another_realms_suite(realm):
    other = Realm(next(suite for suite in SuiteName if suite is not realm.suite))
    with pytest.raises(PacketError) as refused:
        check_acknowledgement_signatures(
            parse_acknowledgement(acknowledged(realm)), other.suite, realm.signing_key("us-dea")
        )
    assert refused.value.code is Code.WRONG_SUITE


def test_one_signature_of_each_suite():
    one, two = (Realm(suite).members["us-dea"].sign for suite in SuiteName)
    with pytest.raises(PacketError) as refused:
        parse_acknowledgement(acknowledged(Realm(), signers=(one.classical, two.post_quantum)))
    assert refused.value.code is SIGNATURE


def test_a_packets_signatures_are_no_acknowledgement(realm):
    packet = json.loads(realm.sealed("us-dea", ["in-ncb"]).raw)
    with pytest.raises(PacketError) as refused:
        parse_acknowledgement(json.dumps(packet["jws"]).encode())
    assert refused.value.code is SIGNATURE


def test_an_acknowledgement_is_no_packet(realm):
    packet = json.loads(realm.sealed("us-dea", ["in-ncb"]).raw)
    packet["jws"] = json.loads(acknowledged(realm))
    with pytest.raises(PacketError) as refused:
        parse(json.dumps(packet).encode())
    assert refused.value.code is SIGNATURE


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b'{"payload":"","payload":""}', b'{"payload":"AA","signatures":[1,2]}']
)
def test_not_an_acknowledgement(raw):
    with pytest.raises(PacketError):
        parse_acknowledgement(raw)


def test_signer_shows_no_secret(realm):
    signer = realm.members["us-dea"].sign
    shown = repr(Signer(signer.classical, signer.post_quantum))
    assert signer.classical.seed().hex() not in shown
    assert b64u(signer.post_quantum.seed()) not in shown
