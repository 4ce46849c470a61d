"""Proofs at random sizes, and one flipped bit anywhere."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import IntegrityError
from broker.merkle.note import Checkpoint, parse_checkpoint, verify_head
from broker.merkle.proof import InclusionPaths, consistency_path, verify_consistency, verify_inclusion
from broker.merkle.tiles import TileId, all_tiles, exists, parse_path, read_bundle, write_bundle
from broker.merkle.tree import Edge, root_hash
from tests.unit.ledger.ledgers import LOG, SIGNER
from tests.unit.merkle.trees import leaves

LARGEST = 70_000
TREE = Edge.empty().extended(leaves(LARGEST))  # never trimmed: it has every node
NODES = TREE.node
sizes = st.one_of(st.integers(1, LARGEST), st.sampled_from([1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537]))


@given(sizes, st.data())
def test_every_inclusion_proof_holds_and_only_for_its_leaf(size: int, data: st.DataObject):
    index = data.draw(st.integers(0, size - 1))
    path = InclusionPaths(size, NODES).of(index)
    root = root_hash(size, NODES)
    verify_inclusion(NODES(0, index), index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index)) if size > 1 else index + 1
    with pytest.raises(IntegrityError):
        verify_inclusion(NODES(0, index), other, size, path, root)


@given(sizes, sizes)
def test_every_consistency_proof_holds(one: int, other: int):
    old, new = sorted((one, other))
    verify_consistency(old, root_hash(old, NODES), new, root_hash(new, NODES), consistency_path(old, new, NODES))


@given(sizes, sizes, st.data())
def test_one_flipped_bit_in_a_proof_is_found(one: int, other: int, data: st.DataObject):
    old, new = sorted((one, other))
    index = data.draw(st.integers(0, new - 1))
    leaf, root = NODES(0, index), root_hash(new, NODES)
    parts = [leaf, *InclusionPaths(new, NODES).of(index), root]
    leaf, *path, root = _flip(parts, data)
    with pytest.raises(IntegrityError):
        verify_inclusion(leaf, index, new, path, root)
    parts = [root_hash(old, NODES), *consistency_path(old, new, NODES), root_hash(new, NODES)]
    old_root, *proof, new_root = _flip(parts, data)
    with pytest.raises(IntegrityError):
        verify_consistency(old, old_root, new, new_root, proof)


def _flip(parts: list[bytes], data: st.DataObject) -> list[bytes]:
    place = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    value = bytearray(parts[place])
    value[bit // 8] ^= 1 << bit % 8
    return [*parts[:place], bytes(value), *parts[place + 1 :]]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_growing_in_batches_is_growing_at_once(batches: list[int]):
    edge, tiles = Edge.empty(), []
    for batch in batches:
        before, size = edge.size, edge.size + batch
        edge = edge.extended(NODES(0, index) for index in range(before, size))
        tiles += edge.full_tiles(before)
        paths = InclusionPaths(size, edge.node)
        for index in {before, size - 1}:
            assert paths.of(index) == InclusionPaths(size, NODES).of(index)
        edge = edge.trimmed()
        assert edge.root() == root_hash(size, NODES)
    for tile in tiles:
        assert tile.hashes == b"".join(NODES(8 * tile.level, tile.n * 256 + place) for place in range(256))
        assert tile.root == NODES(8 * tile.level + 8, tile.n)
    assert {(tile.level, tile.n) for tile in tiles} == {
        (tile.level, tile.n) for tile in all_tiles(edge.size) if tile.level is not None and tile.width == 256
    }


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 2**53), st.integers(1, 256))
def test_paths_are_read_as_they_are_written(level: int | None, n: int, width: int):
    tile = TileId(level, n, width)
    assert parse_path(tile.path) == tile


@given(st.text(alphabet="tile/0123456789x.pentrs-", max_size=40))
def test_a_path_is_written_in_one_way_only(path: str):
    tile = parse_path(path)
    assert tile is None or tile.path == path


@given(sizes)
def test_a_tree_has_the_tiles_it_lists(size: int):
    tiles = list(all_tiles(size))
    assert len(set(tiles)) == len(tiles)
    assert all(exists(tile, size) for tile in tiles)
    assert sum(tile.width for tile in tiles if tile.level == 0) == size
    assert sum(tile.width for tile in tiles if tile.level is None) == size


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_are_read_as_they_are_written(entries: list[bytes]):
    assert read_bundle(write_bundle(entries)) == entries


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_an_integrity_error(data: bytes):
    with suppress(IntegrityError):
        assert write_bundle(read_bundle(data)) == data


NOTE = SIGNER.sign(LARGEST, TREE.root())


@settings(max_examples=300)
@given(st.integers(0, len(NOTE) * 8 - 1))
def test_one_flipped_bit_in_a_note_is_found(bit: int):
    note = bytearray(NOTE)
    note[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        verify_head(bytes(note), LOG)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_checkpoint_or_an_integrity_error(data: bytes):
    with suppress(IntegrityError):
        assert isinstance(parse_checkpoint(data), Checkpoint)
