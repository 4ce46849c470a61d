"""Deny lists over a real repository: what they suspend, what they may not say, and how they are lifted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import TargetFile, Targets

from broker.crypto.keys import PublicKey
from broker.directory.deny import check_continues, refs_of
from broker.directory.tuf import RemoteDirectory
from broker.directory.tuf_delegated import Delegates
from broker.directory.tuf_repository import cosign
from broker.directory.tuf_signed import SignedTarget
from broker.errors import IntegrityError
from schemas.canonical import b64u
from schemas.deny import OPERATOR, genesis
from schemas.directory import AgencyState, Directory, KeyState
from schemas.problem import Code
from tests.builders import Realm, private_key
from tests.unit.directory.denying import DENY, DENY_KEYS, Denying, denial
from tests.unit.directory.forge import LATER, signed
from tests.unit.directory.realm import DAY, KEYS, Gateway, document

ROWS = {each.id: each for each in document().agencies}


@pytest.fixture
def denying(tmp_path: Path) -> Denying:
    made = Denying(tmp_path)
    made.everybody()
    return made


def test_a_country_suspends_its_own_agency_key_and_certificate(denying: Denying) -> None:
    reader = denying.reader()
    assert (reader.current().denied, reader.current().standing) == ("", reader.current().ref)
    row = ROWS["us-cbp"]
    denying.add(
        "USA",
        denial("us-dea"),
        denial("us-cbp", kid=row.keys[0].kid, since=7),
        denial("us-cbp", certificate=row.certificates[0].sha256),
    )
    found = reader.refresh()
    dea, cbp = found.agency("us-dea"), found.agency("us-cbp")
    assert dea is not None
    assert cbp is not None
    assert (dea.state, cbp.state) == (AgencyState.SUSPENDED, AgencyState.ACTIVE)
    assert [key.state for key in cbp.keys] == [KeyState.REVOKED, KeyState.ACTIVE, KeyState.ACTIVE]
    assert (cbp.keys[0].compromised_since, cbp.certificates[0].state) == (7, KeyState.REVOKED)
    assert refs_of(found.denied) == (denying.ref("USA"),)
    assert found.standing != found.ref


def test_the_operator_suspends_anybody(denying: Denying) -> None:
    denying.add(OPERATOR, denial("us-dea"), denial("in-ncb"))
    found = denying.reader().current()
    assert [found.agency(each).state for each in ("us-dea", "in-ncb")] == ["suspended"] * 2  # type: ignore[union-attr]


def test_what_was_signed_stays_what_was_signed(denying: Denying) -> None:
    denying.add("USA", denial("us-dea"))
    reader = denying.reader()
    found = reader.current()
    assert (found.signed, found.raw) == (document(), document().canonical())
    assert reader.at(1).agency("us-dea").state is AgencyState.ACTIVE  # type: ignore[union-attr]


def test_an_agencys_own_program_sees_them_through_the_gateway(denying: Denying, tmp_path: Path) -> None:
    gateway = Gateway(denying.folder)
    remote = RemoteDirectory(gateway, denying.root, tmp_path / "own", denying.clock)
    remote.refresh()
    denying.add("USA", denial("us-dea"))
    assert remote.refresh().agency("us-dea").state is AgencyState.SUSPENDED  # type: ignore[union-attr]
    asked = len(gateway.asked)
    remote.refresh()
    assert not [each for each in gateway.asked[asked:] if "deny" in each]
    again = RemoteDirectory(gateway, denying.root, tmp_path / "own", denying.clock)
    assert again.current().agency("us-dea").state is AgencyState.SUSPENDED  # type: ignore[union-attr]


def _names_another_country(world: Denying) -> SignedTarget:
    return world.sign(world.document("IND", denial("us-dea")), "IND")


def _names_another_countrys_key(world: Denying) -> SignedTarget:
    return world.sign(world.document("IND", denial("in-ncb", kid=ROWS["us-dea"].keys[0].kid)), "IND")


def _names_another_countrys_certificate(world: Denying) -> SignedTarget:
    theirs = ROWS["us-dea"].certificates[0].sha256
    return world.sign(world.document("IND", denial("in-ncb", certificate=theirs)), "IND")


def _names_a_country_of_an_agency_unknown(world: Denying) -> SignedTarget:
    return world.sign(world.document("IND", denial("us-unknown")), "IND")


def _an_older_version(world: Denying) -> SignedTarget:
    world.add("IND")
    return world.sign(world.document("IND"), "IND", version=1)


def _the_same_version(world: Denying) -> SignedTarget:
    return world.sign(world.document("IND", denial("in-ncb")), "IND", version=1)


def _lifts_by_itself(world: Denying) -> SignedTarget:
    world.add("IND", denial("in-ncb"))
    return world.sign(world.document("IND"), "IND")


def _puts_another_in_its_place(world: Denying) -> SignedTarget:
    world.add("IND", denial("in-ncb"))
    return world.sign(world.document("IND", denial("in-audit"), denial("in-ncb")), "IND")


def _begins_where_nothing_was_lifted(world: Denying) -> SignedTarget:
    world.add("IND", denial("in-ncb"))
    return world.sign(world.document("IND", base=world.place("IND")), "IND")


def _for_another_realm(world: Denying) -> SignedTarget:
    other = Realm(name="another").realm
    made = world.document("IND", realm=other, base=genesis(other, "IND"))
    return world.sign(made, "IND")


def _another_lists(world: Denying) -> SignedTarget:
    made = world.sign(world.document("IND"), "IND")
    return SignedTarget("deny-IND", made.metadata, world.sign(world.document("USA"), "USA").document)


def _by_a_weak_hash(world: Denying) -> SignedTarget:
    made = world.document("IND")
    file = TargetFile.from_data("deny-IND.json", made.canonical(), ["sha1"])
    metadata = signed(Targets(2, None, LATER, {"deny-IND.json": file}), DENY["IND"])
    return SignedTarget("deny-IND", metadata, made.canonical())


REFUSED = [
    pytest.param(_names_another_country, "another country's in entry 1", id="names-the-other-countrys-agency"),
    pytest.param(_names_a_country_of_an_agency_unknown, "another country's in entry 1", id="agency-not-in-directory"),
    pytest.param(
        lambda world: world.sign(world.document("IND"), "IND", keys=DENY["IND"][:1]),
        "signed by 1/2 keys",
        id="one-of-two-signatures-classical",
    ),
    pytest.param(
        lambda world: world.sign(world.document("IND"), "IND", keys=DENY["IND"][1:]),
        "signed by 1/2 keys",
        id="one-of-two-signatures-post-quantum",
    ),
    pytest.param(
        lambda world: world.sign(world.document("IND"), "IND", keys=DENY["USA"]),
        "signed by 0/2 keys",
        id="another-countrys-signatures",
    ),
    pytest.param(
        lambda world: world.sign(world.document("IND"), "IND", keys=KEYS.targets["IND"]),
        "signed by 0/2 keys",
        id="its-targets-keys",
    ),
    pytest.param(
        lambda world: world.sign(world.document("IND"), "IND", keys=DENY[OPERATOR]),
        "signed by 0/2 keys",
        id="the-operators-signature",
    ),
    pytest.param(_an_older_version, "version", id="an-older-version"),
    pytest.param(_the_same_version, "version", id="two-lists-of-one-version"),
    pytest.param(_lifts_by_itself, "ends after 0", id="an-entry-removed"),
    pytest.param(_puts_another_in_its_place, "others in their place", id="an-entry-replaced"),
    pytest.param(_begins_where_nothing_was_lifted, "begins after 1", id="begins-where-nothing-was-lifted"),
    pytest.param(_for_another_realm, "one for another realm", id="a-list-for-another-realm"),
    pytest.param(_another_lists, "does not verify", id="another-lists-document"),
]
NEWLY = [
    pytest.param(_names_another_countrys_key, "another's in entry 1", id="names-the-other-countrys-key"),
    pytest.param(_names_another_countrys_certificate, "another's in entry 1", id="names-its-certificate"),
    pytest.param(
        lambda world: world.sign(world.document("IND"), "IND", version=1002), "version 2, found", id="far-ahead"
    ),
    pytest.param(
        lambda world: world.sign(world.document("IND"), "IND", version=2**53), "that are none", id="version-too-high"
    ),
    pytest.param(_by_a_weak_hash, "that are none", id="another-hash-than-sha-512"),
]
Attack = Callable[[Denying], SignedTarget]


@pytest.mark.parametrize(("attack", "found"), REFUSED + NEWLY)
def test_the_operators_machine_refuses(denying: Denying, attack: Attack, found: str) -> None:
    bad = attack(denying)
    before = {path: path.read_bytes() for path in denying.folder.rglob("*.json")}
    with pytest.raises(IntegrityError, match=found) as caught:
        denying.install(bad)
    assert caught.value.code is Code.DIRECTORY_INVALID
    assert {path: path.read_bytes() for path in denying.folder.rglob("*.json")} == before


@pytest.mark.parametrize(("attack", "found"), REFUSED)
def test_a_reader_keeps_the_list_before_it_and_the_other_countrys_goes_on(
    denying: Denying, attack: Attack, found: str
) -> None:
    bad = attack(denying)
    reader = denying.reader()
    before = {each.name: each for each in reader.current().lists}["IND"]
    denying.force(bad)
    if bad.version < before.version:  # the operator's own metadata would go back, which is seen before any list is
        with pytest.raises(IntegrityError, match="version"):
            reader.refresh()
        return
    after = {each.name: each for each in reader.refresh().lists}["IND"]
    assert (after.document, after.version) == (before.document, before.version)
    assert found in (after.trouble or "")
    denying.add("USA", denial("us-dea"))
    assert reader.refresh().agency("us-dea").state is AgencyState.SUSPENDED  # type: ignore[union-attr]


@pytest.mark.parametrize("attack", [_names_another_countrys_key, _names_another_countrys_certificate])
def test_a_key_or_certificate_of_another_is_not_suspended(denying: Denying, attack: Attack) -> None:
    """Refused when it is put in force; this one the operator put there past its checks."""
    denying.force(attack(denying))
    assert denying.reader().current().document == document()


def with_key(version: int, agency: str, key: PublicKey) -> Directory:
    """The directory, where an agency has one more signing key."""
    made = document(version).to_object()
    row = next(each for each in made["agencies"] if each["id"] == agency)
    row["keys"].append({**row["keys"][0], "kid": key.kid, "alg": key.alg, "public": b64u(key.raw)})
    return Directory.from_object(made)


def test_a_key_named_before_it_was_anothers_stops_no_ceremony(denying: Denying) -> None:
    """India's deny keys are stolen, and name beside an agency of India a key that the next directory gives to one of
    the United States.
    """
    key = private_key("Ed25519", "the next").public
    denying.add("IND", denial("in-ncb", kid=key.kid))
    reader = denying.reader()
    denying.repository.publish(with_key(2, "us-dea", key), target_signers=KEYS.all_targets, operator=KEYS.operator)
    for found in (reader.refresh(), denying.reader().current()):
        assert found.document == with_key(2, "us-dea", key)
        assert [each.trouble for each in found.lists] == [None] * 3
    denying.add("IND", denial("in-ncb"))  # and its own country goes on with it
    assert reader.refresh().agency("in-ncb").state is AgencyState.SUSPENDED  # type: ignore[union-attr]


def test_what_a_key_signed_is_disputed_since_the_earliest_word(denying: Denying) -> None:
    kid = ROWS["us-cbp"].keys[0].kid
    for since in (9, 7, 8, None):
        denying.add("USA", denial("us-cbp", kid=kid, since=since))
    found = denying.reader().current().agency("us-cbp")
    assert found is not None
    assert found.keys[0].compromised_since == 7


def test_a_list_with_entries_in_force_keeps_its_keys(denying: Denying) -> None:
    """Else every gateway would refuse the directory that its countries signed, until the next ceremony."""
    denying.add("IND", denial("in-ncb"))
    keys = {role: keys for role, keys in DENY_KEYS.items() if role != "deny-IND"}

    def ceremony(**over: Any) -> None:
        made = document(2, **over)
        targets = denying.repository.draft(made, keys)
        for key in KEYS.all_targets:
            targets = cosign(targets, key)
        denying.repository.install(KEYS.operator, document=made, targets=targets)

    with pytest.raises(IntegrityError, match="one that gives it no keys"):
        ceremony()
    known = refs_of(denying.reader().current().denied)
    ceremony(lifted=[denying.ref("IND").to_object()])
    found = denying.reader().current()
    assert [each.name for each in found.lists] == ["USA", OPERATOR]
    check_continues(known, found.lists, found.signed)


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(_lifts_by_itself, id="an-entry-removed"),
        pytest.param(_puts_another_in_its_place, id="an-entry-replaced"),
    ],
)
def test_who_begins_anew_is_told_by_the_ledger_what_there_was(denying: Denying, attack: Attack) -> None:
    bad = attack(denying)
    known = refs_of(denying.reader().current().denied)
    check_continues(known, denying.reader().current().lists, document())
    denying.force(bad)
    with pytest.raises(IntegrityError, match="deny list IND"):
        check_continues(known, denying.reader().current().lists, document())


def test_lifting_takes_a_directory_that_all_countries_signed(denying: Denying) -> None:
    denying.add("USA", denial("us-dea"))
    reader = denying.reader()
    ref, known = denying.ref("USA"), refs_of(reader.refresh().denied)
    denying.publish(2)
    assert reader.refresh().agency("us-dea").state is AgencyState.SUSPENDED  # type: ignore[union-attr]
    denying.publish(3, lifted=[ref.to_object()])
    assert reader.refresh().agency("us-dea").state is AgencyState.ACTIVE  # type: ignore[union-attr]
    # what the list says from then on counts, and what was lifted may be left out of it
    denying.base["USA"], denying.said["USA"] = denying.place("USA"), []
    denying.add("USA", denial("us-cbp"))
    found = reader.refresh()
    assert [found.agency(each).state for each in ("us-dea", "us-cbp")] == ["active", "suspended"]  # type: ignore[union-attr]
    check_continues(known, found.lists, found.signed)
    assert denying.reader().current().agency("us-cbp").state is AgencyState.SUSPENDED  # type: ignore[union-attr]


def test_the_directory_lifts_only_what_there_was(denying: Denying) -> None:
    denying.add("USA", denial("us-dea"))
    for wrong in ({"serial": 2}, {"hash": denying.ref("IND").hash}):
        with pytest.raises(IntegrityError, match="deny list USA"):
            denying.publish(2, lifted=[denying.ref("USA").to_object() | wrong])


def test_a_list_that_nobody_signs_anew_stays_in_force_and_is_stale(denying: Denying) -> None:
    denying.add("USA", denial("us-dea"))
    reader = denying.reader()
    denying.clock.at += DAY + 1
    denying.repository.renew(KEYS.operator)
    denying.add("IND")
    found = reader.refresh()
    assert found.agency("us-dea").state is AgencyState.SUSPENDED  # type: ignore[union-attr]
    stale = {each.name: each.stale(denying.clock()) for each in found.lists}
    assert stale == {"IND": False, "USA": True, OPERATOR: True}
    assert not any(each.stale(denying.clock(), grace=2) for each in found.lists)


def test_a_list_that_was_never_signed_is_stale_from_the_beginning(tmp_path: Path) -> None:
    world = Denying(tmp_path)
    found = world.reader().current()
    assert [(each.document, each.stale(world.clock(), DAY)) for each in found.lists] == [(None, True)] * 3


def test_a_realm_without_lists_has_none(tmp_path: Path) -> None:
    assert Denying(tmp_path, {}).reader().current().lists == ()


def test_new_keys_come_with_a_list_they_signed(denying: Denying) -> None:
    fresh = [private_key(alg, "IND deny, the second") for alg in ("Ed25519", "ML-DSA-65")]
    keys = {**DENY_KEYS, "deny-IND": (fresh[0].public, fresh[1].public)}
    targets = denying.repository.draft(document(2), keys)
    for key in KEYS.all_targets:
        targets = cosign(targets, key)
    with pytest.raises(IntegrityError, match="signed by 0/2 keys"):
        denying.repository.install(KEYS.operator, document=document(2), targets=targets)
    renewed = denying.sign(denying.document("IND"), "IND", keys=fresh)
    denying.repository.install(KEYS.operator, document=document(2), targets=targets, delegated=[renewed])
    assert [each.trouble for each in denying.reader().current().lists] == [None] * 3


TARGETS = KEYS.public().countries["IND"].targets
INDIAN, AMERICAN = DENY_KEYS["deny-IND"], DENY_KEYS["deny-USA"]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        pytest.param({"deny-FRA": INDIAN}, "no deny list of a country", id="of-a-country-without-root-keys"),
        pytest.param({"deny-IND": TARGETS}, "signs something else", id="the-targets-keys"),
        pytest.param({"deny-IND": (INDIAN[0],) * 2}, "one key in two places", id="one-key-twice"),
        pytest.param({"deny-IND": (INDIAN[0], AMERICAN[0])}, "other keys", id="two-classical-keys"),
        pytest.param({"deny-IND": INDIAN, "deny-USA": INDIAN}, "one key in two places", id="both-countries-the-same"),
        pytest.param({"deny-operator": TARGETS[:1]}, "signs something else", id="operator-with-a-countrys-targets-key"),
    ],
)
def test_keys_of_another_shape_are_refused(denying: Denying, keys: Delegates, found: str) -> None:
    reader = denying.reader()

    def ceremony() -> None:
        targets = denying.repository.draft(document(2), keys)
        for key in KEYS.all_targets:
            targets = cosign(targets, key)
        denying.repository.install(KEYS.operator, document=document(2), targets=targets)

    with pytest.raises(IntegrityError, match=found):
        ceremony()
    assert reader.refresh().ref.version == 1
