"""A drill's parts: what counts as holding while a fault lasts, what an adapter's log says, how clients are told to go on."""

import io
import json
import os
import threading
import time
from pathlib import Path

import pytest

from broker.cli.drill import _show
from broker.cli.drills.adapters import Dropped
from broker.cli.drills.drill import Drilled
from broker.cli.drills.faults import MATRIX, Check, Window, accepting, chosen, cut, others_go_on, refusing, taken_over
from broker.cli.drills.history import History, Joined, Posted, Received, read
from broker.cli.drills.orders import Helper, Orders, Stop
from broker.cli.drills.sender import Sender, drill_handling
from broker.cli.output import console
from broker.errors import UnavailableError
from schemas.handling import Handling
from tests.builders import Realm


def posted(began, took=0.1, outcome="ok", at=0, **more):
    return Posted("in-nia", f"{began}", began, began + took, outcome, at=at, **more)


def every(step, count, **more):
    return [posted(100 + step * number, **more) for number in range(count)]


def unavailable(began, **more):
    return posted(began, outcome="unknown", **{"status": 503, "wait": 2, **more})


def window(answers, relayed=None):
    return Window(100.0, 105.0, answers, relayed)


GOES_ON = every(0.5, 10)
ASK_AGAIN = [unavailable(100 + number / 2) for number in range(10)]


@pytest.mark.parametrize(
    ("checks", "seen", "ok"),
    [
        pytest.param(accepting, window(GOES_ON), True, id="accepting-goes-on"),
        pytest.param(accepting, window([]), False, id="nobody-answers"),
        pytest.param(accepting, window(ASK_AGAIN), False, id="nothing-is-accepted"),
        pytest.param(accepting, window(GOES_ON[:1]), False, id="accepting-stops-after-the-first"),
        pytest.param(refusing, window(ASK_AGAIN), True, id="all-are-told-when-to-ask-again"),
        pytest.param(refusing, window([*ASK_AGAIN, posted(100.1)]), True, id="one-was-still-accepted-at-the-edge"),
        pytest.param(refusing, window([*ASK_AGAIN, posted(102, status=201)]), False, id="one-was-accepted"),
        pytest.param(refusing, window([*ASK_AGAIN, unavailable(102, wait=None)]), False, id="no-retry-after"),
        pytest.param(refusing, window([*ASK_AGAIN, unavailable(102, status=500)]), False, id="another-error"),
        pytest.param(refusing, window([posted(102, outcome="unknown")]), False, id="silence-alone"),
        pytest.param(others_go_on, window(every(0.5, 9, at=1)), True, id="the-other-goes-on"),
        pytest.param(others_go_on, window(every(0.5, 9, at=0)), False, id="only-the-stopped-one-answered"),
        pytest.param(others_go_on, window([posted(101, took=3.0, at=1)]), False, id="the-other-waits-too-long"),
        pytest.param(taken_over, window([], relayed=6.0), True, id="taken-over"),
        pytest.param(taken_over, window([], relayed=10.5), False, id="taken-over-too-late"),
        pytest.param(taken_over, window([]), False, id="never-taken-over"),
    ],
)
def test_a_fault_s_check_holds_or_not(checks, seen, ok):
    (found,) = checks(None, seen)
    assert found.ok is ok
    assert found.expected
    assert found.found


def test_faults_are_chosen_by_name_in_the_matrix_s_order():
    assert chosen([]) == MATRIX
    assert [each.name for each in chosen(["relay-killed", "kafka-killed"])] == ["kafka-killed", "relay-killed"]
    assert len({each.name for each in MATRIX}) == len(MATRIX)


def test_a_cut_segment_has_lost_its_end_and_its_indexes(tmp_path):
    log = tmp_path / "00000000000000000000.log"
    log.write_bytes(bytes(range(200)))
    for name in ("index", "timeindex"):
        (tmp_path / f"{log.stem}.{name}").write_bytes(b"x")
    other = tmp_path / "00000000000000000900.index"
    other.write_bytes(b"x")
    cut(log, 0.5)
    assert log.read_bytes() == bytes(range(100))
    assert sorted(tmp_path.iterdir()) == [log, other]


