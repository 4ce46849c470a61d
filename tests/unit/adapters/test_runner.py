import json
import stat
import threading

import httpx
import pytest

from adapters.port import PermanentFailure, TemporaryFailure
from adapters.runner import UNFORESEEN, Delivered, Retrying
from broker.errors import CallerError, IntegrityError, NotFoundError
from broker.sdk.cursors import MemoryCursors
from broker.sdk.reading import Gone, Rejected, Waiting
from schemas import registry
from schemas.canonical import parse
from schemas.problem import Code
from tests.builders import Realm
from tests.unit.adapters.world import Shelf, Unhurried, World
from tests.unit.sdk.answers import problem
from tests.unit.sdk.simulator import HANDLING, TIP, Fault, SimulatedGateway, acknowledgements, send
from tests.unit.sdk.world import SimulatedDirectory

TOPIC = "/v1/topics/setu.us-dea.tip"


@pytest.fixture
def gateway():
    return SimulatedGateway()


@pytest.fixture
def world(gateway, tmp_path):
    return World(gateway, tmp_path)


def test_packets_are_delivered_acknowledged_and_done(world):
    sent = send(world.gateway, 3)
    shelf = world.run(Shelf())
    assert [each.digest for each in shelf.taken] == [each.digest for each in sent]
    first = shelf.taken[0]
    assert first.payload == TIP
    assert (first.topic, first.index, first.header.from_) == ("setu.us-dea.tip", 0, "in-ncb")
    assert [said.event for said in acknowledgements(world.gateway)] == ["opened"] * 3
    assert world.events == [Delivered("setu.us-dea.tip", n, each.digest, True) for n, each in enumerate(sent)]
    assert shelf.closed
    assert world.run(Shelf()).calls == []


def test_an_adapter_for_sealed_packets_is_given_no_payload(world):
    (sent,) = send(world.gateway)
    shelf = world.run(Shelf(opened=False))
    assert shelf.taken[0].payload is None
    assert shelf.taken[0].raw
    assert parse(shelf.taken[0].raw) == parse(sent.raw)
    assert [said.event for said in acknowledgements(world.gateway)] == ["received"]


def test_sealed_packets_are_passed_on_without_a_wrap_key(world):
    send(world.gateway)
    assert len(world.run(Shelf(opened=False), wrap_keys={}).taken) == 1


def test_a_system_that_is_down_for_a_day_gets_everything_in_order(world):
    send(world.gateway, 3)
    began = world.gateway.clock.at
    shelf = Shelf()

    def deliver(parcel):
        shelf.calls.append(parcel.index)
        if world.gateway.clock.at - began < 86_400:
            raise TemporaryFailure("Down.")
        shelf.taken.append(parcel)

    shelf.deliver = deliver
    world.run(shelf)
    assert [each.index for each in shelf.taken] == [0, 1, 2]
    assert set(shelf.calls[:-3]) == {0}
    assert max(each.seconds for each in world.of(Retrying)) <= 30


def test_a_system_says_how_long_to_wait(world):
    send(world.gateway)
    world.run(Shelf(TemporaryFailure("Later.", retry_after=90)))
    (event,) = world.of(Retrying)
    assert 90 <= event.seconds <= 91


def test_a_parcel_that_is_never_taken_goes_to_quarantine_and_the_next_is_delivered(world):
    sent = send(world.gateway, 2)
    shelf = world.run(Shelf(PermanentFailure(Code.TOO_LARGE, "Expected less.")))
    assert [each.index for each in shelf.taken] == [1]
    assert [(said.event, said.reason) for said in acknowledgements(world.gateway)] == [
        ("rejected", Code.TOO_LARGE),
        ("opened", None),
    ]
    packet, reason = world.quarantined
    assert (packet.name, reason.name) == (f"packet-{sent[0].digest}.json", f"packet-{sent[0].digest}.reason")
    assert parse(packet.read_bytes()) == parse(sent[0].raw)
    assert json.loads(reason.read_bytes()) == {
        "topic": "setu.us-dea.tip",
        "index": 0,
        "digest": sent[0].digest,
        "code": "too-large",
        "message": "Expected less.",
    }


def test_quarantine_holds_no_payload_and_is_its_owners_alone(world):
    send(world.gateway)
    world.run(Shelf(PermanentFailure(Code.TOO_LARGE, "Expected less.")))
    for path in world.quarantined:
        assert TIP["title"].encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((world.folder / "quarantine").stat().st_mode) == 0o700


def test_a_parcel_that_breaks_the_adapter_is_poison_after_some_tries(world):
    send(world.gateway, 2)
    shelf = world.run(Shelf(*(ZeroDivisionError(TIP["title"]) for _ in range(UNFORESEEN))))
    assert shelf.calls == [0] * UNFORESEEN + [1]
    assert acknowledgements(world.gateway)[0].reason is Code.INTERNAL
    assert TIP["title"] not in repr(world.events)


def test_a_parcel_that_breaks_the_adapter_once_is_delivered(world):
    send(world.gateway)
    assert len(world.run(Shelf(KeyError("x"), OSError("y"))).taken) == 1


def test_a_packet_that_fails_verification_is_kept_and_rejected(world):
    sent = send(world.gateway, 2)

    def change(page):
        page = json.loads(json.dumps(page))
        for item in page["items"][:1]:
            item["packet"]["jws"]["signatures"].reverse()
        return page

    world.gateway.mangle[TOPIC] = change
    assert [each.index for each in world.run(Shelf()).taken] == [1]
    assert [each.code for each in world.of(Rejected)] == [Code.SIGNATURE_INVALID]
    assert world.quarantined[0].name == f"packet-{sent[0].digest}.json"
    assert acknowledgements(world.gateway)[0].reason is Code.SIGNATURE_INVALID


