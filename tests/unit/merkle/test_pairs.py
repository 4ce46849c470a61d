"""A log's pairs of keys: which heads count under a row of the directory, and which do not."""

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from broker.crypto.keys import SeedKey
from broker.errors import IntegrityError
from broker.merkle.note import Checkpoint, LogSigner, judged, parse_note, verify_head, verify_remembered
from schemas.directory import Log, LogPair
from schemas.problem import Code

ORIGIN = "gateway.example/log"
ROOT = bytes(range(32))
SIZE = 300


def signer(number):
    seed = bytes([number]) * 32
    return LogSigner(ORIGIN, SeedKey("Ed25519", seed), SeedKey("ML-DSA-44", seed))


OLD, NEW, NEXT, STRANGER = map(signer, range(1, 5))
HEAD = Checkpoint(ORIGIN, SIZE, ROOT)
BODY = HEAD.body() + b"\n"


def row(current, *former):
    """`former`: (signer, size or None)."""
    return Log(
        gateway="in-setu",
        origin=ORIGIN,
        ed25519=current.vkeys[0],
        mldsa44=current.vkeys[1],
        former=tuple(each.pair.model_copy(update={"size": size}) for each, size in former) or None,
    )


BEFORE, BOTH, AFTER = row(OLD), row(NEW, (OLD, None)), row(NEW, (OLD, SIZE))
STOLEN = row(NEW, (OLD, SIZE - 1))
LINES = {
    who: dict(zip("ep", who.lines(HEAD).splitlines(keepends=True), strict=True)) for who in (OLD, NEW, NEXT, STRANGER)
}


def note(*lines):
    return BODY + b"".join(LINES[who][which] for who, which in lines)


BY_OLD, BY_NEW, BY_STRANGER = ([(who, "e"), (who, "p")] for who in (OLD, NEW, STRANGER))
WITNESS = "\u2014 witness.example/w1 YWJjZAAAAAAAAAAA\n".encode()


@pytest.mark.parametrize(
    ("log", "lines", "pairs"),
    [
        pytest.param(BEFORE, BY_OLD, (0,), id="before, the one pair"),
        pytest.param(BEFORE, BY_OLD + BY_NEW, (0,), id="before, signed already by the one that comes"),
        pytest.param(BOTH, BY_OLD, (1,), id="both sign, a head of before"),
        pytest.param(BOTH, BY_NEW + BY_OLD, (0, 1), id="both sign"),
        pytest.param(BOTH, BY_NEW, (0,), id="both sign, a head of after"),
        pytest.param(AFTER, BY_OLD, (1,), id="the former pair at its size"),
        pytest.param(AFTER, BY_NEW, (0,), id="the current pair alone"),
        pytest.param(STOLEN, BY_NEW + BY_OLD, (0,), id="a stolen pair beside the current one"),
        pytest.param(BOTH, [*BY_NEW, (OLD, "e")], (0,), id="a whole pair and half of another"),
        pytest.param(row(NEXT, (NEW, 9), (OLD, None)), BY_OLD, (2,), id="the oldest of three"),
    ],
)
def test_heads_that_count(log, lines, pairs):
    assert judged(note(*lines), log.origin, log.pairs) == (HEAD, pairs)
    assert verify_head(note(*lines) + WITNESS, log) == HEAD


def flipped(who, which, place):
    line = bytearray(LINES[who][which])
    line[place] = ord("A") if line[place] != ord("A") else ord("B")
    return bytes(line)


@pytest.mark.parametrize(
    ("log", "found", "message"),
    [
        pytest.param(BOTH, note((NEW, "e"), (OLD, "p")), "both signatures of one pair", id="one of each pair"),
        pytest.param(BOTH, note((OLD, "e"), (NEW, "p")), "both signatures of one pair", id="one of each, crosswise"),
        pytest.param(BOTH, note((OLD, "e")), "both signatures of one pair", id="half of the former pair"),
        pytest.param(AFTER, note((NEW, "e"), (STRANGER, "p")), "both signatures of one pair", id="half a stranger's"),
        pytest.param(STOLEN, note(*BY_OLD), "at most 299 entries", id="a former pair above its size"),
        pytest.param(STOLEN, note(*BY_OLD, (NEW, "e")), "at most 299 entries", id="above its size, half the current"),
        pytest.param(row(NEW, (OLD, 0)), note(*BY_OLD), "at most 0 entries", id="a former pair of no size"),
        pytest.param(BOTH, note(*BY_OLD, *BY_OLD), "one Ed25519 signature", id="a pair doubled"),
        pytest.param(BOTH, note(*BY_NEW, (OLD, "p"), (OLD, "p")), "one ML-DSA-44 sig", id="the former's half doubled"),
        pytest.param(BEFORE, note(*BY_NEW), "one Ed25519 signature", id="a new pair that is not listed"),
        pytest.param(BOTH, note(*BY_STRANGER), "one Ed25519 signature", id="a stranger's pair"),
        pytest.param(BOTH, note(*BY_NEW) + flipped(OLD, "e", 60), "to verify", id="the former's signature broken"),
        pytest.param(BOTH, note(*BY_OLD) + flipped(NEW, "p", 900), "to verify", id="the current's signature broken"),
        pytest.param(
            BOTH,
            OLD.sign(SIZE + 1, ROOT).partition(b"\n\n")[0] + note(*BY_OLD)[len(BODY) - 2 :],
            "to verify",
            id="another size",
        ),
    ],
)
def test_heads_that_do_not(log, found, message):
    with pytest.raises(IntegrityError, match=message) as caught:
        verify_head(found, log)
    assert caught.value.code is Code.LOG_INVALID