def test_an_adapter_s_log_is_a_consumer_s_history(tmp_path):
    log = tmp_path / "adapter.log"
    log.write_text('{"event":"delivered","digest":"before","topic":"setu.us-cbp.tip","index":1}\n')
    dropped = Dropped("us-cbp", log)
    lines = [
        {"event": "delivered", "digest": "one", "topic": "setu.us-cbp.tip", "index": 7},
        {"event": "waiting", "said": "delivered"},
        {"event": "delivered", "digest": "one", "topic": "setu.us-cbp.tip", "index": 7},
        {"event": "delivered", "digest": "two", "topic": "setu.us-cbp.pen", "index": 9},
    ]
    with log.open("a") as file:
        file.write("".join(json.dumps(each) + "\n" for each in lines[:3]) + '{"event":"deliv')
        file.flush()
        assert dropped.look() == 1
        file.write('ered","digest":"three","topic":"setu.us-cbp.tip","index":8}\n')
        file.write(json.dumps(lines[3]) + "\n")
        file.flush()
    assert dropped.look() == 3
    dropped.write(tmp_path / "history.jsonl")
    events = list(read([tmp_path / "history.jsonl"]))
    assert events[0] == Joined("us-cbp", "adapter", answers=True)
    assert [each.digest for each in events if isinstance(each, Received)] == ["one", "one", "three", "two"]


def test_a_client_does_as_many_as_it_is_let_and_stops_at_the_end():
    reader, writer = io.StringIO("+2\n+3\n"), io.StringIO()
    orders = Orders(reader, writer)
    orders.stop.wait(5)
    orders.ready()
    orders.done(2)
    orders.done()
    assert writer.getvalue() == "ready\n2\n3\n"
    assert orders.take() == 0


def test_a_client_takes_what_there_is_up_to_a_batch():
    class Lines:
        """The end never comes."""

        def __iter__(self):
            yield "+5\n"
            never.wait(10)

    never = threading.Event()
    orders = Orders(Lines(), io.StringIO())
    until = time.monotonic() + 5
    taken = []
    while sum(taken) < 5 and time.monotonic() < until:
        taken.append(orders.take(3))
    assert sum(taken) == 5
    assert max(taken) <= 3
    never.set()
    assert orders.take(3) == 0


def test_a_drill_s_waits_are_short():
    begun = time.monotonic()
    Stop().wait(30)
    assert time.monotonic() - begun < 5


def test_the_drill_s_markings_are_a_handling():
    assert Handling.from_object(drill_handling()).tlp == "GREEN"


def test_a_client_is_in_the_hands_of_whoever_outlives_the_drill(tmp_path):
    held = []
    helper = Helper("a client", ["json.tool", "--json-lines"], tmp_path / "log", held=held.append)
    try:
        assert len(held) == 1
        assert Path(f"/proc/{held[0]}").exists()
    finally:
        assert helper.stop() == 0


class Silent:
    """A client whose gateway never answers."""

    agency = "in-ncb"

    def __init__(self, orders):
        self.orders = orders
        self.posts = 0

    def seal(self, kind, *, to, payload, handling):
        realm = Realm()
        return realm.sealed("in-ncb", to, kind, payload)

    def post(self, raw):
        self.posts += 1
        if self.posts == 3:
            self.orders.stop.set()
        raise UnavailableError("Expected an answer, found none.")


def test_a_sender_that_nobody_answers_ends_with_its_drill(tmp_path):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as given, os.fdopen(write_end, "w") as orders_of, History(tmp_path / "h") as history:
        orders_of.write("+1\n")
        orders_of.flush()
        orders = Orders(given, io.StringIO())
        client = Silent(orders)
        Sender(client, history, ["us-dea", "us-cbp"], orders).run()
        orders_of.close()
    assert client.posts == 3


def drilled(*checks, violations=(), trouble=()):
    found = Drilled(checks=[(MATRIX[0], 1.0, check) for check in checks], trouble=list(trouble))
    for each in violations:
        found.findings.add(each, "said")
    return found


LATE, WRONG, HELD = Check("a", "b", False, timed=True), Check("a", "b", False), Check("a", "b", True)


@pytest.mark.parametrize(
    ("found", "late"),
    [
        pytest.param(drilled(HELD, LATE), True, id="a-limit-of-time"),
        pytest.param(drilled(HELD), False, id="all-held"),
        pytest.param(drilled(LATE, WRONG), False, id="something-else-too"),
        pytest.param(drilled(LATE, violations=["lost"]), False, id="a-loss-too"),
        pytest.param(drilled(LATE, trouble=["a consumer ended"]), False, id="trouble-too"),
    ],
)
def test_that_a_machine_was_slow_alone_is_told_apart(capsys, found, late):
    assert found.late is late
    _show(console(), found)
    assert ("a limit of time alone" in capsys.readouterr().out) is late
