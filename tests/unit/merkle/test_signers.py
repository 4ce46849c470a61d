"""With which pairs a process signs, as the row and its keys folder change."""

import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.merkle.note import verify_head
from broker.merkle.signers import LogSigners, id_of
from schemas.problem import Code
from tests.unit.merkle.test_pairs import AFTER, BEFORE, BOTH, NEW, NEXT, OLD, ROOT, SIZE, STOLEN, STRANGER


def names(signers):
    return list(signers.signing)


@pytest.mark.parametrize(
    ("row", "held", "signing"),
    [
        pytest.param(BEFORE, [OLD], [OLD], id="one pair"),
        pytest.param(BEFORE, [OLD, NEW], [OLD, NEW], id="one that the directory does not name yet"),
        pytest.param(BOTH, [OLD, NEW], [NEW, OLD], id="the former, without a size"),
        pytest.param(BOTH, [NEW], [NEW], id="the former is gone"),
        pytest.param(AFTER, [OLD, NEW], [NEW], id="the former, with its size"),
        pytest.param(AFTER, [OLD, NEW, NEXT], [NEW, NEXT], id="the next beside a former that ended"),
    ],
)
def test_which_pairs_sign(row, held, signing):
    signers = LogSigners(row, held)
    assert names(signers) == signing
    assert verify_head(signers.sign(SIZE, ROOT), row).size == SIZE


@pytest.mark.parametrize("row", [pytest.param(BOTH, id="at start"), pytest.param(AFTER, id="with a size")])
def test_without_the_current_pair_nothing_begins(row):
    with pytest.raises(IntegrityError, match="log keys that the directory names") as caught:
        LogSigners(row, [OLD])
    assert caught.value.code is Code.CONFIG_INVALID


def test_at_a_change_it_signs_as_both_rows_want_it():
    signers = LogSigners(BOTH, [OLD, NEW])
    signers.widen(AFTER)
    assert names(signers) == [NEW, OLD]
    signers.go_by(AFTER)
    assert names(signers) == [NEW]


def test_a_row_whose_pair_is_not_here_changes_nothing():
    signers = LogSigners(BEFORE, [OLD])
    with pytest.raises(IntegrityError):
        signers.widen(BOTH)
    assert names(signers) == [OLD]
    signers.withhold("why")
    with pytest.raises(UnavailableError, match="why"):
        signers.sign(1, ROOT)
    signers.take([OLD, NEW])
    signers.widen(BOTH)
    assert verify_head(signers.sign(SIZE, ROOT), BOTH).size == SIZE


def test_a_folder_without_the_current_pair_changes_nothing():
    signers = LogSigners(BOTH, [OLD, NEW])
    with pytest.raises(IntegrityError):
        signers.take([OLD])
    assert names(signers) == [NEW, OLD]


def test_its_own_heads_are_recognised_whatever_their_size_says_to_others():
    signers = LogSigners(STOLEN, [NEW])
    assert signers.recognise(OLD.sign(SIZE, ROOT)).size == SIZE
    with pytest.raises(IntegrityError):
        signers.recognise(STRANGER.sign(SIZE, ROOT))


def test_a_pair_has_a_name():
    assert id_of(OLD.pair) == "+".join(each.split("+")[1] for each in OLD.vkeys)
