"""The ledger held against a plain list, with the whole-log check after each step; it crashes and restarts at will."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broker.errors import IntegrityError
from broker.ledger.fetch import files_of
from broker.ledger.fsck import check_log
from broker.ledger.mirror import mirror
from broker.ledger.port import ADVANCES, Basis, EntryFilter, NoTransition, Proposal, StaleBasis, State, Transition
from broker.ledger.search import matches
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from broker.merkle.tiles import CHECKPOINT, all_tiles
from schemas.canonical import unb64u
from schemas.problem import Code
from tests.unit.ledger.ledgers import LOG, Ledgers, accepted, digest, entry, moved, note

AGENCIES = ("us-dea", "us-cbp", "in-ncb")
bases = st.builds(Basis, st.integers(1, 2), st.sampled_from(["p1", "p2"]))
numbers = st.integers(0, 5)
proposals = st.one_of(
    st.builds(note, numbers),
    st.builds(accepted, numbers, st.sampled_from([("us-dea",), ("us-dea", "us-cbp")]), st.sampled_from(["in-ncb"])),
    st.builds(
        moved,
        numbers,
        st.sampled_from(State),
        st.sampled_from(AGENCIES),
        required=st.booleans(),
        document=st.just(b"ack"),
    ),
    st.builds(lambda basis: Proposal(entry("directory_changed"), puts_in_force=basis), bases),
    st.builds(lambda basis: Proposal(entry(note="decided"), basis=basis), bases),
    st.builds(lambda basis: Proposal(entry(note="once"), once=f"once/{basis}", basis=basis), bases),
)
filters = st.builds(
    EntryFilter,
    party=st.none() | st.sampled_from(AGENCIES),
    kind=st.none() | st.just("tip"),
    packet=st.none() | st.builds(digest, numbers),
    types=st.none() | st.just(["accepted", "delivered"]),
    parties_view=st.none() | st.sampled_from(AGENCIES),
    after=st.integers(-1, 20),
    limit=st.integers(1, 50),
)


class LedgerMachine(RuleBasedStateMachine):
    """`self.entries` is the model: what the log must hold, entry by entry, without times."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        (self.directory / "ledger").mkdir()
        self.ledgers = Ledgers(self.directory / "ledger").open()
        self.entries: list[dict[str, Any]] = []
        self.once: dict[str, int] = {}
        self.states: dict[tuple[str, str], State] = {}
        self.basis: Basis | None = None
        self.receipts: dict[int, bytes] = {}
        self.heads: set[tuple[int, bytes]] = set()

    def _expect(self, proposal: Proposal) -> int | type[Exception]:
        """Run one proposal on the model: its index, or what it raises."""
        if proposal.once in self.once:
            return self.once[proposal.once]
        if proposal.basis is not None and proposal.basis != self.basis:
            return StaleBasis
        if any(each.required and not self._possible(each) for each in proposal.transitions):
            return NoTransition
        for each in proposal.transitions:
            if self._possible(each):
                self.states[each.digest, each.recipient] = each.state
        if proposal.packet is not None:
            self.states |= {(proposal.packet.digest, each): State.PENDING for each in proposal.packet.recipients}
        self.basis = proposal.puts_in_force or self.basis
        self.entries.append(proposal.entry)
        if proposal.once is not None:
            self.once[proposal.once] = len(self.entries) - 1
        return len(self.entries) - 1

    def _possible(self, transition: Transition) -> bool:
        now = self.states.get((transition.digest, transition.recipient))
        return now is not None and transition.state in ADVANCES[now]

    @rule(batch=st.lists(proposals, min_size=1, max_size=12), seconds=st.integers(-5, 5))
    def commit(self, batch: list[Proposal], seconds: int) -> None:
        self.ledgers.clock += seconds
        for proposal, future in zip(batch, self.ledgers.propose(*batch), strict=True):
            expected = self._expect(proposal)
            error = future.exception(30)
            if isinstance(expected, type):
                assert isinstance(error, expected)
                continue
            found = future.result(0)
            assert found.index == expected
            assert unb64u(found.receipt.entry) == found.entry
            verify_receipt(found.receipt, LOG)
            assert self.receipts.setdefault(found.index, found.receipt.canonical()) == found.receipt.canonical()

    @rule(count=st.integers(200, 300))
    def fill(self, count: int) -> None:
        self.commit([note(number) for number in range(count)], 0)

    @rule(
        batch=st.lists(st.builds(note, numbers), min_size=1, max_size=3),
        at=st.sampled_from(["committed", "head-signed"]),
    )
    def crash(self, batch: list[Proposal], at: str) -> None:
        before = len(self.entries)
        self.ledgers.crash(at, batch)
        self.ledgers.open()
        # The first transaction was committed; what was not taken with it is gone, and its callers know no outcome.
        size, _ = self.ledgers.reader.head()
        assert before < size <= before + len(batch)
        self.entries += [proposal.entry for proposal in batch[: size - before]]

    @rule()
    def restart(self) -> None:
        self.ledgers.close()
        self.ledgers.open()

    @rule()
    def mirror(self) -> None:
        self.ledgers.publisher.publish()
        done = mirror(files_of(self.ledgers.reader), self.directory / "mirror", LOG)
        assert done.size == len(self.entries)

    @rule(what=filters)
    def search(self, what: EntryFilter) -> None:
        found = [(each.index, each.entry) for each in self.ledgers.reader.search(what)]
        expected = [index for index, each in enumerate(self.entries) if matches(what, index, {**each, "time": ""})]
        assert [index for index, _ in found] == expected[: what.limit]

    @rule()
    def restore_a_backup(self) -> None:
        """The store of now, put back after one more entry, is not signed; the true one then is."""
        self.ledgers.close()
        store, kept = self.directory / "ledger" / "setu.db", self.directory / "kept"
        shutil.copy(store, kept)
        with self.ledgers:
            self.ledgers.commit(note(0))
        self.entries.append(note(0).entry)
        shutil.copy(store, self.directory / "true")
        shutil.copy(kept, store)
        with pytest.raises(IntegrityError) as caught:
            self.ledgers.open()
        assert caught.value.code is Code.ROLLBACK
        shutil.copy(self.directory / "true", store)
        self.ledgers.open()

    @invariant()
    def holds(self) -> None:
        reader = self.ledgers.reader
        self.ledgers.publisher.publish()
        report = check_log(files_of(reader), LOG)
        assert (report.size, report.root) == reader.head()
        assert report.size == len(self.entries)
        found = reader.search(EntryFilter(limit=10_000))
        assert [each.index for each in found] == list(range(len(self.entries)))
        for each, expected in zip(found, self.entries, strict=True):
            logged = json.loads(each.entry)
            del logged["time"]
            assert logged == expected
        assert reader.in_force() == self.basis
        for number in range(6):
            packet = reader.packet(digest(number))
            expected_states = {to: state for (of, to), state in self.states.items() if of == digest(number)}
            assert ({} if packet is None else packet.states) == expected_states
        # Every head ever signed is a beginning of the log, and every receipt stays as it was.
        for receipt in self.receipts.values():
            head = parse_checkpoint(json.loads(receipt)["checkpoint"].encode())
            self.heads.add((head.size, head.root))
        for size, root in self.heads:
            assert self.ledgers.store.has_head(size, root)
        assert [each.canonical() for each in reader.receipts(list(self.receipts))] == list(self.receipts.values())

    def teardown(self) -> None:
        if hasattr(self, "ledgers"):
            self.ledgers.close()
            shutil.rmtree(self.directory)


LedgerMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
TestLedger = LedgerMachine.TestCase


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of a mirror of 300 entries."""
    with Ledgers(tmp_path_factory.mktemp("ledger")) as ledgers:
        ledgers.fill(300)
        ledgers.publisher.publish()
        fetch = files_of(ledgers.reader)
        return {path: fetch(path) for path in (CHECKPOINT, *(tile.path for tile in all_tiles(300)))}


@settings(max_examples=300)
@given(data=st.data())
def test_one_flipped_bit_anywhere_in_a_mirror_is_found(copy: dict[str, bytes], data: st.DataObject):
    path = data.draw(st.sampled_from(sorted(copy)))
    bit = data.draw(st.integers(0, len(copy[path]) * 8 - 1))
    spoilt = bytearray(copy[path])
    spoilt[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        check_log((copy | {path: bytes(spoilt)}).__getitem__, LOG)
