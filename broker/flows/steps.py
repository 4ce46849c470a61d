"""The checks of an acceptance that need no ledger: steps 4 and 6 to 10. `submit.py` holds their order."""

from collections.abc import Callable, Mapping

from broker.crypto.keys import PrivateKey, PublicKey
from broker.directory.signing import keys_of
from broker.envelope.open import open_packet
from broker.envelope.verify import Parsed, check_audience, check_signatures
from broker.errors import MalformedError, PacketError, PolicyError, SignatureError, UnavailableError
from broker.flows.identify import Caller
from broker.flows.inforce import View
from broker.flows.judge import Judge
from broker.flows.record import purge_time
from broker.flows.references import References
from broker.flows.standing import GRACE, check_standing
from schemas import registry
from schemas.directory import Agency, KeyUse, Role
from schemas.packet import MAX_RECIPIENTS, Audience
from schemas.problem import Code, RuleHit

CLOCK_SKEW = 300


class Steps:
    """Safe to call from several threads.

    Args:
        audience: this realm and gateway.
        keys: the gateway's own wrap keys by kid, to open packets that name it as a reader.
        max_lifetime: longest `exp - iat`, seconds.
        grace: see `broker.flows.standing.check_standing`.
    """

    def __init__(
        self,
        audience: Audience,
        references: References,
        judge: Judge,
        *,
        keys: Mapping[str, PrivateKey],
        now: Callable[[], float],
        max_lifetime: int,
        grace: int = GRACE,
    ) -> None:
        self._audience = audience
        self._references = references
        self._judge = judge
        self._keys = keys
        self._now = now
        self._max_lifetime = max_lifetime
        self._grace = grace
        self._known = {(kind, version) for kind in registry.kinds() for version in registry.versions(kind)}

    def check_addressed(self, parsed: Parsed, caller: Caller, view: View) -> None:
        """Step 4. Raises PacketError."""
        header = parsed.header
        if header.from_ != caller.agency.id:
            raise PacketError(
                Code.SENDER_MISMATCH,
                "Expected a packet from the agency whose certificate this is, found one from another.",
                advice="Send each agency's packets over its own connection.",
                pointer="/from",
            )
        audience = self._audience
        check_audience(parsed, realm=audience.realm, gateway=audience.gateway, suite=view.snapshot.suite)
        if Role.AGENCY not in caller.agency.roles:
            raise PacketError(
                Code.SENDER_MISMATCH,
                "Expected a sender in the role agency, found one without it.",
                advice="Only agencies send; auditors, witnesses and operators read.",
            )

    def check_signatures(self, parsed: Parsed, caller: Caller, view: View) -> None:
        """Step 6. When the packet says that it was made does not count: who is suspended now, sends nothing now.

        Raises:
            SignatureError: a signature does not verify, or by keys that do not count.
            CallerError, UnavailableError: as `broker.flows.standing.check_standing`.
        """
        check_standing(caller, view.snapshot, self._now(), self._grace)
        check_signatures(parsed, keys_of(view.snapshot, parsed.header.from_, int(self._now())))

    def judge(self, parsed: Parsed, view: View) -> tuple[str, ...]:
        """Steps 7 to 10; the ids of the rules that permit it.

        Raises:
            PacketError: refused.
            UnavailableError: the policy engine failed, the ledger does not answer, or the gateway lacks its own key.
        """
        self._check_time(parsed)  # step 7
        recipients = self._recipients(parsed, view)  # step 8
        self._references.check(parsed.header, view)
        rules = self._judge.require(view, parsed.header, recipients)  # step 9
        self._check_content(parsed)  # step 10
        return rules

    def _check_time(self, parsed: Parsed) -> None:
        header, now = parsed.header, self._now()
        if header.iat > now + CLOCK_SKEW:
            raise PacketError(
                Code.CLOCK_SKEW,
                f"Expected a packet issued at most {CLOCK_SKEW} s ahead of the gateway's clock, "
                f"found one {int(header.iat - now)} s ahead.",
                advice="Set the sender's clock.",
                pointer="/iat",
            )
        if header.exp <= now:
            raise PacketError(
                Code.EXPIRED,
                f"Expected a packet that is still valid, found one that expired {int(now - header.exp)} s ago.",
                advice="Seal it anew with a later expiry.",
                pointer="/exp",
            )
        if not 0 < header.exp - header.iat <= self._max_lifetime:
            raise PacketError(
                Code.LIFETIME,
                f"Expected a lifetime of 1 to {self._max_lifetime} s, found {header.exp - header.iat} s.",
                advice="Seal it with an expiry within the gateway's limit.",
                pointer="/exp",
            )

        purge = purge_time(header)
        if purge is not None and purge <= now:
            raise PacketError(
                Code.EXPIRED,
                "Expected a packet that may be kept for a time, found one whose day to be purged has passed.",
                advice="Seal it anew with a later day in retention.",
                pointer="/handling/retention/purge_on",
            )

    def _recipients(self, parsed: Parsed, view: View) -> list[Agency]:
        header, now = parsed.header, int(self._now())
        addressees = header.recipients()
        if not 1 <= len(addressees) <= MAX_RECIPIENTS:
            raise MalformedError(
                Code.ENVELOPE_INVALID,
                f"Expected 1 to {MAX_RECIPIENTS} recipients beside the gateway, found {len(addressees)}.",
                advice="Send the packet to fewer recipients at a time.",
                pointer="/to",
            )
        recipients = []
        for place, each in enumerate(header.to):
            is_gateway = each.agency == header.aud.gateway
            agency = view.snapshot.active(each.agency, Role.GATEWAY if is_gateway else Role.AGENCY, place=place)
            try:
                key = view.snapshot.key(each.kid, agency=each.agency, use=KeyUse.WRAP, at=now)
                expected = parsed.jwe.wraps[place].alg
                PublicKey.from_directory(key)
            except SignatureError as error:
                raise _stale_wrap(place, error.message) from None
            if key.alg != expected:
                raise _stale_wrap(place, "Expected a wrap key of the suite's algorithm, found another.")
            if not is_gateway:
                recipients.append(agency)
        return recipients

    def _check_content(self, parsed: Parsed) -> None:
        header = parsed.header
        if (header.kind, header.kind_version) not in self._known:
            raise MalformedError(
                Code.KIND_UNKNOWN,
                "Expected a kind and version of this gateway's registry, found another.",
                advice="Ask GET /v1/schemas which there are.",
                pointer="/kind",
            )
        if not header.open:
            return
        if next(each.kid for each in header.to if each.agency == header.aud.gateway) not in self._keys:
            # The directory names it, so it is this gateway's; another of its processes may have it already.
            raise UnavailableError(
                "Expected the private half of the gateway's wrap key here, found that it is not.",
                advice="Send the same bytes again. If it stays so, the gateway's operator has to restore its keys.",
            )
        raw = open_packet(parsed, header.aud.gateway, self._keys)
        try:
            payload = registry.load(header.kind, header.kind_version, raw)
            registry.check_with_header(payload, header)
        except registry.HandlingRuleError as error:
            hit = RuleHit(rule=error.rule, recipient=header.aud.gateway, sentence=error.message, remedy=error.advice)
            raise PolicyError(error.message, [hit], advice=error.advice) from None
        except registry.PayloadError as error:
            raise MalformedError(
                error.code,
                f"In the payload: {error.message}.",
                advice=error.advice,
                pointer=error.pointer,
            ) from None
        self._references.check_payload(payload, header)


def _stale_wrap(place: int, message: str) -> PacketError:
    return PacketError(
        Code.RECIPIENT_UNKNOWN,
        message,
        advice="Refresh the directory and seal to each recipient's current key.",
        pointer=f"/to/{place}/kid",
    )
