import json
import threading

import httpx
import pytest

from broker.errors import IntegrityError, NotFoundError, UnavailableError
from broker.sdk.cursors import MemoryCursors
from broker.sdk.reading import Gone, Rejected, Waiting
from schemas.directory import KeyState
from schemas.problem import Code
from tests.builders import NOW, Realm, handling
from tests.unit.sdk.answers import problem
from tests.unit.sdk.simulator import TIP, Fault, SimulatedGateway, Stored, acknowledgements, follow, ref, send
from tests.unit.sdk.world import SimulatedDirectory

TOPIC = "/v1/topics/setu.us-dea.tip"


@pytest.fixture
def gateway():
    return SimulatedGateway()


@pytest.fixture(params=[False, True], ids=["poll", "stream"])
def stream(request):
    return request.param


# what an operator must not do


def reordered(page):
    return {**page, "items": page["items"][::-1]}


def test_repeats_are_dropped(gateway):
    send(gateway, 2)
    gateway.mangle[TOPIC] = lambda page: {**page, "items": [each for item in page["items"] for each in (item, item)]}
    assert [each.index for each in follow(gateway.client("us-dea"))] == [0, 1]


def test_a_page_given_twice_is_read_once(gateway):
    send(gateway, 4)
    gateway.page_limit = 2
    pages = []

    def twice(page):
        pages.append(page)
        return pages[0] if len(pages) == 2 else page

    gateway.mangle[TOPIC] = twice
    assert [each.index for each in follow(gateway.client("us-dea"))] == [0, 1, 2, 3]


def test_a_gateway_that_repeats_a_page_for_ever_is_not_asked_without_a_pause(gateway):
    send(gateway, 4)
    gateway.page_limit = 2
    first = []
    gateway.mangle[TOPIC] = lambda page: first.append(page) or first[0]
    stop, waits = threading.Event(), []

    def report(event):
        waits.append(event)
        if len(waits) == 3:
            stop.set()

    stop.wait = gateway.clock.sleep
    assert [each.index for each in gateway.client("us-dea").follow("tip", stop=stop, report=report)] == [0, 1]
    assert all(isinstance(each, Waiting) for each in waits)
    assert len(first) == 4


def test_an_alarm_in_a_stream_stays_one_for_whoever_reads_on(gateway):
    sent = send(gateway, 3)
    gateway.mangle[TOPIC] = at(1, lambda item: {**item, "digest": sent[0].digest})
    source = gateway.client("us-dea").source(stream=True)
    assert [each.index for each in source.read("setu.us-dea.tip", 0)] == [0]
    for _ in range(2):
        with pytest.raises(IntegrityError):
            source.read("setu.us-dea.tip", 0)


@pytest.mark.parametrize("again", [False, True], ids=["first run", "next run"])
def test_another_order_is_an_alarm_and_stays_one(gateway, again):
    send(gateway, 3)
    client = gateway.client("us-dea", cursors=MemoryCursors())
    gateway.mangle[TOPIC] = reordered
    for _ in range(2 if again else 1):
        with pytest.raises(IntegrityError) as caught:
            follow(client)
        assert caught.value.code is Code.LOG_INVALID


def test_the_same_packet_at_two_places_is_an_alarm(gateway):
    send(gateway, 1)
    gateway.mangle[TOPIC] = lambda page: {
        **page,
        "items": [*page["items"], *({**each, "index": each["index"] + 7} for each in page["items"])],
    }
    with pytest.raises(IntegrityError):
        follow(gateway.client("us-dea"))


def test_another_packet_at_a_place_that_was_read_is_an_alarm(gateway):
    send(gateway, 2)
    gateway.page_limit = 1
    client = gateway.client("us-dea", cursors=MemoryCursors())
    follow(client)
    gateway.epoch = "k2"
    swapped = gateway.topics["setu.us-dea.tip"]
    gateway.mangle[TOPIC] = lambda page: {
        **page,
        "items": [{**each, "digest": swapped[0]} if each["index"] == 1 else each for each in page["items"]],
    }
    gateway.page_limit = 500
    with pytest.raises(IntegrityError):
        follow(client)


