"""A subscriber's loop: each item judged, handed out or rejected, and its place kept once it is done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from broker.errors import NotFoundError, PacketError, RequestError
from broker.sdk.cursors import Position
from broker.sdk.posting import Poster
from broker.sdk.reading import Gone, Pace, Rejected, items_of, merged
from broker.sdk.received import Answering, Received
from broker.sdk.source import Item, Source
from broker.sdk.verify import Failed, Verifier
from schemas.evidence import AckEvent


class Following:
    """Packets of one agency's topics; see `Client.follow`."""

    def __init__(
        self, source: Source, verifier: Verifier, poster: Poster, pace: Pace, *, wait: float, drain: bool
    ) -> None:
        self._source = source
        self._verifier = verifier
        self._poster = poster
        self._pace = pace
        self._wait = wait
        self._drain = drain

    def packets(self, topics: Sequence[str]) -> Iterator[Received]:
        """The packets of these topics, or of all the agency has where none is named."""
        named = topics or self._pace.persist("topics", self._source.topics) or ()
        items = self._items(named[0], self._pace.stopped) if len(named) == 1 else merged(named, self._items)
        with closing(self._source):
            for item in items:
                taken = self._pace.persist(item.topic, partial(self._take, item))
                if taken is None:
                    return
                if isinstance(taken, Received):
                    yield taken
                self._commit(item)

    def _items(self, topic: str, stopped: Callable[[], bool]) -> Iterator[Item]:
        pace = replace(self._pace, stopped=lambda: stopped() or self._pace.stopped())
        return items_of(self._source, topic, pace, wait=self._wait, drain=self._drain)

    def _take(self, item: Item) -> Received | Gone | Rejected:
        if item.gone is not None:
            gone = Gone(item.topic, item.index, item.digest, item.gone)
            self._pace.report(gone)
            return gone
        judged = self._verifier.judge(item)
        if isinstance(judged, Failed):
            return answer_rejected(judged, self._poster.acknowledge, self._pace.report)
        return Received(judged, self._poster.acknowledge, lambda: self._commit(item))

    def _commit(self, item: Item) -> None:
        self._source.commit(item.topic, Position(token=item.token, index=item.index, digest=item.digest))


def answered(post: Callable[[], object]) -> bool:
    """Post an acknowledgement; False where the gateway refused it, which nothing that comes later will change.

    Raises:
        UnavailableError, CallerError: nothing is known about the answer, or the agency may not speak now.
        IntegrityError: an alarm.
    """
    try:
        post()
    except (PacketError, RequestError, NotFoundError):
        return False
    return True


def answer_rejected(failed: Failed, answering: Answering, report: Callable[[Rejected], object]) -> Rejected:
    """Answer a packet that failed with a signed rejection; one that cannot be named or answered is only reported.

    Raises: as `answered`.
    """
    item, error, named = failed.item, failed.error, failed.named
    told = named is not None and answered(partial(answering, named, AckEvent.REJECTED, error.code))
    rejected = Rejected(item.topic, item.index, item.digest, error.code, error.message, told)
    report(rejected)
    return rejected
