"""A question as the rules see it: the directory as Cedar entities, the header as context. Pure, no engine."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from broker.policy.port import Question
from schemas.directory import Agency, AgencyState, Directory
from schemas.handling import Classification
from schemas.packet import Header

UNKNOWN = "?"
"""The entity that stands for an agency the directory does not list; no agency id can be this."""

PLACEHOLDERS = frozenset(
    {"recipient", "sender", "marking", "rank", "ceiling", "clearance", "unmandated", "mandates", "recipients", "tlp"}
    | {"originators", "basis", "bases", "mlat_bases", "review_days", "purge_days"}
)
"""What a rule's sentence and remedy may name in braces; `Parties.facts` fills them in."""

BY_CLOCK = frozenset({"now", "hour", "weekday"})
BY_RELEASE = frozenset({"third_party"})
"""What of the context changes while packet, directory and policy stay: no answer that rests on it is kept."""

DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()

Uid = dict[str, str]


class Parties:
    """One version of the directory as the rules see it. Immutable."""

    def __init__(self, directory: Directory) -> None:
        self._agencies = {agency.id: agency for agency in directory.agencies}
        self._agreement = directory.agreement
        self._ranks = {row.classification: self._agreement.rank(row.classification) for row in self._agreement.ranks}
        self._directory = directory

    def entities(self) -> str:
        """The Cedar entities document (JSON)."""
        client_of: dict[str, list[str]] = {}
        for agency in self._agencies.values():
            for client in agency.clients:
                client_of.setdefault(client, []).append(agency.id)
        communities: dict[str, list[str]] = {}
        for community in self._directory.communities:
            for member in community.members:
                communities.setdefault(member, []).append(community.id)
        rows = [
            {
                "uid": _uid("Agency", agency.id),
                "attrs": {
                    "known": True,
                    "active": agency.state is AgencyState.ACTIVE,
                    "country": _ref("Country", agency.country),
                    "roles": list(agency.roles),
                    "mandates": list(agency.mandates),
                    "circle": _refs("Agency", [agency.id, *agency.clients]),
                    "client_of": _refs("Agency", client_of.get(agency.id, ())),
                    "communities": _refs("Community", communities.get(agency.id, ())),
                    **self._optional("clearance", agency.clearance),
                },
                "parents": [],
            }
            for agency in self._agencies.values()
        ]
        nobody: dict[str, Any] = {"known": False, "active": False, "country": _ref("Country", UNKNOWN)}
        nobody |= {name: [] for name in ("roles", "mandates", "circle", "client_of", "communities")}
        rows.append({"uid": _uid("Agency", UNKNOWN), "attrs": nobody, "parents": []})
        return json.dumps(rows)

    def request(self, question: Question, *, passing: bool = False) -> dict[str, Any]:
        """The complete Cedar request. Its `context` is JSON text, the same for the same header; with `passing`, what
        changes without the header is what it is now, else what it never is when a rule is asked that looks at it.
        """
        at = question.at if passing else 0
        days = at // DAY
        moving = {
            "third_party": _refs("Agency", sorted(question.unreleased)) if passing else [],
            "now": at,
            "hour": at % DAY // 3600,
            "weekday": (days + 3) % 7 + 1,  # 1970 began on a Thursday
        }
        return {
            "principal": _uid("Agency", self._known(question.recipient.id)),
            "action": _uid("Action", "read" if question.via == "reader" else "deliver"),
            "resource": _uid("Agency", self._known(question.sender.id)),
            "context": json.dumps(self._context(question) | moving, separators=(",", ":")),
        }

    def facts(self, question: Question) -> Mapping[str, str]:
        """What sentences may name: markings, ids and ranks, never anything of a payload."""
        handling = question.header.handling
        recipient = self._agencies.get(question.recipient.id)
        mandates = recipient.mandates if recipient else ()
        return {
            "recipient": question.recipient.id,
            "sender": question.sender.id,
            "marking": f"{handling.classification.system} {handling.classification.level}",
            "rank": _spoken(self._rank(handling.classification)),
            "ceiling": str(self._agreement.ceiling),
            "clearance": _spoken(self._rank(recipient.clearance) if recipient else None),
            "unmandated": _listed(each for each in handling.purpose if each not in mandates),
            "mandates": _listed(mandates),
            "recipients": str(len(question.header.recipients())),
            "tlp": handling.tlp,
            "originators": _listed(sorted(question.controlling)),
            "basis": handling.legal_basis,
            "bases": _listed(self._agreement.legal_bases),
            "mlat_bases": _listed(self._agreement.mlat_bases),
            "review_days": str(self._agreement.review_days),
            "purge_days": str(self._agreement.purge_days),
        }

    def _context(self, question: Question) -> dict[str, Any]:
        header = question.header
        handling = header.handling
        # a country is three capitals, an agency id has a hyphen (schemas.handling.Releasable)
        agencies = [each for each in handling.releasable_to if "-" in each]
        countries = [each for each in handling.releasable_to if "-" not in each]
        recipients = sorted({each.agency for each in header.recipients()})
        return {
            "kind": header.kind,
            "exercise": header.exercise,
            "via": question.via,
            "system": handling.classification.system,
            "level": handling.classification.level,
            **self._optional("rank", handling.classification),
            "ceiling": self._agreement.ceiling,
            "tlp": handling.tlp,
            "pap": handling.pap,
            "handling_code": handling.handling_code,
            "dissem": handling.dissem,
            "releasable_agencies": _refs("Agency", agencies),
            "releasable_countries": _refs("Country", countries),
            "purpose": handling.purpose,
            "legal_basis": handling.legal_basis,
            "basis_named": handling.legal_basis in self._agreement.legal_bases,
            "mlat": handling.legal_basis in self._agreement.mlat_bases,
            "permitted_actions": handling.permitted_actions,
            "attribution": handling.attribution,
            **_kept(header),
            "review_days": self._agreement.review_days,
            "purge_days": self._agreement.purge_days,
            "personal_data": handling.flags.personal_data,
            "sanitised": handling.flags.sanitised,
            "recipients": _refs("Agency", recipients),
            "recipient_count": len(recipients),
            "derived": header.sources is not None,
        }

    def _known(self, agency: str) -> str:
        return agency if agency in self._agencies else UNKNOWN

    def _rank(self, marking: Classification) -> int | None:
        return self._ranks.get(marking)

    def _optional(self, name: str, marking: Classification) -> dict[str, int]:
        rank = self._rank(marking)
        return {} if rank is None else {name: rank}


def stranger(agency: str) -> Agency:
    """A row for an agency the directory does not list, so that a question about it can be asked (and is denied)."""
    return Agency.from_object(
        {
            "id": agency,
            "name": "not in the directory",
            "country": "ZZZ",
            "roles": ["agency"],
            "state": "suspended",
            "clearance": {"system": "US", "level": "U"},
        }
    )


def _kept(header: Header) -> dict[str, int]:
    """Whole days from the packet's issue, so that one packet always asks the same."""
    issued, retention = header.iat // DAY + EPOCH, header.handling.retention
    days = [day.toordinal() - issued for day in (retention.review_on, retention.purge_on) if day is not None]
    found = {"review_in": min(days)} if days else {}
    return found if retention.purge_on is None else found | {"purge_in": retention.purge_on.toordinal() - issued}


def _uid(kind: str, name: str) -> Uid:
    return {"type": kind, "id": name}


def _ref(kind: str, name: str) -> dict[str, Uid]:
    return {"__entity": _uid(kind, name)}


def _refs(kind: str, names: Iterable[str]) -> list[dict[str, Uid]]:
    return [_ref(kind, name) for name in names]


def _spoken(rank: int | None) -> str:
    return "no rank" if rank is None else f"rank {rank}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"
