"""Moves the published checkpoint to the newest signed head, once a second at most and never back."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from broker.errors import SetuError, UnavailableError
from broker.ledger.guard import Guard, end_process
from broker.store.port import Store, StoreBrokenError

INTERVAL = 1.0
_log = logging.getLogger(__name__)


class Publisher:
    """Publishes what is in the guard: its entries and tiles are durable, and no receipt is of a later head.

    Args:
        interval: seconds between two publications.
        die: called when the disk failed.
    """

    def __init__(
        self, store: Store, guard: Guard, *, interval: float = INTERVAL, die: Callable[[], None] = end_process
    ) -> None:
        self._store = store
        self._guard = guard
        self._interval = interval
        self._die = die
        self._published = -1
        self._stop = Event()
        self._thread = Thread(target=self._run, name="ledger-publisher", daemon=True)

    def start(self) -> None:
        """Publish now (the committer has started), and then in the background."""
        self.publish()
        self._thread.start()

    def publish(self) -> bool:
        """Whether the published checkpoint moved."""
        size, note = self._guard.newest(0, 0)
        if size <= self._published:
            return False
        moved = self._store.publish(size, note)
        self._published = size
        return moved

    def close(self) -> None:
        """Publish what is signed, and stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

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
