from typing import Any

import pytest
from pydantic import ValidationError

from schemas import registry
from schemas.handling import LEVELS, Classification, Handling, Level, Tlp

BLOCK = registry.sample_handling()


def test_goes_round() -> None:
    assert Handling.from_object(BLOCK).to_object() == BLOCK


@pytest.mark.parametrize(
    ("system", "level"), [(system, level) for system in LEVELS for level in sorted(LEVELS[system])]
)
def test_each_level_belongs_to_its_system(system: Any, level: str) -> None:
    assert Classification(system=system, level=Level(level)).level == level
    other = {"IN": "US", "US": "IN"}[system]
    with pytest.raises(ValidationError, match=f"expected a level of system {other}"):
        Classification.from_object({"system": other, "level": level})


def test_every_level_belongs_somewhere() -> None:
    assert {each.value for each in Level} == LEVELS["IN"] | LEVELS["US"]


def test_white_is_clear() -> None:
    assert Handling.from_object(BLOCK | {"tlp": "WHITE"}).tlp is Tlp.CLEAR
    assert Handling.from_object(BLOCK | {"tlp": "WHITE"}).to_object()["tlp"] == "CLEAR"


def test_nobody_is_a_list_too() -> None:
    assert Handling.from_object(BLOCK | {"releasable_to": []}).releasable_to == ()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        pytest.param("classification", {"system": "GB", "level": "SECRET"}, id="system"),
        pytest.param("classification", {"system": "US", "level": "SECRET"}, id="level-of-the-other-system"),
        pytest.param("classification", "SECRET", id="classification-as-text"),
        pytest.param("tlp", "amber", id="tlp-lower-case"),
        pytest.param("tlp", "ORANGE", id="tlp"),
        pytest.param("pap", "WHITE", id="pap-white"),
        pytest.param("handling_code", "H4", id="handling-code"),
        pytest.param("dissem", ["NOFORN"], id="dissem"),
        pytest.param("dissem", ["NF", "NF"], id="dissem-twice"),
        pytest.param("releasable_to", ["IN"], id="country-of-two-letters"),
        pytest.param("releasable_to", ["in"], id="lower-case-country"),
        pytest.param("releasable_to", ["USA", "USA"], id="country-twice"),
        pytest.param("releasable_to", ["*"], id="everybody"),
        pytest.param("releasable_to", [f"us-a{n}" for n in range(65)], id="sixty-five"),
        pytest.param("releasable_to", "USA", id="country-without-list"),
        pytest.param("purpose", [], id="no-purpose"),
        pytest.param("purpose", ["curiosity"], id="purpose"),
        pytest.param("purpose", ["prevention", "prevention"], id="purpose-twice"),
        pytest.param("legal_basis", "un1988-9", id="legal-basis-lower-case"),
        pytest.param("legal_basis", "because he said so", id="legal-basis-is-no-free-text"),
        pytest.param("permitted_actions", "all", id="permitted-actions"),
        pytest.param("attribution", "never", id="attribution"),
        pytest.param("retention", {"review_on": "2027-02-10", "purge_on": "2027-02-09"}, id="purge-before-review"),
        pytest.param("retention", {"purge_on": "1767225600"}, id="date-as-a-number-of-seconds"),
        pytest.param("retention", {"purge_on": "2027-02-29"}, id="date-that-never-comes"),
        pytest.param("retention", {"purge_on": "2027-2-9"}, id="date-form"),
        pytest.param("retention", {"purge_on": 20270209}, id="date-as-an-integer"),
        pytest.param("retention", {"purge_on": "2027-02-09T00:00:00"}, id="date-with-time"),
        pytest.param("flags", {"personal_data": True}, id="flag-not-said"),
        pytest.param("flags", {"personal_data": "yes", "sanitised": True}, id="flag-as-text"),
        pytest.param("note", "free text", id="extra-member"),
    ],
)
def test_is_refused(member: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Handling.from_object(BLOCK | {member: value})


@pytest.mark.parametrize("member", sorted(set(BLOCK) - {"dissem"}))
def test_every_member_is_needed(member: str) -> None:
    with pytest.raises(ValidationError):
        Handling.from_object({name: value for name, value in BLOCK.items() if name != member})
