"""Who does what falls due by itself, where several could."""

import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.flows.chores import Chores
from broker.store.port import Lease
from schemas.act import Asks
from schemas.problem import Code
from tests.builders import NOW, handling


class Leases:
    def __init__(self):
        self.holder = None

    def lease(self, name, holder, seconds):
        assert (name, seconds) == ("chores", 30.0)
        self.holder = self.holder or holder
        return Lease(name, holder, 1) if self.holder == holder else None


class Work:
    def __init__(self, *found):
        self.found = list(found)
        self.done = 0

    async def __call__(self):
        self.done += 1
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


async def test_one_of_two_does_them_until_it_is_gone():
    leases, works = Leases(), [Work(2, 0, 1), Work(1, 0, 0)]
    first, second = (Chores(works, leases, holder=name) for name in "ab")
    assert await first() == 3
    assert await second() == 0
    assert await first() == 0
    leases.holder = None
    assert await second() == 1
    assert [each.done for each in works] == [3, 3]


async def test_who_is_alone_asks_for_no_lease():
    leases = Leases()
    assert await Chores([Work(1)], leases)() == 1
    assert leases.holder is None


async def test_what_fails_keeps_nothing_else_from_being_done():
    works = [Work(UnavailableError("Expected a store, found none.")), Work(1)]
    with pytest.raises(UnavailableError):
        await Chores(works, Leases())()
    assert [each.done for each in works] == [1, 1]


async def test_a_damaged_packet_keeps_no_other_from_its_turn(gateway):
    """Its bytes are not what their hash says; it is due before the other, by each of the three."""
    until = handling(retention={"purge_on": "2026-12-31"})
    damaged, other = [(await gateway.act(Asks(does="asks", due=NOW + 9 + n), handling=until))[0] for n in range(2)]
    gateway.clock.at = 1_800_000_000.0
    packet = gateway.reader.packet

    def read(digest):
        if digest == damaged.digest:
            raise IntegrityError(Code.LOG_INVALID, "Expected the bytes kept with entry 1 as they came, found others.")
        return packet(digest)

    gateway.reader.packet = read
    for work in (gateway.overdue, gateway.expire, gateway.purge):
        with pytest.raises(IntegrityError):
            await work()
    found = [(each["type"], each["packet"]["digest"]) for each in gateway.entries("overdue", "expired", "purged")]
    assert found == [(each, other.digest) for each in ("overdue", "expired", "purged")]
