from typing import Any

import pytest

from schemas import registry
from schemas.derivative import derivative
from schemas.handling import Classification, Handling

RANKS = {"UNCLASSIFIED": 0, "U": 0, "RESTRICTED": 1, "LES": 1, "LES-NF": 1, "SBU": 1, "CONFIDENTIAL": 2, "C": 2}


def rank(classification: Classification) -> int:
    return RANKS[classification.level]


def block(**over: Any) -> Handling:
    return Handling.from_object(registry.sample_handling() | over)


def of(*sources: Handling, **options: Any) -> dict[str, Any]:
    return derivative(sources, rank, **options).to_object()


def test_one_source_keeps_its_markings() -> None:
    assert of(block()) == block().to_object()
    assert of(block(), block()) == block().to_object()


@pytest.mark.parametrize(
    ("member", "one", "other", "result"),
    [
        pytest.param("classification", {"system": "US", "level": "U"}, {"system": "IN", "level": "RESTRICTED"}, {"system": "IN", "level": "RESTRICTED"}, id="highest-rank"),
        pytest.param("classification", {"system": "US", "level": "LES"}, {"system": "US", "level": "LES-NF"}, {"system": "US", "level": "LES-NF"}, id="les-nf-before-les"),
        pytest.param("tlp", "GREEN", "AMBER+STRICT", "AMBER+STRICT", id="tlp"),
        pytest.param("tlp", "AMBER", "RED", "RED", id="tlp-red"),
        pytest.param("pap", "CLEAR", "GREEN", "GREEN", id="pap"),
        pytest.param("handling_code", "H0", "H2", "H2", id="handling-code"),
        pytest.param("dissem", ["REL"], ["OC"], ["OC", "REL"], id="controls-add-up"),
        pytest.param("dissem", ["REL"], ["NF"], ["NF"], id="nf-ends-rel"),
        pytest.param("releasable_to", ["IND", "USA"], ["USA"], ["USA"], id="countries-in-common"),
        pytest.param("releasable_to", ["IND", "USA"], ["us-dea"], ["us-dea"], id="an-agency-of-a-country"),
        pytest.param("releasable_to", ["in-ncb"], ["us-dea"], [], id="nobody"),
        pytest.param("purpose", ["prevention", "border"], ["border", "financial"], ["border"], id="purposes-in-common"),
        pytest.param("permitted_actions", "internally-visible", "none", "none", id="actions"),
        pytest.param("attribution", "must", "must-not", "must-not", id="attribution"),
        pytest.param("retention", {"purge_on": "2030-01-01"}, {"purge_on": "2029-01-01"}, {"review_on": "2029-01-01", "purge_on": "2029-01-01"}, id="earliest-purge-is-the-latest-review"),
        pytest.param("retention", {"review_on": "2027-01-01"}, {}, {"review_on": "2027-01-01"}, id="one-review"),
        pytest.param("flags", {"personal_data": True, "sanitised": True}, {"personal_data": False, "sanitised": False}, {"personal_data": True, "sanitised": False}, id="flags"),
    ],
)  # fmt: skip
def test_the_strictest_of_two(member: str, one: Any, other: Any, result: Any) -> None:
    assert of(block(**{member: one}), block(**{member: other}))[member] == result
    assert of(block(**{member: other}), block(**{member: one}))[member] == result


def test_what_may_not_be_joined() -> None:
    with pytest.raises(ValueError, match="at least one source"):
        derivative([], rank)
    with pytest.raises(ValueError, match="a purpose that all sources share"):
        of(block(purpose=["border"]), block(purpose=["financial"]))
    with pytest.raises(ValueError, match="one legal basis"):
        of(block(), block(legal_basis="EGMONT"))
    assert of(block(), block(legal_basis="EGMONT"), legal_basis="EGMONT")["legal_basis"] == "EGMONT"
