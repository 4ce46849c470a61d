"""A gateway's flows over a real ledger, with a directory and a clock that tests set."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

from broker.directory.lookup import Snapshot
from broker.flows.acknowledge import Acknowledge
from broker.flows.audit import Audit
from broker.flows.bell import Bell
from broker.flows.clocks import OpenClockList
from broker.flows.cursor import Cursors
from broker.flows.expire import Expire
from broker.flows.identify import Caller
from broker.flows.inforce import InForce
from broker.flows.overdue import Overdue
from broker.flows.purge import Purge
from broker.flows.refusals import Refusals
from broker.flows.submit import Submit
from broker.flows.subscribe import Subscribe
from broker.flows.timeline import Timelines
from broker.flows.workers import Workers
from broker.ledger.committer import Committer
from broker.ledger.guard import FileGuard
from broker.ledger.port import EntryFilter
from broker.ledger.publisher import Publisher
from broker.ledger.reader import Reader
from broker.merkle.note import LogSigner
from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from broker.store.sql import SqlStore
from schemas import registry
from tests.builders import NOW, ORIGIN, Realm, handling


class Directory:
    """A `DirectorySource` whose newest version a test sets; it is in force once a flow has refreshed."""

    def __init__(self, realm):
        self.realm = realm.realm
        self.newest = realm.snapshot
        self.held = {realm.snapshot.ref.version: realm.snapshot}
        self.now = realm.snapshot

    def put(self, realm):
        self.newest = Snapshot(realm.directory, raw=realm.directory.canonical(), realm=self.realm)
        self.held[self.newest.ref.version] = self.newest

    def current(self):
        return self.now

    def at(self, version):
        return self.held[version]

    def refresh(self):
        self.now = self.newest
        return self.now


class World:
    """All flows of one gateway. `clock.at` is the time; `hooks` maps a failpoint's name to what happens there."""

    def __init__(self, folder, realm=None):
        self.realm = realm if realm is not None else Realm()
        self.clock = SimpleNamespace(at=float(NOW))
        self.hooks = {}
        self.directory = Directory(self.realm)
        (folder / "guard").mkdir()
        self.guard = FileGuard(folder / "guard" / "head")
        self.store = SqlStore(f"sqlite:///{folder / 'setu.db'}")
        self.bell = Bell(asyncio.get_running_loop())
        signer = LogSigner(ORIGIN, self.realm.log_ed25519, self.realm.log_mldsa44)
        self.ledger = Committer(self.store, signer, self.guard, self.now, on_commit=self.bell.ring)
        self.ledger.start()
        self.publisher = Publisher(self.store, self.guard, interval=0.05)
        self.publisher.start()
        self.reader = Reader(self.store, self.guard)
        rules = default_rules()
        policy = CedarPolicy(rules.rules, rules.schema)
        self.in_force = InForce(
            self.directory,
            policy,
            self.ledger,
            self.reader,
            gateway=self.realm.gateway,
            moved=self.bell.everybody,
        )
        self.workers = Workers(2)
        self.refusals = Refusals(self.ledger, self.in_force, self.now)
        common = (self.in_force, self.ledger, self.reader)
        self.submit = Submit(
            *common,
            self.refusals,
            self.workers,
            keys=self.realm.members[self.realm.gateway].keys,
            now=self.now,
            max_lifetime=7 * 86_400,
            probe=self.probe,
        )
        self.acknowledge = Acknowledge(*common, self.refusals, self.workers, now=self.now)
        self.subscribe = Subscribe(
            *common, Cursors(lambda: [b"k" * 32]), self.bell, now=self.now, page_bytes=2**16, probe=self.probe
        )
        self.timelines = Timelines(self.reader, self.in_force, patience=3)
        self.audit = Audit(*common)
        self.expire = Expire(*common, now=self.now)
        self.overdue = Overdue(*common, now=self.now)
        self.purge = Purge(*common, self.expire, now=self.now)
        self.clocks = OpenClockList(self.reader)

    def now(self):
        return self.clock.at

    def probe(self, name):
        hook = self.hooks.pop(name, None)
        if hook is not None:
            hook()

    def caller(self, agency):
        row = self.in_force.view().snapshot.agency(agency)
        return Caller(row, row.certificates[0])

    def sealed(self, to=("us-dea",), *, sender="in-ncb", kind="tip", **over):
        payload = next(iter(registry.samples(kind).values()))
        act = registry.act_of(registry.check(kind, 1, payload), None)
        made = {"act": act, "handling": handling(tlp="GREEN", flags={"personal_data": True, "sanitised": True}), **over}
        return self.realm.sealed(sender, [*to, self.realm.gateway], kind, payload, **made)

    async def send(self, *args, **over):
        sealed = self.sealed(*args, **over)
        return sealed, await self.submit(self.caller(sealed.header.from_), sealed.raw)

    async def act(self, act=None, to=("us-dea",), *, sender="in-ncb", **over):
        """A packet that the gateway cannot read, and so takes with any act."""
        over = {"handling": handling(tlp="GREEN"), **over}
        sealed = self.realm.sealed(sender, to, "tip", act=act, **over)
        return sealed, await self.submit(self.caller(sender), sealed.raw)

    async def page(self, agency="us-dea", kind="tip", cursor=None, limit=100, wait=0.0):
        return await self.subscribe.page(lambda: self.caller(agency), f"setu.{agency}.{kind}", cursor, limit, wait)

    async def change(self, **agencies):
        """Put a directory with changed rows in force."""
        rows = {name.replace("_", "-"): row for name, row in agencies.items()}
        self.realm = self.realm.with_(agencies=rows)
        self.directory.put(self.realm)
        await self.in_force.poll()

    def entries(self, *types):
        found = self.reader.search(EntryFilter(types=types or None, limit=10_000))
        return [json.loads(each.entry) for each in found]

    def close(self):
        self.workers.close()
        self.publisher.close()
        self.ledger.close()
        self.store.close()
        self.guard.close()


@contextlib.asynccontextmanager
async def world(folder, realm=None):
    made = World(folder, realm)
    try:
        await made.in_force.start()
        yield made
    finally:
        await asyncio.to_thread(made.close)
