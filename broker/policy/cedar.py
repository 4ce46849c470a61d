"""The release policy in Cedar: the only door to cedarpy.

Rules are read once, checked against the schema, and renamed to their @id, so that Cedar's reasons are rule ids.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cedarpy

from broker.errors import IntegrityError
from broker.policy.cache import Recent
from broker.policy.passing import Looks, looks_at
from broker.policy.port import ENGINE, Decision, Question
from broker.policy.request import PLACEHOLDERS, Parties
from schemas.canonical import canonical
from schemas.problem import Code, RuleHit

NO_PERMIT: Final = "no-permit"

_ID = re.compile(r"[a-z0-9.-]{1,64}\Z")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_DIRECTORIES = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's annotations, and what it looks at that passes. `sentence` and `remedy` are empty for a permit."""

    id: str
    forbids: bool
    sentence: str
    remedy: str
    looks: Looks


@dataclass(frozen=True, slots=True)
class _Sets:
    """Cedar's rules, in parts that are evaluated apart; None where there is none of them.

    A packet without sources: `no_clock`, kept, and `clock`. One with sources: `lasting`, kept, and `passing`.
    """

    no_clock: cedarpy.PolicySet | None
    clock: cedarpy.PolicySet | None
    lasting: cedarpy.PolicySet | None
    passing: cedarpy.PolicySet | None


class _Undecided(Exception):  # noqa: N818 - an outcome
    """The engine could not evaluate every rule."""


