"""From a source to an adapter: verify, deliver, acknowledge, keep the place; in ledger order within each topic.

What survives a crash, step by step: before `deliver` returned, the packet comes again; between `deliver` and the
acknowledgement, it is delivered again (adapters take a repeat once) and acknowledged then; between the acknowledgement
and the kept place, likewise, and the ledger keeps the first acknowledgement.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.port import Adapter, Parcel, PermanentFailure, TemporaryFailure
from broker.sdk.client import Client
from broker.sdk.cursors import Position
from broker.sdk.files import private_directory, write_atomic
from broker.sdk.following import answer_rejected, answered
from broker.sdk.reading import Gone, Rejected, Waiting, items_of
from broker.sdk.reading import log as log_reading
from broker.sdk.source import Item, Source
from broker.sdk.verify import Failed, Verified
from broker.transport.topics import topic
from schemas.base import Model
from schemas.canonical import canonical
from schemas.evidence import AckEvent
from schemas.problem import Code

UNFORESEEN = 5
"""How often a parcel that makes an adapter fail in a way nobody foresaw is tried before it counts as poison."""

_log = logging.getLogger("setu.adapters")


@dataclass(frozen=True, slots=True)
class Delivered:
    """The system has it, the sender can prove it. `answered`: False where the gateway refused the acknowledgement."""

    topic: str
    index: int
    digest: str
    answered: bool


@dataclass(frozen=True, slots=True)
class Retrying:
    """The system does not take the parcel now; what is behind it in the topic waits."""

    topic: str
    index: int
    digest: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The packet lies sealed in quarantine, with its reason beside it."""

    topic: str
    index: int
    digest: str
    code: Code
    message: str


Event = Delivered | Retrying | Quarantined | Waiting | Rejected | Gone
Report = Callable[[Event], None]


def log(event: Event) -> None:
    """The report for programs that bring none: a line of Python's logging, logger `setu.adapters`."""
    match event:
        case Delivered(name, index, _, answered):
            _log.info("%s: packet %d delivered%s", name, index, "" if answered else ", acknowledgement refused")
        case Retrying(name, index, _, message, seconds):
            _log.warning("%s: packet %d again in %.1f s: %s", name, index, seconds, message)
        case Quarantined(name, index, _, code, message):
            _log.warning("%s: packet %d to quarantine (%s): %s", name, index, code, message)
        case Waiting() | Rejected() | Gone():
            log_reading(event)


