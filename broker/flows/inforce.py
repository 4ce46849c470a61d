"""The directory and policy in force: what every decision is made under, and how a change of them becomes an entry."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from broker.directory.deny import check_continues, refs_of
from broker.directory.lookup import Snapshot
from broker.directory.port import DirectorySource
from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.ledger.port import Basis, Ledger, LedgerReader, Proposal, StaleBasis
from broker.policy.port import Policy
from schemas.evidence import EntryType
from schemas.packet import Audience
from schemas.problem import Code

ADOPT_TRIES = 4

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """One consistent pair of directory and policy."""

    snapshot: Snapshot
    policy: Policy
    basis: Basis


class InForce:
    """Holds the view in force. It moves only after the entry that says so is committed, so that what was decided
    under the old one is either committed before that entry, or refused by the committer and decided again.

    Args:
        moved: called on the event loop each time that the view has moved.
        adopting: called, in a thread, before a directory comes in force here, and what it returns once it is. Raises
            IntegrityError where this gateway has not the keys to go by it: then it goes by none.
    """

    def __init__(
        self,
        directory: DirectorySource,
        policy: Policy,
        ledger: Ledger,
        reader: LedgerReader,
        *,
        gateway: str,
        moved: Callable[[], None] = lambda: None,
        adopting: Callable[[Snapshot], Callable[[], None]] = lambda _: lambda: None,
    ) -> None:
        self._directory = directory
        self._tell = moved
        self._adopting = adopting
        self._policy = policy
        self._ledger = ledger
        self._reader = reader
        self.gateway = gateway
        self.audience = Audience(realm=directory.realm, gateway=gateway)
        self._view = self._view_of(directory.current())
        self._moved = asyncio.Event()
        self._turn = asyncio.Lock()
        self._begun = self._ended = 0
        self.trouble: str | None = None
        self.behind = False
        """Whether another gateway put in force what this one does not go by, or this one has not the keys to go by what
        the countries signed: then nobody is who this one says he is.
        """
        self.lacking: str | None = None
        """Which keys those are, and what to do."""

    def view(self) -> View:
        return self._view

    async def start(self) -> None:
        """Record the directory and policy found at start where they differ from those last in force."""
        await self._adopt(await asyncio.to_thread(self._directory.refresh), starting=True)

    async def poll(self) -> None:
        """Look for a newer directory and adopt it. A directory that does not verify changes nothing but `trouble`;
        where the others went on meanwhile, this gateway is `behind`.

        Who asks at once shares one look, that begins after they asked: a packet may bring one about, and thousands
        would stand in each other's way, the later look being overtaken by the earlier.
        """
        wanted = self._begun + 1
        async with self._turn:
            if self._ended < wanted:
                self._begun += 1
                number = self._begun
                await self._poll()
                self._ended = number

    async def _poll(self) -> None:
        try:
            snapshot = await asyncio.to_thread(self._directory.refresh)
            if snapshot is not self._view.snapshot:
                await self._adopt(snapshot)
            self.trouble = None
        except SetuError as error:
            self.trouble = error.message
            _log.warning("directory not refreshed", extra={"code": error.code, "found": error.message})
        await self._look_at_others()

    async def _look_at_others(self) -> None:
        view = self._view
        try:
            found = await asyncio.to_thread(self._reader.in_force)
        except SetuError:
            return  # nothing is known of them
        if view is self._view:
            self.behind = self.lacking is not None or (found is not None and found != view.basis)

    async def settled(self, stale: Basis) -> None:
        """Wait until the view is no longer `stale`, at most two seconds.

        Raises:
            UnavailableError: it did not move; another gateway is ahead of this one.
        """
        for _ in range(40):
            if self._view.basis != stale:
                return
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), 0.05)
            except TimeoutError:
                await self.poll()
        raise UnavailableError("Expected the directory and policy in force, found that they are being changed.")

    async def _adopt(self, snapshot: Snapshot, *, starting: bool = False) -> None:
        view = self._view_of(snapshot)
        try:
            adopted = await asyncio.to_thread(self._adopting, snapshot)
        except IntegrityError as error:
            self.lacking, self.behind = f"{error.message} {error.advice}", True
            raise
        self.lacking = None
        for _ in range(ADOPT_TRIES):
            try:
                await self._put_in_force(view, starting=starting)
            except StaleBasis:
                continue  # another gateway was quicker: what it put in force is looked at first
            self._view = view
            adopted()
            self.behind = False
            self._moved.set()
            self._tell()
            return
        raise UnavailableError("Expected to put the directory in force, found that other gateways are changing it.")

    async def _put_in_force(self, view: View, *, starting: bool) -> None:
        """Raises StaleBasis where something else came in force since it was looked at."""
        before = await asyncio.to_thread(self._reader.in_force)
        if before is not None and before.policy != view.basis.policy and not starting:
            # Two gateways of two policies would else put now the one and now the other in force.
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected this gateway's policy in force, found that another gateway put its own there.",
                advice="Start this gateway again with the policy of the others.",
            )
        if before is not None and before.directory > view.basis.directory:
            raise IntegrityError(
                Code.DIRECTORY_INVALID,
                f"Expected directory version {before.directory} or newer, found {view.basis.directory}.",
                advice="The directory repository was rolled back: restore its newest state.",
            )
        snapshot = view.snapshot
        check_continues(refs_of(before.denied if before else ""), snapshot.lists, snapshot.signed)
        changes: list[tuple[EntryType, str | None]] = []
        now = (view.basis.directory, view.basis.denied)
        if before is None or (before.directory, before.denied) != now:
            key = f"directory/{now[0]}" + (f"/{now[1]}" if now[1] else "")
            changes.append((EntryType.DIRECTORY_CHANGED, key))
        if before is None or before.policy != view.basis.policy:
            changes.append((EntryType.POLICY_CHANGED, None))
        for kind, once in changes:
            entry: dict[str, Any] = {
                "v": "setu1.entry",
                "type": kind,
                "actor": self.gateway,
                "aud": self.audience.to_object(),
                "directory": snapshot.ref.to_object(),
                "policy": view.policy.version,
            }
            if kind is EntryType.DIRECTORY_CHANGED and view.basis.denied:
                entry["denied"] = [each.to_object() for each in refs_of(view.basis.denied)]
            change = Proposal(entry, once=once, basis=before, puts_in_force=view.basis)
            if not (await asyncio.wrap_future(self._ledger.propose(change))).fresh:
                raise StaleBasis  # another's entry said so, and of its policy, not of ours
            before = view.basis

    def _view_of(self, snapshot: Snapshot) -> View:
        return View(snapshot, self._policy, Basis(snapshot.ref.version, self._policy.version, snapshot.denied))


async def under_view(in_force: InForce, decide: Callable[[View], Awaitable[T]], *, tries: int = 4) -> T:
    """Run `decide` (a coroutine function of the view in force) again each time its basis went stale."""
    for _ in range(tries):
        view = in_force.view()
        try:
            return await decide(view)
        except StaleBasis:
            await in_force.settled(view.basis)
    raise UnavailableError("Expected the directory and policy to stay in force for one decision, found them changing.")
