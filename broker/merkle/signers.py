"""All pairs of a log's keys that one process holds, and with which of them it signs: it follows the directory's row."""

from collections.abc import Sequence
from threading import Lock

from broker.errors import IntegrityError, UnavailableError
from broker.merkle.note import Checkpoint, LogSigner, VerifierKey, verify_checkpoint
from schemas.directory import Log, LogPair
from schemas.problem import Code


class LogSigners:
    """Signs every head with each pair that it must: the current one; a former one that has no `size` yet; and one that
    the directory does not name yet, so that heads are signed by it before it counts. Safe to use from several threads.

    Args:
        log: the row in force. held: pairs, of which one is the current.

    Raises:
        IntegrityError: code `config-invalid`; the current pair is not held.
    """

    def __init__(self, log: Log, held: Sequence[LogSigner]) -> None:
        self.origin = log.origin
        self._lock = Lock()
        self._held = _once(held)
        self._rows: tuple[Log, ...] = (log,)
        self._withheld: str | None = None
        self._signing = self._wanted(self._held, self._rows)

    @property
    def signing(self) -> tuple[LogSigner, ...]:
        """The pairs that sign now, the current one first."""
        return self._signing

    @property
    def held(self) -> tuple[LogSigner, ...]:
        return self._held

    def sign(self, size: int, root: bytes) -> bytes:
        """The signed note over a tree head.

        Raises:
            UnavailableError: the directory names a pair that this process does not hold.
        """
        if self._withheld is not None:
            raise UnavailableError(
                "Expected the log's current keys, found that they are not here.", advice=self._withheld
            )
        checkpoint = Checkpoint(self.origin, size, root)
        return checkpoint.body() + b"\n" + b"".join(each.lines(checkpoint) for each in self._signing)

    def recognise(self, note: bytes) -> Checkpoint:
        """See `broker.merkle.note.HeadSigner`: under any pair of the row or held here, whatever its `size` says to
        others, for a note that this log itself keeps must also be among its heads.
        """
        with self._lock:
            pairs = [pair for row in self._rows for pair in row.pairs] + [each.pair for each in self._held]
        known = dict.fromkeys(LogPair(ed25519=each.ed25519, mldsa44=each.mldsa44) for each in pairs)
        return verify_checkpoint(note, self.origin, list(known))

    def take(self, held: Sequence[LogSigner]) -> None:
        """Hold these from now on.

        Raises:
            IntegrityError: code `config-invalid`; the current pair is not among them. All stays as it was.
        """
        with self._lock:
            self._signing = self._wanted(_once(held), self._rows)
            self._held = _once(held)

    def widen(self, log: Log) -> None:
        """Sign as the row in force has it and as this one has it, while the one is to follow the other.

        Raises:
            IntegrityError: code `config-invalid`; its current pair is not held. All stays as it was.
        """
        with self._lock:
            rows = (self._rows[0], log)
            self._signing = self._wanted(self._held, rows)
            self._rows = rows
            self._withheld = None

    def go_by(self, log: Log) -> None:
        """Sign as this row alone has it, which is in force; raises as `widen`."""
        with self._lock:
            self._signing = self._wanted(self._held, (log,))
            self._rows = (log,)
            self._withheld = None

    def withhold(self, why: str) -> None:
        """Sign nothing until `widen` succeeds: others of this log go by keys that are not here."""
        self._withheld = why

    @staticmethod
    def _wanted(held: tuple[LogSigner, ...], rows: tuple[Log, ...]) -> tuple[LogSigner, ...]:
        """The newest row's current pair, which must be held; then what else any of the rows lets sign."""
        by = {each.vkeys: each for each in held}
        newest = rows[-1]
        if (newest.ed25519, newest.mldsa44) not in by:
            raise lacking(newest)
        wanted = {newest.ed25519: by[newest.ed25519, newest.mldsa44]}
        for row in reversed(rows):
            ended = {each.ed25519 for each in row.former or () if each.size is not None}
            wanted |= {
                ed25519: each for (ed25519, _), each in by.items() if ed25519 not in ended and ed25519 not in wanted
            }
        return tuple(wanted.values())


def _once(held: Sequence[LogSigner]) -> tuple[LogSigner, ...]:
    return tuple({each.vkeys: each for each in held}.values())


def lacking(log: Log) -> IntegrityError:
    """The log keys that a row makes the current ones are not here."""
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected the private half of the log keys that the directory names for {log.gateway}, found none of them.",
        advice="Copy the new log-*.key files from the gateway where `setu rotate log` made them into this one's keys "
        "folder, or restore that folder; it is looked at twice a second.",
    )


def id_of(pair: LogPair) -> str:
    """A short name of a pair, from both key ids."""
    return "+".join(VerifierKey.parse(each).key_id.hex() for each in (pair.ed25519, pair.mldsa44))