def test_tombstones_are_passed(world):
    sent = send(world.gateway, 2)
    world.gateway.packets[sent[0].digest].gone["us-dea"] = "purged"
    assert [each.index for each in world.run(Shelf()).taken] == [1]
    assert world.of(Gone) == [Gone("setu.us-dea.tip", 0, sent[0].digest, "purged")]


def test_an_acknowledgement_waits_for_the_gateway(world):
    send(world.gateway, 2)
    world.gateway.faults = [Fault("/v1/ack", before=httpx.ConnectError("refused")) for _ in range(60)]
    shelf = world.run(Shelf())
    assert shelf.calls == [0, 1]
    assert world.of(Waiting)
    assert len(world.gateway.acknowledged) == 2


def test_an_acknowledgement_that_is_refused_is_reported(world):
    send(world.gateway, 2)
    world.gateway.faults = [Fault("/v1/ack", answer=problem(NotFoundError(), status=404))]
    world.run(Shelf())
    assert [each.answered for each in world.of(Delivered)] == [False, True]


@pytest.mark.parametrize(
    "error",
    [CallerError(Code.AGENCY_SUSPENDED, "No."), CallerError(Code.UNKNOWN_AGENCY, "No.")],
    ids=["suspended", "unknown"],
)
def test_an_agency_that_may_not_read_stops_it(world, error):
    send(world.gateway)
    world.gateway.faults = [Fault(TOPIC, answer=problem(error, status=403))]
    shelf = Shelf()
    with pytest.raises(CallerError):
        world.run(shelf)
    assert shelf.closed


def test_an_alarm_in_one_topic_stops_all(world):
    send(world.gateway, 2)
    world.gateway.mangle[TOPIC] = lambda page: {**page, "items": page["items"][::-1]}
    with pytest.raises(IntegrityError):
        world.runner(Shelf()).run("tip", "pen")


def test_all_kinds_are_delivered_each_in_order(world):
    send(world.gateway, 2)
    ncb = world.gateway.client("in-ncb")
    pen = next(iter(registry.samples("pen").values()))
    for _ in range(2):
        ncb.send("pen", to="us-dea", payload=pen, handling=HANDLING)
    shelf = Shelf()
    world.runner(shelf).run(drain=True)
    for topic in ("setu.us-dea.tip", "setu.us-dea.pen"):
        indices = [each.index for each in shelf.taken if each.topic == topic]
        assert indices == sorted(indices)
        assert len(indices) == 2


def test_a_slow_topic_does_not_hold_up_another(world):
    send(world.gateway)
    pen = next(iter(registry.samples("pen").values()))
    world.gateway.client("in-ncb").send("pen", to="us-dea", payload=pen, handling=HANDLING)
    delivered = threading.Event()

    class Selective(Shelf):
        def deliver(self, parcel):
            if parcel.topic.endswith(".tip"):
                assert delivered.wait(10)
            super().deliver(parcel)
            if parcel.topic.endswith(".pen"):
                delivered.set()

    shelf = Selective()
    world.runner(shelf).run("tip", "pen", drain=True)
    assert [each.header.kind for each in shelf.taken] == ["pen", "tip"]


# stopping


def test_a_stop_finishes_the_parcel_in_hand(world):
    send(world.gateway, 3)
    stop = Unhurried(world.gateway.clock)

    class Stopping(Shelf):
        def deliver(self, parcel):
            super().deliver(parcel)
            stop.set()

    shelf = Stopping()
    world.runner(shelf, stop=stop).run("tip")
    assert [each.index for each in shelf.taken] == [0]
    assert len(world.gateway.acknowledged) == 1
    assert [each.index for each in world.run(Shelf()).taken] == [1, 2]


def test_a_stop_ends_the_wait_for_a_system_that_is_down(world):
    send(world.gateway)
    stop = Unhurried(world.gateway.clock)

    class Down(Shelf):
        def deliver(self, parcel):
            self.calls.append(parcel.index)
            if len(self.calls) == 3:
                stop.set()
            raise TemporaryFailure("Down.")

    shelf = Down()
    world.runner(shelf, stop=stop).run("tip")
    assert len(shelf.calls) == 3
    assert [each.index for each in world.run(Shelf()).taken] == [0]


def test_a_place_that_cannot_be_kept_stops_it(world):
    class Broken(MemoryCursors):
        def write(self, topic, position):
            raise OSError(28, "No space left on device")

    send(world.gateway)
    with pytest.raises(OSError):
        world.run(Shelf(), cursors=Broken())
    assert [each.index for each in world.run(Shelf()).taken] == [0]


def test_an_acknowledgement_whose_receipt_proves_nothing_counts_as_none(world):
    send(world.gateway)
    world.gateway.mangle["/v1/acknowledgements"] = lambda _: {}
    world.run(Shelf())
    assert [each.answered for each in world.of(Delivered)] == [False]


def test_another_directory_in_the_receipt_of_an_acknowledgement_is_an_alarm(world):
    send(world.gateway)
    directory = SimulatedDirectory(world.gateway.realm.snapshot)
    world.gateway.realm = Realm(document={"name": "what others are shown"})
    with pytest.raises(IntegrityError) as caught:
        world.run(Shelf(), directory=directory)
    assert caught.value.code is Code.DIRECTORY_INVALID