class CedarPolicy:
    """A `broker.policy.port.Policy`. What rules say that look at neither the clock nor a release decision is cached by
    the digest of the complete Cedar request together with the directory's version and hash and the policy's version.
    The others are evaluated for every question: those about release decisions for packets that name sources, where
    alone a decision plays a part.

    Args:
        rules: file name -> Cedar text. Each rule has @id, unique; each forbid also @sentence and @remedy.
        schema: the Cedar schema's text.
        remember: how many decisions the cache holds.
        evaluate: Cedar's evaluation; another stands in where a test counts or breaks it.

    Raises:
        IntegrityError: code `config-invalid`; names the file and the fault.
    """

    def __init__(
        self,
        rules: Mapping[str, str],
        schema: str,
        *,
        remember: int = 20_000,
        evaluate: Callable[..., cedarpy.AuthzResult] = cedarpy.is_authorized,
    ) -> None:
        self._version = hashlib.sha256(canonical({"rules": dict(rules), "schema": schema})).hexdigest()
        self._schema = _schema(schema)
        self._rules, self._sets = _load(rules, self._schema)
        self._directories: Recent[tuple[int, str], tuple[Parties, cedarpy.Entities]] = Recent(_DIRECTORIES)
        self._reasons: Recent[bytes, frozenset[str]] = Recent(remember)
        self._evaluate = evaluate

    @property
    def version(self) -> str:
        return self._version

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, by id."""
        return tuple(self._rules[each] for each in sorted(self._rules))

    def decide(self, question: Question) -> Decision:
        try:
            return self._decide(question)
        except _Undecided:
            return _undecided(question)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, nothing is released
            _log.error("policy engine failed", extra={"fault": type(error).__name__})
            return _undecided(question)

    def _decide(self, question: Question) -> Decision:
        parties, entities = self._in(question)
        sets = self._sets
        kept, fresh = (
            (sets.lasting, sets.passing) if question.header.sources is not None else (sets.no_clock, sets.clock)
        )
        reasons = self._kept(question, parties, entities, kept)
        if fresh is not None:
            reasons |= self._asked(parties.request(question, passing=True), fresh, entities)
        against = {each for each in reasons if self._rules[each].forbids}
        return self._spoken(question, parties, tuple(sorted(against or reasons)), permit=bool(reasons) and not against)

    def _kept(
        self, question: Question, parties: Parties, entities: cedarpy.Entities, rules: cedarpy.PolicySet | None
    ) -> frozenset[str]:
        if rules is None:
            return frozenset()
        request = parties.request(question)
        key = self._key(question, request)
        reasons = self._reasons.get(key)
        if reasons is None:
            reasons = self._asked(request, rules, entities)
            self._reasons.put(key, reasons)
        return reasons

    def _asked(self, request: dict[str, Any], rules: cedarpy.PolicySet, entities: cedarpy.Entities) -> frozenset[str]:
        """The ids of the rules that decide: all that forbid, or where none does, all that permit."""
        answer = self._evaluate(request, rules, entities, self._schema)
        if answer.diagnostics.errors or answer.decision is cedarpy.Decision.NoDecision:
            # Cedar skips a rule it cannot evaluate: for a forbid that would be a permit
            _log.error("policy not evaluated", extra={"faults": answer.diagnostics.errors})
            raise _Undecided
        reasons = frozenset(answer.diagnostics.reasons)
        if not reasons <= self._rules.keys():
            _log.error("policy names a rule that is none")
            raise _Undecided
        return reasons

    def _in(self, question: Question) -> tuple[Parties, cedarpy.Entities]:
        ref = (question.ref.version, question.ref.hash)
        held = self._directories.get(ref)
        if held is None:
            parties = Parties(question.directory)
            held = (parties, cedarpy.Entities.from_json_str(parties.entities(), self._schema))
            self._directories.put(ref, held)
        return held

    def _key(self, question: Question, request: Mapping[str, Any]) -> bytes:
        whole = (
            self._version,
            question.ref.version,
            question.ref.hash,
            # beside the request, where an agency that is not listed stands under another name
            question.recipient.id,
            question.sender.id,
            request["action"]["id"],
            request["context"],
        )
        return hashlib.sha256(repr(whole).encode()).digest()

    def _spoken(self, question: Question, parties: Parties, reasons: tuple[str, ...], *, permit: bool) -> Decision:
        if permit:
            return Decision(permit=True, rules=reasons)
        if not reasons:
            hit = RuleHit(
                rule=NO_PERMIT,
                recipient=question.recipient.id,
                sentence=f"No rule permits this release to {question.recipient.id}.",
                remedy="Ask the operator for a rule that permits it, or address another agency.",
            )
            return Decision(permit=False, rules=(NO_PERMIT,), hits=(hit,))
        facts = parties.facts(question)
        hits = tuple(
            RuleHit(
                rule=each,
                recipient=question.recipient.id,
                sentence=_fill(self._rules[each].sentence, facts),
                remedy=_fill(self._rules[each].remedy, facts),
            )
            for each in reasons
        )
        return Decision(permit=False, rules=reasons, hits=hits)


def _undecided(question: Question) -> Decision:
    hit = RuleHit(
        rule=ENGINE,
        recipient=question.recipient.id,
        sentence="The release policy could not be evaluated for this packet, so it is refused.",
        remedy="Report it to the operator of the gateway, whose log names the fault.",
    )
    return Decision(permit=False, rules=(ENGINE,), hits=(hit,))


def _fill(text: str, facts: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: facts[found[1]], text)


def _schema(text: str) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise _invalid("the schema", str(error)) from error


def _load(texts: Mapping[str, str], schema: cedarpy.Schema) -> tuple[dict[str, Rule], _Sets]:
    rules: dict[str, Rule] = {}
    policies: dict[str, Any] = {}
    for name, text in sorted(texts.items()):
        checked = cedarpy.validate_policies(text, schema)
        if not checked.validation_passed:
            names = checked.id_annotations_by_policy_id
            faults = [f"{names.get(each.policy_id, each.policy_id)}: {each.error}" for each in checked.errors]
            raise _invalid(name, "; ".join(faults))
        parsed = json.loads(cedarpy.policies_to_json_str(text))
        if parsed["templates"]:
            raise _invalid(name, "a template; rules are complete")
        for policy in parsed["staticPolicies"].values():
            rule = _rule(name, policy)
            if rule.id in rules:
                raise _invalid(name, f"the rule id {rule.id} a second time")
            rules[rule.id] = rule
            policies[rule.id] = policy
    if all(rule.forbids for rule in rules.values()):
        raise _invalid("the rules", "none that permits anything")

    def those(wanted: Callable[[Looks], bool]) -> cedarpy.PolicySet | None:
        chosen = {each: policy for each, policy in policies.items() if wanted(rules[each].looks)}
        whole = {"staticPolicies": chosen, "templates": {}, "templateLinks": []}
        return cedarpy.PolicySet.from_json_str(json.dumps(whole)) if chosen else None

    return rules, _Sets(
        no_clock=those(lambda looks: not looks.clock),
        clock=those(lambda looks: looks.clock),
        lasting=those(lambda looks: not looks.passing),
        passing=those(lambda looks: looks.passing),
    )


def _rule(name: str, policy: Mapping[str, Any]) -> Rule:
    notes = policy.get("annotations", {})
    rule = Rule(
        id=notes.get("id") or "",
        forbids=policy["effect"] == "forbid",
        sentence=notes.get("sentence") or "",
        remedy=notes.get("remedy") or "",
        looks=looks_at({"conditions": policy.get("conditions", [])}),
    )
    if not _ID.match(rule.id) or rule.id in (NO_PERMIT, ENGINE):
        raise _invalid(name, "a rule without an @id of lower-case letters, digits, dots and hyphens")
    if rule.forbids and not (rule.sentence and rule.remedy):
        raise _invalid(name, f"the rule {rule.id} without @sentence and @remedy")
    for text in (rule.sentence, rule.remedy):
        unknown = sorted(set(_PLACEHOLDER.findall(text)) - PLACEHOLDERS)
        if unknown:
            raise _invalid(name, f"the rule {rule.id} naming {{{unknown[0]}}}, which no question has")
    return rule


def _invalid(where: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected release rules that the policy schema accepts, found in {where}: {found}.",
        advice="Correct the rules; nothing starts without them.",
    )
