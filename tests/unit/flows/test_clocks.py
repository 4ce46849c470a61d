"""Clocks: an answer is due, is moved, is given in time or late, or never; and both sides see which."""

import asyncio

import pytest

from broker.errors import CallerError, PacketError
from schemas.act import Answers, Asks, Extends, Withdraws
from tests.builders import NOW
from tests.unit.flows.seen import clocks, timeline

DUE = NOW + 3600
LATER = NOW + 7200


def asks(due=DUE):
    return Asks(does="asks", due=due)


def answers(question):
    return Answers(does="answers", of=question.digest)


def extends(question, due=LATER):
    return Extends(does="extends", of=question.digest, due=due)


async def asked(gateway, to=("us-dea",), due=DUE):
    """A question that all its recipients were offered."""
    question, _ = await gateway.act(asks(due), to)
    for each in to:
        await gateway.page(each)
    return question


async def overdue_at(gateway, at):
    gateway.clock.at = float(at)
    await gateway.overdue()
    return [(each["recipient"], each["word"], each["due"]) for each in gateway.entries("overdue")]


async def test_a_question_starts_a_clock_for_each_recipient(gateway):
    question = await asked(gateway, ("us-dea", "us-cbp"))
    both = [("us-cbp", "answer", DUE, "running"), ("us-dea", "answer", DUE, "running")]
    assert clocks(gateway, question) == both
    found = {each: await gateway.clocks(gateway.caller(each), 9) for each in ("in-ncb", "us-dea", "us-cbp")}
    assert [(each.recipient, each.from_, each.digest) for each in found["in-ncb"].clocks] == [
        ("us-cbp", "in-ncb", question.digest),
        ("us-dea", "in-ncb", question.digest),
    ]
    assert [each.recipient for each in found["us-dea"].clocks] == ["us-dea"]
    assert [each.recipient for each in found["us-cbp"].clocks] == ["us-cbp"]


async def test_who_was_not_offered_the_question_is_told_of_no_clock(gateway):
    await gateway.act(asks())
    assert (await gateway.clocks(gateway.caller("us-dea"), 9)).clocks == ()
    assert len((await gateway.clocks(gateway.caller("in-ncb"), 9)).clocks) == 1


async def test_who_is_no_agency_has_no_clocks(gateway):
    with pytest.raises(CallerError):
        await gateway.clocks(gateway.caller("in-audit"), 9)


async def test_an_answer_in_time_stops_the_clock(gateway):
    question = await asked(gateway, ("us-dea", "us-cbp"))
    await gateway.act(answers(question), ("in-ncb",), sender="us-dea")
    assert clocks(gateway, question) == [
        ("us-cbp", "answer", DUE, "running"),
        ("us-dea", "answer", DUE, "stopped"),
    ]
    assert await overdue_at(gateway, DUE) == [("us-cbp", "answer", DUE)]


async def test_what_is_not_answered_in_time_is_overdue_once_and_both_sides_see_it(gateway):
    question = await asked(gateway)
    assert await overdue_at(gateway, DUE - 1) == []
    for at in (DUE, DUE + 60):
        assert await overdue_at(gateway, at) == [("us-dea", "answer", DUE)]
    for each in ("in-ncb", "us-dea"):
        assert await timeline(gateway, each, question) == (["accepted", "delivered", "overdue"], ["overdue"])
        (clock,) = (await gateway.clocks(gateway.caller(each), 9)).clocks
        assert (clock.state, clock.due, clock.kind) == ("overdue", DUE, "tip")
    topics = {each.topic: each.overdue for each in await gateway.subscribe.topics(gateway.caller("us-dea"))}
    assert topics["setu.us-dea.tip"] == 1
    (entry,) = gateway.entries("overdue")
    assert (entry["actor"], entry["packet"]["digest"]) == ("in-setu", question.digest)


async def test_a_late_answer_stops_an_overdue_clock_and_a_second_one_changes_nothing(gateway):
    question = await asked(gateway)
    await overdue_at(gateway, DUE)
    for _ in range(2):
        await gateway.act(answers(question), ("in-ncb",), sender="us-dea")
        assert clocks(gateway, question) == [("us-dea", "answer", DUE, "stopped")]
    assert len(await overdue_at(gateway, LATER)) == 1
    assert (await gateway.clocks(gateway.caller("in-ncb"), 9)).clocks == ()


async def test_an_extension_moves_the_clocks_of_those_it_comes_to(gateway):
    question = await asked(gateway, ("us-dea", "us-cbp"))
    await gateway.act(extends(question), ("us-dea",))
    assert await overdue_at(gateway, DUE) == [("us-cbp", "answer", DUE)]
    await gateway.act(extends(question), ("us-cbp", "us-dea"))
    assert [each[3] for each in clocks(gateway, question)] == ["running", "running"]
    found = await overdue_at(gateway, LATER)
    assert sorted(found) == [("us-cbp", "answer", DUE), ("us-cbp", "answer", LATER), ("us-dea", "answer", LATER)]


