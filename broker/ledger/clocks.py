"""Clocks of a batch, under the head lock: what they were, and what the batch's proposals make of them."""

from collections.abc import Iterable

from broker.store.clocks import ClockRow
from schemas.evidence import ClockState, Word


class Clocks:
    """Args: rows: all clocks of the packets that the batch speaks of."""

    def __init__(self, rows: Iterable[ClockRow]) -> None:
        self._rows = {row[:3]: row for row in rows}
        self._changed: dict[tuple[int, str, str], None] = {}

    def start(self, idx: int, recipient: str, word: Word, due: int) -> None:
        """From now on it is due; where it was before, at this time instead; nothing where the word was given."""
        row = self._rows.get((idx, recipient, word))
        if row is None or row.state != ClockState.STOPPED:
            self._put(ClockRow(idx, recipient, word.value, due, ClockState.RUNNING.value))

    def extend(self, idx: int, recipient: str, word: Word, due: int) -> None:
        """As `start`, where there is such a clock."""
        if (idx, recipient, word) in self._rows:
            self.start(idx, recipient, word, due)

    def stop(self, idx: int, recipient: str, word: Word) -> None:
        """Nothing is due any more."""
        row = self._rows.get((idx, recipient, word))
        if row is not None and row.state != ClockState.STOPPED:
            self._put(row._replace(state=ClockState.STOPPED.value))

    def runs(self, idx: int, recipient: str, word: Word, due: int) -> bool:
        """Is it still due at just this time?"""
        row = self._rows.get((idx, recipient, word))
        return row is not None and row.state == ClockState.RUNNING and row.due == due

    def miss(self, idx: int, recipient: str, word: Word) -> None:
        """Its time has passed."""
        self._put(self._rows[idx, recipient, word]._replace(state=ClockState.OVERDUE.value))

    def changed(self) -> list[ClockRow]:
        """Each that is new or another now, as it came to be."""
        return [self._rows[key] for key in self._changed]

    def _put(self, row: ClockRow) -> None:
        self._rows[row[:3]] = row
        self._changed[row[:3]] = None
