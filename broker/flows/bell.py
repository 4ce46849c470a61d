"""Wakes those who wait on a topic when something was committed to it."""

import asyncio
from collections import defaultdict
from typing import Self


class Bell:
    """`ring` may be called from any thread; `wait` on the event loop the bell was made for.

    Another gateway's commits do not ring: whoever waits looks again at least each second.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def ring(self, topics: frozenset[tuple[str, str]]) -> None:
        if topics and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring, topics)

    def everybody(self) -> None:
        """Wake everybody, on the event loop: who waits asks again whether it may."""
        self._ring(frozenset(self._waiting))

    def close(self) -> None:
        """Wake everybody for the last time: who waits then answers with what there is."""
        self._closed = True
        self._ring(frozenset(self._waiting))

    def listen(self, topic: tuple[str, str]) -> "Listener":
        return Listener(self._waiting, topic)

    def _ring(self, topics: frozenset[tuple[str, str]]) -> None:
        for topic in topics:
            for event in self._waiting.get(topic, ()):
                event.set()


class Listener:
    """Hears what rings from the moment it is entered, so that nothing is missed between a look and a wait."""

    def __init__(self, waiting: dict[tuple[str, str], set[asyncio.Event]], topic: tuple[str, str]) -> None:
        self._waiting = waiting
        self._topic = topic
        self._event = asyncio.Event()

    def __enter__(self) -> Self:
        self._waiting[self._topic].add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        events = self._waiting[self._topic]
        events.discard(self._event)
        if not events:
            del self._waiting[self._topic]

    async def wait(self, seconds: float) -> None:
        """Until the bell rings or the time is over."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return
        self._event.clear()