class Runner:
    """Runs one adapter on an agency's topics.

    Args:
        client: the agency's client, which verifies, opens and acknowledges.
        source: what to read; commits go to it.
        quarantine: a directory of the runner's own. It holds sealed packets and reasons, never a payload.
        stop: set it to end; the parcel in hand is finished first.
        wait: seconds of a long poll.
    """

    def __init__(
        self,
        client: Client,
        source: Source,
        adapter: Adapter,
        quarantine: Path,
        *,
        stop: threading.Event,
        report: Report = log,
        wait: float = 5.0,
    ) -> None:
        self._client = client
        self._source = source
        self._adapter = adapter
        self._quarantine = private_directory(quarantine)
        self._stop = stop
        self._report = report
        self._pace = client.pace(stop, report)
        self._wait = wait
        self._failure: BaseException | None = None

    def run(self, *kinds: str, drain: bool = False) -> None:
        """Deliver until stopped, or with `drain` until nothing more is at hand.

        No kinds: all the agency has topics for.

        Raises:
            IntegrityError: an alarm; see `Client.follow`. All topics stop.
            CallerError: the agency may not read.
            OSError: the place or the quarantine cannot be written.
        """
        named: Sequence[str] = [topic(self._client.agency, kind) for kind in kinds]
        named = named or self._pace.persist("topics", self._source.topics) or ()
        threads = [
            threading.Thread(target=self._guarded, args=(each, drain), name=f"setu adapter {each}") for each in named
        ]
        with closing(self._source), closing(self._adapter):
            try:
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            except BaseException:
                self._stop.set()
                for thread in threads:
                    thread.join()
                raise
        if self._failure is not None:
            raise self._failure

    def _guarded(self, name: str, drain: bool) -> None:
        try:
            for item in items_of(self._source, name, self._pace, wait=0.0 if drain else self._wait, drain=drain):
                if not self._handle(item):
                    return
        except BaseException as error:  # noqa: BLE001 - `run` raises it again
            self._failure = self._failure or error
            self._stop.set()

    def _handle(self, item: Item) -> bool:
        """Bring one item to its end and keep the place; False where it was stopped before that."""
        if item.gone is not None:
            self._report(Gone(item.topic, item.index, item.digest, item.gone))
        else:
            judged = self._pace.persist(item.topic, partial(self._client.judge, item, opened=self._adapter.opened))
            if judged is None or not (self._refuse(judged) if isinstance(judged, Failed) else self._pass_on(judged)):
                return False
        self._source.commit(item.topic, Position(token=item.token, index=item.index, digest=item.digest))
        return True

    def _pass_on(self, verified: Verified) -> bool:
        item = verified.item
        try:
            if not self._deliver(verified):
                return False
        except PermanentFailure as failure:
            self._set_aside(item, failure.reason, failure.message)
            return self._answer(verified, AckEvent.REJECTED, failure.reason) is not None
        event = AckEvent.OPENED if self._adapter.opened else AckEvent.RECEIVED
        told = self._answer(verified, event, None)
        if told is None:
            return False
        self._report(Delivered(item.topic, item.index, item.digest, told))
        return True

    def _deliver(self, verified: Verified) -> bool:
        parcel = self._parcel(verified)
        attempt = unforeseen = 0
        while True:
            try:
                self._adapter.deliver(parcel)
            except TemporaryFailure as failure:
                message, asked = failure.message, failure.retry_after
            except PermanentFailure:
                raise
            except Exception as error:
                unforeseen += 1
                message, asked = f"Expected the adapter to deliver, found {type(error).__name__}.", None
                if unforeseen >= UNFORESEEN:
                    raise PermanentFailure(Code.INTERNAL, message) from error
            else:
                return True
            seconds = self._pace.backoff.wait(attempt, asked)
            attempt += 1
            self._report(Retrying(parcel.topic, parcel.index, parcel.digest, message, seconds))
            if self._stop.is_set() or self._paused(seconds):
                return False

    def _paused(self, seconds: float) -> bool:
        self._pace.pause(seconds)
        return self._stop.is_set()

    def _answer(self, verified: Verified, event: AckEvent, reason: Code | None) -> bool | None:
        """True: the acknowledgement has its receipt. False: it was refused. None: stopped before an answer came."""
        post = partial(self._client.acknowledge, verified.named, event, reason)
        return self._pace.persist(verified.item.topic, partial(answered, post))

    def _refuse(self, failed: Failed) -> bool:
        """A packet that failed verification: kept as it was received, and answered with a signed rejection."""
        item, error = failed.item, failed.error
        self._set_aside(item, error.code, error.message)
        answer = partial(answer_rejected, failed, self._client.acknowledge, self._report)
        return self._pace.persist(item.topic, answer) is not None

    def _set_aside(self, item: Item, code: Code, message: str) -> None:
        why = {"topic": item.topic, "index": item.index, "digest": item.digest, "code": code, "message": message}
        write_atomic(self._quarantine, f"packet-{item.digest}.json", item.raw or b"")
        write_atomic(self._quarantine, f"packet-{item.digest}.reason", canonical(why))
        self._report(Quarantined(item.topic, item.index, item.digest, code, message))

    def _parcel(self, verified: Verified) -> Parcel:
        payload = verified.payload
        return Parcel(
            topic=verified.item.topic,
            index=verified.receipt.index,
            digest=verified.parsed.digest,
            header=verified.header,
            raw=verified.parsed.raw,
            receipt=verified.receipt,
            payload=(payload.to_object() if isinstance(payload, Model) else payload) if self._adapter.opened else None,
            disputed=verified.disputed,
        )
