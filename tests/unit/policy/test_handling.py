"""Every member of the handling block reaches the rules, and the map of markings is the agreement's, for both systems."""

import itertools
import json
from typing import Any

import pytest

from broker.cli.realm import _agreement
from broker.policy.request import Parties
from schemas.directory import Agreement
from schemas.handling import LEVELS, Handling
from tests.unit.policy.world import directory, handling, policy, question

CEDAR = policy()
REACHES = {
    "classification": ({"system": "US", "level": "LES"}, {"system", "level"}),
    "tlp": ("RED", {"tlp"}),
    "pap": ("RED", {"pap"}),
    "handling_code": ("H2", {"handling_code"}),
    "dissem": (["OC"], {"dissem"}),
    "releasable_to": (["us-dea"], {"releasable_agencies", "releasable_countries"}),
    "purpose": (["border"], {"purpose"}),
    "legal_basis": ("IN-US-MLAT-2001", {"legal_basis", "basis_named", "mlat"}),
    "permitted_actions": ("none", {"permitted_actions"}),
    "attribution": ("must-not", {"attribution"}),
    "retention": ({"review_on": "2027-01-01", "purge_on": "2028-01-01"}, {"review_in", "purge_in"}),
    "flags": ({"personal_data": True, "sanitised": False}, {"personal_data", "sanitised"}),
}


def context(**over: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Parties(directory()).request(question(**over))["context"])
    return found


@pytest.mark.parametrize("member", list(Handling.model_fields))
def test_a_member_reaches_the_rules(member: str) -> None:
    value, names = REACHES[member]
    before, after = context(), context(**{member: value})
    assert handling()[member] != value
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == names


DEMO = _agreement()
EVERY = sorted((system, level) for system, levels in LEVELS.items() for level in levels)


@pytest.mark.parametrize("ceiling", range(5))
@pytest.mark.parametrize(("system", "level"), EVERY)
def test_what_lies_above_the_ceiling_is_refused_in_both_systems(system: str, level: str, ceiling: int) -> None:
    marking = {"system": system, "level": level}
    rank = next(row.rank for row in DEMO.ranks if row.classification.to_object() == marking)
    agreed = DEMO.to_object() | {"ceiling": ceiling}
    top = {"IN": {"system": "IN", "level": "TOP SECRET"}, "US": {"system": "US", "level": "TS"}}
    rows = [
        each.to_object() | {"clearance": top["IN" if each.country == "IND" else "US"]} for each in directory().agencies
    ]
    realm = directory(version=10 + ceiling, agreement=agreed, agencies=rows)
    # at home, where no marking keeps it from going
    asked = question("us-cbp", sender="us-dea", classification=marking, purpose=["border"], realm=realm)
    decision = CEDAR.decide(asked)
    assert decision.permit is (rank <= ceiling)
    assert decision.rules == (("permit.deliver",) if rank <= ceiling else ("1.ceiling",))


def test_every_level_has_its_rank_and_the_default_ceiling_is_restricted_and_les() -> None:
    assert {(row.classification.system, str(row.classification.level)) for row in DEMO.ranks} == set(EVERY)
    allowed = {str(row.classification.level) for row in DEMO.ranks if row.rank <= DEMO.ceiling}
    assert allowed == {"UNCLASSIFIED", "RESTRICTED", "U", "SBU", "LES", "LES-NF"}


def test_equal_rank_is_no_conversion() -> None:
    """A marking goes out as it came in: what is of equal rank in the other system is named nowhere."""
    found = context(classification={"system": "US", "level": "LES"})
    assert (found["system"], found["level"], found["rank"]) == ("US", "LES", 1)


def test_an_agreement_of_before_is_read_with_its_defaults() -> None:
    before = {
        name: value for name, value in DEMO.to_object().items() if name in ("name", "ranks", "ceiling", "legal_bases")
    }
    found = Agreement.from_object(before)
    assert found == DEMO
    assert (found.mlat_bases, found.review_days, found.purge_days) == (("IN-US-MLAT-2001",), 366, 1827)


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"review_days": 0}, id="no-day"),
        pytest.param({"purge_days": 36_601}, id="over-a-century"),
        pytest.param({"mlat_bases": ["mlat"]}, id="no-basis"),
    ],
)
def test_an_agreement_that_is_none(over: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Agreement.from_object(DEMO.to_object() | over)


def test_a_rank_is_one_or_none() -> None:
    twice = [*DEMO.to_object()["ranks"], {"classification": {"system": "IN", "level": "SECRET"}, "rank": 0}]
    disputed = Agreement.from_object(DEMO.to_object() | {"ranks": twice})
    for row in DEMO.ranks:
        expected = None if row.classification.level == "SECRET" else row.rank
        assert disputed.rank(row.classification) == expected
    assert len(set(itertools.chain(LEVELS["IN"], LEVELS["US"]))) == len(DEMO.ranks)
