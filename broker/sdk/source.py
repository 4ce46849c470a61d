"""What a subscriber reads from, whichever engine carries it, and the engine that is there for everybody: HTTPS."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol
from urllib.parse import quote

from pydantic import ValidationError

from broker.errors import RequestError, UnavailableError
from broker.sdk.cursors import Cursors, Position
from broker.sdk.http import Http
from broker.sdk.order import Order
from broker.sdk.sse import events
from broker.transport.topics import split
from schemas.base import Count, Digest, Model
from schemas.canonical import MalformedJsonError, canonical, parse
from schemas.evidence import Tombstone
from schemas.problem import Code

PAGE = 32
"""Packets asked for at a time: 32 of the largest, with receipts, stay below what the SDK reads of one answer."""

SILENCE = 15.0
"""Seconds without a byte, not even a comment, after which a stream counts as cut."""


@dataclass(frozen=True, slots=True)
class Item:
    """One place of a topic, as an engine hands it on: nothing in it is verified.

    index, digest: as the engine says them; a receipt confirms them.
    raw: the packet's bytes, or None for a tombstone.
    receipt: the receipt as an object of JSON types, or None for a tombstone.
    gone: why nothing is there, for a tombstone.
    token: where a reader resumes once this item is done; at the next item or before it.
    """

    topic: str
    index: int
    digest: str
    raw: bytes | None
    receipt: Any
    gone: Literal["withheld", "purged", "retracted", "expired"] | None
    token: str | None


class Source(Protocol):
    """Packets of an agency's topics. Each engine passes `tests/contract/test_source.py`. What it promises:

    - order: the items of a topic come in rising ledger index (G6). No order is promised between topics.
    - at least once: an item comes until it is committed; after a crash what was read and not committed comes again.
    - no gap: no item is passed over, whatever fails between two reads.
    - resume: a new source over the same positions goes on behind what was committed, and gives none of that again.

    Safe to use from several threads, one for each topic at a time.
    """

    def topics(self) -> Sequence[str]:
        """The names of the topics the agency may read now.

        Raises:
            UnavailableError: ask again.
        """
        ...

    def read(self, topic: str, wait: float) -> Sequence[Item]:
        """The items after those read before (the first time: after the committed position), as many as are at hand.

        `wait`: seconds to wait for the first; afterwards the answer is empty.

        Raises:
            UnavailableError: nothing is known; read again, nothing is lost.
            IntegrityError: code `log-invalid`; the engine breaks the ledger's order. Nothing of the read is given out.
            CallerError: the agency may not read (suspended, unknown).
        """
        ...

    def commit(self, topic: str, position: Position) -> None:
        """All up to `position` is done with; durable when it returns.

        Raises:
            OSError: it could not be written; the items will come again.
        """
        ...

    def close(self) -> None:
        """End open streams. What was not committed comes again to the next source."""
        ...


class HttpsSource:
    """Topics of the gateway, by long poll or by server-sent events.

    Args:
        stream: read by server-sent events: one connection for each topic stays open. Otherwise long poll.
        limit: packets asked for at a time with long poll, 1 to 32.
    """

    def __init__(
        self,
        http: Http,
        cursors: Cursors,
        *,
        stream: bool = False,
        limit: int = PAGE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._cursors = cursors
        self._stream = stream
        self._limit = min(limit, PAGE)
        self._monotonic = monotonic
        self._readers: dict[str, _Poll | _Events] = {}

    def topics(self) -> Sequence[str]:
        answer = self._http.request("GET", "/v1/topics").json()
        try:
            names = [each["topic"] for each in answer["topics"]]
        except (KeyError, TypeError):
            raise _not_understood() from None
        if not all(isinstance(name, str) and split(name) for name in names):
            raise _not_understood()
        return tuple(names)

    def read(self, topic: str, wait: float) -> Sequence[Item]:
        reader = self._readers.get(topic)
        if reader is None:
            position = self._cursors.read(topic)
            made = _Events(self._http, topic, position, self._monotonic) if self._stream else None
            reader = self._readers[topic] = made or _Poll(self._http, topic, position, self._limit)
        try:
            return reader.read(wait)
        except RequestError as error:
            if error.code is not Code.BAD_CURSOR:
                raise
            # A gateway that lost its cursor key loses no place of ours: begin at the start and pass over what is done.
            reader.begin_again()
            return reader.read(wait)

    def commit(self, topic: str, position: Position) -> None:
        self._cursors.write(topic, position)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


class _Place(Model):
    index: Count
    digest: Digest


class _Poll:
    def __init__(self, http: Http, topic: str, position: Position, limit: int) -> None:
        self._http = http
        self._topic = topic
        self._limit = limit
        self._cursor = position.token
        self._order = Order(position)
        self._last = position

    def read(self, wait: float) -> Sequence[Item]:
        while True:
            found, cursor = self._page(wait)
            fresh = [item for item in found if self._order.is_new(item.index, item.digest)]
            stale = bool(found) and cursor == self._cursor
            self._cursor = cursor
            if fresh:
                self._last = _position(fresh[-1])
            if fresh or not found:
                return fresh
            if stale:
                raise UnavailableError("Expected a page behind the cursor, found the one before it again.")

    def _page(self, wait: float) -> tuple[list[Item], str]:
        params: dict[str, str | int | list[str]] = {"limit": self._limit, "wait": f"{wait:.3f}"}
        if self._cursor is not None:
            params["cursor"] = self._cursor
        path = f"/v1/topics/{quote(self._topic, safe='')}/packets"
        match self._http.request("GET", path, params=params, silent_for=wait).json():
            case {"items": list(items), "cursor": str(cursor)}:
                found = [_item(self._topic, each, self._cursor) for each in items]
            case _:
                raise _not_understood()
        if found:
            found[-1] = replace(found[-1], token=cursor)
        return found, cursor

    def begin_again(self) -> None:
        self._cursor = None
        self._order.begin_again(self._last)

    def close(self) -> None:
        pass


class _Events:
    def __init__(self, http: Http, topic: str, position: Position, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._topic = topic
        self._cursor = position.token
        self._order = Order(position)
        self._last = position
        self._monotonic = monotonic
        self._open = ExitStack()
        self._coming: Iterator[Item | None] | None = None

    def read(self, wait: float) -> Sequence[Item]:
        deadline = self._monotonic() + wait
        try:
            for item in self._connected():
                if item is not None:
                    new = self._order.is_new(item.index, item.digest)
                    self._cursor = item.token
                    if new:
                        self._last = _position(item)
                        return (item,)
                elif self._monotonic() >= deadline:
                    return ()
        except BaseException:
            self.close()
            raise
        self.close()
        raise UnavailableError("Expected a stream of packets that goes on, found its end.", retry_after=0)

    def begin_again(self) -> None:
        self.close()
        self._cursor = None
        self._order.begin_again(self._last)

    def close(self) -> None:
        self._coming = None
        self._open.close()

    def _connected(self) -> Iterator[Item | None]:
        if self._coming is None:
            headers = {} if self._cursor is None else {"last-event-id": self._cursor}
            pieces = self._open.enter_context(
                self._http.stream(
                    f"/v1/topics/{quote(self._topic, safe='')}/stream",
                    headers=headers,
                    accept="text/event-stream, application/problem+json",
                    silence=SILENCE,
                )
            )
            self._coming = self._items(pieces)
        return self._coming

    def _items(self, pieces: Iterator[bytes]) -> Iterator[Item | None]:
        for event in events(pieces):
            if event is None:
                yield None
                continue
            if event.name not in ("packet", "tombstone"):
                continue
            try:
                found = parse(event.data.encode())
            except MalformedJsonError:
                raise _not_understood() from None
            yield _item(self._topic, found, event.id)


def _item(topic: str, found: Any, token: str | None) -> Item:
    """A page's or event's item. What stands in `packet` and `receipt` is judged later, for each packet by itself."""
    if not isinstance(found, dict):
        raise _not_understood()
    try:
        place = _Place.from_object({name: found.get(name) for name in ("index", "digest")})
        tombstone = Tombstone.from_object(found) if "gone" in found else None
    except (ValidationError, ValueError):
        raise _not_understood() from None
    if tombstone is not None:
        return Item(topic, place.index, place.digest, None, None, tombstone.gone, token)
    try:
        raw = canonical(found.get("packet"))
    except ValueError:
        raw = b""
    return Item(topic, place.index, place.digest, raw, found.get("receipt"), None, token)


def _position(item: Item) -> Position:
    return Position(token=item.token, index=item.index, digest=item.digest)


def _not_understood() -> UnavailableError:
    return UnavailableError(
        "Expected a topic's items as the HTTP API describes them, found something else.",
        advice="Ask again; if it stays so, this program or the gateway is out of date.",
    )
