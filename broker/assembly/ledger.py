"""The ledger of a deployment, open for writing: a store, its rollback guard, and this process's committer."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass

from broker.assembly.guard import shared_guard
from broker.assembly.store import store_url
from broker.config import GatewaySettings
from broker.flows.grown import Grown
from broker.flows.routine import ended
from broker.ledger.committer import Committer
from broker.ledger.guard import FileGuard, Guard
from broker.ledger.measured import MeasuredGuard
from broker.ledger.publisher import Publisher
from broker.ledger.reader import Reader
from broker.merkle.signers import LogSigners
from broker.store.sql import SqlStore
from broker.telemetry.metrics import Metrics

Topics = frozenset[tuple[str, str]]
Ring = Callable[[Topics], None]


@dataclass(frozen=True, slots=True)
class Books:
    """What reads and writes a ledger.

    holder: this process's name among all that may hold a lease. heard: whoever is told of the (recipient, kind) topics
    that grew.
    """

    store: SqlStore
    guard: Guard
    signer: LogSigners
    committer: Committer
    reader: Reader
    holder: str
    heard: list[Ring]


async def open_books(
    settings: GatewaySettings,
    stack: AsyncExitStack,
    *,
    signer: LogSigners,
    now: Callable[[], float] = time.time,
    probe: Callable[[str], None] = lambda _: None,
    random: Callable[[int], bytes] = os.urandom,
    metrics: Metrics | None = None,
) -> Books:
    """Open them, and let `stack` close them in an order in which nothing is lost.

    Raises:
        IntegrityError: `config-invalid`, `log-invalid` or `rollback`: nothing was signed.
        UnavailableError: the store or the guard does not answer.
    """
    heard: list[Ring] = []

    def ring(topics: Topics) -> None:
        for each in heard:
            each(topics)

    metrics = metrics or Metrics()
    with ExitStack() as opened:
        # The embedded guard first: it keeps a second process away from the file.
        own = opened.enter_context(closing(FileGuard(settings.at(settings.paths.guard)))) if settings.embedded else None
        store = opened.enter_context(closing(await asyncio.to_thread(SqlStore, store_url(settings))))
        kept = own or opened.enter_context(closing(shared_guard(settings, signer, store)))
        stack.callback(opened.pop_all().close)
    guard = MeasuredGuard(kept, metrics.guarded)
    committer = Committer(
        store,
        signer,
        guard,
        now,
        on_commit=ring,
        counted=metrics.committed,
        probe=probe,
        max_queue=settings.acceptance.queue,
    )
    await asyncio.to_thread(committer.start)
    holder = f"{socket.gethostname()}:{os.getpid()}:{random(4).hex()}"
    publisher = Publisher(store, guard, holder=holder, signer=signer)
    publisher.start()
    # Ends after the committer, so that the last head is published too.
    stack.push_async_callback(asyncio.to_thread, publisher.close)
    stack.push_async_callback(asyncio.to_thread, committer.close)
    reader = Reader(store, guard, signer)
    if not settings.embedded:
        grown = Grown(store, ring, after=(await asyncio.to_thread(reader.head))[0] - 1)
        stack.push_async_callback(ended, asyncio.create_task(grown.run()))
    return Books(store, guard, signer, committer, reader, holder, heard)
