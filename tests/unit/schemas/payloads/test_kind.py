"""A kind of two and three versions, made here and shipped nowhere: a newer one beside an older, and the way to it."""

import json
from typing import Any, Literal

import pytest

from schemas.base import Line, Text
from schemas.payloads.kind import Document, PayloadError, PayloadKind
from schemas.payloads.parts import Payload
from schemas.payloads.values import Date


class NoteV1(Payload):
    title: Line
    seen: Date | None = None


class NoteV2(Payload):
    title: Line
    lines: tuple[Text, ...]


class NoteV3(Payload):
    title: Line
    lines: tuple[Text, ...]
    urgency: Literal["low", "high"]


def to_v2(old: Document) -> Document:
    lines = [f"Seen on {old['seen']}."] if "seen" in old else []
    return {name: value for name, value in old.items() if name != "seen"} | {"lines": lines}


def to_v3(old: Document) -> Document:
    return old | {"urgency": "low"}


NOTE = PayloadKind("note", "A note of three versions", {1: NoteV1, 2: NoteV2, 3: NoteV3}, {1: to_v2, 2: to_v3})
OLD: Document = {"title": "a", "seen": "2026-01-31", "case_refs": [{"agency": "in-ncb", "reference": "R1"}]}


def test_each_version_is_read_by_its_own_model() -> None:
    assert isinstance(NOTE.load(1, json.dumps(OLD).encode()), NoteV1)
    assert isinstance(NOTE.check(2, {"title": "a", "lines": []}), NoteV2)
    with pytest.raises(PayloadError) as caught:
        NOTE.check(2, OLD)
    assert (caught.value.code, caught.value.advice) == ("schema", "Compare it with the JSON Schema of note 2.")


def test_an_old_payload_becomes_one_of_the_newest_version_step_by_step() -> None:
    found = NOTE.upgrade(1, OLD)
    assert isinstance(found, NoteV3)
    assert found.to_object() == {
        "title": "a",
        "lines": ["Seen on 2026-01-31."],
        "urgency": "low",
        "case_refs": OLD["case_refs"],
    }
    assert OLD["seen"] == "2026-01-31"
    assert NOTE.upgrade(2, {"title": "a", "lines": ["b"]}).to_object()["urgency"] == "low"
    assert NOTE.upgrade(3, found.to_object()) == found


def test_what_is_not_of_the_version_it_is_said_to_be_is_not_upgraded() -> None:
    with pytest.raises(PayloadError) as caught:
        NOTE.upgrade(1, {"title": "a", "lines": []})
    assert caught.value.advice.endswith("note 1.")


def test_a_step_that_leads_astray_is_refused() -> None:
    astray = PayloadKind("note", "A note whose upgrade is wrong", {1: NoteV1, 2: NoteV2}, {1: lambda old: old})
    with pytest.raises(PayloadError) as caught:
        astray.upgrade(1, OLD)
    assert caught.value.advice.endswith("note 2.")


@pytest.mark.parametrize(
    ("versions", "upgrades"),
    [
        pytest.param({}, {}, id="no-version"),
        pytest.param({2: NoteV2}, {}, id="not-from-1"),
        pytest.param({1: NoteV1, 3: NoteV3}, {1: to_v2}, id="a-gap"),
        pytest.param({1: NoteV1, 2: NoteV2}, {}, id="no-upgrade"),
        pytest.param({1: NoteV1, 2: NoteV2, 3: NoteV3}, {1: to_v2}, id="an-upgrade-missing"),
        pytest.param({1: NoteV1}, {1: to_v2}, id="an-upgrade-to-nowhere"),
    ],
)
def test_a_declaration_that_does_not_hold_together(versions: dict[int, Any], upgrades: dict[int, Any]) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        PayloadKind("note", "A note", versions, upgrades)
