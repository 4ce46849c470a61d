import pytest

from broker.merkle.tree import EMPTY_ROOT, Edge, leaf_hash, root_hash, tile_root
from tests.unit.merkle.trees import leaves, mth, nodes

# The eight inputs and roots of the RFC 6962 reference implementation's tests.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_reference_implementation(size: int):
    hashes = [leaf_hash(bytes.fromhex(each)) for each in INPUTS[:size]]
    assert Edge.empty().extended(hashes).root().hex() == ROOTS[size - 1]
    assert root_hash(size, nodes(hashes)).hex() == ROOTS[size - 1]


def test_the_empty_tree():
    assert Edge.empty().root() == EMPTY_ROOT == root_hash(0, nodes([]))
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513, 66_000])
def test_an_edge_loaded_from_tiles_goes_on_like_the_one_that_grew(size: int):
    hashes = leaves(size + 300)
    grown = Edge.empty().extended(hashes[:size])
    roots = {(tile.level, tile.n): tile.root for tile in grown.full_tiles(0)}

    def partial(level: int, n: int, width: int) -> list[bytes]:
        if level == 0:
            return hashes[n * 256 : n * 256 + width]
        return [roots[level - 1, n * 256 + place] for place in range(width)]

    loaded = Edge.load(size, partial)
    assert loaded.root() == grown.root()
    after, expected = loaded.extended(hashes[size:]), grown.trimmed().extended(hashes[size:])
    assert after.root() == expected.root()
    assert after.full_tiles(size) == expected.full_tiles(size)


def test_extending_leaves_the_edge_as_it_was():
    edge = Edge.empty().extended(leaves(300)).trimmed()
    root = edge.root()
    edge.extended(leaves(1000))
    assert (edge.size, edge.root()) == (300, root)


def test_full_tiles_are_each_found_once():
    edge, found = Edge.empty(), []
    for batch in (1, 254, 1, 1, 600, 65_000):
        before, edge = edge.size, edge.extended(leaves(batch))
        found += [(tile.level, tile.n) for tile in edge.full_tiles(before)]
        edge = edge.trimmed()
    assert sorted(found) == [(0, n) for n in range(65_857 // 256)] + [(1, 0)]


def test_a_tile_hashes_to_its_root():
    hashes = leaves(256)
    tile = Edge.empty().extended(hashes).full_tiles(0)[0]
    assert tile_root(tile.hashes) == tile.root == mth(hashes)


@pytest.mark.parametrize("size", [0, 255 * 32, 257 * 32])
def test_only_a_full_tile_has_a_root(size: int):
    with pytest.raises(ValueError, match="expected a full tile of 8192 bytes"):
        tile_root(bytes(size))
