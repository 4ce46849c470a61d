"""Whatever comes in whatever order: places, clocks and bytes are what the entries say, after every step."""

import random

import pytest

from broker.errors import NotFoundError, PacketError
from broker.ledger.port import EntryFilter
from schemas.act import Answers, Asks, Attests, Extends, Withdraws
from schemas.evidence import AckEvent
from schemas.problem import Code
from tests.builders import NOW, handling
from tests.replay import check
from tests.unit.flows.test_lifecycle import BOTH, opened

STEPS = 45


class Walk:
    def __init__(self, gateway, seed):
        self.gateway, self.chance = gateway, random.Random(seed)
        self.sent = []

    async def step(self):
        await self.chance.choice(
            [self.ask, self.ask, self.fetch, self.fetch, self.open, self.withdraw, self.word, self.word, self.wait]
        )()
        entries = [each.entry for each in self.gateway.reader.search(EntryFilter(limit=10_000))]
        return check(self.gateway.reader, entries)

    def due(self):
        return int(self.gateway.now()) + self.chance.choice([600, 5000, 90_000])

    async def send(self, act, to, sender="in-ncb"):
        """Whether it was accepted: an act may have become one that does not fit, or the sender had no part in it."""
        now = int(self.gateway.now())
        until = self.chance.choice([{"purge_on": "2026-09-23"}, {"review_on": "2027-01-01", "purge_on": "2030-01-01"}])
        lasting = handling(tlp="GREEN", retention=until)
        over = {"iat": now, "exp": now + self.chance.choice([900, 80_000]), "handling": lasting}
        try:
            sealed, done = await self.gateway.act(act, to, sender=sender, **over)
        except PacketError as error:
            if error.code not in (Code.REFERENCE_UNKNOWN, Code.EXPIRED):
                raise
            return
        if sender == "in-ncb":
            self.sent.append((sealed, done.receipt.index))

    async def ask(self):
        act = Asks(does="asks", due=self.due()) if self.chance.random() < 0.7 else None
        await self.send(act, self.chance.choice([BOTH, ("us-dea",)]))

    async def fetch(self):
        await self.gateway.page(self.chance.choice(BOTH))

    async def open(self):
        if self.sent:
            try:
                sealed, index = self.chance.choice(self.sent)
                await opened(self.gateway, sealed, index, self.chance.choice([AckEvent.RECEIVED, AckEvent.OPENED]))
            except NotFoundError:
                return  # it was never offered

    async def withdraw(self):
        if self.sent:
            target, _ = self.chance.choice(self.sent)
            to = tuple(each.agency for each in target.header.recipients())
            await self.send(Withdraws(does="withdraws", of=target.digest, due=self.due()), to)

    async def word(self):
        if not self.sent:
            return
        of, by = self.chance.choice(self.sent)[0].digest, self.chance.choice(BOTH)
        extends = Extends(does="extends", of=of, due=self.due())
        act = self.chance.choice([Answers(does="answers", of=of), Attests(does="attests", of=of), extends])
        await (self.send(act, (by,)) if act is extends else self.send(act, ("in-ncb",), by))

    async def wait(self):
        self.gateway.clock.at += self.chance.choice([1, 700, 6000, 50_000])
        for work in (self.gateway.expire, self.gateway.overdue, self.gateway.purge):
            await work()


@pytest.mark.parametrize("seed", range(3))
async def test_places_clocks_and_bytes_are_what_the_entries_say(gateway, seed):
    assert gateway.now() == NOW
    walk = Walk(gateway, seed)
    for _ in range(STEPS):
        said = await walk.step()
    states = {state for _, state in said.clocks.values()}
    assert {"running", "stopped"} <= states or "overdue" in states
    types = {each["type"] for each in gateway.entries()}
    assert {"accepted", "delivered", "overdue", "retracted", "purged"} <= types
