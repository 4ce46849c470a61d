"""Server-sent events (WHATWG HTML, section 9.2.6): bytes in, events out, of bounded size."""

from collections.abc import Iterator
from dataclasses import dataclass

from broker.errors import UnavailableError

MAX_EVENT = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is the last id the stream gave, as the standard has it."""

    id: str | None
    name: str
    data: str


def events(pieces: Iterator[bytes]) -> Iterator[Event | None]:
    """Events as they come; None for each comment, which is how the gateway says that it is there.

    Raises:
        UnavailableError: a line or event beyond 4 MiB, or bytes that are no UTF-8.
    """
    last_id: str | None = None
    name, data, size = "message", list[str](), 0
    for line in _lines(pieces):
        size += len(line)
        if size > MAX_EVENT:
            raise _bad("an event beyond its size")
        if not line:
            if data:
                yield Event(last_id, name, "\n".join(data))
            name, data, size = "message", [], 0
        elif line.startswith(b":"):
            size -= len(line)
            yield None
        else:
            field, _, value = line.partition(b":")
            try:
                text = value.removeprefix(b" ").decode("utf-8")
            except UnicodeDecodeError:
                raise _bad("bytes that are no UTF-8") from None
            if field == b"data":
                data.append(text)
            elif field == b"event":
                name = text
            elif field == b"id" and "\0" not in text:
                last_id = text


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *lines, tail = bytes(rest).split(b"\n")
            rest = bytearray(tail)
            for line in lines:
                yield line.removesuffix(b"\r")
        if len(rest) > MAX_EVENT:
            raise _bad("a line beyond its size")


def _bad(found: str) -> UnavailableError:
    return UnavailableError(f"Expected server-sent events, found {found}.")
