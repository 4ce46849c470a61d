"""Two ledgers on one store and one shared guard, at once: they crash, restart and lose the guard at will."""

import json
import shutil
import tempfile
from concurrent.futures import Future
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broker.errors import UnavailableError
from broker.ledger.fetch import files_of
from broker.ledger.fsck import check_log
from broker.ledger.port import Committed, EntryFilter
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from tests.unit.ledger.ledgers import LOG, Ledgers, Service, accepted, packet_id

numbers = st.lists(st.integers(0, 40), min_size=1, max_size=12)
which = st.integers(0, 1)


class ClusterMachine(RuleBasedStateMachine):
    """`self.known`: the index and receipt that somebody was told for a packet; they must never change."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.service = Service(self.directory)
        self.both = [Ledgers(self.directory, service=self.service).open() for _ in range(2)]
        self.known: dict[int, tuple[int, bytes]] = {}
        self.fresh: set[int] = set()

    def _told(self, number: int, future: Future[Committed]) -> None:
        error = future.exception(30)
        if error is not None:
            assert isinstance(error, UnavailableError)
            assert self.service.down
            return
        found = future.result(0)
        verify_receipt(found.receipt, LOG)
        told = (found.index, found.receipt.canonical())
        assert self.known.setdefault(number, told) == told
        if found.fresh:
            assert number not in self.fresh
            self.fresh.add(number)

    @rule(first=numbers, second=numbers)
    def at_once(self, first: list[int], second: list[int]) -> None:
        asked = [
            (number, ledgers.committer.propose(accepted(number)))
            for pair in zip(first, second, strict=False)
            for ledgers, number in zip(self.both, pair, strict=True)
        ]
        for number, future in asked:
            self._told(number, future)

    @rule(one=which, batch=numbers)
    def alone(self, one: int, batch: list[int]) -> None:
        futures = self.both[one].propose(*(accepted(number) for number in batch))
        for number, future in zip(batch, futures, strict=True):
            self._told(number, future)

    @rule(one=which, batch=numbers, at=st.sampled_from(["committed", "head-signed"]))
    def crash(self, one: int, batch: list[int], at: str) -> None:
        if self.service.down:
            return
        new = [number for number in batch if self._absent(number)]
        if new:
            self.both[one].crash(at, [accepted(number) for number in new])
            self.both[one].open()

    @rule(one=which)
    def restart(self, one: int) -> None:
        if not self.service.down:
            self.both[one].close()
            self.both[one].open()

    @rule()
    def guard_down(self) -> None:
        self.service.down = True

    @rule()
    def guard_up(self) -> None:
        self.service.down = False

    @rule(one=which)
    def reads(self, one: int) -> None:
        if not self.service.down:
            size, _ = self.both[one].reader.head()
            mine, other = ([each.canonical() for each in found.reader.receipts(range(size))] for found in self.both)
            assert mine == other

    def _absent(self, number: int) -> bool:
        return self.both[0].reader.find("in-ncb", packet_id(number)) is None

    @invariant()
    def holds(self) -> None:
        reader = self.both[0].reader
        for each in self.both:
            each.publisher.publish()
        if self.both[0].store.published() is not None:
            check_log(files_of(reader), LOG)
        found = reader.search(EntryFilter(limit=10_000))
        assert [each.index for each in found] == list(range(reader.head()[0]))
        ids = [json.loads(each.entry)["packet"]["id"] for each in found]
        assert len(ids) == len(set(ids))
        for number, (index, _) in self.known.items():
            assert ids[index] == packet_id(number)
        guarded = self.service.file.read()
        newest = 0 if guarded is None else parse_checkpoint(guarded).size
        for _, receipt in self.known.values():
            assert parse_checkpoint(json.loads(receipt)["checkpoint"].encode()).size <= newest
        assert [each.committer.failure for each in self.both] == [None, None]

    def teardown(self) -> None:
        if hasattr(self, "both"):
            self.service.down = False
            for each in self.both:
                each.close()
            self.service.file.close()
            shutil.rmtree(self.directory)


ClusterMachine.TestCase.settings = settings(max_examples=8, stateful_step_count=10, deadline=None)
TestCluster = ClusterMachine.TestCase
