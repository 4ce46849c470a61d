"""A gateway's wrap keys in ceremonies: the operator's share gives them the role, and other keys for it later."""

import shutil

import pytest

from broker.assembly.realm import local_directory
from broker.assembly.wrap import make_if_due, own_keys
from broker.config import GatewaySettings, load
from broker.errors import IntegrityError
from tests.unit.cli.ceremonies import Ceremony


@pytest.fixture
def realm(founded, tmp_path, setu):
    shutil.copytree(founded.path, tmp_path / "c")
    return Ceremony(setu, tmp_path / "c")


def settings_of(realm):
    return load(GatewaySettings, realm.config)


def test_a_realm_is_founded_with_the_role_and_the_gateway_makes_its_first_key(realm):
    settings = settings_of(realm)
    snapshot = local_directory(settings).current()
    assert own_keys(snapshot, "in-setu").keys == ()
    made = make_if_due(settings, snapshot)
    assert local_directory(settings).current().wrap_key("in-setu", made.key.not_before).kid == made.key.kid
    assert make_if_due(settings, local_directory(settings).current()) is None


def test_the_share_and_the_proposal_show_the_keys_and_other_keys_sign_from_then_on(realm):
    keys = realm.path / "operator" / "realm" / "keys"
    realm.run("rotate", "wrap", "--config", realm.config)
    for path in keys.glob("wrap-*.key"):
        path.unlink()
    made = realm.run("rotate", "wrap-signers", keys, "in-setu")["keys"]
    share = realm.post / "operator.2.share.json"
    said = realm.run("realm", "share", "--keys", keys, "--out", share)
    fingerprints = {each["fingerprint"] for each in made}
    assert {each["fingerprint"] for each in said["keys"] if each["role"] == "wrap-in-setu"} == fingerprints
    shown = realm.run("realm", "show", share)
    assert {each["fingerprint"] for each in shown["keys"]} >= fingerprints
    proposal = realm.new("wrap.json", "--share", share)
    changed = " ".join(realm.run("realm", "show", proposal, *realm.held("USA"))["changes"])
    assert all(each in changed for each in fingerprints)
    before = realm.run("directory", "show", "--config", realm.config)["wrap_keys"]
    with pytest.raises(AssertionError):
        realm.run("rotate", "wrap", "--config", realm.config)
    assert realm.publish(*(realm.sign(country, proposal) for country in ("IND", "USA"))).status == 0
    after = realm.run("rotate", "wrap", "--config", realm.config)
    now = realm.run("directory", "show", "--config", realm.config)["wrap_keys"]["in-setu"]
    assert now[-1]["kid"] == after["kid"]
    assert before["in-setu"][0]["kid"] != after["kid"]


def test_a_share_of_half_a_role_is_none(realm):
    keys = realm.path / "operator" / "realm" / "keys"
    next(keys.glob("wrap-*mldsa65.key")).unlink()
    said = realm.setu("realm", "share", "--keys", keys, "--out", realm.post / "x.json")
    assert (said.status, "two that sign its wrap keys" in said.err) == (1, True)
    with pytest.raises(IntegrityError):
        make_if_due(settings_of(realm), local_directory(settings_of(realm)).current())
