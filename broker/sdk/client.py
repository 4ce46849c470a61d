"""What an agency's own program uses: send, follow, acknowledge, and look up what became of a packet."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from broker.crypto.keys import PrivateKey
from broker.directory.port import DirectorySource
from broker.envelope.seal import Sealed, Signer
from broker.errors import MalformedError, PacketError, SetuError
from broker.policy.port import Policy
from broker.sdk.cursors import Cursors, MemoryCursors
from broker.sdk.deriving import Deriving
from broker.sdk.following import Following
from broker.sdk.http import Http
from broker.sdk.lineage import LookedUp
from broker.sdk.lookups import Lookups
from broker.sdk.many import ManyPoster
from broker.sdk.outbox import Outbox
from broker.sdk.own import OnePair, Signing
from broker.sdk.patience import Backoff, Persistence, Told
from broker.sdk.posting import Poster, Sent
from broker.sdk.reading import Pace, Report, log
from broker.sdk.received import Received
from broker.sdk.sealing import Options, Sealer
from broker.sdk.source import HttpsSource, Item, Source
from broker.sdk.verify import Failed, Verified, Verifier
from broker.transport.topics import topic
from schemas import registry
from schemas.base import Model
from schemas.evidence import AckEvent, AckPacket, Entry, Receipt
from schemas.handling import Handling
from schemas.packet import MEDIA_TYPE
from schemas.problem import Code

STALE = (Code.KEY_UNKNOWN, Code.RECIPIENT_UNKNOWN)
"""Refusals that a newer directory may explain."""


class Client(Lookups, Deriving):
    """One agency's connection to one gateway. Use it as a context manager; safe to call from several threads.

    Args:
        agency: one's own id, the one the certificate is registered for.
        transport: mutual TLS to the gateway, whose address is its `base_url`.
        directory: the realm's verified directory.
        signer: one's two signing keys; or those one has, of which the newest that the directory lists sign.
        wrap_keys: one's wrap keys by kid, also retired ones: they open older packets.
        gateway: the gateway's agency id.
        policy: the realm's release policy; with it each recipient, and the gateway as a reader, is judged before a
            packet is sealed for them.
        trust_gateway: True: seal open, with the gateway as a reader, which checks the content; where it has no key in
            its dates, a kind that this agency may send without it is sealed for the recipients alone. False: always so.
        cursors: where `follow` keeps its place; by default in memory, so that every run begins at the start.
        gateways: the gateway's addresses, `https://host:port`, where it has several; none for the transport's own.
        outbox: where packets stay until they have their receipt; None to keep none.
        patience: seconds for which a packet or acknowledgement without an answer is posted again.
        told: is told each time that something is asked again; None to be silent.
        now, monotonic, random, sleep: unix seconds; seconds that never jump; random bytes; a pause.
    """

    def __init__(
        self,
        agency: str,
        transport: httpx.Client,
        directory: DirectorySource,
        signer: Signer | Signing,
        wrap_keys: Mapping[str, PrivateKey],
        gateway: str,
        *,
        policy: Policy | None = None,
        trust_gateway: bool = True,
        cursors: Cursors | None = None,
        gateways: Sequence[str] = (),
        outbox: Outbox | None = None,
        patience: float = 120.0,
        told: Told | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.agency = agency
        self.gateway = gateway
        self.directory = directory
        self._trust_gateway = trust_gateway
        self._cursors = cursors if cursors is not None else MemoryCursors()
        self._outbox = outbox
        self._monotonic = monotonic
        self._sleep = sleep
        self._backoff = Backoff(random=random)
        self._http = Http(transport, gateways=gateways, now=now, monotonic=monotonic)
        persistence = Persistence(self._backoff, patience, sleep, monotonic, told)
        super().__init__(self._http, persistence)
        self._verifier = Verifier(agency, gateway, directory, wrap_keys)
        self._lineage = LookedUp(self)
        signing = OnePair(signer) if isinstance(signer, Signer) else signer
        self._sealer = Sealer(
            agency,
            gateway,
            directory,
            signing,
            policy=policy,
            lineage=self._lineage,
            now=now,
            random=random,
            monotonic=monotonic,
        )
        self._many = ManyPoster(self._http, persistence, self._verifier, outbox=outbox, now=now)
        self._poster = Poster(self._http, persistence, self._verifier, directory, signing, outbox=outbox, now=now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A `follow` that is still running ends."""
        self._http.close()

    def send(
        self,
        kind: str,
        *,
        to: str | Sequence[str],
        payload: Model | Mapping[str, Any],
        handling: Handling | Mapping[str, Any],
        **options: Unpack[Options],
    ) -> Sent:
        """Judge, seal once, post until it is answered, verify the receipt.

        Args:
            kind: the packet's kind: `tip`, `pen`, `payment-trail`, ...
            to: recipients' agency ids, 1 to 64; all of them see each other's names.
            payload: the kind's model, or an object of JSON types.
            handling: the handling block, likewise.
            options: members of `Options`.

        Raises:
            PolicyError: the release policy says no, here before anything was sealed, or at the gateway; `rules` says
                which rules, and what would change the outcome.
            MalformedError: the payload or handling is not its schema; `pointer` says where.
            ConflictError: the id was used for another packet.
            PacketError: refused for another reason, `code` says which; or code `receipt-invalid`: the answer proves
                nothing, so do not count the packet as accepted.
            CallerError: the gateway does not let this agency send now.
            OutcomeUnknownError: no answer in time: the packet may have been accepted. `posted` holds its bytes; give
                them to `post`, or call `resend` where there is an outbox.
            UnavailableError: nothing was posted: the directory could not be fetched, or `sources` not be looked up.
            IntegrityError: the directory, or what the gateway shows of it, is not what it must be: stop.
        """
        own_id = options.get("id")
        if own_id is not None and self._outbox is not None:
            kept = self._outbox.find(own_id)
            if kept is not None:
                return self.post(kept)
        made = self.seal(kind, to=to, payload=payload, handling=handling, **options)
        by = self.directory.current().standing
        try:
            return self.post(made.raw)
        except PacketError as error:
            if error.code not in STALE:
                raise
            newer = self._sealer.look_again() != by
            # Keys or agencies changed since it was sealed. Nothing was accepted: once more, under its id.
            options["id"] = made.header.id
            again = self.seal(kind, to=to, payload=payload, handling=handling, **options)
            if not newer and _keys(again) == _keys(made):
                raise
        return self.post(again.raw)

    def send_many(
        self,
        kind: str,
        *,
        to: str | Sequence[str],
        payloads: Iterable[Model | Mapping[str, Any]],
        handling: Handling | Mapping[str, Any],
        **options: Unpack[Options],
    ) -> list[Sent | SetuError]:
        """As `send` for each payload, in batches. All are sealed before the first is posted.

        Args:
            kind: as in `send`, for all of them.
            to: likewise.
            payloads: one for each packet.
            handling: likewise for all.
            options: members of `Options` but `id`, which names one packet.

        Returns:
            for each payload, in order, `Sent` or the error that `send` would have raised. An outcome that is unknown
            stays so for that packet alone: `OutcomeUnknownError.posted` holds its bytes.

        Raises: PolicyError, MalformedError, UnavailableError, IntegrityError: as `send`, before anything was posted;
            IntegrityError also later: stop.
        """
        if options.get("id") is not None:
            raise ValueError("expected no id for many packets: each has its own")
        items = tuple(payloads)
        made = [self.seal(kind, to=to, payload=each, handling=handling, **options) for each in items]
        found = self.post_many([each.raw for each in made])
        stale = [n for n, each in enumerate(found) if isinstance(each, SetuError) and each.code in STALE]
        again = {n: self.seal(kind, to=to, payload=items[n], handling=handling, **options) for n in stale}
        again = {n: each for n, each in again.items() if _keys(each) != _keys(made[n])}
        for n, outcome in zip(again, self.post_many([each.raw for each in again.values()]), strict=True):
            found[n] = outcome
        return found

    def post_many(self, raws: Sequence[bytes]) -> list[Sent | SetuError]:
        """Post packets that were sealed before, in batches; only what has no answer is posted again.

        Returns and raises as `send_many`.
        """
        found = self._many.post(raws)
        if any(isinstance(each, SetuError) and each.code in STALE for each in found):
            self._sealer.mistrust()
        return found

    def seal(
        self,
        kind: str,
        *,
        to: str | Sequence[str],
        payload: Model | Mapping[str, Any],
        handling: Handling | Mapping[str, Any],
        **options: Unpack[Options],
    ) -> Sealed:
        """As `send`, without posting: for a program that keeps the bytes itself before it posts them."""
        options.setdefault("sealed", not self._trust_gateway or self._sealer.unread(kind))
        return self._sealer.seal(kind, to=to, payload=payload, handling=handling, **options)

    def post(self, raw: bytes) -> Sent:
        """Post a packet that was sealed before; posting the same bytes again is always safe. Raises as `send`."""
        try:
            return self._poster.post(raw)
        except PacketError as error:
            if error.code in STALE:
                self._sealer.mistrust()
            raise

    def resend(self) -> list[Sent]:
        """Post what the outbox still holds, oldest first; what a program does first after a crash.

        A packet that is refused now leaves the outbox, and its error is raised; call again for those behind it.

        Raises: as `send`.
        """
        if self._outbox is None:
            return []
        kept = (self._outbox.find(each) for each in tuple(self._outbox.waiting()))
        return [self.post(raw) for raw in kept if raw is not None]

    def check(self, raw: bytes) -> Any:
        """Ask the gateway what it would say to this packet; nothing is committed.

        Returns:
            the gateway's answer, an object of JSON types, where it would accept. Raises as `send` where it would not.
        """
        return self._ask("POST", "/v1/packets:check", content=raw, media_type=MEDIA_TYPE).json()

    def follow(
        self,
        *kinds: str,
        cursors: Cursors | None = None,
        stream: bool = False,
        wait: float = 25.0,
        drain: bool = False,
        patience: float | None = None,
        stop: threading.Event | None = None,
        report: Report = log,
        source: Source | None = None,
    ) -> Iterator[Received]:
        """The agency's packets of these kinds (of all kinds where none is named), verified and opened, for ever.

        Each topic comes in ledger order. A packet counts as done when its `acknowledge` said the last word, or when the
        loop asks for the next one; what was not done comes again in the next run (at least once). A packet that fails
        verification is answered with a signed rejection and told to `report`; the stream goes on. So it does after a
        lost connection, for however long it lasts.

        Args:
            kinds: `tip`, `pen`, ...; none for all the agency has topics for.
            cursors: where the place in each topic is kept; None for the client's.
            stream: by server-sent events instead of long poll.
            wait: seconds of a long poll, at most 30.
            drain: end as soon as nothing more is at hand.
            patience: seconds for which one read without an answer is asked again; None for as long as it takes.
            stop: set it to end; at the latest after `wait` seconds.
            report: is told of rejections, tombstones and waits; by default a line of Python's logging.
            source: another engine to read from, which keeps places of its own (`broker.assembly.kafka.kafka_source`).

        Raises:
            IntegrityError: an alarm: the gateway shows two directories, or breaks the ledger's order. Stop reading.
            UnavailableError: no answer within `patience`; what was not done comes again in the next run.
            CallerError: the agency may not read (suspended, unknown certificate).
            NotFoundError: no such topic of this agency's.
            MalformedError: code `kind-unknown`: a kind that no packet has.
        """
        if not set(kinds) <= set(registry.kinds()):
            raise MalformedError(
                Code.KIND_UNKNOWN,
                f"Expected kinds among {', '.join(registry.kinds())}, found another.",
                advice="Name one of these; name none to follow all the agency has topics for.",
            )
        pace = replace(self.pace(stop, report), total=patience)
        source = source or self.source(cursors, stream=stream)
        following = Following(source, self._verifier, self._poster, pace, wait=0.0 if drain else wait, drain=drain)
        return following.packets([topic(self.agency, kind) for kind in kinds])

    def source(self, cursors: Cursors | None = None, *, stream: bool = False) -> HttpsSource:
        """The agency's topics, unverified, for a program that judges each item with `judge`."""
        kept = cursors if cursors is not None else self._cursors
        return HttpsSource(self._http, kept, stream=stream, monotonic=self._monotonic)

    def pace(self, stop: threading.Event | None, report: Report) -> Pace:
        """How this client waits, until `stop` is set."""
        if stop is None:
            return Pace(self._sleep, lambda: False, self._backoff, report, monotonic=self._monotonic)
        return Pace(stop.wait, stop.is_set, self._backoff, report, monotonic=self._monotonic)

    def judge(self, item: Item, *, opened: bool = True) -> Verified | Failed:
        """Steps 1 to 7 of the verification recipe; see `broker.sdk.verify.Verifier.judge`."""
        return self._verifier.judge(item, opened=opened)

    def check_receipt(self, answer: Any) -> tuple[Receipt, Entry]:
        """A receipt by itself, and the entry it proves; see `broker.sdk.verify.Verifier.receipt`."""
        return self._verifier.receipt(answer)

    def acknowledge(self, packet: AckPacket, event: AckEvent, reason: Code | None = None) -> Receipt:
        """Sign and post an acknowledgement; see `Received.acknowledge`."""
        return self._poster.acknowledge(packet, event, reason)


def _keys(made: Sealed) -> tuple[Any, ...]:
    """To whose keys it is sealed, and by which it is signed."""
    return made.header.to, made.header.sig
