"""Posting many packets: in batches, each packet until it is answered, each answer believed only with its receipt."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from broker.envelope.verify import Parsed, parse
from broker.errors import CallerError, OutcomeUnknownError, PacketError, RequestError, SetuError, UnavailableError
from broker.sdk.http import Http
from broker.sdk.outbox import Outbox
from broker.sdk.patience import Persistence, may_ask_again, retry_after
from broker.sdk.posting import Sent
from broker.sdk.problems import error_of
from broker.sdk.verify import Verifier
from schemas.canonical import MalformedJsonError, canonical
from schemas.canonical import parse as parse_json
from schemas.problem import Code

PATH = "/v1/packets:batch"
LINES = "application/x-ndjson"
ACCEPT = f"{LINES}, application/problem+json"
MOST_LINES = 500
MOST_BYTES = 8 * 2**20
OK = (200, 201)

Outcome = Sent | SetuError


@dataclass(slots=True)
class _Item:
    raw: bytes
    parsed: Parsed | None = None
    outcome: Outcome | None = None


class ManyPoster:
    """Posts packets in batches. Safe to call from several threads.

    Args:
        outbox: where packets stay until they have a receipt; None to keep none.
        lines, size: of one batch at most; a gateway that takes less is given less.
    """

    def __init__(
        self,
        http: Http,
        persistence: Persistence,
        verifier: Verifier,
        *,
        outbox: Outbox | None,
        now: Callable[[], float] = time.time,
        lines: int = MOST_LINES,
        size: int = MOST_BYTES,
    ) -> None:
        self._http = http
        self._persistence = persistence
        self._verifier = verifier
        self._outbox = outbox
        self._now = now
        self._lines = lines
        self._size = size

    def post(self, raws: Sequence[bytes]) -> list[Outcome]:
        """What became of each packet, in order: `Sent`, or the error that `Client.post` would have raised.

        Raises:
            IntegrityError: what the gateway shows is not what it must be: stop. The outbox holds what is not settled.
        """
        items = [self._kept(raw) for raw in raws]
        while waiting := [each for each in items if each.outcome is None]:
            try:
                self._persistence.ask(partial(self._round, waiting))
            except (UnavailableError, CallerError, RequestError) as error:
                if may_ask_again(error) and any(each.outcome is not None for each in waiting):
                    continue  # there was progress: patience begins anew
                for each in waiting:
                    each.outcome = each.outcome or _unsettled(error, each.raw)
        return [each.outcome for each in items if each.outcome is not None]

    def _kept(self, raw: bytes) -> _Item:
        try:
            item = _Item(raw, parse(raw))
        except PacketError as error:
            return _Item(raw, outcome=error)
        if self._outbox is not None and item.parsed is not None:
            self._outbox.keep(item.parsed.header.id, raw)
        return item

    def _round(self, items: Sequence[_Item], remaining: float) -> None:
        """Ask once for all that have no answer; raises UnavailableError where some still have none."""
        last: SetuError | None = None
        for batch in self._batches([each for each in items if each.outcome is None]):
            try:
                last = self._once(batch, remaining) or last
            except RequestError as error:
                if error.code is not Code.TOO_LARGE or len(batch) == 1:
                    raise
                self._lines = max(1, len(batch) // 2)
                last = error
        if any(each.outcome is None for each in items):
            wait = None if last is None else retry_after(last)
            raise UnavailableError(
                "Expected an answer for each packet, found some without one.", retry_after=int(wait or 0)
            ) from last

    def _batches(self, items: Sequence[_Item]) -> Iterator[list[_Item]]:
        batch: list[_Item] = []
        size = 0
        for each in items:
            if batch and (len(batch) >= self._lines or size + len(each.raw) >= self._size):
                yield batch
                batch, size = [], 0
            batch.append(each)
            size += len(each.raw) + 1
        if batch:
            yield batch

    def _once(self, batch: Sequence[_Item], remaining: float) -> SetuError | None:
        """Settles whom the answer settles, also when it is cut; returns the last reason to ask again."""
        again: list[SetuError] = []

        def begin() -> tuple[bytes, Callable[[bytes], bool]]:
            left = [each for each in batch if each.outcome is None]
            waiting = iter(left)
            return b"".join(_line(each.raw) for each in left), lambda line: self._take(line, waiting, again)

        self._http.lines(PATH, begin, media_type=LINES, accept=ACCEPT, within=remaining)
        return again[-1] if again else None

    def _take(self, line: bytes, waiting: Iterator[_Item], again: list[SetuError]) -> bool:
        """One line of the answer; True for the last one."""
        try:
            said = parse_json(line)
            if "done" in said:
                if "problem" in said:
                    again.append(self._error(said["problem"], None))
                    if again[-1].code is Code.TOO_LARGE:
                        self._lines = max(1, said["done"])
                return True
            item = next(waiting)
            if said["status"] in OK:
                self._settle(item, said["receipt"])
            else:
                error = self._error(said["problem"], said.get("retry_after"))
                if may_ask_again(error):
                    again.append(error)
                else:
                    self._refuse(item, error)
        except (MalformedJsonError, KeyError, TypeError, ValueError, StopIteration):
            raise UnavailableError("Expected one line of JSON for each packet, found something else.") from None
        return False

    def _error(self, problem: object, wait: object) -> SetuError:
        status = problem["status"] if isinstance(problem, dict) else 0
        return error_of(int(status), canonical(problem), None if wait is None else str(wait), self._now())

    def _settle(self, item: _Item, receipt: object) -> None:
        if item.outcome is not None or item.parsed is None:
            return  # answered before the last answer was cut
        try:
            proof, _ = self._verifier.accepted(item.parsed, receipt)
        except PacketError as error:
            item.outcome = error
            return
        item.outcome = Sent(item.parsed.header, item.parsed.digest, proof, item.raw)
        self._drop(item)

    def _refuse(self, item: _Item, error: SetuError) -> None:
        if item.outcome is None:
            item.outcome = error
            if isinstance(error, PacketError):
                self._drop(item)

    def _drop(self, item: _Item) -> None:
        if self._outbox is not None and item.parsed is not None:
            self._outbox.drop(item.parsed.header.id)


def _line(raw: bytes) -> bytes:
    """A packet on one line: a line feed in JSON is white space, and says no more than a blank."""
    return raw.replace(b"\n", b" ") + b"\n"


def _unsettled(last: SetuError, raw: bytes) -> SetuError:
    if not may_ask_again(last):
        return last
    return OutcomeUnknownError(
        f"Expected an answer in time, found none that says what became of it. The last one: {last.message}",
        raw,
        code=last.code,
    )
