"""Runs an operator's cases against release rules: each header is judged as a gateway would, at the case's own time."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from broker.cli.explained import NOT_CEDARS, explained
from broker.cli.headers import header_of
from broker.directory.lookup import Snapshot
from broker.errors import MalformedError
from broker.flows.inforce import View
from broker.flows.judge import Judge
from broker.ledger.port import Basis
from broker.policy.cases import REALM, Case, CaseFile, CaseSource, cases_in, default_cases, realm_of
from broker.policy.lineage import Source
from broker.policy.port import Policy
from schemas.act import DecidesRelease
from schemas.canonical import b64u
from schemas.directory import Role
from schemas.packet import Header
from schemas.problem import Code

Refusals = Mapping[str, tuple[str, ...]]
"""Recipients that are refused, each with the ids of the rules that stand against it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case, what was expected and what the policy said."""

    file: str
    name: str
    expected: Refusals
    found: Refusals

    @property
    def ok(self) -> bool:
        return self.expected == self.found

    @property
    def named(self) -> set[str]:
        """The rules that the case expects to stand against somebody."""
        return {rule for rules in self.expected.values() for rule in rules}

    @staticmethod
    def said(refusals: Refusals) -> str:
        return "; ".join(f"{who}: {', '.join(rules)}" for who, rules in sorted(refusals.items())) or "permit"

    def document(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "name": self.name,
            "ok": self.ok,
            "expected": {who: list(rules) for who, rules in self.expected.items()},
            "found": {who: list(rules) for who, rules in self.found.items()},
        }


class _Told:
    """A `broker.policy.lineage.Lineage` of one case's sources."""

    def __init__(self, sources: Mapping[str, Source], releases: Mapping[str, DecidesRelease]) -> None:
        self._sources = sources
        self._releases = releases

    def sources(self, digests: Collection[str], /) -> Mapping[str, Source]:
        return {each: self._sources[each] for each in digests}

    def decision(self, source: Source, agency: str, /) -> DecidesRelease | None:
        said = self._releases.get(source.digest)
        return said if said is not None and said.agency == agency else None


def outcomes(folder: Path, policy: Policy, rules: Collection[str], given: Snapshot | None) -> list[Outcome]:
    """Every case of the folder, in order.

    Args:
        folder: where the case files are.
        policy: what is tested.
        rules: the ids of its rules.
        given: the directory of files that name none; None for the example realm.

    Raises:
        MalformedError: a file that cannot be read, a case that is none, or one that expects what cannot be.
    """
    run = []
    for name, file in cases_in(folder).items():
        snapshot = _directory(folder, file, given)
        known = {*rules, *NOT_CEDARS}
        for case in file.case:
            asking = _Asking(f"{name}, case “{case.name}”", file, case, snapshot, policy)
            run.append(Outcome(name, case.name, asking.expected(known), asking.found()))
    return run


@dataclass(frozen=True, slots=True)
class _Asking:
    where: str
    file: CaseFile
    case: Case
    snapshot: Snapshot
    policy: Policy

    def expected(self, known: Collection[str]) -> Refusals:
        if self.case.expect == "permit":
            return {}
        addressed = {each.agency for each in self._header().to} | {self._gateway()}
        for who, rules in self.case.expect.items():
            if who not in addressed:
                raise self._wrong("a refusal of one of `to`", f"one of {who}")
            for rule in rules:
                if rule not in known:
                    raise self._wrong("the id of a rule (`setu policy check` lists them)", rule)
        return {who: tuple(sorted(set(rules))) for who, rules in self.case.expect.items()}

    def found(self) -> Refusals:
        sources: dict[str, Source] = {}
        releases: dict[str, DecidesRelease] = {}
        header = self._header()
        for digest, each in self._sources():
            sources[digest] = Source.of(digest, self._asked(self._of(each)))
            if each.release is not None:
                said = each.release.to_object() | {"does": "decides-release", "of": digest, "agency": header.from_}
                if each.release.until is not None:
                    said["until"] = _seconds(each.release.until)
                releases[digest] = DecidesRelease.from_object(said)
        at = _seconds(self.case.at or self.file.at)
        view = View(self.snapshot, self.policy, Basis(self.snapshot.ref.version, self.policy.version))
        judge = Judge(_Told(sources, releases), lambda: at)
        refused: dict[str, set[str]] = {}
        for answer in explained(header, view, self.case.via, judge):
            if not answer["permit"]:
                refused.setdefault(answer["recipient"], set()).update(answer["rules"])
        return {who: tuple(sorted(rules)) for who, rules in refused.items()}

    def _header(self) -> Header:
        named = [digest for digest, _ in self._sources()]
        return self._asked(_over(self.file.header, self.case.header) | ({"sources": named} if named else {}))

    def _of(self, source: CaseSource) -> dict[str, Any]:
        parts = {"from": source.from_, "to": list(source.to), "handling": source.handling}
        return _over(self.file.header, parts)

    def _asked(self, document: dict[str, Any]) -> Header:
        at = _seconds(self.case.at or self.file.at)
        return header_of(document, self.snapshot, self._gateway(), at, f"a header in {self.where}")

    def _sources(self) -> list[tuple[str, CaseSource]]:
        """Each with a digest that is made up."""
        return [
            (b64u(hashlib.sha384(f"source {number}".encode()).digest()), each)
            for number, each in enumerate(self.case.sources)
        ]

    def _gateway(self) -> str:
        logs = [log.gateway for log in self.snapshot.document.logs]
        agencies = self.snapshot.document.agencies
        return next((each.id for each in agencies if Role.GATEWAY in each.roles and each.id in logs), logs[0])

    def _wrong(self, expected: str, found: str) -> MalformedError:
        return MalformedError(
            Code.SCHEMA, f"Expected {expected} in {self.where}, found {found}.", advice="Mend what the case expects."
        )


def _directory(folder: Path, file: CaseFile, given: Snapshot | None) -> Snapshot:
    if file.directory is not None:
        text = (folder / file.directory).read_text("utf-8", "replace")
        return _snapshot(text, file.directory)
    if given is not None:
        return given
    return _snapshot(default_cases()[REALM], REALM)


def _snapshot(text: str, where: str) -> Snapshot:
    document = realm_of(text, where)
    return Snapshot(document, raw=document.canonical(), realm="")


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Members of `above` replace those of `below`; those of `handling` one by one."""
    made = {**below, **above}
    blocks = below.get("handling"), above.get("handling")
    if isinstance(blocks[0], dict) and isinstance(blocks[1], dict):
        made["handling"] = {**blocks[0], **blocks[1]}
    return made


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
