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

from broker.directory.changes import COUNTRY
from broker.directory.tuf_keys import tuf_key
from broker.directory.tuf_proposal import Proposal, draw_up
from broker.errors import IntegrityError
from tests.builders import NOW, private_key
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


def of_indias_key(file: dict[str, Any]) -> Any:
    return delegations(file)["keys"][of_india(file)["keyids"][0]]


def small_order(file: dict[str, Any]) -> None:
    """In the place of India's Ed25519 key, under the id that it has."""
    keys, role = delegations(file)["keys"], of_india(file)
    (classical,) = [each for each in role["keyids"] if keys[each]["keytype"] == "ed25519"]
    keys[classical]["keyval"]["public"] = "00" * 32


def under_another_id(file: dict[str, Any]) -> None:
    keys, role = delegations(file)["keys"], of_india(file)
    keys["A" * 43] = keys.pop(role["keyids"][0])
    role["keyids"][0] = "A" * 43


DELEGATED = [
    pytest.param(small_order, "no sound key", id="a-key-of-small-order"),
    pytest.param(under_another_id, "no sound key", id="a-key-under-another-id"),
    pytest.param(lambda f: of_indias_key(f).update({COUNTRY: "USA"}), "not marked", id="a-key-marked-as-anothers"),
    pytest.param(lambda f: of_indias_key(f).pop(COUNTRY), "not marked", id="a-key-marked-as-nobodys"),
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


def of_root(file: dict[str, Any]) -> Any:
    return file["root"]["signed"]


def of_key(file: dict[str, Any], role: str) -> Any:
    return of_root(file)["keys"][of_root(file)["roles"][role]["keyids"][0]]


def named(country: Any) -> Callable[[dict[str, Any]], None]:
    """India under another name, wherever it stands."""

    def change(file: dict[str, Any]) -> None:
        for key in (*of_root(file)["keys"].values(), *delegations(file)["keys"].values()):
            if key.get(COUNTRY) == "IND":
                key[COUNTRY] = country
        of_india(file).update(name=f"deny-{country}", paths=[f"deny-{country}.json"])

    return change


def spelt(how: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    return lambda file: of_key(file, "root")["keyval"].update(public=how(of_key(file, "root")["keyval"]["public"]))


def unused(file: dict[str, Any]) -> None:
    key = tuf_key(private_key("Ed25519", "unused").public, "IND")
    of_root(file)["keys"][key.keyid] = key.to_dict()


NOT_SHOWN = [
    pytest.param(unused, "other keys than its roles name", id="a-key-of-no-role"),
    pytest.param(lambda f: of_root(f)["roles"]["root"]["keyids"].append("A" * 43), "other keys", id="a-role-of-no-key"),
    pytest.param(lambda f: of_root(f)["roles"]["snapshot"].update(keyids=["A" * 43]), "other keys", id="no-snapshot"),
    pytest.param(named("IND\x1b[2J"), "not of two or more countries", id="a-country-that-erases-the-screen"),
    pytest.param(named("IND\nroot USA"), "not of two or more countries", id="a-country-of-two-lines"),
    pytest.param(named("IND Ed25519"), "not of two or more countries", id="a-country-with-an-algorithm"),
    pytest.param(named("../../ind"), "not of two or more countries", id="a-country-that-is-a-path"),
    pytest.param(named("ind"), "not of two or more countries", id="a-country-in-small-letters"),
    pytest.param(named(["IND"]), "not of two or more countries", id="a-country-that-is-a-list"),
    pytest.param(
        lambda f: of_key(f, "snapshot").update({COUNTRY: "IND"}), "a country's mark", id="the-operators-as-indias"
    ),
    pytest.param(
        lambda f: of_key(f, "timestamp").update({COUNTRY: None}), "a country's mark", id="the-operators-as-nobodys"
    ),
    pytest.param(lambda f: of_root(f).update(version=True), "no whole number", id="true-for-root-1"),
    pytest.param(lambda f: of_root(f)["roles"]["snapshot"].update(threshold=True), "no whole number", id="true-of-1"),
    pytest.param(lambda f: of_root(f).update(consistent_snapshot=1), "no consistent snapshots", id="1-for-true"),
    pytest.param(
        lambda f: f["targets"]["signed"].update(version=True), "targets that are not", id="true-for-targets-1"
    ),
    pytest.param(lambda f: delegations(f)["roles"][-1].update(threshold=True), "other keys", id="true-of-1-deny-key"),
    pytest.param(lambda f: of_india(f).update(terminating=1), "other targets", id="1-for-terminating"),
    pytest.param(spelt(str.upper), "no sound", id="a-key-in-capitals"),
    pytest.param(spelt(lambda text: f" {text}"), "no sound", id="a-key-behind-a-space"),
]


@pytest.mark.parametrize(("change", "fault"), NOT_SHOWN)
def test_nothing_is_signed_that_would_not_be_shown_as_it_is(change: Callable[[Any], object], fault: str) -> None:
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
