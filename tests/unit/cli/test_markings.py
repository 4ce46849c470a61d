"""The handling block from a file and options."""

import json
from datetime import datetime

import pytest
import typer

from broker.cli.markings import handling_of
from broker.errors import MalformedError
from schemas import registry
from schemas.handling import Dissem, HandlingCode, Pap, PermittedActions, Purpose, Tlp

NONE = dict.fromkeys(
    (
        "classification",
        "tlp",
        "pap",
        "handling_code",
        "dissem",
        "releasable_to",
        "purpose",
        "legal_basis",
        "permitted_actions",
        "personal_data",
        "sanitised",
        "review_on",
        "purge_on",
    )
)
ENOUGH = {
    "classification": "in:restricted",
    "tlp": Tlp.AMBER,
    "purpose": [Purpose.INVESTIGATION],
    "legal_basis": "UN1988-9",
    "personal_data": False,
    "sanitised": True,
}


def block(file=None, to=("us-dea",), **given):
    return handling_of(file, list(to), **(NONE | given))


def test_options_alone_make_a_strict_block():
    assert block(**ENOUGH).to_object() == {
        "classification": {"system": "IN", "level": "RESTRICTED"},
        "tlp": "AMBER",
        "pap": "AMBER",
        "handling_code": "H1",
        "dissem": [],
        "releasable_to": ["us-dea"],
        "purpose": ["investigation"],
        "legal_basis": "UN1988-9",
        "permitted_actions": "none",
        "attribution": "must-not",
        "retention": {},
        "flags": {"personal_data": False, "sanitised": True},
    }


@pytest.mark.parametrize(
    ("tlp", "pap"),
    [(Tlp.RED, "RED"), (Tlp.AMBER_STRICT, "RED"), (Tlp.AMBER, "AMBER"), (Tlp.GREEN, "GREEN"), (Tlp.CLEAR, "CLEAR")],
)
def test_pap_is_as_strict_as_tlp(tlp, pap):
    assert block(**ENOUGH | {"tlp": tlp}).pap == pap


@pytest.mark.parametrize("missing", list(ENOUGH))
def test_what_decides_on_release_has_no_default(missing):
    with pytest.raises(MalformedError, match="handling block") as caught:
        block(**ENOUGH | {missing: None})
    name = {"personal_data": "flags/personal_data", "sanitised": "flags/sanitised"}.get(missing, missing)
    assert caught.value.pointer == f"/{name}"


def test_options_replace_members_of_a_file(write):
    file = write("h.json", registry.sample_handling())
    made = block(
        file,
        classification="US:LES",
        tlp=Tlp.GREEN,
        pap=Pap.RED,
        handling_code=HandlingCode.H2,
        dissem=[Dissem.OC],
        releasable_to=["USA"],
        purpose=[Purpose.BORDER],
        legal_basis="EGMONT",
        permitted_actions=PermittedActions.NONE,
        personal_data=False,
        purge_on=datetime(2030, 1, 2),  # noqa: DTZ001 - as typer gives it
    )
    expected = registry.sample_handling() | {
        "classification": {"system": "US", "level": "LES"},
        "tlp": "GREEN",
        "pap": "RED",
        "handling_code": "H2",
        "dissem": ["OC"],
        "releasable_to": ["USA"],
        "purpose": ["border"],
        "legal_basis": "EGMONT",
        "permitted_actions": "none",
    }
    expected["flags"] = expected["flags"] | {"personal_data": False}
    expected["retention"] = expected["retention"] | {"purge_on": "2030-01-02"}
    assert made.to_object() == expected


def test_a_file_alone_is_taken_as_it_is(write):
    assert block(write("h.json", registry.sample_handling())).to_object() == registry.sample_handling()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"{", "json-invalid", id="no-json"),
        pytest.param(b"[1]", "schema", id="no-object"),
        pytest.param(b'{"flags":3}', "schema", id="a-member-of-another-type"),
        pytest.param(json.dumps({**registry.sample_handling(), "mood": "good"}).encode(), "schema", id="one-too-many"),
    ],
)
def test_a_file_that_is_no_block_is_refused(write, content, code):
    with pytest.raises(MalformedError) as caught:
        block(write("h.json", content), personal_data=True)
    assert caught.value.code == code


def test_a_marking_without_its_system_is_wrong_usage():
    with pytest.raises(typer.BadParameter, match="system and level"):
        block(**ENOUGH | {"classification": "RESTRICTED"})


def test_a_marking_of_the_other_system_is_refused():
    with pytest.raises(MalformedError) as caught:
        block(**ENOUGH | {"classification": "US:RESTRICTED"})
    assert caught.value.pointer == "/classification"


def test_nothing_said_of_the_handling_is_said_so():
    with pytest.raises(MalformedError) as caught:
        block()
    assert caught.value.message == "Expected how the packet is to be handled, found nothing said of it."
    assert "setu schema sample handling" in caught.value.advice


def test_a_part_that_is_missing_is_named():
    with pytest.raises(MalformedError) as caught:
        block(**{**ENOUGH, "legal_basis": None})
    assert caught.value.pointer == "/legal_basis"
    assert caught.value.message == (
        "Expected a handling block, found one that does not fit: expected this member, found none; add it."
    )
