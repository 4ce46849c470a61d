"""Shares of a realm's keys: made of the right keys, and each key proven."""

import json
from typing import Any

import pytest

from broker.crypto.keys import PrivateKey
from broker.directory.share import make_share, proven, public_key, read_share
from broker.errors import IntegrityError
from schemas.canonical import b64u, canonical, unb64u
from schemas.problem import Code
from tests.builders import private_key
from tests.unit.directory.denying import DENY
from tests.unit.directory.realm import KEYS

IND = [("root", key) for key in KEYS.root["IND"]] + [("targets", key) for key in KEYS.targets["IND"]]
OPERATOR = [("snapshot", KEYS.operator.snapshot), ("timestamp", KEYS.operator.timestamp)]
SHARE = make_share("IND", IND).to_object()


def test_a_share_holds_the_public_halves_and_is_read_again() -> None:
    share = read_share(canonical(SHARE))
    assert {public_key(key).kid for key in share.keys} == {key.public.kid for _, key in IND}
    assert sorted((key.use, key.alg) for key in make_share("operator", OPERATOR).keys) == [
        ("snapshot", "Ed25519"),
        ("timestamp", "Ed25519"),
    ]


def test_keys_of_other_uses_stay_where_they_are() -> None:
    share = make_share("IND", [*IND, *OPERATOR, ("sign", private_key("Ed25519", "an agency's"))])
    assert share.to_object()["keys"] == SHARE["keys"]


def test_with_them_come_the_keys_of_ones_own_deny_list() -> None:
    deny = {name: [(f"deny-{name}", key) for key in keys] for name, keys in DENY.items()}
    share = read_share(make_share("IND", [*IND, *deny["IND"], *deny["USA"]]).canonical())
    assert [public_key(key).kid for key in share.keys if key.use == "deny"] == [key.public.kid for key in DENY["IND"]]
    assert len(share.keys) == 8
    own = make_share("operator", [*OPERATOR, *deny["operator"]])
    assert [(key.use, key.alg) for key in own.keys if key.use == "deny"] == [("deny", "Ed25519")]


MADE = [
    pytest.param([*IND, ("deny-IND", DENY["IND"][0])], "deny Ed25519, root Ed25519", id="half-a-deny-list"),
    pytest.param(IND[1:], "targets Ed25519", id="one-is-missing"),
    pytest.param([*IND, IND[0]], "root Ed25519, root Ed25519, root Ed25519", id="one-too-many"),
    pytest.param([], "found none", id="none"),
    pytest.param([("root", key) for _, key in IND], "a country's six keys", id="all-for-root"),
    pytest.param([IND[0], IND[0], *IND[2:]], "each key once", id="one-twice"),
]


@pytest.mark.parametrize(("keys", "fault"), MADE)
def test_of_other_keys_no_share_is_made(keys: list[tuple[str, PrivateKey]], fault: str) -> None:
    with pytest.raises(IntegrityError) as refused:
        make_share("IND", keys)
    assert refused.value.code is Code.DIRECTORY_INVALID
    assert fault in refused.value.message


def changed(**over: Any) -> dict[str, Any]:
    return {**json.loads(canonical(SHARE)), **over}


def another_key(place: int, **over: Any) -> dict[str, Any]:
    keys = [dict(each) for each in SHARE["keys"]]
    keys[place].update(over)
    return changed(keys=keys)


def stolen() -> dict[str, Any]:
    """India's share with a key whose private half it does not have, and a proof by another of its keys."""
    theirs = KEYS.root["USA"][0].public
    place = next(at for at, each in enumerate(SHARE["keys"]) if each["use"] == "root" and each["alg"] == "Ed25519")
    made = another_key(place, public=b64u(theirs.raw))
    proofs = [dict(each) for each in SHARE["proofs"]]
    proofs[place]["kid"] = theirs.kid
    return {**made, "proofs": proofs}


SPOILT = [
    pytest.param(changed(holder="USA"), "each proven", id="another-holder"),
    pytest.param(changed(holder="operator"), "an operator's two keys", id="a-country-as-operator"),
    pytest.param(changed(proofs=SHARE["proofs"][:5]), "one proof for each key", id="a-proof-missing"),
    pytest.param(changed(proofs=[SHARE["proofs"][0]] * 6), "one proof for each key", id="one-proof-six-times"),
    pytest.param(stolen(), "each proven", id="a-key-of-somebody-else"),
    pytest.param(another_key(0, public=b64u(bytes(32))), "sound keys", id="small-order"),
    pytest.param(another_key(0, public="A"), "sound keys", id="not-base64url"),
    pytest.param(another_key(0, use="targets"), "a country's six keys", id="another-use"),
    pytest.param(changed(v="setu2.share"), "setu1.share", id="another-format"),
    pytest.param(changed(seed="x"), "setu1.share", id="a-member-too-many"),
]


@pytest.mark.parametrize(("share", "fault"), SPOILT)
def test_a_spoilt_share_is_refused(share: dict[str, Any], fault: str) -> None:
    with pytest.raises(IntegrityError) as refused:
        read_share(canonical(share))
    assert fault in refused.value.message


def test_a_proof_is_no_signature_on_tuf_metadata() -> None:
    assert proven(SHARE).startswith(b"setu1.share\n{")
    assert len(unb64u(SHARE["proofs"][0]["signature"])) in (64, 3309)
