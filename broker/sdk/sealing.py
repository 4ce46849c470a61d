"""From what a program wants to say to a sealed packet: look-ups, judgements, then one seal."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypedDict, Unpack

from broker.crypto.keys import PublicKey
from broker.directory.lookup import Snapshot
from broker.directory.port import DirectorySource
from broker.envelope.seal import Draft, Sealed, Signer, seal
from broker.errors import IntegrityError, PacketError, PolicyError, SignatureError, UnavailableError
from broker.policy.lineage import Lineage, decide, trace
from broker.policy.port import Policy, Question
from broker.sdk.content import read_handling, read_model, write_payload
from broker.sdk.own import Signing
from schemas.base import Model
from schemas.canonical import b64u
from schemas.directory import DirectoryRef, Role
from schemas.handling import Handling
from schemas.packet import VERSION, Audience, Header, Precedence
from schemas.problem import Code, RuleHit

REFRESH_AFTER = 300.0
"""Seconds after which a sender looks for a newer directory before it seals."""


WEEK = 7 * 86_400
"""Seconds; the longest lifetime of a packet unless the gateway is configured otherwise."""


class Options(TypedDict, total=False):
    """What `Client.send` and `Client.seal` take beside kind, recipients, payload and handling.

    precedence: how soon a person should look; ROUTINE by default.
    exercise: True marks drill traffic.
    thread: the UUID of the conversation this belongs to; a new one by default.
    in_reply_to: the digest of the packet this answers.
    sources: digests of the packets whose content went into this one, 1 to 16; none by default.
    lifetime: seconds until the packet expires; a week by default.
    kind_version: the registry's newest by default.
    sealed: True leaves the gateway out as a reader; by default as the client was made.
    id: one's own UUIDv7, where the program keeps one: a second call with it never makes a second packet, and with an
        outbox it posts the bytes that were sealed the first time.
    """

    precedence: Precedence | str
    exercise: bool
    thread: str | None
    in_reply_to: str | None
    sources: Sequence[str]
    lifetime: int
    kind_version: int | None
    sealed: bool
    id: str | None


class Sealer:
    """Seals packets of one agency for one gateway.

    Args:
        policy: judges each recipient, and the gateway as a reader, before anything is sealed; None where the caller did
            not ask.
        lineage: where the packet's sources are looked up for it.
        monotonic: seconds of a clock that never jumps.
    """

    def __init__(
        self,
        agency: str,
        gateway: str,
        directory: DirectorySource,
        signing: Signing,
        *,
        policy: Policy | None,
        lineage: Lineage,
        now: Callable[[], float],
        random: Callable[[int], bytes],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agency = agency
        self._gateway = gateway
        self._directory = directory
        self._signing = signing
        self._policy = policy
        self._lineage = lineage
        self._now = now
        self._random = random
        self._monotonic = monotonic
        self._refreshed: float | None = None

    def seal(
        self,
        kind: str,
        *,
        to: str | Sequence[str],
        payload: Model | Mapping[str, Any],
        handling: Handling | Mapping[str, Any],
        **options: Unpack[Options],
    ) -> Sealed:
        """Judge, then seal once. Raises as `Client.send` does, but for what only a gateway can answer."""
        block = read_handling(handling)
        version, raw, act = write_payload(kind, options.get("kind_version"), payload, block, options.get("in_reply_to"))
        now = int(self._now())
        snapshot, signer = self._signer(now)
        readers = self._readers(
            snapshot, (to,) if isinstance(to, str) else tuple(to), now, sealed=bool(options.get("sealed"))
        )
        fields: dict[str, Any] = {
            "v": VERSION,
            "id": options.get("id") or self.new_id(),
            "aud": {"realm": self._directory.realm, "gateway": self._gateway},
            "from": self._agency,
            "to": [{"agency": agency, "kid": key.kid} for agency, key in readers],
            "suite": snapshot.suite.value,
            "kind": kind,
            "kind_version": version,
            "handling": block.to_object(),
            "precedence": str(options.get("precedence", Precedence.ROUTINE)),
            "exercise": options.get("exercise", False),
            "thread": options.get("thread") or self.new_id(),
            "iat": now,
            "exp": now + options.get("lifetime", WEEK),
            "commitment": b64u(bytes(48)),  # a place holder: policy does not look at it, and sealing makes the real one
            "sig": list(signer.kids),
        }
        if options.get("in_reply_to") is not None:
            fields["in_reply_to"] = options["in_reply_to"]
        if act is not None:
            fields["act"] = act.to_object()
        if options.get("sources"):
            fields["sources"] = list(options["sources"])
        header = read_model(Header, fields, "")
        self._judge(snapshot, header)
        return seal(_draft(header), raw, readers, signer, snapshot.suite, random=self._random)

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562, section 5.7)."""
        tail = int.from_bytes(self._random(10), "big")
        return str(
            uuid.UUID(
                int=(int(self._now() * 1000) & (2**48 - 1)) << 80
                | 0x7 << 76
                | (tail >> 62 & 0xFFF) << 64
                | 0b10 << 62
                | tail & (2**62 - 1)
            )
        )

    def unread(self, kind: str) -> bool:
        """Whether the gateway cannot read now, for it has no wrap key in its dates, and need not read this kind.

        Raises UnavailableError, IntegrityError: as `seal`.
        """
        snapshot = self._snapshot()
        own = snapshot.agency(self._agency)
        if own is None or kind not in own.sealed_kinds:
            return False
        try:
            snapshot.wrap_key(self._gateway, int(self._now()))
        except PacketError:
            return True
        return False

    def mistrust(self) -> None:
        """The directory may be stale: refresh it before the next packet."""
        self._refreshed = None

    def look_again(self) -> DirectoryRef:
        """Which directory is in force, deny lists included, once it was looked for a newer one."""
        self.mistrust()
        return self._snapshot().standing

    def _signer(self, now: int) -> tuple[Snapshot, Signer]:
        """The directory, and whom it lists to sign; where it lists none of one's own keys, a newer one may."""
        snapshot = self._snapshot()
        try:
            return snapshot, self._signing.signer(snapshot, now)
        except SignatureError:
            self.mistrust()
            snapshot = self._snapshot()
            return snapshot, self._signing.signer(snapshot, now)

    def _snapshot(self) -> Snapshot:
        if self._refreshed is None or self._monotonic() - self._refreshed > REFRESH_AFTER or self._ended():
            try:
                snapshot = self._directory.refresh()
            except UnavailableError:
                try:
                    return self._directory.current()
                except IntegrityError:
                    pass
                raise
            self._refreshed = self._monotonic()
            return snapshot
        return self._directory.current()

    def _ended(self) -> bool:
        """Whether the gateway's keys change each day, and those known here are over: a machine may have slept."""
        snapshot = self._directory.current()
        if all(each.gateway != self._gateway for each in snapshot.gateways):
            return False
        try:
            snapshot.wrap_key(self._gateway, int(self._now()))
        except PacketError:
            return True
        return False

    def _readers(
        self, snapshot: Snapshot, to: tuple[str, ...], now: int, *, sealed: bool
    ) -> list[tuple[str, PublicKey]]:
        names = to if sealed or self._gateway in to else (*to, self._gateway)
        readers = []
        for place, name in enumerate(names):
            try:
                snapshot.active(name, Role.GATEWAY if name == self._gateway else Role.AGENCY, place=place)
                key = snapshot.wrap_key(name, now)
            except PacketError as error:
                if name == self._gateway:
                    raise PacketError(
                        Code.RECIPIENT_UNKNOWN,
                        error.message,
                        advice="The gateway is no reader now: send it sealed, where this kind may be, or ask its "
                        "operator to make a wrap key (`setu rotate wrap`).",
                        pointer=f"/to/{place}",
                    ) from None
                raise PacketError(
                    Code.RECIPIENT_UNKNOWN,
                    error.message,
                    advice=f"Choose among {', '.join(_addressable(snapshot, now))}; others have to be enrolled first.",
                    pointer=f"/to/{place}",
                ) from None
            readers.append((name, PublicKey.from_directory(key)))
        return readers

    def _judge(self, snapshot: Snapshot, header: Header) -> None:
        """Every recipient, and the gateway as a reader: what the gateway would refuse is not sealed."""
        if self._policy is None:
            return
        descent = trace(header, self._lineage)
        hits: list[RuleHit] = []
        for each in header.to:
            reads = each.agency == self._gateway
            question = Question(
                header=header,
                sender=snapshot.active(self._agency),
                recipient=snapshot.active(each.agency, Role.GATEWAY if reads else Role.AGENCY),
                directory=snapshot.document,
                ref=snapshot.standing,
                at=int(self._now()),
                via="reader" if reads else "https",
            )
            decision = decide(self._policy, question, descent)
            if not decision.permit:
                hits.extend(decision.hits or (_no_permit(each.agency, reads=reads),))
        if hits:
            raise PolicyError(
                f"Expected a release that the policy permits, found {len(hits)} rule(s) against it.",
                hits,
                advice="Nothing was sealed. Each rule says what would change the outcome.",
            )


