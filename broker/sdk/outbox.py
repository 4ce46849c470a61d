"""Packets that were sealed and have no receipt yet, kept so that a program that crashed sends the same bytes again.

Whoever reads the directory learns what the gateway sees of a sealed packet: headers and ciphertext, no payload. Whoever
writes to it can make this agency repeat packets it sealed itself; another sender's packet is refused when it is read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from broker.envelope.verify import parse
from broker.errors import IntegrityError
from broker.sdk.files import private_directory, read_regular, remove, write_atomic
from schemas.problem import Code

MAX_PACKET = 16 * 2**20
_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.json\Z")


class Outbox:
    """One file for each packet, named by its id, mode 0600. For one program at a time.

    Args:
        agency: one's own id; no other sender's packet is taken from the directory.
    """

    def __init__(self, directory: Path, agency: str) -> None:
        self._directory = private_directory(directory)
        self._agency = agency

    def keep(self, packet_id: str, raw: bytes) -> None:
        """Durable when it returns."""
        write_atomic(self._directory, f"{packet_id}.json", raw)

    def find(self, packet_id: str) -> bytes | None:
        """The packet kept under this id, or None.

        Raises:
            IntegrityError: code `config-invalid`; something else stands in the directory under its name.
        """
        raw = read_regular(self._directory, f"{packet_id}.json", MAX_PACKET)
        if raw is None:
            return None
        header = parse(raw).header
        if (header.from_, header.id) != (self._agency, packet_id):
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected this agency's own packets in the outbox, found another's.",
                advice="Look at who can write to the outbox; move the file away.",
            )
        return raw

    def drop(self, packet_id: str) -> None:
        """It has its receipt, or was refused for good."""
        remove(self._directory, f"{packet_id}.json")

    def waiting(self) -> Iterator[str]:
        """Ids of the packets kept, oldest first: a UUIDv7 begins with its time."""
        for path in sorted(self._directory.iterdir()):
            if _NAME.match(path.name):
                yield path.name.removesuffix(".json")