def test_another_directory_hash_for_a_version_is_an_alarm(gateway):
    send(gateway)
    other = Realm(name="test realm", document={"name": "what others are shown"}).snapshot
    with pytest.raises(IntegrityError) as caught:
        follow(gateway.client("us-dea", directory=SimulatedDirectory(other)))
    assert caught.value.code is Code.DIRECTORY_INVALID


def test_tombstones_are_reported_and_passed(gateway, stream):
    sent = send(gateway, 3)
    gateway.packets[sent[1].digest].gone["us-dea"] = "retracted"
    events = []
    client = gateway.client("us-dea", cursors=MemoryCursors())
    assert [each.index for each in follow(client, stream=stream, report=events.append)] == [0, 2]
    assert [each for each in events if isinstance(each, Gone)] == [
        Gone("setu.us-dea.tip", 1, sent[1].digest, "retracted")
    ]


# packets that fail


def at(index, change):
    """Changes the item at a ledger index, in pages and in streamed items."""

    def one(item):
        return change(json.loads(json.dumps(item))) if item.get("index") == index else item

    return lambda found: {**found, "items": [one(each) for each in found["items"]]} if "items" in found else one(found)


def tampered(item):
    text = item["packet"]["jwe"]["ciphertext"]
    item["packet"]["jwe"]["ciphertext"] = ("A" if text[0] != "A" else "B") + text[1:]
    return item


def with_receipt(receipt):
    def change(item):
        item["receipt"] = receipt
        return item

    return change


def without_signature(item):
    del item["packet"]["jws"]["signatures"][1]
    return item


def swapped_signatures(item):
    item["packet"]["jws"]["signatures"].reverse()
    return item


FAILING = [
    pytest.param(tampered, Code.ENVELOPE_INVALID, id="ciphertext changed"),
    pytest.param(without_signature, Code.SIGNATURE_INVALID, id="signature dropped"),
    pytest.param(swapped_signatures, Code.SIGNATURE_INVALID, id="signatures swapped"),
    pytest.param(lambda item: {**item, "packet": {}}, Code.ENVELOPE_INVALID, id="no packet"),
    pytest.param(lambda item: {**item, "packet": None}, Code.ENVELOPE_INVALID, id="null"),
    pytest.param(lambda item: {**item, "packet": 2**60}, Code.JSON_INVALID, id="a number beyond bounds"),
    pytest.param(lambda item: {**item, "receipt": None}, Code.RECEIPT_INVALID, id="no receipt"),
    pytest.param(lambda item: {**item, "receipt": {"v": 1}}, Code.RECEIPT_INVALID, id="receipt that is none"),
]


@pytest.mark.parametrize(("change", "code"), FAILING)
def test_a_packet_that_fails_is_rejected_signed_and_the_stream_goes_on(gateway, stream, change, code):
    sent = send(gateway, 3)
    gateway.mangle[TOPIC] = at(1, change)
    events = []
    client = gateway.client("us-dea", cursors=MemoryCursors())
    got = [each.index for each in follow(client, stream=stream, report=events.append)]
    assert got == [0, 2]
    rejected = next(each for each in events if isinstance(each, Rejected))
    assert (rejected.index, rejected.digest, rejected.code, rejected.answered) == (1, sent[1].digest, code, True)
    (said,) = acknowledgements(gateway)
    assert (said.event, said.reason, said.packet.digest) == ("rejected", code, sent[1].digest)
    assert follow(client, stream=stream) == []


def test_the_receipt_of_another_packet_does_not_do(gateway):
    send(gateway, 2)
    gateway.mangle[TOPIC] = at(1, with_receipt(gateway.receipt(0)))
    assert [each.index for each in follow(gateway.client("us-dea"), report=lambda _: None)] == [0]
    assert acknowledgements(gateway)[0].reason is Code.RECEIPT_INVALID


