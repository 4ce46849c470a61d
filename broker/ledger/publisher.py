"""Moves the published checkpoint to the newest signed head, once a second at most and never back."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from broker.errors import SetuError, UnavailableError
from broker.ledger.guard import Guard, end_process
from broker.ledger.nodes import StoredNodes
from broker.ledger.notes import Notes
from broker.merkle.note import HeadSigner
from broker.store.port import Lease, Store, StoreBrokenError

INTERVAL = 1.0
LEASE, LEASE_SECONDS = "publisher", 5.0
"""Renewed at each interval: where its holder is gone, another publishes so much later."""

_log = logging.getLogger(__name__)


class Publisher:
    """Publishes what is in the guard: its entries and tiles are durable, and no receipt is of a later head.

    Where several processes write, the one that holds the lease publishes the newest head whose note is kept, whoever
    signed it: a note is kept once its head is guarded. Where nothing else is to be published and the newest head has
    none, for the process that wrote it is gone, it signs that.

    Args:
        interval: seconds between two publications.
        die: called when the disk failed.
        holder: this process's name among all that may hold the lease.
        signer: where several processes write.
    """

    def __init__(
        self,
        store: Store,
        guard: Guard,
        *,
        interval: float = INTERVAL,
        die: Callable[[], None] = end_process,
        holder: str = "the only one",
        signer: HeadSigner | None = None,
    ) -> None:
        self._store = store
        self._guard = guard
        self._interval = interval
        self._die = die
        self._holder = holder
        self._notes = Notes(store, guard, StoredNodes(store), signer)
        self._lease: Lease | None = None
        self._published = -1
        self._stop = Event()
        self._thread = Thread(target=self._run, name="ledger-publisher", daemon=True)

    def start(self) -> None:
        """Publish now (the committer has started), and then in the background."""
        self.publish()
        self._thread.start()

    def publish(self) -> bool:
        """Whether the published checkpoint moved."""
        if self._guard.shared:
            self._lease = self._store.lease(LEASE, self._holder, LEASE_SECONDS)
            newest = None if self._lease is None else self._newest()
        else:
            newest = self._guard.newest(0, 0)
        if newest is None or newest[0] <= self._published:
            return False
        moved = self._store.publish(*newest)
        self._published = newest[0]
        return moved

    def _newest(self) -> tuple[int, bytes] | None:
        noted = self._store.noted()
        if noted is None or noted[0] <= self._published:
            head = self._store.head()
            if head is not None and head.size > self._published and head.note is None:
                return head.size, self._notes.of(head)
        return noted

    def close(self) -> None:
        """Publish what is signed, let another have the lease, and stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._lease is not None:
            self._store.release(self._lease)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._step()
        self._step()

    def _step(self) -> None:
        try:
            self.publish()
        except UnavailableError:
            _log.warning("checkpoint not published; trying again")
        except StoreBrokenError as error:
            _log.critical("publishing ends the process", exc_info=error)
            self._die()
        except SetuError as error:
            _log.critical("checkpoint not published: %s", error)
