"""Where a subscriber stands in each topic, kept so that it survives the program."""

import threading
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field, ValidationError

from broker.errors import IntegrityError
from broker.sdk.files import private_directory, read_regular, write_atomic
from schemas.base import Digest, Model
from schemas.canonical import MAX_SAFE_INTEGER, MalformedJsonError
from schemas.problem import Code

MAX_POSITION = 16 * 2**10


class Position(Model):
    """All of a topic up to ledger index `index` is done with.

    token: the engine's own mark to resume from (a cursor, an offset); it stands at or before the item after `index`,
        never behind it. None: from the start of the topic.
    digest: the digest of the item at `index`; absent before the first.
    """

    v: Literal["setu1.position"] = "setu1.position"
    token: Annotated[str, Field(max_length=4096)] | None = None
    index: Annotated[int, Field(ge=-1, le=MAX_SAFE_INTEGER)] = -1
    digest: Digest | None = None


START = Position()


class Cursors(Protocol):
    """A store of positions, one for each topic. Safe to call from several threads; one program at a time."""

    def read(self, topic: str) -> Position:
        """The position last written, or `START`.

        Raises:
            IntegrityError: code `config-invalid`; what is stored is no position.
        """
        ...

    def write(self, topic: str, position: Position) -> None:
        """Durable when it returns: the next `read`, in this program or the next, gives this position.

        Raises:
            OSError: it could not be written; the one before still stands.
        """
        ...


class MemoryCursors:
    """Positions that end with the program: every run begins at the start."""

    def __init__(self) -> None:
        self._positions: dict[str, Position] = {}
        self._lock = threading.Lock()

    def read(self, topic: str) -> Position:
        with self._lock:
            return self._positions.get(topic, START)

    def write(self, topic: str, position: Position) -> None:
        with self._lock:
            self._positions[topic] = position


class FileCursors:
    """One file for each topic, replaced atomically and synced to disk with its directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = private_directory(directory)

    def read(self, topic: str) -> Position:
        raw = read_regular(self._directory, _name(topic), MAX_POSITION)
        if raw is None:
            return START
        try:
            return Position.from_json(raw)
        except (MalformedJsonError, ValidationError):
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected a stored position in a topic, found something else.",
                advice="Remove the topic's file from the cursor directory to read the topic from its start.",
            ) from None

    def write(self, topic: str, position: Position) -> None:
        write_atomic(self._directory, _name(topic), position.canonical())


def _name(topic: str) -> str:
    if "/" in topic or topic.startswith("."):
        raise IntegrityError(
            Code.CONFIG_INVALID, "Expected a topic's name, found one with a path in it.", advice="Check the topic."
        )
    return f"{topic}.json"
