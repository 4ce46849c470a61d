"""Posting signed bytes until they are answered, and believing the answer only with a receipt that verifies."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from broker.directory.port import DirectorySource
from broker.envelope.acknowledge import Statement, acknowledge
from broker.envelope.seal import Signer
from broker.envelope.verify import parse
from broker.errors import (
    CallerError,
    OutcomeUnknownError,
    PacketError,
    SetuError,
    SignatureError,
    UnavailableError,
)
from broker.sdk.http import Answer, Http
from broker.sdk.outbox import Outbox
from broker.sdk.own import Signing
from broker.sdk.patience import Persistence, may_ask_again
from broker.sdk.verify import Verifier
from schemas.evidence import AckEvent, AckPacket, Receipt
from schemas.packet import MEDIA_TYPE, Header
from schemas.problem import Code

ACKNOWLEDGEMENT_TYPE = "application/json"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet that was accepted, and the proof of it.

    digest: the packet's name wherever one is needed.
    index: its place in the ledger.
    receipt: verified: the entry is in the tree whose head both log keys signed.
    raw: the bytes as they were sent.
    """

    header: Header
    digest: str
    receipt: Receipt
    raw: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return self.header.id

    @property
    def index(self) -> int:
        return self.receipt.index


class Poster:
    """Posts packets and acknowledgements. Safe to call from several threads.

    Args:
        outbox: where packets stay until they have a receipt; None to keep none.
    """

    def __init__(
        self,
        http: Http,
        persistence: Persistence,
        verifier: Verifier,
        directory: DirectorySource,
        signing: Signing,
        *,
        outbox: Outbox | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._persistence = persistence
        self._verifier = verifier
        self._directory = directory
        self._signing = signing
        self._outbox = outbox
        self._now = now

    def post(self, raw: bytes) -> Sent:
        """Post a sealed packet; the same bytes again after each lost answer. Raises as `Client.post`."""
        parsed = parse(raw)

        def settled(answer: Answer) -> Sent:
            receipt, _ = self._verifier.accepted(parsed, answer.json())
            return Sent(parsed.header, parsed.digest, receipt, raw)

        if self._outbox is None:
            return self._settle("/v1/packets", raw, MEDIA_TYPE, settled)
        self._outbox.keep(parsed.header.id, raw)
        try:
            sent = self._settle("/v1/packets", raw, MEDIA_TYPE, settled)
        except PacketError as error:
            if error.code is not Code.RECEIPT_INVALID:
                self._outbox.drop(parsed.header.id)
            raise
        self._outbox.drop(parsed.header.id)
        return sent

    def acknowledge(self, packet: AckPacket, event: AckEvent, reason: Code | None = None) -> Receipt:
        """Sign a statement and post it. Raises as `Received.acknowledge`."""
        said = Statement(
            aud=self._verifier.audience,
            by=self._verifier.agency,
            event=event,
            at=int(self._now()),
            packet=packet,
            reason=reason,
        )
        signer: Signer | None = None
        try:
            signer = self._signing.signer(self._directory.current(), said.at)
            return self._say(said, signer)
        except SignatureError as error:
            if error.code is not Code.KEY_UNKNOWN:
                raise
            # The directory held here may be older than the one that it was judged by, and list other keys.
            newer = self._signing.signer(self._directory.refresh(), said.at)
            if signer is not None and newer.kids == signer.kids:
                raise
        return self._say(said, newer)

    def _say(self, said: Statement, signer: Signer) -> Receipt:
        raw = acknowledge(said, signer, self._directory.current().suite)
        return self._settle(
            "/v1/acknowledgements",
            raw,
            ACKNOWLEDGEMENT_TYPE,
            lambda answer: self._verifier.acknowledged(said, answer.json()),
        )

    def _settle(self, path: str, raw: bytes, media_type: str, settled: Callable[[Answer], T]) -> T:
        def once(remaining: float) -> T:
            return settled(self._http.request("POST", path, content=raw, media_type=media_type, within=remaining))

        try:
            return self._persistence.ask(once)
        except (UnavailableError, CallerError) as error:
            if not may_ask_again(error):
                raise
            raise _unknown(error, raw) from error


def _unknown(last: SetuError, raw: bytes) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"Expected an answer in time, found none that says what became of it. The last one: {last.message}",
        raw,
        code=last.code,
    )
