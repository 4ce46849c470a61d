"""Proposals: what the fingerprint stands for, how signatures add up, and that no input but a refusal comes of it."""

import copy
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.directory.tuf_proposal import Proposal, draw_up
from broker.errors import IntegrityError
from tests.builders import NOW
from tests.unit.directory.denying import DENY_KEYS
from tests.unit.directory.realm import KEYS, Keys, document

GIVEN = replace(KEYS.public(), delegates=DENY_KEYS)
FOUNDING = draw_up(None, keys=GIVEN, document=document(), now=NOW, days=30)
ROOTS = [("root", key) for key in KEYS.roots]
TARGETS = [("targets", key) for key in KEYS.all_targets]
SIGNED = FOUNDING.with_signatures([*ROOTS[:3], *TARGETS[:1]]).file()


def again(proposal: Proposal) -> Proposal:
    return Proposal.from_json(json.dumps(proposal.file()).encode(), None)


def counts(proposal: Proposal) -> dict[str, int]:
    return {each.what: each.count for each in proposal.tallies()}


def test_signatures_do_not_change_the_fingerprint_and_all_else_does() -> None:
    assert again(FOUNDING.with_signatures(ROOTS)).fingerprint == FOUNDING.fingerprint
    others = [
        draw_up(None, keys=GIVEN, document=document(name="Another"), now=NOW, days=30),
        draw_up(None, keys=GIVEN, document=document(), now=NOW, days=31),
        draw_up(None, keys=KEYS.public(), document=document(), now=NOW, days=30),
        draw_up(
            None, keys=replace(Keys("others").public(), delegates=DENY_KEYS), document=document(), now=NOW, days=30
        ),
    ]
    assert len({each.fingerprint for each in [FOUNDING, *others]}) == 5


def test_signatures_add_up_in_any_order() -> None:
    parts = [FOUNDING.with_signatures([each]) for each in (ROOTS[0], ROOTS[5], TARGETS[3])]
    files = []
    for order in itertools.permutations(parts):
        first, second, third = map(again, order)
        merged = first.merged(second).merged(third)
        assert counts(merged) == {"root": 2, "targets": 1}
        files.append(merged.file())
    assert all(each["root"]["signatures"] == files[0]["root"]["signatures"] for each in files)


def test_a_key_signs_in_its_own_role_alone() -> None:
    swapped = [("targets", key) for _, key in ROOTS] + [("root", key) for _, key in TARGETS]
    with pytest.raises(IntegrityError, match="none of the keys given"):
        FOUNDING.with_signatures(swapped)


def test_who_is_missing_is_told_by_country() -> None:
    (root, targets) = FOUNDING.with_signatures([*ROOTS[:5], *TARGETS]).tallies()
    assert (root.count, root.missing, dict(root.open)) == (5, 2, {"USA": 3})
    assert (targets.count, targets.missing, dict(targets.open)) == (4, 0, {})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, each in inner for place in places(each, (*path, name)))]


def delegations(file: dict[str, Any]) -> Any:
    return file["targets"]["signed"]["delegations"]


def of_india(file: dict[str, Any]) -> Any:
    return next(each for each in delegations(file)["roles"] if each["name"] == "deny-IND")


DELEGATED = [
    pytest.param(lambda f: of_india(f).update(name="deny-GBR"), "no deny list of a country", id="another-country"),
    pytest.param(lambda f: of_india(f).update(paths=["directory.json"]), "other targets", id="the-directory-itself"),
    pytest.param(lambda f: of_india(f).update(threshold=1), "other keys for the role", id="one-key-is-enough"),
    pytest.param(lambda f: delegations(f)["roles"].pop(0), "other keys in the delegations", id="a-key-of-no-role"),
    pytest.param(lambda f: of_india(f).update(note="x"), "members that this program", id="a-member-not-shown"),
    pytest.param(lambda f: delegations(f).update(note="x"), "members that this program", id="a-member-beside"),
]


@pytest.mark.parametrize(("change", "fault"), DELEGATED)
def test_nothing_is_delegated_but_deny_lists_of_the_agreed_shape(change: Callable[[Any], object], fault: str) -> None:
    file = copy.deepcopy(FOUNDING.file())
    change(file)
    with pytest.raises(IntegrityError, match=fault):
        Proposal.from_json(json.dumps(file).encode(), None)


PLACES = places(SIGNED)[1:]
VALUES = st.none() | st.booleans() | st.integers(-2, 9) | st.floats(0, 2) | st.text(max_size=4)
STRANGE: st.SearchStrategy[Any] = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.text(), VALUES, max_size=2)


@given(st.sampled_from(PLACES), STRANGE, st.sampled_from(["put", "drop"]))
def test_whatever_is_changed_it_is_another_proposal_or_refused(place: tuple[Any, ...], value: Any, how: str) -> None:
    file = copy.deepcopy(SIGNED)
    holder = file
    for name in place[:-1]:
        holder = holder[name]
    if how == "drop":
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    try:
        found = Proposal.from_json(json.dumps(file).encode(), None)
    except IntegrityError:  # and no other error
        return
    assert found.file() == SIGNED or found.fingerprint != FOUNDING.fingerprint or "signatures" in place


@given(st.binary(max_size=40))
def test_bytes_that_are_no_proposal_are_refused(raw: bytes) -> None:
    with pytest.raises(IntegrityError):
        Proposal.from_json(raw, None)
