"""HTTPS with a client certificate that may be replaced while the program runs.

Before each request it looks whether another certificate was put in place. New requests then go over new connections
with the new one; a request or stream that is under way ends on the connection it began on.
"""

import logging
import ssl
from collections.abc import Callable, Hashable, Iterator
from threading import Lock

import httpx

from broker.errors import SetuError

FORBIDDEN = 403

_log = logging.getLogger("setu.sdk")


class Renewing(httpx.BaseTransport):
    """Safe to call from several threads.

    Args:
        stamp: something cheap that is another when another certificate was put in place.
        make: a transport with the certificate that is in place now.

    Raises: as `make` when it is made. Later, where `make` fails, the certificate before stays in use and it is tried
        again with the next change.
    """

    def __init__(self, stamp: Callable[[], Hashable], make: Callable[[], httpx.BaseTransport]) -> None:
        self._stamp_of = stamp
        self._make = make
        self._lock = Lock()
        self._stamp = stamp()
        self._current = _Held(make())
        self._before: set[_Held] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        held = self._taken()
        response = self._asked(held, request)
        if response.status_code != FORBIDDEN:
            return response
        newer = self._taken()
        if newer is held:
            self._release(newer)
            return response
        # It was asked under a certificate that was replaced since, and has ended meanwhile, as after a long poll.
        response.close()
        return self._asked(newer, request)

    def _asked(self, held: "_Held", request: httpx.Request) -> httpx.Response:
        try:
            response = held.transport.handle_request(request)
        except BaseException:
            self._release(held)
            raise
        stream = response.stream
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError("expected a stream that is read in this thread")
        response.stream = _Counted(stream, lambda: self._release(held))
        return response

    def close(self) -> None:
        with self._lock:
            held = [self._current, *self._before]
        for each in held:
            each.transport.close()

    def _taken(self) -> "_Held":
        """The transport for a request that begins now."""
        with self._lock:
            stamp = self._stamp_of()
            if stamp != self._stamp:
                self._stamp = stamp
                self._renew()
            self._current.users += 1
            return self._current

    def _renew(self) -> None:
        try:
            made = _Held(self._make())
        except (SetuError, OSError, ssl.SSLError) as error:
            _log.warning("the certificate that was put in place cannot be used, the one before stays: %s", error)
            return
        before, self._current = self._current, made
        if before.users:
            self._before.add(before)
        else:
            before.transport.close()

    def _release(self, held: "_Held") -> None:
        with self._lock:
            held.users -= 1
            over = held in self._before and not held.users
            if over:
                self._before.remove(held)
        if over:
            held.transport.close()


class _Held:
    """A transport, and how many answers are being read from it."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self.transport = transport
        self.users = 0


class _Counted(httpx.SyncByteStream):
    """An answer's bytes; closing it says that it is over, once."""

    def __init__(self, stream: httpx.SyncByteStream, over: Callable[[], None]) -> None:
        self._stream = stream
        self._over: Callable[[], None] | None = over

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            over, self._over = self._over, None
            if over is not None:
                over()
