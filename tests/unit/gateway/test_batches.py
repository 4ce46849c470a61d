"""A batch on its way: what it holds in memory, and what its lines are told where nobody can be sure who is calling."""

import asyncio
import json
from types import SimpleNamespace

from broker.errors import UnavailableError
from broker.flows.submit import Submitted
from broker.gateway.batches import CHUNK_BYTES, _Batch
from broker.gateway.limits import Buckets, Limits
from broker.telemetry.metrics import Metrics
from tests.fakes.flows import RECEIPT, FakeRefusals, agency


class Body:
    """`read`: how many of its lines were taken."""

    def __init__(self, *lines):
        self.all = lines
        self.read = 0

    async def lines(self):
        for each in self.all:
            self.read += 1
            yield each


class Waits:
    """`Submit.many` that takes until it is let go on."""

    def __init__(self):
        self.go_on = asyncio.Event()

    async def many(self, caller, raws, trace):
        await self.go_on.wait()
        return [Submitted(RECEIPT, fresh=True) for _ in raws]


def exchange(body, submit, again=lambda: None):
    limits = Limits(rate=1e6, burst=1e6)
    return SimpleNamespace(
        body=body,
        limits=limits,
        buckets=Buckets(limits.rate, limits.burst, lambda: 0.0),
        caller=SimpleNamespace(agency=agency("us-dea")),
        services=SimpleNamespace(submit=submit, refusals=FakeRefusals()),
        metrics=Metrics(),
        again=again,
        trace="0" * 32,
    )


async def told(batch):
    await batch.read()
    return [json.loads(each) for each in b"".join([piece async for piece in batch.answers()]).splitlines()]


async def test_large_lines_are_read_as_fast_as_they_are_dealt_with():
    body, submit = Body(*[b"x" * CHUNK_BYTES] * 24), Waits()
    answering = asyncio.create_task(told(_Batch(exchange(body, submit))))
    for _ in range(200):
        await asyncio.sleep(0)
    held = body.read
    submit.go_on.set()
    found = await answering
    assert held < 10
    assert [each.get("status") for each in found] == [201] * 24 + [None]


async def test_where_this_gateway_is_behind_each_line_says_so_and_the_last_one_comes():
    def behind():
        raise UnavailableError("Expected this gateway's directory in force, found another gateway's.")

    found = await told(_Batch(exchange(Body(b"one", b"two"), Waits(), behind)))
    assert [each.get("status") for each in found] == [503, 503, None]
    assert [each["retry_after"] > 0 for each in found[:-1]] == [True, True]
    assert found[-1] == {"done": 2}
