"""What a proposal does beside its entry: whole or not at all, and by what is committed when it is its turn."""

import sqlite3
from pathlib import Path

import pytest

from broker.errors import IntegrityError, SetuError
from broker.ledger.effects import Asked, Extended, Given, Missed, Purged, Withdrawn, offer_key
from broker.ledger.port import Beside, NoTransition, Proposal, State
from schemas.evidence import Word
from tests.unit.ledger.ledgers import Ledgers, accepted, digest, entry, in_one_batch, moved, packet_ref

DUE = 1_790_003_600
BOTH = ("us-cbp", "us-dea")


@pytest.fixture
def ledgers(tmp_path: Path):
    with Ledgers(tmp_path) as made:
        yield made


def asks(number: int, to=BOTH) -> Proposal:
    made = accepted(number, to)
    return Proposal(made.entry, once=made.once, packet=made.packet, effects=(Asked(DUE),))


def act(number: int, *effects, beside=(), to=BOTH) -> Proposal:
    made = accepted(number, to)
    return Proposal(made.entry, once=made.once, packet=made.packet, effects=effects, beside=beside)


def withdraws(number: int, target: int, **over) -> Proposal:
    retracted = entry("retracted", "in-ncb", packet=packet_ref(target, BOTH))
    beside = (Beside(retracted, f"retracted/{digest(target)}"),)
    return act(number, Withdrawn(digest(target), DUE), beside=beside, **over)


def offered(number: int, recipient: str) -> Proposal:
    return moved(number, State.OFFERED, recipient, once=offer_key(digest(number), recipient, "https"))


def clocks(ledgers: Ledgers, number: int):
    return [
        (each.recipient, str(each.word), each.due, str(each.state)) for each in ledgers.reader.clocks(digest(number))
    ]


def states(ledgers: Ledgers, number: int):
    return {agency: str(state) for agency, state in ledgers.reader.packet(digest(number)).states.items()}


def test_an_act_and_what_it_does_come_in_one_batch_or_many(ledgers: Ledgers):
    """Each sees what those before it did, though nothing of it is committed yet."""
    batch = (asks(1), offered(1, "us-dea"), withdraws(2, 1), act(3, Given(digest(1), "us-dea", Word.DESTRUCTION)))
    found = in_one_batch(ledgers, *batch)
    assert [each.index for each in found] == [1, 2, 3, 5]
    assert states(ledgers, 1) == {"us-cbp": "retracted", "us-dea": "retracted"}
    assert clocks(ledgers, 1) == [
        ("us-cbp", "answer", DUE, "stopped"),
        ("us-dea", "answer", DUE, "stopped"),
        ("us-dea", "destruction", DUE, "stopped"),
    ]
    assert [each.index for each in ledgers.reader.timeline(digest(1))] == [1, 2, 4]


def test_an_entry_beside_has_its_receipt_and_its_place_in_the_log(ledgers: Ledgers):
    ledgers.commit(asks(1))
    (first,) = ledgers.commit(withdraws(2, 1))
    receipts = ledgers.reader.receipts([first.index, first.index + 1])
    assert receipts[0] == first.receipt
    assert receipts[1].checkpoint == first.receipt.checkpoint


def test_the_entry_of_a_second_withdrawal_is_left_out_and_its_packet_is_not(ledgers: Ledgers):
    ledgers.commit(asks(1), withdraws(2, 1))
    (second,) = ledgers.commit(withdraws(3, 1))
    assert second.fresh
    assert ledgers.reader.head()[0] == second.index + 1


def test_a_crash_leaves_all_of_it_or_nothing(ledgers: Ledgers):
    ledgers.commit(asks(1), offered(1, "us-dea"))
    ledgers.crash("committed", [withdraws(2, 1)])
    ledgers.open()
    assert ledgers.reader.packet(digest(2)) is not None
    assert states(ledgers, 1) == {"us-cbp": "retracted", "us-dea": "retracted"}
    assert ledgers.reader.purgeable(DUE, 9) == [digest(1)]
    assert len(ledgers.reader.timeline(digest(1))) == 3


def test_what_cannot_be_an_entry_beside_refuses_the_whole(ledgers: Ledgers):
    ledgers.commit(asks(1))
    bad = act(2, Withdrawn(digest(1), DUE), beside=(Beside({"type": "retracted"}),))
    with pytest.raises(SetuError):
        ledgers.commit(bad)
    assert ledgers.reader.packet(digest(2)) is None
    assert states(ledgers, 1) == {"us-cbp": "pending", "us-dea": "pending"}


def test_one_that_the_store_refuses_takes_no_other_with_it(ledgers: Ledgers):
    ledgers.commit(asks(1))
    found = in_one_batch(
        ledgers,
        act(2, Extended(digest(1), ("us-dea",), 2**70)),
        act(3, Extended(digest(1), ("us-cbp",), DUE + 1)),
    )
    assert isinstance(found[0], SetuError)
    assert clocks(ledgers, 1) == [("us-cbp", "answer", DUE + 1, "running"), ("us-dea", "answer", DUE, "running")]
    assert ledgers.reader.packet(digest(2)) is None


@pytest.mark.parametrize(
    "effect",
    [
        pytest.param(Missed(digest(1), "us-dea", Word.ANSWER, DUE - 1), id="missed-at-another-time"),
        pytest.param(Missed(digest(1), "us-dea", Word.DESTRUCTION, DUE), id="missed-what-is-not-due"),
        pytest.param(Missed(digest(1), "us-fincen", Word.ANSWER, DUE), id="missed-by-no-recipient"),
        pytest.param(Missed(digest(9), "us-dea", Word.ANSWER, DUE), id="missed-of-no-packet"),
        pytest.param(Purged(digest(1), b"kept"), id="purged-while-it-waits"),
        pytest.param(Purged(digest(9), b"kept"), id="purged-that-is-not-there"),
    ],
)
def test_what_has_no_place_any_more_is_no_entry(ledgers: Ledgers, effect):
    ledgers.commit(asks(1))
    (found,) = ledgers.propose(Proposal(entry(note="nothing"), effects=(effect,)))
    assert isinstance(found.exception(10), NoTransition)
    assert ledgers.reader.head()[0] == 1


def test_what_was_purged_is_purged_and_what_stays_is_checked(ledgers: Ledgers):
    ledgers.commit(asks(1, ("us-dea",)), moved(1, State.OPENED))
    ledgers.commit(Proposal(entry("purged", packet=packet_ref(1)), effects=(Purged(digest(1), b"kept"),)))
    found = ledgers.reader.packet(digest(1))
    assert (found.raw, found.kept) == (None, b"kept")
    assert ledgers.reader.found("in-ncb", [found.id]) == {found.id: (0, digest(1))}
    with sqlite3.connect(ledgers.directory / "setu.db") as connection:
        connection.execute("UPDATE packets SET kept = zeroblob(4)")
    connection.close()
    with pytest.raises(IntegrityError, match="Expected the bytes kept with entry 0"):
        ledgers.reader.packet(digest(1))
