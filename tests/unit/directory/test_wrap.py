"""A gateway's wrap keys over a real repository: who signs them, what they may say, and how they stand in the directory."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import MetaFile, Snapshot, Targets

from broker.crypto.keys import PrivateKey, thumbprint
from broker.directory.tuf import RemoteDirectory
from broker.directory.tuf_delegated import Delegates, delegations_for
from broker.directory.tuf_repository import cosign
from broker.directory.tuf_signed import DelegatedReader, SignedTarget, sign_target
from broker.directory.wrap import LONGEST, check_wrap_keys, read_wrap_keys
from broker.errors import IntegrityError, NotFoundError, SignatureError
from schemas.canonical import b64u, canonical
from schemas.directory import Directory, Key, KeyState, KeyUse
from schemas.wrap import MAX_KEYS, WrapKeys
from tests.builders import NOW, Realm, key_row, private_key
from tests.unit.directory.denying import DENY_KEYS, Denying, denial
from tests.unit.directory.realm import DAY, KEYS, Gateway, document

ROLE, GATEWAY = "wrap-in-setu", "in-setu"
SIGNERS = [private_key(alg, "wrap role") for alg in ("Ed25519", "ML-DSA-65")]
ROLE_KEYS: Delegates = {ROLE: tuple(key.public for key in SIGNERS)}


def wrap_row(label: str, begins: int = NOW, **over: Any) -> Key:
    key = private_key("HPKE-9-KE", label)
    return key_row(key, KeyUse.WRAP, **{"not_before": begins, "not_after": begins + 2 * DAY, **over})


FIRST, SECOND = wrap_row("the first", NOW - 3600), wrap_row("the second")


class Wrapping(Denying):
    """A realm whose gateway has a role for its wrap keys; the first is in force."""

    def __init__(self, tmp: Path) -> None:
        super().__init__(tmp, {**DENY_KEYS, **ROLE_KEYS})
        self.install(self.keys(FIRST))

    def keys(self, *rows: Key, version: int = 1, signers: Sequence[PrivateKey] = SIGNERS, **over: Any) -> SignedTarget:
        made = {
            "v": "setu1.wrap-keys",
            "realm": self.realm,
            "gateway": GATEWAY,
            "keys": [each.to_object() for each in rows],
        }
        return sign_target(ROLE, canonical({**made, **over}), version, signers, self.clock())


@pytest.fixture
def world(tmp_path: Path) -> Wrapping:
    return Wrapping(tmp_path)


def test_the_newest_is_what_packets_are_wrapped_to_and_the_one_before_it_is_good(world: Wrapping) -> None:
    reader = world.reader()
    assert reader.current().wrap_key(GATEWAY, NOW) == FIRST
    world.install(world.keys(FIRST, SECOND, version=2))
    found = reader.refresh()
    assert found.wrap_key(GATEWAY, NOW) == SECOND
    assert found.key(FIRST.kid, agency=GATEWAY, use=KeyUse.WRAP, at=NOW) == FIRST
    assert found.wrap_key("in-ncb", NOW).kid not in (FIRST.kid, SECOND.kid)


def test_what_the_countries_signed_is_what_they_signed(world: Wrapping) -> None:
    found = world.reader().current()
    assert (found.signed, found.raw, found.standing) == (document(), document().canonical(), found.ref)
    at_that_version = world.reader().at(1)
    with pytest.raises(SignatureError):
        at_that_version.key(FIRST.kid, agency=GATEWAY, use=KeyUse.WRAP, at=NOW)


def test_a_static_key_of_the_row_stays_good(world: Wrapping) -> None:
    static = private_key("HPKE-9-KE", GATEWAY).public.kid
    assert world.reader().current().key(static, agency=GATEWAY, use=KeyUse.WRAP, at=NOW).kid == static


def test_an_agencys_own_program_has_them_through_the_gateway(world: Wrapping, tmp_path: Path) -> None:
    remote = RemoteDirectory(Gateway(world.folder), world.root, tmp_path / "own", world.clock)
    remote.refresh()
    world.install(world.keys(FIRST, SECOND, version=2))
    assert remote.refresh().wrap_key(GATEWAY, NOW) == SECOND
    again = RemoteDirectory(Gateway(world.folder), world.root, tmp_path / "own", world.clock)
    assert again.current().wrap_key(GATEWAY, NOW) == SECOND


def test_a_deny_list_revokes_one_of_them(world: Wrapping) -> None:
    world.install(world.keys(FIRST, SECOND, version=2))
    world.everybody()
    world.add("IND", denial(GATEWAY, kid=SECOND.kid))
    found = world.reader().current()
    assert found.wrap_key(GATEWAY, NOW) == FIRST
    with pytest.raises(SignatureError):
        found.key(SECOND.kid, agency=GATEWAY, use=KeyUse.WRAP, at=NOW)


def test_they_hold_until_their_own_dates_say_however_old_the_metadata_is(world: Wrapping) -> None:
    reader = world.reader()
    world.clock.at = NOW + 2 * DAY - 3700
    world.repository.renew(KEYS.operator)
    held = reader.refresh()
    assert held.gateways[0].expires < world.clock()
    assert held.key(FIRST.kid, agency=GATEWAY, use=KeyUse.WRAP, at=int(world.clock())) == FIRST
    with pytest.raises(SignatureError):
        held.key(FIRST.kid, agency=GATEWAY, use=KeyUse.WRAP, at=FIRST.not_after)


def _a_key_of_the_directory(world: Wrapping) -> SignedTarget:
    taken = key_row(private_key("HPKE-9-KE", "us-dea"), KeyUse.WRAP, not_before=NOW, not_after=NOW + DAY)
    return world.keys(taken, version=2)


def _small_order() -> Key:
    lattice = private_key("HPKE-9-KE", "the second").public.raw[:-32]
    return wrap_row("the second", public=b64u(lattice + bytes(32)))


def _half_of_another() -> Key:
    first, second = (private_key("HPKE-9-KE", each).public.raw for each in ("the first", "the second"))
    raw = first[:-32] + second[-32:]
    return wrap_row("the second", public=b64u(raw), kid=thumbprint("HPKE-9-KE", raw))


REFUSED = [
    pytest.param(lambda w: w.keys(SECOND, version=2, signers=SIGNERS[:1]), "signed by 1/2 keys", id="one-signature-classical"),
    pytest.param(lambda w: w.keys(SECOND, version=2, signers=SIGNERS[1:]), "signed by 1/2 keys", id="one-signature-post-quantum"),
    pytest.param(lambda w: w.keys(SECOND, version=2, signers=KEYS.all_targets), "signed by 0/2 keys", id="the-targets-keys"),
    pytest.param(
        lambda w: w.keys(SECOND, version=2, signers=[KEYS.operator.snapshot, KEYS.operator.timestamp]),
        "signed by 0/2 keys",
        id="the-operators-other-keys",
    ),
    pytest.param(lambda w: w.keys(SECOND, version=2, gateway="us-dea"), "another agency's", id="another-agency"),
    pytest.param(lambda w: w.keys(SECOND, version=2, realm=Realm(name="another").realm), "another realm", id="another-realm"),
    pytest.param(
        lambda w: w.keys(key_row(private_key("Ed25519", "x"), KeyUse.SIGN, not_before=NOW, not_after=NOW + DAY), version=2),
        "Ed25519 for sign",
        id="a-signing-key",
    ),
    pytest.param(
        lambda w: w.keys(key_row(private_key("HPKE-10-KE", "x"), KeyUse.WRAP, not_before=NOW, not_after=NOW + DAY), version=2),
        "HPKE-10-KE for wrap",
        id="another-suites-algorithm",
    ),
    pytest.param(lambda w: w.keys(wrap_row("the second", alg="HPKE-10-KE"), version=2), "HPKE-10-KE", id="a-wrong-algorithm"),
    pytest.param(lambda w: w.keys(_small_order(), version=2), "one that is not", id="small-order"),
    pytest.param(lambda w: w.keys(wrap_row("the second", kid=FIRST.kid), version=2), "one that is not", id="another-kid"),
    pytest.param(_a_key_of_the_directory, "stands elsewhere", id="a-key-of-the-directory"),
    pytest.param(lambda w: w.keys(FIRST, FIRST, version=2), "stands elsewhere, or twice", id="one-key-twice"),
    pytest.param(lambda w: w.keys(FIRST, _half_of_another(), version=2), "half another", id="half-of-another"),
    pytest.param(lambda w: w.keys(wrap_row("x", state=KeyState.RETIRED), version=2), "another state", id="retired"),
    pytest.param(lambda w: w.keys(wrap_row("x", compromised_since=1), version=2), "another state", id="compromised"),
    pytest.param(lambda w: w.keys(wrap_row("x", not_after=NOW + LONGEST + 1), version=2), "other dates", id="good-for-too-long"),
    pytest.param(lambda w: w.keys(wrap_row("x", not_after=NOW), version=2), "other dates", id="ends-as-it-begins"),
    pytest.param(lambda w: w.keys(SECOND, version=2, note="x"), "another document", id="a-member-too-many"),
    pytest.param(
        lambda w: w.keys(*[wrap_row(str(n)) for n in range(MAX_KEYS + 1)], version=2), "another document", id="too-many-keys"
    ),
]  # fmt: skip
OLDER = [
    pytest.param(lambda w: w.keys(SECOND, version=1), "version", id="the-same-version"),
    pytest.param(lambda w: w.keys(SECOND, version=0), "version", id="an-older-version"),
]
Attack = Callable[[Wrapping], SignedTarget]


@pytest.mark.parametrize(("attack", "found"), REFUSED)
def test_the_operators_machine_refuses(world: Wrapping, attack: Attack, found: str) -> None:
    bad = attack(world)
    before = {path: path.read_bytes() for path in world.folder.rglob("*.json")}
    with pytest.raises(IntegrityError, match=found):
        world.install(bad)
    assert {path: path.read_bytes() for path in world.folder.rglob("*.json")} == before


@pytest.mark.parametrize(("attack", "found"), REFUSED)
def test_a_reader_keeps_those_before_them_and_the_rest_goes_on(world: Wrapping, attack: Attack, found: str) -> None:
    reader = world.reader()
    world.force(attack(world))
    after = reader.refresh()
    assert after.wrap_key(GATEWAY, NOW) == FIRST
    assert found in (after.gateways[0].trouble or "")
    world.add("USA", denial("us-dea"))
    assert reader.refresh().agency("us-dea").state == "suspended"  # type: ignore[union-attr]
    assert world.reader().current().gateways[0].keys == ()


def test_two_of_one_version_are_refused(world: Wrapping) -> None:
    with pytest.raises(IntegrityError, match="version 2, found version 1"):
        world.install(world.keys(SECOND))
    reader = world.reader()
    world.force(world.keys(SECOND))
    after = reader.refresh()
    assert (after.wrap_key(GATEWAY, NOW), after.gateways[0].trouble is None) == (FIRST, False)


def test_an_older_one_is_refused_as_the_operators_snapshot_going_back(world: Wrapping) -> None:
    older = world.keys(FIRST)
    world.install(world.keys(FIRST, SECOND, version=2))
    reader = world.reader()
    with pytest.raises(IntegrityError, match=r"version 3, found version 1"):
        world.install(older)
    world.force(older)
    with pytest.raises(IntegrityError, match="version"):
        reader.refresh()
    assert reader.current().wrap_key(GATEWAY, NOW) == SECOND


def test_a_directory_that_takes_one_of_their_keys_ends_their_word(world: Wrapping) -> None:
    reader = world.reader()
    rows = {each.id: each.to_object() for each in document().agencies}
    rows["us-cbp"]["keys"] = [*rows["us-cbp"]["keys"], FIRST.to_object()]
    world.publish(2, agencies=list(rows.values()))
    found = reader.refresh()
    assert (found.gateways[0].keys, found.gateways[0].trouble is None) == ((), False)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        pytest.param({ROLE: tuple(key.public for key in SIGNERS[:1])}, "other keys", id="one-key"),
        pytest.param({ROLE: (SIGNERS[0].public, private_key("Ed25519", "x").public)}, "other keys", id="two-classical"),
        pytest.param({"wrap-In-Setu": ROLE_KEYS[ROLE]}, "nor a gateway's", id="no-agency-id"),
        pytest.param({"wrap-": ROLE_KEYS[ROLE]}, "nor a gateway's", id="no-name"),
        pytest.param({**DENY_KEYS, ROLE: DENY_KEYS["deny-IND"]}, "one key in two places", id="a-deny-lists-keys"),
        pytest.param({ROLE: KEYS.public().countries["IND"].targets}, "signs something else", id="the-targets-keys"),
    ],
)
def test_a_role_of_another_shape_is_refused(world: Wrapping, keys: Delegates, fault: str) -> None:
    def ceremony() -> None:
        targets = world.repository.draft(document(2), keys)
        for key in KEYS.all_targets:
            targets = cosign(targets, key)
        world.repository.install(KEYS.operator, document=document(2), targets=targets)

    with pytest.raises(IntegrityError, match=fault):
        ceremony()


def test_other_keys_for_the_role_leave_what_is_known_in_force_until_they_sign(world: Wrapping) -> None:
    fresh = [private_key(alg, "wrap role, the second") for alg in ("Ed25519", "ML-DSA-65")]
    reader = world.reader()
    targets = world.repository.draft(document(2), {**DENY_KEYS, ROLE: tuple(key.public for key in fresh)})
    for key in KEYS.all_targets:
        targets = cosign(targets, key)
    world.repository.install(KEYS.operator, document=document(2), targets=targets)
    assert reader.refresh().wrap_key(GATEWAY, NOW) == FIRST
    world.install(world.keys(SECOND, version=2, signers=fresh))
    assert reader.refresh().wrap_key(GATEWAY, NOW) == SECOND


GOOD = WrapKeys(realm=Realm().realm, gateway=GATEWAY, keys=(FIRST, SECOND)).to_object()
VALUES = st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4)
PLACES = [(name,) for name in GOOD] + [("keys", n, name) for n in range(2) for name in GOOD["keys"][0]]


@given(st.sampled_from(PLACES), VALUES)
def test_whatever_is_changed_it_is_refused_or_another_sound_document(place: tuple[Any, ...], value: Any) -> None:
    made: Any = {**GOOD, "keys": [dict(each) for each in GOOD["keys"]]}
    holder = made
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    directory: Directory = Realm().directory
    try:
        found = read_wrap_keys(canonical(made), GATEWAY)
        check_wrap_keys(found, directory, Realm().realm, GATEWAY)
    except IntegrityError:  # and no other error
        return
    assert all(key.use is KeyUse.WRAP and key.alg == "HPKE-9-KE" for key in found.keys)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_document_are_refused(raw: bytes) -> None:
    with pytest.raises(IntegrityError):
        read_wrap_keys(raw, GATEWAY)


def test_what_the_operator_says_of_its_size_makes_no_reader_read_more(tmp_path: Path) -> None:
    asked = []

    def load(name: str, most: int) -> bytes:
        asked.append(most)
        raise NotFoundError

    until = datetime.fromtimestamp(NOW, UTC)
    targets = Targets(1, None, until, {}, delegations_for(ROLE_KEYS))
    snapshot = Snapshot(1, None, until, {f"{ROLE}.json": MetaFile(2, length=10**12)})
    (found,) = DelegatedReader(load, tmp_path).read(targets, snapshot)
    assert (found.raw, asked) == (None, [1_000_000])
