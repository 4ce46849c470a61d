"""Release, decided for each recipient: at acceptance, and again each time bytes leave (G2)."""

from broker.errors import PolicyError, UnavailableError
from broker.flows.inforce import View
from broker.policy.port import ENGINE, Decision, Question, Via
from schemas.directory import Agency
from schemas.packet import Header
from schemas.problem import RuleHit


def release(view: View, header: Header, recipient: Agency, *, via: Via = "https") -> Decision:
    """May this recipient obtain this packet under the view in force?

    Raises:
        UnavailableError: the policy engine failed; a passing fault must not withhold a packet for good.
    """
    sender = view.snapshot.agency(header.from_)
    if sender is None:
        hit = RuleHit(
            rule="sender-known",
            recipient=recipient.id,
            sentence="The sender is no longer in the directory.",
            remedy="The sender's country enrols it again.",
        )
        return Decision(permit=False, rules=("sender-known",), hits=(hit,))
    decision = view.policy.decide(
        Question(
            header=header,
            sender=sender,
            recipient=recipient,
            directory=view.snapshot.document,
            ref=view.snapshot.ref,
            via=via,
        )
    )
    if ENGINE in decision.rules:
        raise UnavailableError("Expected a decision by the release policy, found that its engine failed.")
    return decision


def require_release(view: View, header: Header, recipients: list[Agency]) -> tuple[str, ...]:
    """The ids of the rules that permitted all of these recipients.

    Raises:
        PolicyError: with every rule that stood against any of them.
    """
    hits: list[RuleHit] = []
    rules: set[str] = set()
    for recipient in recipients:
        decision = release(view, header, recipient)
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
    sender = view.snapshot.agency(header.from_)
    if not header.open and (sender is None or header.kind not in sender.sealed_kinds):
        hits.append(
            RuleHit(
                rule="sealed-allowed",
                recipient=header.aud.gateway,
                sentence="The sender may not send this kind without the gateway as a reader.",
                remedy="Address the gateway too, or have the directory allow the kind sealed for this sender.",
            )
        )
    if hits:
        raise PolicyError(
            f"Expected a release that the policy permits, found {len(hits)} rule(s) against it.",
            hits,
            advice="Each rule says what would change the outcome.",
        )
    return tuple(sorted(rules))
