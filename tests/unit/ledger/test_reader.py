from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.ledger.port import State
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from broker.merkle.tiles import read_bundle
from broker.merkle.tree import leaf_hash, tile_root
from schemas.problem import Code
from tests.unit.ledger.ledgers import LOG, Ledgers, accepted, digest, moved, note, packet_id


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    with Ledgers(tmp_path) as opened:
        yield opened


def test_finding_a_packet(ledgers: Ledgers):
    ledgers.commit(note(1), accepted(7))
    assert ledgers.reader.find("in-ncb", packet_id(7)) == (1, digest(7))
    assert ledgers.reader.find("in-nia", packet_id(7)) is None
    found = ledgers.reader.packet(digest(7))
    assert found is not None
    assert (found.index, found.raw, found.states) == (1, b"packet 7", {"us-dea": State.PENDING})
    assert ledgers.reader.packet(digest(8)) is None
    assert set(ledgers.reader.packets([digest(7), digest(8)])) == {digest(7)}


def test_topics_count_what_waits(ledgers: Ledgers):
    ledgers.commit(*(accepted(number) for number in range(5)))
    ledgers.commit(moved(0, State.OFFERED), moved(1, State.RECEIVED), moved(2, State.OPENED), moved(3, State.WITHHELD))
    assert ledgers.reader.topics("us-dea") == [("tip", 5, 3)]
    assert [row.state for row in ledgers.reader.topic("us-dea", "tip", after=1, limit=2)] == [
        State.OPENED,
        State.WITHHELD,
    ]


def test_what_is_due(ledgers: Ledgers):
    ledgers.commit(*(accepted(number) for number in range(3)))
    ledgers.commit(moved(0, State.OFFERED), moved(1, State.OPENED))
    assert ledgers.reader.due(1_790_600_000, 9) == [(digest(0), "us-dea"), (digest(2), "us-dea")]
    assert ledgers.reader.due(1_790_599_999, 9) == []


def test_nothing_is_published_before_the_publisher_ran(ledgers: Ledgers):
    ledgers.fill(3)
    with pytest.raises(UnavailableError):
        ledgers.reader.checkpoint()
    assert ledgers.reader.tile(0, 0, 1) is None
    assert ledgers.reader.entry_bundle(0, 1) is None


def test_tiles_reach_as_far_as_the_published_checkpoint(ledgers: Ledgers):
    ledgers.fill(300)
    assert ledgers.publisher.publish()
    ledgers.fill(300)
    reader = ledgers.reader
    assert parse_checkpoint(reader.checkpoint()).size == 300
    full, partial = reader.tile(0, 0, 256), reader.tile(0, 1, 44)
    assert full is not None
    assert partial is not None
    assert reader.tile(1, 0, 1) == tile_root(full)
    assert reader.tile(0, 0, 7) == full[: 7 * 32]
    assert reader.tile(0, 1, 45) is None
    assert reader.tile(0, 1, 256) is None
    assert reader.tile(1, 0, 2) is None
    bundle = reader.entry_bundle(1, 44)
    assert bundle is not None
    assert b"".join(leaf_hash(entry) for entry in read_bundle(bundle)) == partial
    assert reader.entry_bundle(1, 45) is None


def test_receipts_against_the_published_checkpoint(ledgers: Ledgers):
    ledgers.fill(3)
    ledgers.commit(*(note(number) for number in range(300)))
    ledgers.publisher.publish()
    ledgers.fill(2)
    found = ledgers.reader.receipts_at_checkpoint([302, 0, 303])
    assert [each.index for each in found] == [302, 0]
    assert {each.checkpoint.encode() for each in found} == {ledgers.reader.checkpoint()}
    for each in found:
        verify_receipt(each, LOG)


def test_a_receipt_waits_for_its_head_to_be_signed(ledgers: Ledgers):
    found: list[int] = []
    threads = []

    def at_commit(name: str) -> None:
        if name == "committed":
            threads.append(Thread(target=lambda: found.append(ledgers.reader.receipt(0).index)))
            threads[0].start()
            threads[0].join(0.2)
            assert threads[0].is_alive()

    ledgers.probe = at_commit  # type: ignore[method-assign]
    ledgers.close()
    ledgers.open()
    ledgers.commit(note(1))
    threads[0].join(5)
    assert found == [0]


def test_an_entry_that_is_not_there(ledgers: Ledgers):
    ledgers.fill(1)
    with pytest.raises(IntegrityError, match="Expected entry 1 in the log, found none"):
        ledgers.reader.receipt(1)