def test_a_packet_that_cannot_be_named_is_passed_over_and_reported(gateway):
    send(gateway, 2)
    gateway.mangle[TOPIC] = at(0, lambda item: {**item, "packet": {}, "receipt": {}})
    events = []
    assert [each.index for each in follow(gateway.client("us-dea"), report=events.append)] == [1]
    assert [each.answered for each in events if isinstance(each, Rejected)] == [False]


def test_a_rejection_waits_until_the_gateway_takes_it(gateway):
    send(gateway, 2)
    gateway.mangle[TOPIC] = at(0, tampered)
    gateway.faults = [Fault("/v1/ack", before=httpx.ConnectError("refused")) for _ in range(40)]
    assert [each.index for each in follow(gateway.client("us-dea"), report=lambda _: None)] == [1]
    assert len(gateway.acknowledged) == 1


def test_a_rejection_that_is_refused_does_not_stop_the_stream(gateway):
    send(gateway, 2)
    gateway.mangle[TOPIC] = at(0, tampered)
    gateway.faults = [Fault("/v1/ack", answer=problem(NotFoundError(), status=404))]
    events = []
    assert [each.index for each in follow(gateway.client("us-dea"), report=events.append)] == [1]
    assert [each.answered for each in events if isinstance(each, Rejected)] == [False]


def smuggled(gateway, sender="in-ncb", to=("us-dea",), payload=TIP, **over):
    """A packet that a gateway committed though it should not have."""
    made = gateway.realm.sealed(sender, list(to), payload=payload, **{"handling": handling(), **over})
    index = gateway.commit({"type": "accepted", "actor": sender, "packet": ref(made.header, made.digest)})
    gateway.packets[made.digest] = Stored(made.header, made.digest, made.raw, index)
    gateway.topics["setu.us-dea.tip"].append(made.digest)
    return made


def other_realm():
    return Realm(name="another realm").aud


@pytest.mark.parametrize(
    ("over", "code"),
    [
        pytest.param({"to": ["us-cbp"]}, Code.NOT_FOR_ME, id="for another agency"),
        pytest.param({"payload": b'{"note":"x"}'}, Code.SCHEMA, id="payload of no schema"),
        pytest.param({"payload": b'{"a":1,"a":1}'}, Code.JSON_INVALID, id="payload that is no strict JSON"),
        pytest.param({"kind_version": 9}, Code.KIND_UNKNOWN, id="kind nobody judged"),
        pytest.param({"aud": other_realm()}, Code.WRONG_AUDIENCE, id="another realm"),
        pytest.param(
            {
                "payload": {**TIP, "discipline": "HUMINT"},
                "handling": handling(flags={"personal_data": True, "sanitised": False}),
            },
            Code.POLICY_DENIED,
            id="a human source",
        ),
    ],
)
def test_what_a_gateway_should_have_refused_a_recipient_refuses(gateway, over, code):
    smuggled(gateway, **over)
    assert follow(gateway.client("us-dea"), report=lambda _: None) == []
    assert [each.reason for each in acknowledgements(gateway)] == [code]


def test_a_kind_that_the_gateway_read_and_this_program_does_not_know_is_given_plainly(gateway):
    smuggled(gateway, to=["us-dea", "in-setu"], kind_version=9, payload=b'{"new":true}')
    (packet,) = follow(gateway.client("us-dea"))
    assert packet.payload == packet.as_object() == {"new": True}


def test_a_missing_wrap_key_is_not_for_me(gateway):
    send(gateway)
    assert follow(gateway.client("us-dea", wrap_keys={}), report=lambda _: None) == []
    assert acknowledgements(gateway)[0].reason is Code.NOT_FOR_ME


# keys, judged at the ledger position