def test_what_one_kept_oneself_is_recognised_at_any_size():
    assert verify_remembered(note(*BY_OLD), STOLEN) == HEAD
    with pytest.raises(IntegrityError, match="one Ed25519 signature"):
        verify_remembered(note(*BY_STRANGER), STOLEN)


def test_a_row_without_former_pairs_is_the_same_bytes_as_ever():
    assert set(BEFORE.to_object()) == {"gateway", "origin", "ed25519", "mldsa44"}
    assert set(BOTH.to_object()["former"][0]) == {"ed25519", "mldsa44"}
    assert AFTER.to_object()["former"][0]["size"] == SIZE
    for each in (BEFORE, BOTH, AFTER):
        assert Log.from_json(each.canonical()) == each


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"former": []}, id="no pair in the list"),
        pytest.param({"former": [{"ed25519": OLD.vkeys[0]}]}, id="half a pair"),
        pytest.param({"former": [OLD.pair.to_object() | {"size": -1}]}, id="a size below nothing"),
        pytest.param({"former": [OLD.pair.to_object() | {"size": "9"}]}, id="a size in words"),
        pytest.param({"former": [OLD.pair.to_object() | {"since": 9}]}, id="something more"),
    ],
)
def test_rows_of_another_form(members):
    with pytest.raises(ValidationError):
        Log.from_object(BEFORE.to_object() | members)


@given(
    st.lists(st.sampled_from([(who, which) for who, which in product((OLD, NEW, NEXT, STRANGER), "ep")]), max_size=8),
    st.lists(
        st.tuples(st.sampled_from((OLD, NEW, NEXT)), st.sampled_from((None, 0, SIZE - 1, SIZE, SIZE + 1))),
        min_size=1,
        max_size=3,
        unique_by=lambda each: each[0].vkeys,
    ),
)
def test_it_counts_exactly_under_the_whole_pairs_that_are_within_their_size(lines, listed):
    (current, _), *former = listed
    log = row(current, *former)
    by = [who for who, _ in listed]
    twice = any(lines.count(each) > 1 for each in lines if each[0] in by)
    whole = [
        number
        for number, (who, size) in enumerate([(current, None), *former])
        if {(who, "e"), (who, "p")} <= set(lines) and (size is None or size >= SIZE)
    ]
    found = note(*lines) if lines else note((STRANGER, "e"))
    if twice or not whole:
        with pytest.raises(IntegrityError):
            judged(found, log.origin, log.pairs)
    else:
        assert judged(found, log.origin, log.pairs) == (HEAD, tuple(whole))


@given(st.integers(0, 2**30))
def test_no_flipped_bit_counts(seed):
    chance = random.Random(seed)
    found = bytearray(note(*BY_NEW, *BY_OLD))
    found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    try:
        head, lines = parse_note(bytes(found))
        judged(bytes(found), ORIGIN, BOTH.pairs)
    except IntegrityError:
        return
    # A bit of a key id or of the name makes that line a stranger's, and the other pair is whole.
    assert head == HEAD
    assert (
        sum(
            data[:4] in {NEW._keys[n].key_id for n in (0, 1)} | {OLD._keys[n].key_id for n in (0, 1)} and name == ORIGIN
            for name, data in lines
        )
        == 3
    )


def test_pairs_that_are_none():
    with pytest.raises(IntegrityError, match="the log's two keys"):
        verify_head(
            note(*BY_OLD),
            row(OLD).model_copy(update={"former": (LogPair(ed25519=NEW.vkeys[1], mldsa44=NEW.vkeys[0]),)}),
        )
