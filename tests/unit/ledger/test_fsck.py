import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.errors import IntegrityError, NotFoundError
from broker.ledger.fetch import Fetch, files_of
from broker.ledger.fsck import check_log
from broker.ledger.mirror import files_in, mirror
from broker.merkle.note import parse_checkpoint
from broker.merkle.tiles import all_tiles, read_bundle, write_bundle
from broker.merkle.tree import Edge, leaf_hash
from schemas.problem import Code
from tests.unit.ledger.ledgers import LOG, SIGNER, Ledgers, note


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror of 600 entries: two full tiles and a partial one, and a tile above them."""
    directory = tmp_path_factory.mktemp("mirror")
    with Ledgers(tmp_path_factory.mktemp("ledger")) as ledgers:
        ledgers.fill(600)
        ledgers.publisher.publish()
        mirror(files_of(ledgers.reader), directory, LOG)
    return directory


@pytest.fixture
def own(copy: Path, tmp_path: Path) -> Path:
    """The mirror, to be spoilt."""
    shutil.copytree(copy, tmp_path / "mirror")
    return tmp_path / "mirror"


def test_a_good_log(copy: Path):
    steps: list[tuple[int, int]] = []
    report = check_log(files_in(copy), LOG, progress=lambda done, every: steps.append((done, every)))
    assert (report.size, report.entries) == (600, 600)
    assert report.note == (copy / "checkpoint").read_bytes()
    assert report.root == parse_checkpoint(report.note).root
    assert steps == [(0, 600), (256, 600), (512, 600), (600, 600)]


def test_a_live_log(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.publisher.publish()
        assert check_log(files_of(ledgers.reader), LOG).size == 0
        ledgers.fill(257)
        ledgers.publisher.publish()
        assert check_log(files_of(ledgers.reader), LOG).size == 257


def _edit(change: Callable[[list[bytes]], None], path: str = "tile/entries/001") -> Callable[[Path], None]:
    def edit(directory: Path) -> None:
        entries = read_bundle((directory / path).read_bytes())
        change(entries)
        (directory / path).write_bytes(write_bundle(entries))

    return edit


def _flip(path: str, place: int) -> Callable[[Path], None]:
    def flip(directory: Path) -> None:
        data = bytearray((directory / path).read_bytes())
        data[place] ^= 1
        (directory / path).write_bytes(data)

    return flip


def _cut(path: str, by: int) -> Callable[[Path], None]:
    return lambda directory: (directory / path).write_bytes((directory / path).read_bytes()[:-by]) and None


def _swap(entries: list[bytes]) -> None:
    entries[3], entries[4] = entries[4], entries[3]


def _alter(entries: list[bytes]) -> None:
    entries[44] = entries[44].replace(b"number", b"NUMBER")


SPOILT = [
    pytest.param(_edit(lambda entries: entries.pop(44) and None), "entry 300 .*was deleted", id="an entry deleted"),
    pytest.param(_edit(lambda entries: entries.pop() and None), "entry 511 .*was deleted", id="the last of a bundle"),
    pytest.param(_edit(_alter), "entry 300 in tile/entries/001 .*was altered", id="an entry altered"),
    pytest.param(_edit(_swap), "entry 259 .*was altered", id="two entries exchanged"),
    pytest.param(_edit(lambda entries: entries.append(b"{}")), "256 entries .*found 257", id="an entry added"),
    pytest.param(_edit(lambda e: e.pop(3) and None, "tile/entries/002.p/88"), "entry 515 .*deleted", id="in the last"),
    pytest.param(_cut("tile/entries/001", 1), "number 255 cut. It is in tile/entries/001", id="a bundle cut"),
    pytest.param(
        lambda d: (d / "tile/entries/001").unlink(), "Expected tile/entries/001, found nothing", id="no bundle"
    ),
    pytest.param(lambda d: (d / "tile/0/001").unlink(), "Expected tile/0/001, found nothing", id="no tile"),
    pytest.param(_cut("tile/0/001", 32), "Expected 256 hashes in tile/0/001", id="a tile cut"),
    pytest.param(_flip("tile/0/001", 4000), "hash 1 of tile/1/000.p/2 to be the root of tile/0/001", id="a leaf hash"),
    pytest.param(_flip("tile/0/002.p/88", 9), "hash to the signed root", id="a leaf hash of the last tile"),
    pytest.param(_flip("tile/1/000.p/2", 33), "hash 1 of tile/1/000.p/2", id="a hash above"),
    pytest.param(lambda d: (d / "checkpoint").unlink(), "a log with a checkpoint, found none", id="no checkpoint"),
    pytest.param(_flip("checkpoint", 30), "Expected", id="the checkpoint"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_what_is_wrong_is_found_and_named(own: Path, spoil: Callable[[Path], None], message: str):
    spoil(own)
    with pytest.raises(IntegrityError, match=message) as caught:
        check_log(files_in(own), LOG)
    assert caught.value.code is Code.LOG_INVALID


def _log(entries: list[bytes]) -> Fetch:
    """A log signed over whatever entries."""
    leaves = [leaf_hash(entry) for entry in entries]
    files = {
        "checkpoint": SIGNER.sign(len(entries), Edge.empty().extended(leaves).root()),
        f"tile/0/000.p/{len(entries)}": b"".join(leaves),
        f"tile/entries/000.p/{len(entries)}": write_bundle(entries),
    }
    return files.__getitem__


def test_time_that_goes_back_is_found():
    times = ("2026-01-31T12:00:01.000000Z", "2026-01-31T12:00:00.999999Z")
    with pytest.raises(IntegrityError, match="Expected entry 1 at or after the one before"):
        check_log(_log([f'{{"time":"{time}"}}'.encode() for time in times]), LOG)


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[tuple[Ledgers, Path]]:
    (tmp_path / "ledger").mkdir()
    with Ledgers(tmp_path / "ledger") as ledgers:
        yield ledgers, tmp_path / "copy"


def _mirror(ledgers: Ledgers, directory: Path) -> tuple[int, int, int]:
    ledgers.publisher.publish()
    done = mirror(files_of(ledgers.reader), directory, LOG)
    return done.before, done.size, done.files


def test_a_mirror_grows_with_the_log(growing: tuple[Ledgers, Path]):
    ledgers, directory = growing
    assert _mirror(ledgers, directory) == (0, 0, 0)
    ledgers.fill(200)
    assert _mirror(ledgers, directory) == (0, 200, 2)
    assert _mirror(ledgers, directory) == (200, 200, 0)
    ledgers.fill(100)
    assert _mirror(ledgers, directory) == (200, 300, 5)
    ledgers.fill(300)
    assert _mirror(ledgers, directory) == (300, 600, 5)
    wanted = {tile.path for tile in all_tiles(600)} | {"checkpoint"}
    assert {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()} == wanted
    assert check_log(files_in(directory), LOG).size == 600


def test_an_interrupted_mirror_is_run_again(growing: tuple[Ledgers, Path]):
    ledgers, directory = growing
    ledgers.fill(300)
    ledgers.publisher.publish()
    fetch = files_of(ledgers.reader)

    def broken(path: str) -> bytes:
        if path.startswith("tile/0/"):
            raise OSError("the line went down")
        return fetch(path)

    with pytest.raises(OSError, match="the line went down"):
        mirror(broken, directory, LOG)
    assert not (directory / "checkpoint").exists()
    assert mirror(fetch, directory, LOG).size == 300


def test_a_log_that_withholds_a_tile(growing: tuple[Ledgers, Path]):
    ledgers, directory = growing
    ledgers.fill(3)
    ledgers.publisher.publish()
    fetch = files_of(ledgers.reader)

    def withholding(path: str) -> bytes:
        if path.startswith("tile/entries"):
            raise NotFoundError
        return fetch(path)

    with pytest.raises(IntegrityError, match=r"Expected tile/entries/000.p/3, found nothing there"):
        mirror(withholding, directory, LOG)


@pytest.mark.parametrize("first", [3, 300])
@pytest.mark.parametrize(
    "second",
    [
        pytest.param(0, id="the same size"),
        pytest.param(-1, id="smaller"),
        pytest.param(1, id="larger"),
        pytest.param(300, id="much larger"),
    ],
)
def test_a_forked_log_is_noticed_and_its_head_kept(tmp_path: Path, first: int, second: int):
    copy = tmp_path / "copy"
    for name, size in (("one", first), ("two", first + second)):
        (tmp_path / name).mkdir()
        with Ledgers(tmp_path / name) as ledgers:
            ledgers.commit(*(note(number if name == "one" else -number) for number in range(size)))
            ledgers.publisher.publish()
            if name == "one":
                mirror(files_of(ledgers.reader), copy, LOG)
                continue
            with pytest.raises(IntegrityError) as caught:
                mirror(files_of(ledgers.reader), copy, LOG)
            assert caught.value.code is Code.LOG_INVALID
            assert (copy / "checkpoint.new").read_bytes() == ledgers.reader.checkpoint()
    assert parse_checkpoint((copy / "checkpoint").read_bytes()).size == first


@pytest.mark.parametrize("path", ["../secret", "tile/0/../../../secret", "tile/0", "secret"])
def test_a_mirror_serves_nothing_else(copy: Path, path: str):
    (copy / "secret").write_bytes(b"secret")
    with pytest.raises(NotFoundError):
        files_in(copy)(path)


@pytest.mark.parametrize("path", ["../secret", "tile/0/000.p/999", "tile/63/000", "tile/entries/999"])
def test_a_live_log_serves_nothing_else(tmp_path: Path, path: str):
    with Ledgers(tmp_path) as ledgers:
        ledgers.publisher.publish()
        with pytest.raises(NotFoundError):
            files_of(ledgers.reader)(path)