def _no_permit(agency: str, *, reads: bool) -> RuleHit:
    if reads:
        sentence, remedy = (
            "No rule permits the gateway to read this packet.",
            "Send it sealed, or with markings that the gateway may read.",
        )
    else:
        sentence, remedy = (
            "No rule permits this release.",
            "Ask what the release policy permits with `setu policy explain`.",
        )
    return RuleHit(rule="no-permit", recipient=agency, sentence=sentence, remedy=remedy)


def _addressable(snapshot: Snapshot, now: int) -> list[str]:
    """Whom a packet may be for: by the sender's own directory, whose names are no secret to it."""
    found = []
    for each in snapshot.document.agencies:
        with suppress(PacketError):
            snapshot.active(each.id)
            snapshot.wrap_key(each.id, now)
            found.append(each.id)
    return sorted(found)


def _draft(header: Header) -> Draft:
    return Draft(
        id=header.id,
        aud=Audience(realm=header.aud.realm, gateway=header.aud.gateway),
        from_=header.from_,
        kind=header.kind,
        kind_version=header.kind_version,
        handling=header.handling,
        precedence=header.precedence,
        exercise=header.exercise,
        thread=header.thread,
        in_reply_to=header.in_reply_to,
        act=header.act,
        sources=header.sources,
        iat=header.iat,
        exp=header.exp,
    )
