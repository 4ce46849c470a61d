import json

import pytest

from broker.crypto.signatures import sign
from broker.envelope.acknowledge import (
    Statement,
    acknowledge,
    check_acknowledgement_signatures,
    parse_acknowledgement,
)
from broker.envelope.seal import Signer
from broker.envelope.verify import parse
from broker.errors import PacketError
from schemas.canonical import b64u, canonical, unb64u
from schemas.evidence import AckEvent, Acknowledgement, AckPacket
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.builders import NOW, Realm, uuid7
from tests.forge import same

ENVELOPE, SIGNATURE, KEY, SCHEMA = Code.ENVELOPE_INVALID, Code.SIGNATURE_INVALID, Code.KEY_UNKNOWN, Code.SCHEMA


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


def forged(realm, *, fields=same, body=same, protected=lambda _n, header: header, ack=same, signers=None):
    """An acknowledgement by hand, bent at each step; the signatures are made over what was bent."""
    signer = realm.members["us-dea"].sign
    signers = signers or (signer.classical, signer.post_quantum)
    made = {
        "v": "setu1.ack",
        "aud": realm.aud.to_object(),
        "by": "us-dea",
        "event": "opened",
        "at": NOW,
        "packet": {"from": "in-ncb", "id": uuid7(1), "digest": b64u(bytes(48)), "index": 0},
        "sig": [key.public.kid for key in signers],
    }
    payload = b64u(body(canonical(fields(made))))
    signatures = []
    for n, key in enumerate(signers):
        head = protected(n, {"alg": key.alg, "kid": key.public.kid, "typ": "setu1+ack"})
        head = b64u(head if isinstance(head, bytes) else canonical(head))
        signatures.append({"protected": head, "signature": b64u(sign(key, f"{head}.{payload}".encode()))})
    return json.dumps(ack({"payload": payload, "signatures": signatures})).encode()


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
    assert check(forged(realm), realm).body.event is AckEvent.OPENED


def test_evidence_is_of_both_signatures(realm):
    one, two = (parse_acknowledgement(forged(realm)) for _ in range(2))
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


def _swap(ack):
    return {**ack, "signatures": ack["signatures"][::-1]}


def _first(**over):
    return lambda ack: {**ack, "signatures": [{**ack["signatures"][0], **over}, ack["signatures"][1]]}


FAULTS = {
    "a packet's typ": (SIGNATURE, {"protected": lambda _n, h: {**h, "typ": "setu1+jws"}}),
    "no typ": (ENVELOPE, {"protected": lambda _n, h: {"alg": h["alg"], "kid": h["kid"]}}),
    "alg none": (SIGNATURE, {"protected": lambda _n, h: {**h, "alg": "none"}}),
    "HS256": (SIGNATURE, {"protected": lambda n, h: {**h, "alg": "HS256"} if n == 0 else h}),
    "crit": (SIGNATURE, {"protected": lambda _n, h: {**h, "crit": ["x"]}}),
    "b64 false": (SIGNATURE, {"protected": lambda _n, h: {**h, "b64": False}}),
    "jwk": (KEY, {"protected": lambda _n, h: {**h, "jwk": {}}}),
    "kid is a path": (KEY, {"protected": lambda _n, h: {**h, "kid": "../dea"}}),
    "a protected header with a space": (ENVELOPE, {"protected": lambda _n, h: canonical(h) + b" "}),
    "signatures swapped": (SIGNATURE, {"ack": _swap}),
    "one signature": (SIGNATURE, {"ack": lambda ack: {**ack, "signatures": ack["signatures"][:1]}}),
    "signatures stripped": (SIGNATURE, {"ack": lambda ack: {"payload": ack["payload"]}}),
    "one signature twice": (SIGNATURE, {"ack": lambda ack: {**ack, "signatures": ack["signatures"][:1] * 2}}),
    "one signature zero": (SIGNATURE, {"ack": _first(signature=b64u(bytes(64)))}),
    "a signature one short": (ENVELOPE, {"ack": _first(signature=b64u(bytes(63)))}),
    "a member added": (ENVELOPE, {"ack": lambda ack: {**ack, "header": {}}}),
    "a payload padded": (ENVELOPE, {"ack": lambda ack: {**ack, "payload": ack["payload"] + "="}}),
    "a body that is not JSON": (ENVELOPE, {"body": lambda _: b"opened"}),
    "a body with a member twice": (ENVELOPE, {"body": lambda body: body.replace(b'"at"', b'"at":1,"at"')}),
    "a body in another form": (ENVELOPE, {"body": lambda body: body.replace(b":", b": ", 1)}),
    "a body with a member added": (SCHEMA, {"fields": lambda f: {**f, "x": 1}}),
    "null for an absent reason": (SCHEMA, {"fields": lambda f: {**f, "reason": None}}),
    "from spelt from_": (
        SCHEMA,
        {
            "fields": lambda f: {
                **f,
                "packet": {"from_": "in-ncb", **{k: v for k, v in f["packet"].items() if k != "from"}},
            }
        },
    ),
    "an event that is none": (SCHEMA, {"fields": lambda f: {**f, "event": "read"}}),
    "a reason without rejected": (SCHEMA, {"fields": lambda f: {**f, "reason": "schema"}}),
    "rejected without a reason": (SCHEMA, {"fields": lambda f: {**f, "event": "rejected"}}),
    "true for an index": (SCHEMA, {"fields": lambda f: {**f, "packet": {**f["packet"], "index": True}}}),
    "kids other than sig names": (SIGNATURE, {"fields": lambda f: {**f, "sig": f["sig"][::-1]}}),
    "by another agency": (KEY, {"fields": lambda f: {**f, "by": "us-cbp"}}),
}


@pytest.mark.parametrize(("code", "hooks"), [pytest.param(*case, id=name) for name, case in FAULTS.items()])
def test_refused(code, hooks):
    realm = Realm()
    with pytest.raises(PacketError) as refused:
        check(forged(realm, **hooks), realm)
    assert refused.value.code is code


def test_changed_on_the_way(realm):
    ack = json.loads(forged(realm))
    ack["payload"] = b64u(unb64u(ack["payload"]).replace(b"opened", b"received"))
    with pytest.raises(PacketError) as refused:
        check(json.dumps(ack).encode(), realm)
    assert refused.value.code is SIGNATURE


def test_another_realms_suite(realm):
    other = Realm(next(suite for suite in SuiteName if suite is not realm.suite))
    with pytest.raises(PacketError) as refused:
        check_acknowledgement_signatures(parse_acknowledgement(forged(realm)), other.suite, realm.signing_key("us-dea"))
    assert refused.value.code is Code.WRONG_SUITE


def test_one_signature_of_each_suite():
    one, two = (Realm(suite).members["us-dea"].sign for suite in SuiteName)
    with pytest.raises(PacketError) as refused:
        parse_acknowledgement(forged(Realm(), signers=(one.classical, two.post_quantum)))
    assert refused.value.code is SIGNATURE


def test_a_packets_signatures_are_no_acknowledgement(realm):
    packet = json.loads(realm.sealed("us-dea", ["in-ncb"]).raw)
    with pytest.raises(PacketError) as refused:
        parse_acknowledgement(json.dumps(packet["jws"]).encode())
    assert refused.value.code is SIGNATURE


def test_an_acknowledgement_is_no_packet(realm):
    packet = json.loads(realm.sealed("us-dea", ["in-ncb"]).raw)
    packet["jws"] = json.loads(forged(realm))
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
