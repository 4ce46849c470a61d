"""The heads that anybody was shown, held against the log's own roots as the log is read."""

from collections.abc import Iterator

from broker.merkle.tree import EMPTY_ROOT, leaf_hash, node_hash


class Heads:
    """`shown` for each head, then `extend` with each entry of the log in order, then `forked`."""

    def __init__(self) -> None:
        self._shown: dict[int, tuple[str, str]] = {}
        self._own: dict[int, str] = {}
        self._peaks: list[tuple[int, bytes]] = []
        self._size = 0
        self._keep()

    def shown(self, size: int, root: str, who: str) -> bool:
        """Keep one; True where another root of this size was shown before."""
        known = self._shown.setdefault(size, (root, who))
        return known[0] != root

    @property
    def largest(self) -> int:
        return max(self._shown, default=0)

    def extend(self, entry: bytes) -> None:
        level, value = 0, leaf_hash(entry)
        while self._peaks and self._peaks[-1][0] == level:
            value = node_hash(self._peaks.pop()[1], value)
            level += 1
        self._peaks.append((level, value))
        self._size += 1
        self._keep()

    def forked(self) -> Iterator[tuple[int, str, str]]:
        """(size, root, to whom) of each head that is not the log's at that size, or lies beyond its end."""
        for size, (root, who) in sorted(self._shown.items()):
            if self._own.get(size) != root:
                yield size, root, who

    def _keep(self) -> None:
        if self._size in self._shown or not self._size:
            self._own[self._size] = self._root().hex()

    def _root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root
