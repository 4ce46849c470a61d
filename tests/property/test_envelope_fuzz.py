"""Whatever bytes come, the recipe answers with a packet or with a PacketError: nothing else is raised."""

import json
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.envelope.acknowledge import Statement, acknowledge, check_acknowledgement_signatures, parse_acknowledgement
from broker.envelope.enrolment import parse_enrolment
from broker.envelope.rotation import parse_rotation
from broker.envelope.verify import parse
from broker.errors import PacketError
from schemas.canonical import b64u, canonical, unb64u
from schemas.evidence import AckEvent, AckPacket
from schemas.packet import SuiteName
from tests.builders import NOW, Realm, uuid7
from tests.enrolling import Applicant
from tests.forge import Forge, accept
from tests.rotating import Rotator

SUITES = st.sampled_from(SuiteName)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=60).map(b64u)
    | st.sampled_from(["", "AA", "A", "AB", "=", "none", "\ud800", "\0", "setu1", 2**53, -1])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@cache
def realm(suite):
    return Realm(suite)


@cache
def good(suite):
    return realm(suite).sealed("in-ncb", ["us-dea", "in-setu"], payload=b'{"a":1}').raw


@cache
def good_acknowledgement(suite):
    packet = AckPacket.from_object({"from": "in-ncb", "id": uuid7(1), "digest": b64u(bytes(48)), "index": 0})
    said = Statement(realm(suite).aud, "us-dea", AckEvent.OPENED, NOW, packet)
    return acknowledge(said, realm(suite).members["us-dea"].sign, suite)


@cache
def good_enrolment(suite):
    return Applicant(suite=suite).request()


def check_enrolment(raw, _suite):
    return parse_enrolment(raw).body


@cache
def rotator(suite):
    return Rotator(realm=realm(suite))


@cache
def good_rotation(suite):
    return rotator(suite).request()


def check_rotation(raw, suite):
    parsed = parse_rotation(raw)
    parsed.check_asker(realm(suite).signing_key(parsed.body.agency))
    return parsed.body


def check_packet(raw, suite):
    return parse(raw).digest, accept(raw, realm(suite))


def check_acknowledgement(raw, suite):
    parsed = parse_acknowledgement(raw)
    check_acknowledgement_signatures(parsed, suite, realm(suite).signing_key(parsed.body.by))
    return parsed.body


KINDS = pytest.mark.parametrize(
    ("make", "check"),
    [
        pytest.param(good, check_packet, id="packet"),
        pytest.param(good_acknowledgement, check_acknowledgement, id="ack"),
        pytest.param(good_enrolment, check_enrolment, id="enrolment"),
        pytest.param(good_rotation, check_rotation, id="rotation"),
    ],
)


def answered(check, raw, suite, expected):
    """Refused in the one way, or the very thing that was signed."""
    try:
        seen = check(raw, suite)
    except PacketError:
        return
    assert seen == expected


def _paths(value, path=()):
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in members:
        yield from _paths(inner, (*path, step))


def _replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


@given(st.binary(max_size=200))
@example(b'{"jwe":{},"jws":{}}')
@example(b"\xef\xbb\xbf{}")
def test_any_bytes(raw):
    for read in (parse, parse_acknowledgement, parse_enrolment, parse_rotation):
        with pytest.raises(PacketError):
            read(raw)


@given(VALUES)
def test_any_json(value):
    raw = json.dumps(value).encode()
    for read in (parse, parse_acknowledgement, parse_enrolment, parse_rotation):
        with pytest.raises(PacketError):
            read(raw)


@KINDS
@settings(max_examples=150)
@given(suite=SUITES, at=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_one_byte_changed(make, check, suite, at, byte):
    raw = bytearray(make(suite))
    expected = check(bytes(raw), suite)
    raw[int(at * len(raw))] = byte
    answered(check, bytes(raw), suite, expected)


@KINDS
@given(suite=SUITES, start=st.floats(0, 1), length=st.integers(0, 40), put=st.binary(max_size=20))
def test_a_span_cut_and_replaced(make, check, suite, start, length, put):
    raw = make(suite)
    at = int(start * len(raw))
    answered(check, raw[:at] + put + raw[at + length :], suite, check(raw, suite))


@KINDS
@settings(max_examples=150)
@given(data=st.data())
def test_one_member_changed(make, check, data):
    suite = data.draw(SUITES)
    value = json.loads(make(suite))
    path = data.draw(st.sampled_from(sorted(_paths(value), key=str)))
    changed = _replaced(value, path, data.draw(VALUES))
    answered(check, json.dumps(changed).encode(), suite, check(make(suite), suite))


@settings(max_examples=100)
@given(data=st.data())
def test_one_member_of_the_header_changed_and_all_signed_anew(data):
    """A dishonest sender: any header, under its own good signatures."""
    realm_ = realm(SuiteName.HYBRID_768)

    def bend(raw):
        fields = json.loads(raw)
        path = data.draw(st.sampled_from(sorted(_paths(fields), key=str)))
        changed = _replaced(fields, path, data.draw(VALUES))
        try:
            return canonical(changed)
        except ValueError:
            return json.dumps(changed).encode()

    try:
        payload = accept(Forge(realm_, to=["us-dea"], header=bend).make(), realm_)
    except PacketError:
        return
    assert payload == Forge(realm_).payload


@settings(max_examples=100)
@given(data=st.data())
def test_one_member_of_a_rotation_changed_and_all_signed_anew(data):
    """A dishonest agency: any body, under its own good signatures and proofs."""
    asks = rotator(SuiteName.HYBRID_768)
    fields = asks.body()
    path = data.draw(st.sampled_from(sorted(_paths(fields), key=str)))
    changed = _replaced(fields, path, data.draw(VALUES))
    try:
        raw = asks.signed(changed)
    except ValueError:
        return
    try:
        body = check_rotation(raw, SuiteName.HYBRID_768)
    except PacketError:
        return
    # The certificate request is bound to all other members, so nothing can have been changed.
    assert body.to_object() == fields


@settings(max_examples=100)
@given(raw=st.binary(max_size=300))
def test_any_bytes_as_a_header(raw):
    with pytest.raises(PacketError):
        parse(Forge(realm(SuiteName.HYBRID_768), to=["us-dea"], header=lambda _: raw or b"0").make())


@settings(max_examples=100)
@given(raw=st.binary(max_size=100), which=st.integers(0, 1))
def test_any_bytes_as_a_protected_header(raw, which):
    bent = Forge(
        realm(SuiteName.HYBRID_768), to=["us-dea"], protected=lambda n, header: raw or b"0" if n == which else header
    )
    with pytest.raises(PacketError):
        parse(bent.make())


@given(suite=SUITES, payload=st.binary(max_size=6000))
def test_round_trip(suite, payload):
    sealed = realm(suite).sealed("in-ncb", ["us-dea", "in-setu"], payload=payload)
    assert accept(sealed.raw, realm(suite), "us-dea") == payload
    assert accept(sealed.raw, realm(suite), "in-setu") == payload
    parsed = parse(sealed.raw)
    assert (parsed.header, parsed.digest) == (sealed.header, sealed.digest)
    assert canonical(parsed.header.to_object()) == unb64u(parsed.aad)
