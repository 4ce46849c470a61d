import pytest

from broker.errors import IntegrityError
from broker.merkle.proof import consistency_path, inclusion_path, verify_consistency, verify_inclusion
from tests.unit.merkle.trees import leaves, mth, nodes, path, proof

SIZE = 13
HASHES = leaves(SIZE)
ROOT = mth(HASHES)


@pytest.mark.parametrize("size", range(1, 18))
def test_paths_are_those_of_the_rfc(size: int):
    hashes = leaves(size)
    for index in range(size):
        found = inclusion_path(index, size, nodes(hashes))
        assert list(found) == path(index, hashes)
        verify_inclusion(hashes[index], index, size, found, mth(hashes))


@pytest.mark.parametrize("new", range(1, 18))
def test_consistency_proofs_are_those_of_the_rfc(new: int):
    hashes = leaves(new)
    for old in range(1, new + 1):
        found = consistency_path(old, new, nodes(hashes))
        assert found == proof(old, hashes)
        verify_consistency(old, mth(hashes[:old]), new, mth(hashes), found)


def test_anything_grows_from_the_empty_tree():
    assert consistency_path(0, SIZE, nodes(HASHES)) == []
    verify_consistency(0, mth([]), SIZE, ROOT, [])


@pytest.mark.parametrize("index", [-1, SIZE, SIZE + 1])
def test_no_path_outside_the_tree(index: int):
    with pytest.raises(ValueError, match="expected an index within the tree"):
        inclusion_path(index, SIZE, nodes(HASHES))


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_no_proof_backwards(old: int, new: int):
    with pytest.raises(ValueError, match="expected an old size of at most the new one"):
        consistency_path(old, new, nodes(HASHES))


GOOD = path(5, HASHES)


@pytest.mark.parametrize(
    ("leaf", "index", "size", "found", "root", "message"),
    [
        pytest.param(HASHES[6], 5, SIZE, GOOD, ROOT, "found another", id="another leaf"),
        pytest.param(HASHES[5], 6, SIZE, GOOD, ROOT, "found another", id="another index"),
        pytest.param(HASHES[5], 5, SIZE, GOOD, HASHES[0], "found another", id="another root"),
        pytest.param(HASHES[5], 5, SIZE, GOOD[:-1], ROOT, "longer", id="path too short"),
        pytest.param(HASHES[5], 5, SIZE, [*GOOD, ROOT], ROOT, "shorter", id="path too long"),
        pytest.param(HASHES[5], 5, 2 * SIZE + 8, GOOD, ROOT, "longer", id="larger size"),
        pytest.param(HASHES[5], SIZE, SIZE, GOOD, ROOT, "beyond", id="index beyond the tree"),
        pytest.param(HASHES[5], -1, SIZE, GOOD, ROOT, "beyond", id="negative index"),
    ],
)
def test_wrong_inclusion(leaf: bytes, index: int, size: int, found: list[bytes], root: bytes, message: str):
    with pytest.raises(IntegrityError, match=message):
        verify_inclusion(leaf, index, size, found, root)


OLD, GROWN = mth(HASHES[:6]), proof(6, HASHES)


@pytest.mark.parametrize(
    ("old", "old_root", "new", "new_root", "found", "message"),
    [
        pytest.param(6, HASHES[0], SIZE, ROOT, GROWN, "found another", id="another old root"),
        pytest.param(6, OLD, SIZE, HASHES[0], GROWN, "found another", id="another new root"),
        pytest.param(6, OLD, SIZE, ROOT, GROWN[:-1], "longer", id="too short"),
        pytest.param(6, OLD, SIZE, ROOT, [*GROWN, ROOT], "shorter", id="too long"),
        pytest.param(6, OLD, SIZE, ROOT, [], "found none", id="empty"),
        pytest.param(7, OLD, 6, ROOT, GROWN, "only grows", id="shrunk"),
        pytest.param(6, OLD, 6, ROOT, [], "same root", id="forked at one size"),
        pytest.param(6, OLD, 6, OLD, GROWN, "empty", id="proof for one size"),
        pytest.param(0, OLD, SIZE, ROOT, [], "same root", id="wrong empty root"),
    ],
)
def test_wrong_consistency(old: int, old_root: bytes, new: int, new_root: bytes, found: list[bytes], message: str):
    with pytest.raises(IntegrityError, match=message):
        verify_consistency(old, old_root, new, new_root, found)