@pytest.mark.parametrize("back", [pytest.param((DUE,), id="the-same-time"), pytest.param((LATER, DUE), id="and-back")])
async def test_what_runs_again_to_a_time_that_it_missed_before_is_missed_again(gateway, back):
    """Else it would run for ever, found by every run, before all that others owe."""
    question = await asked(gateway)
    await overdue_at(gateway, DUE)
    for due in back:
        await gateway.act(extends(question, due))
    assert await overdue_at(gateway, DUE) == [("us-dea", "answer", DUE)] * 2
    assert gateway.reader.missed(DUE, 9) == []


async def test_an_extension_starts_no_clock_that_was_stopped(gateway):
    question = await asked(gateway)
    await gateway.act(answers(question), ("in-ncb",), sender="us-dea")
    await gateway.act(extends(question))
    assert clocks(gateway, question) == [("us-dea", "answer", DUE, "stopped")]


async def test_the_clock_of_a_packet_that_ended_no_longer_runs(gateway):
    expired, _ = await gateway.act(asks(), exp=NOW + 60)
    withheld, _ = await gateway.act(asks())
    gateway.clock.at += 61
    await gateway.expire()
    await gateway.change(us_dea={"mandates": ["border"]})
    await gateway.page()
    for each in (expired, withheld):
        assert clocks(gateway, each) == [("us-dea", "answer", DUE, "stopped")]
    assert await overdue_at(gateway, DUE) == []


async def test_who_took_a_question_and_let_it_expire_still_owes_the_answer(gateway):
    """Else nobody who does not acknowledge would ever be overdue with a question that is due after its packet ends."""
    question, _ = await gateway.act(asks(), exp=NOW + 60)
    await gateway.page()
    gateway.clock.at += 61
    await gateway.expire()
    assert clocks(gateway, question) == [("us-dea", "answer", DUE, "running")]
    assert await overdue_at(gateway, DUE) == [("us-dea", "answer", DUE)]
    await gateway.act(answers(question), ("in-ncb",), sender="us-dea", exp=DUE + 60)
    assert clocks(gateway, question) == [("us-dea", "answer", DUE, "stopped")]


async def test_what_is_withdrawn_is_no_longer_asked_though_it_expired_before(gateway):
    question, _ = await gateway.act(asks(), exp=NOW + 60)
    await gateway.page()
    gateway.clock.at += 61
    await gateway.expire()
    await gateway.act(Withdraws(does="withdraws", of=question.digest, due=LATER))
    assert clocks(gateway, question) == [
        ("us-dea", "answer", DUE, "stopped"),
        ("us-dea", "destruction", LATER, "running"),
    ]


async def test_an_answer_that_comes_while_overdue_is_written_wins(gateway):
    """The routine looked before the answer was committed: its entry is not written."""
    question = await asked(gateway)
    gateway.clock.at = float(DUE)
    missed = gateway.reader.missed(DUE, 9)
    await gateway.act(answers(question), ("in-ncb",), sender="us-dea")
    ((digest, clock),) = missed
    await gateway.overdue._record(digest, clock, gateway.in_force.view())
    assert gateway.entries("overdue") == []


async def test_two_gateways_write_one_entry(gateway):
    await asked(gateway, ("us-dea", "us-cbp"))
    gateway.clock.at = float(DUE)
    await asyncio.gather(gateway.overdue(), gateway.overdue())
    assert len(gateway.entries("overdue")) == 2


@pytest.mark.parametrize(
    ("sender", "to", "act", "pointer", "sentence"),
    [
        pytest.param("us-dea", "in-ncb", answers, "/act/of", "asks for an answer", id="answers-what-asks-nothing"),
        pytest.param("in-ncb", "us-dea", extends, "/act/of", "asks for an answer", id="extends-what-asks-nothing"),
    ],
)
async def test_what_asks_nothing_is_neither_answered_nor_extended(gateway, sender, to, act, pointer, sentence):
    plain, _ = await gateway.act()
    await gateway.page()
    with pytest.raises(PacketError, match=sentence) as found:
        await gateway.act(act(plain), (to,), sender=sender)
    assert (found.value.code, found.value.pointer) == ("reference-unknown", pointer)
    assert plain.digest not in str(found.value)


@pytest.mark.parametrize(
    ("sender", "to", "act", "sentence"),
    [
        pytest.param("us-dea", "us-cbp", answers, "the sender of the packet", id="an-answer-to-a-third"),
        pytest.param("in-ncb", "us-cbp", extends, "a recipient of the question", id="an-extension-to-a-third"),
    ],
)
async def test_what_does_not_come_to_whom_it_concerns_is_refused(gateway, sender, to, act, sentence):
    question = await asked(gateway)
    with pytest.raises(PacketError, match=sentence) as found:
        await gateway.act(act(question), (to,), sender=sender)
    assert (found.value.code, found.value.pointer) == ("reference-unknown", "/to")
    assert clocks(gateway, question) == [("us-dea", "answer", DUE, "running")]


async def test_the_list_is_cut_and_says_so(gateway):
    for _ in range(3):
        await asked(gateway)
    found = await gateway.clocks(gateway.caller("us-dea"), 2)
    assert (len(found.clocks), found.more) == (2, True)
    assert not (await gateway.clocks(gateway.caller("us-dea"), 3)).more
