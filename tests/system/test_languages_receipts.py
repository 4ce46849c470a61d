"""Other languages judge receipts by the pairs of keys in the log's row, as the code does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.errors import IntegrityError
from broker.merkle.note import Checkpoint, LogSigner
from broker.merkle.proof import inclusion_path
from broker.merkle.receipt import make_receipt, verify_receipt
from broker.merkle.tree import leaf_hash, node_hash
from schemas.canonical import canonical
from schemas.directory import Log
from schemas.evidence import Receipt
from schemas.packet import SuiteName
from tests.builders import ORIGIN, Realm, private_key
from tests.system.languages import BUILD, Programs
from tests.system.test_languages import agency_folder

SUITE = SuiteName.HYBRID_768


def pair(name: str) -> LogSigner:
    return LogSigner(ORIGIN, private_key("Ed25519", name), private_key("ML-DSA-44", name))


NOW, OLD, BOUNDED, STRANGER = map(pair, ("now", "old", "bounded", "stranger"))
ROW = Log(
    gateway="in-setu",
    origin=ORIGIN,
    ed25519=NOW.vkeys[0],
    mldsa44=NOW.vkeys[1],
    former=(OLD.pair, BOUNDED.pair.model_copy(update={"size": 1})),
)
LOGS = {"logs": [ROW.to_object()]}
REALM = Realm(SUITE, document=LOGS)
ENTRY = canonical(
    {
        "v": "setu1.entry",
        "type": "ledger_read",
        "time": "2026-01-31T12:00:00.000000Z",
        "actor": "in-audit",
        "aud": REALM.aud.to_object(),
        "directory": REALM.snapshot.ref.to_object(),
        "policy": "0" * 64,
    }
)
LEAF = leaf_hash(ENTRY)
Lines = list[bytes]


def receipt(*signers: LogSigner, size: int = 1, cut: Callable[[Lines], Lines] = lambda lines: lines) -> Receipt:
    """Of an entry in a log of one, or of two that are the same; `cut`: the signature lines, changed."""
    head = Checkpoint(ORIGIN, size, LEAF if size == 1 else node_hash(LEAF, LEAF))
    lines = [line for each in signers for line in each.lines(head).splitlines(keepends=True)]
    note = head.body() + b"\n" + b"".join(cut(lines))
    return make_receipt(ENTRY, 0, inclusion_path(0, size, lambda _level, _n: LEAF), note.decode())


def broken(lines: Lines) -> Lines:
    """With the last line's signature changed in one place."""
    *others, last = lines
    return [*others, last[:-9] + (b"A" if last[-9:-8] != b"A" else b"B") + last[-8:]]


GOOD = {
    "the current pair": receipt(NOW),
    "a former pair": receipt(OLD, size=2),
    "both": receipt(NOW, OLD, size=2),
    "a bounded pair within its size": receipt(BOUNDED),
    "a bounded pair above its size, beside the current": receipt(BOUNDED, NOW, size=2),
    "further lines": receipt(NOW, STRANGER, size=2),
    "half of a former pair too": receipt(NOW, OLD, cut=lambda lines: lines[:3]),
}
BAD = {
    "one of each pair": receipt(NOW, OLD, cut=lambda lines: [lines[0], lines[3]]),
    "one of each pair, crosswise": receipt(NOW, OLD, cut=lambda lines: [lines[2], lines[1]]),
    "a bounded pair above its size": receipt(BOUNDED, size=2),
    "a stranger's pair": receipt(STRANGER),
    "a former pair doubled": receipt(OLD, OLD),
    "half of a former pair doubled": receipt(NOW, OLD, cut=lambda lines: [*lines, lines[2]]),
    "a former pair's signature broken": receipt(NOW, OLD, cut=broken),
    "no signature": receipt(STRANGER, cut=lambda lines: lines[:1]),
}


def test_the_code_judges_them_so():
    for each in GOOD.values():
        verify_receipt(each, ROW)
    for each in BAD.values():
        with pytest.raises(IntegrityError):
            verify_receipt(each, ROW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = agency_folder(tmp_path_factory.mktemp("receipts") / "agency", SUITE, ())
    (made / "directory.json").write_bytes(REALM.directory.canonical())
    (made / "root.json").write_bytes(f"first root of {REALM.name}".encode())
    return made


@pytest.mark.parametrize("language", BUILD)
def test_so_do_they(programs: Programs, folder: Path, language: str):
    found: dict[str, Any] = {**GOOD, **BAD}
    said = programs.get(language).check(folder, [each.to_object() for each in found.values()])
    answers = dict(zip(found, said, strict=True))
    assert {name: answers[name] for name in GOOD} == {name: {"index": 0} for name in GOOD}
    assert {name: answers[name].get("refused") for name in BAD} == dict.fromkeys(BAD, "receipt-invalid")
