"""Release, decided for each recipient: at acceptance, and again each time bytes leave (G2, rule 10)."""

from collections.abc import Callable

from broker.errors import PolicyError, UnavailableError
from broker.flows.inforce import View
from broker.policy.lineage import Descent, Lineage, decide, trace
from broker.policy.port import ENGINE, Decision, Question, Via
from schemas.directory import Agency
from schemas.packet import Header
from schemas.problem import RuleHit


class Judge:
    """Asks the release policy. Everyone who judges at a gateway asks here, and so the same question. From any thread.

    Args:
        lineage: what went into packets that name sources, and what its originators decided.
        now: unix seconds.
    """

    def __init__(self, lineage: Lineage, now: Callable[[], float]) -> None:
        self._lineage = lineage
        self._now = now

    def release(self, view: View, header: Header, recipient: Agency, *, via: Via = "https") -> Decision:
        """May this recipient obtain this packet now, under the view in force?

        Raises:
            UnavailableError: the policy engine failed, or the ledger does not answer; a passing fault must not withhold
                a packet for good.
        """
        return self._release(view, header, trace(header, self._lineage), recipient, via)

    def require(self, view: View, header: Header, recipients: list[Agency]) -> tuple[str, ...]:
        """The ids of the rules that permitted all of these recipients.

        Raises:
            PolicyError: with every rule that stood against any of them.
            UnavailableError: as `release`.
        """
        hits: list[RuleHit] = []
        rules: set[str] = set()
        descent = trace(header, self._lineage)
        for recipient in recipients:
            decision = self._release(view, header, descent, recipient, "https")
            hits.extend(decision.hits)
            rules.update(decision.rules)
            if not decision.permit and not decision.hits:
                hits.append(
                    RuleHit(
                        rule="no-permit",
                        recipient=recipient.id,
                        sentence="No rule permits this release.",
                        remedy="Ask what the release policy permits with `setu policy explain`.",
                    )
                )
        hits.extend(_sealed(view, header))
        if hits:
            raise PolicyError(
                f"Expected a release that the policy permits, found {len(hits)} rule(s) against it.",
                hits,
                advice="Each rule says what would change the outcome.",
            )
        return tuple(sorted(rules))

    def _release(self, view: View, header: Header, descent: Descent, recipient: Agency, via: Via) -> Decision:
        sender = view.snapshot.agency(header.from_)
        if sender is None:
            hit = RuleHit(
                rule="sender-known",
                recipient=recipient.id,
                sentence="The sender is no longer in the directory.",
                remedy="The sender's country enrols it again.",
            )
            return Decision(permit=False, rules=("sender-known",), hits=(hit,))
        question = Question(
            header=header,
            sender=sender,
            recipient=recipient,
            directory=view.snapshot.document,
            ref=view.snapshot.standing,
            at=int(self._now()),
            via=via,
        )
        decision = decide(view.policy, question, descent)
        if ENGINE in decision.rules:
            raise UnavailableError("Expected a decision by the release policy, found that its engine failed.")
        return decision


def _sealed(view: View, header: Header) -> tuple[RuleHit, ...]:
    sender = view.snapshot.agency(header.from_)
    if header.open or (sender is not None and header.kind in sender.sealed_kinds):
        return ()
    hit = RuleHit(
        rule="sealed-allowed",
        recipient=header.aud.gateway,
        sentence="The sender may not send this kind without the gateway as a reader.",
        remedy="Address the gateway too, or have the directory allow the kind sealed for this sender.",
    )
    return (hit,)