def _damage(ledgers: Ledgers, statement: str) -> None:
    with ledgers.store._engines.write.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            "UPDATE entries SET entry = CAST(replace(entry, x'31', x'32') AS BLOB) WHERE idx = 1", id="its entry"
        ),
        pytest.param("UPDATE entries SET entry = CAST(entry AS TEXT) WHERE idx = 1", id="its entry's type"),
        pytest.param("UPDATE entries SET leaf = zeroblob(32) WHERE idx = 1", id="its leaf hash"),
        pytest.param("UPDATE heads SET note = CAST(replace(note, x'0a33', x'0a34') AS BLOB)", id="its head's note"),
        pytest.param("UPDATE heads SET root = zeroblob(32)", id="its head's root"),
        pytest.param("UPDATE heads SET root = 'text'", id="its head's type"),
        pytest.param("DELETE FROM entries WHERE idx = 1", id="the whole entry"),
    ],
)
def test_a_flipped_bit_at_rest_is_found_at_read(ledgers: Ledgers, statement: str):
    ledgers.commit(*(note(number) for number in range(3)))
    ledgers.commit(note(3))
    ledgers.reader.receipts(range(4))
    _damage(ledgers, statement)
    with pytest.raises(IntegrityError) as caught:
        ledgers.reader.receipt(1)
    assert caught.value.code is Code.LOG_INVALID


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE entries SET leaf = zeroblob(32) WHERE idx = 2", id="a hash on its path"),
        pytest.param("DELETE FROM entries WHERE idx = 2", id="an entry on its path"),
    ],
)
def test_a_damaged_path_is_found_at_read(ledgers: Ledgers, statement: str):
    ledgers.fill(4)
    ledgers.publisher.publish()
    assert len(ledgers.reader.receipts_at_checkpoint([1])) == 1
    _damage(ledgers, statement)
    with pytest.raises(IntegrityError) as caught:
        ledgers.reader.receipts_at_checkpoint([1])
    assert caught.value.code is Code.LOG_INVALID


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            "UPDATE tiles SET hashes = CAST(substr(hashes, 1, 40) || zeroblob(8) || substr(hashes, 49) AS BLOB)",
            id="hashes",
        ),
        pytest.param("UPDATE tiles SET root = zeroblob(32)", id="root"),
        pytest.param("DELETE FROM tiles", id="gone"),
    ],
)
def test_a_damaged_tile_is_found_at_read(ledgers: Ledgers, statement: str):
    ledgers.fill(300)
    ledgers.publisher.publish()
    _damage(ledgers, statement)
    with pytest.raises(IntegrityError):
        ledgers.reader.tile(0, 0, 256)
    with pytest.raises(IntegrityError):
        ledgers.reader.receipts_at_checkpoint([3])


def test_damaged_entries_are_not_served(ledgers: Ledgers):
    ledgers.commit(accepted(1), note(2))
    ledgers.publisher.publish()
    _damage(ledgers, "UPDATE entries SET entry = CAST(entry || x'20' AS BLOB) WHERE idx = 0")
    with pytest.raises(IntegrityError, match="Expected entry 0 to match its leaf hash"):
        ledgers.reader.entry_bundle(0, 2)
    with pytest.raises(IntegrityError, match="Expected entry 0 to match its leaf hash"):
        ledgers.reader.timeline(digest(1))


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE packets SET raw = zeroblob(8)", id="packet"),
        pytest.param("UPDATE documents SET raw = zeroblob(8)", id="document"),
    ],
)
def test_damaged_bytes_are_not_served(ledgers: Ledgers, statement: str):
    ledgers.commit(accepted(1), moved(1, State.OPENED, document=b"signed words"))
    _damage(ledgers, statement)
    with pytest.raises(IntegrityError, match="Expected the bytes kept with entry"):
        print(ledgers.reader.packet(digest(1)), ledgers.reader.timeline(digest(1)))


def test_a_purged_packet_has_no_bytes(ledgers: Ledgers):
    ledgers.commit(accepted(1))
    _damage(ledgers, "UPDATE packets SET raw = NULL")
    found = ledgers.reader.packet(digest(1))
    assert found is not None
    assert found.raw is None


def test_probe_adds_no_entry(ledgers: Ledgers):
    ledgers.reader.probe()
    assert ledgers.reader.head()[0] == 0


def test_a_ledger_that_never_started(tmp_path: Path):
    ledgers = Ledgers(tmp_path).open(start=False)
    with pytest.raises(UnavailableError, match="found an empty store"):
        ledgers.reader.head()
    ledgers.release()