def revoked(realm, **over):
    rows = realm.directory.agencies
    row = next(each for each in rows if each.id == "in-ncb").to_object()
    keys = [{**key, "state": KeyState.REVOKED, **over} if key["use"] == "sign" else key for key in row["keys"]]
    return realm.with_(agencies={"in-ncb": {"keys": keys}})


def test_a_key_revoked_later_was_good_then(gateway):
    send(gateway)
    later = revoked(gateway.realm)
    directory = SimulatedDirectory(gateway.realm.snapshot, later.snapshot)
    (packet,) = follow(gateway.client("us-dea", directory=directory))
    assert not packet.disputed


@pytest.mark.parametrize(("since", "disputed"), [(NOW - 1, True), (NOW, True), (NOW + 1, False)])
def test_a_compromise_dated_before_the_packet_makes_it_disputed(gateway, since, disputed):
    send(gateway)
    later = revoked(gateway.realm, compromised_since=since)
    directory = SimulatedDirectory(gateway.realm.snapshot, later.snapshot)
    (packet,) = follow(gateway.client("us-dea", directory=directory))
    assert packet.disputed is disputed


def test_a_key_that_was_revoked_by_then_is_refused(gateway):
    first = gateway.realm
    made = first.sealed("in-ncb", ["us-dea"], payload=TIP)
    gateway.realm = revoked(first)
    index = gateway.commit({"type": "accepted", "actor": "in-ncb", "packet": ref(made.header, made.digest)})
    gateway.packets[made.digest] = Stored(made.header, made.digest, made.raw, index)
    gateway.topics["setu.us-dea.tip"].append(made.digest)
    directory = SimulatedDirectory(first.snapshot, gateway.realm.snapshot)
    assert follow(gateway.client("us-dea", directory=directory), report=lambda _: None) == []
    assert acknowledgements(gateway)[0].reason is Code.KEY_UNKNOWN


def test_an_older_version_that_is_not_held_is_judged_by_the_current_one(gateway):
    send(gateway)
    (packet,) = follow(gateway.client("us-dea", directory=SimulatedDirectory(gateway.realm.with_().snapshot)))
    assert packet.index == 0


def test_two_directories_of_one_version_are_an_alarm_also_where_neither_is_held(gateway):
    send(gateway)
    first = gateway.realm
    gateway.realm = Realm(name="test realm", document={"name": "what others are shown"})
    assert gateway.realm.snapshot.ref.version == first.snapshot.ref.version
    send(gateway)
    client = gateway.client("us-dea", directory=SimulatedDirectory(first.with_().snapshot))
    with pytest.raises(IntegrityError, match="another hash in a receipt") as caught:
        follow(client)
    assert caught.value.code is Code.DIRECTORY_INVALID


def test_an_old_directory_behind_a_receipt_of_a_newer_one_is_an_alarm(gateway):
    old = gateway.realm.snapshot
    gateway.realm = gateway.realm.with_()
    send(gateway)
    with pytest.raises(IntegrityError, match="which a receipt names, in the repository, found none"):
        follow(gateway.client("us-dea", directory=SimulatedDirectory(old)))


def test_a_directory_that_cannot_be_fetched_now_is_waited_for(gateway):
    old = gateway.realm.snapshot
    gateway.realm = gateway.realm.with_()
    send(gateway)
    directory = SimulatedDirectory(old)
    directory.published.append(gateway.realm.snapshot)
    directory.unreachable = True
    waits = []

    def report(event):
        waits.append(event)
        directory.unreachable = len(waits) < 3

    assert len(follow(gateway.client("us-dea", directory=directory), report=report)) == 1
    assert all(isinstance(each.error, UnavailableError) for each in waits)


def test_an_alarm_in_one_topic_of_several_is_raised(gateway):
    send(gateway, 2)
    gateway.mangle[TOPIC] = reordered
    with pytest.raises(IntegrityError):
        follow(gateway.client("us-dea"), "tip", "pen")
