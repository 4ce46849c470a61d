"""What a practice partner answers, and with what; the whole of it is tried over a real gateway in tests/http."""

import pytest

from broker.sdk.echo import Echo, answer_to, handling_for, id_of, wants_answer
from schemas import registry
from schemas.directory import Agency
from schemas.evidence import AckEvent
from schemas.handling import Handling, Purpose
from schemas.problem import Code
from tests.builders import Realm

DIGEST = "A" * 64
REALM = Realm()
ROW = REALM.snapshot.agency("in-ncb").to_object()


def header(**over):
    return REALM.sealed("in-ncb", ["us-dea"], **over).header


@pytest.mark.parametrize(
    ("over", "wanted"),
    [
        pytest.param({"exercise": True}, True, id="an-exercise"),
        pytest.param({"exercise": False}, False, id="something-real"),
        pytest.param({"exercise": True, "in_reply_to": DIGEST}, False, id="a-reply"),
        pytest.param({"exercise": True, "kind": "feedback"}, False, id="feedback"),
        pytest.param({"exercise": True, "kind": "lifecycle"}, False, id="a-change"),
    ],
)
def test_what_wants_an_answer(over, wanted):
    assert wants_answer(header(**over)) is wanted


class Real:
    """What a gateway without rule 12 would hand on: a packet that is no exercise."""

    def __init__(self):
        self.header = header(exercise=False)
        self.said = []

    def acknowledge(self, *said):
        self.said.append(said)


def test_what_is_no_exercise_is_rejected_and_nothing_is_sent():
    packet = Real()
    done = Echo(None, lambda: 1_770_000_000.0).take(packet)
    assert (done.sent, packet.said) == (None, [(AckEvent.REJECTED, Code.POLICY_DENIED)])


def test_an_answer_wants_none():
    asked = header(exercise=True)
    for kind in ("rfi", "tip"):
        payload = registry.check(kind, 1, next(iter(registry.samples(kind).values())))
        answer, made = answer_to(DIGEST, asked, payload, 1_770_000_000.0)
        registry.check(answer, 1, made)
        assert not wants_answer(header(exercise=True, kind=answer, in_reply_to=DIGEST))


def test_an_answer_to_a_kind_that_is_not_known_is_feedback():
    kind, made = answer_to(DIGEST, header(exercise=True), {"anything": 1}, 1_770_000_000.0)
    assert (kind, made["target"]["digest"]) == ("feedback", DIGEST)


@pytest.mark.parametrize(
    ("mandates", "expected"),
    [
        pytest.param(["investigation", "border"], ["investigation"], id="what-both-have"),
        pytest.param(["border"], ["border"], id="its-own"),
        pytest.param(["prosecution", "border"], ["border"], id="no-court"),
        pytest.param(["prosecution"], ["prosecution"], id="nothing-but-court"),
    ],
)
def test_an_answer_is_for_a_purpose_of_the_senders(mandates, expected):
    row = ROW | {"mandates": mandates}
    made = handling_for(header(exercise=True), Agency.from_object(row), "in-setu")
    assert made["purpose"] == expected
    assert Handling.from_object(made).releasable_to == ("in-ncb", "in-setu")
    assert Purpose(expected[0])


def test_the_id_of_an_answer_is_its_packets():
    assert id_of(DIGEST, 1_770_000_000) == id_of(DIGEST, 1_770_000_000)
    assert id_of(DIGEST, 1_770_000_000) != id_of("B" * 64, 1_770_000_000)
    assert id_of(DIGEST, 1_770_000_000)[14] == "7"
