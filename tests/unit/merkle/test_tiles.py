import pytest

from broker.errors import IntegrityError
from broker.merkle.tiles import TileId, all_tiles, exists, parse_path, read_bundle, write_bundle

# Paths of C2SP tlog-tiles; the first two are its own examples.
PATHS = [
    (TileId(0, 1_234_067), "tile/0/x001/x234/067"),
    (TileId(2, 0, 1), "tile/2/000.p/1"),
    (TileId(0, 273, 112), "tile/0/273.p/112"),
    (TileId(None, 273, 112), "tile/entries/273.p/112"),
    (TileId(None, 999), "tile/entries/999"),
    (TileId(None, 1000), "tile/entries/x001/000"),
    (TileId(63, 1_000_000, 255), "tile/63/x001/x000/000.p/255"),
]


@pytest.mark.parametrize(("tile", "path"), PATHS)
def test_paths(tile: TileId, path: str):
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="empty"),
        pytest.param("checkpoint", id="the checkpoint"),
        pytest.param("tile/0/000/", id="slash at the end"),
        pytest.param("/tile/0/000", id="slash at the start"),
        pytest.param("tile/0/000\n", id="line feed at the end"),
        pytest.param("tile/00/000", id="level with a leading zero"),
        pytest.param("tile/64/000", id="level 64"),
        pytest.param("tile/-1/000", id="negative level"),
        pytest.param("tile/entry/000", id="another word"),
        pytest.param("tile/0/0", id="one digit"),
        pytest.param("tile/0/0000", id="four digits"),
        pytest.param("tile/0/001/234", id="group without x"),
        pytest.param("tile/0/x001", id="last group with x"),
        pytest.param("tile/0/x000/001", id="a leading group of zeros"),
        pytest.param("tile/0/000.p/0", id="width 0"),
        pytest.param("tile/0/000.p/256", id="width 256"),
        pytest.param("tile/0/000.p/01", id="width with a leading zero"),
        pytest.param("tile/0/000.p/", id="no width"),
        pytest.param("tile/0/\u0660\u0660\u0660", id="digits of another script"),
        pytest.param("tile/0/../../etc/passwd", id="path traversal"),
        pytest.param("tile/0/" + "x999/" * 9 + "999", id="index beyond 2^53"),
    ],
)
def test_what_is_no_tile(path: str):
    assert parse_path(path) is None


def test_tiles_of_the_specifications_example():
    tiles = list(all_tiles(70_000))
    level = {each: [tile for tile in tiles if tile.level == each] for each in (None, 0, 1, 2)}
    assert [len(level[each]) for each in (None, 0, 1, 2)] == [274, 274, 2, 1]
    assert [level[each][-1].width for each in (None, 0, 1, 2)] == [112, 112, 17, 1]
    assert [tile for tile in tiles if tile.level == 3] == []


def test_a_tree_of_one_full_tile_has_a_partial_one_above():
    assert list(all_tiles(256)) == [TileId(None, 0), TileId(0, 0), TileId(1, 0, 1)]


def test_an_empty_tree_has_no_tiles():
    assert list(all_tiles(0)) == []


@pytest.mark.parametrize(
    ("tile", "size", "there"),
    [
        (TileId(0, 0, 5), 5, True),
        (TileId(0, 0, 6), 5, False),
        (TileId(0, 0, 0), 5, False),
        (TileId(0, 0), 256, True),
        (TileId(1, 0, 1), 255, False),
        (TileId(1, 0, 1), 256, True),
        (TileId(None, 1, 1), 257, True),
        (TileId(None, 1, 2), 257, False),
        (TileId(63, 0, 1), 2**53, False),
    ],
)
def test_which_tiles_a_tree_has(tile: TileId, size: int, there: bool):
    assert exists(tile, size) is there


def test_bundles():
    entries = [b"one", b"", b"x" * 65_535]
    data = write_bundle(entries)
    assert data[:5] == b"\x00\x03one"
    assert read_bundle(data) == entries


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_a_cut_bundle_is_found(cut: int):
    with pytest.raises(IntegrityError, match="found number 1 cut"):
        read_bundle(write_bundle([b"first", b"two"])[:-cut])
