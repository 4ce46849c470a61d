"""Key ceremonies end to end: found a realm, lose a key, add a country, renew; readers with a pinned root follow."""

import hashlib
import json
import stat
import time

import pytest

from broker.errors import IntegrityError
from schemas.canonical import b64u, unb64u
from tests.unit.cli.ceremonies import DAY, begun


def tallies(said):
    return {(each["what"], each["by"]): (sum(each["signed"].values()), each["open"]) for each in said["thresholds"]}


def test_two_countries_found_a_realm(setu, tmp_path):
    ceremony = begun(setu, tmp_path / "c")
    for country in ("IND", "USA"):
        ceremony.make_keys(country)
    shares = [word for country in ("IND", "USA") for word in ("--share", ceremony.share(country))]
    drafts = ceremony.path / "operator" / "realm"
    proposal = ceremony.new(
        "founding.json", *shares, "--share", drafts / "operator.share.json", "--document", drafts / "directory.json"
    )
    one = ceremony.sign("IND", proposal)
    alone = ceremony.publish(one)
    assert (alone.status, alone.json()["published"]) == (1, False)
    assert tallies(alone.json()) == {("root", 1): (4, {"USA": 4}), ("targets", 1): (2, {"USA": 2})}
    assert not (ceremony.repository / "root.json").exists()

    done = ceremony.publish(one, ceremony.sign("USA", proposal)).json()
    assert (done["ok"], done["published"]) == (True, True)
    pinned = (ceremony.repository / "root.json").read_bytes()
    assert done["realm"] == b64u(hashlib.sha384(pinned).digest())
    (ceremony.path / "pinned.json").write_bytes(pinned)
    assert ceremony.reader().refresh().ref.version == 1
    signed = json.loads(pinned)["signed"]["roles"]
    assert {name: (len(signed[name]["keyids"]), signed[name]["threshold"]) for name in ("root", "targets")} == {
        "root": (8, 7),
        "targets": (4, 4),
    }
    assert setu("directory", "verify", "--config", ceremony.config).status == 0


def test_what_travels_holds_no_private_key_and_key_files_are_their_owners_alone(realm):
    keys = [path for country in ("IND", "USA") for path in realm.keys(country).glob("*.key")]
    assert len(keys) == 12
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    seeds = [json.loads(path.read_bytes())["seed"] for path in keys]
    travelled = b"".join(path.read_bytes() for path in realm.post.iterdir())
    published = b"".join(path.read_bytes() for path in realm.repository.rglob("*.json"))
    assert [seed for seed in seeds if seed.encode() in travelled + published] == []
    assert [seed for seed in seeds if unb64u(seed).hex().encode() in travelled + published] == []


def test_seven_of_eight_are_enough_and_six_are_not(setu, tmp_path):
    ceremony = begun(setu, tmp_path / "c")
    for country in ("IND", "USA"):
        ceremony.make_keys(country)
    shares = [word for country in ("IND", "USA") for word in ("--share", ceremony.share(country))]
    drafts = ceremony.path / "operator" / "realm"
    proposal = ceremony.new(
        "f.json", *shares, "--share", drafts / "operator.share.json", "--document", drafts / "directory.json"
    )
    india = ceremony.sign("IND", proposal)
    names = sorted(path.name for path in ceremony.keys("USA").glob("*.key"))
    six = ceremony.sign("USA", proposal, keys=[name for name in names if name not in names[:2]])
    said = ceremony.publish(india, six)
    assert said.status == 1
    assert tallies(said.json())["root", 1] == (6, {"USA": 2})
    seventh = ceremony.sign("USA", proposal, keys=names[:1])
    assert ceremony.publish(seventh, six, india).status == 0


def test_a_lost_root_key_is_replaced(realm):
    early = realm.reader("early")
    early.refresh()
    (lost,) = realm.keys("IND").glob("root-ind-mldsa65-2.key")
    lost.unlink()
    realm.make_keys("IND", "--missing")
    proposal = realm.new("second.json", "--share", realm.share("IND", "again.share.json"))
    shown = realm.run("realm", "show", proposal, *realm.held("USA"))
    states = sorted(each["state"] for each in shown["keys"] if each["role"] == "root")
    assert states == ["leaves", "new"] + ["stays"] * 7
    assert [line.split(":")[0] for line in shown["changes"]] == ["root version", "root expires"]

    files = [realm.sign(country, proposal) for country in ("IND", "USA")]
    said = realm.publish(files[0])
    assert tallies(said.json()) == {("root", 1): (3, {"IND": 1, "USA": 4}), ("root", 2): (4, {"USA": 4})}
    assert realm.publish(*files).status == 0
    held = realm.run("realm", "show", realm.repository, "--root", realm.path / "pinned.json")
    assert (held["root"], held["directory"]) == (2, 1)
    repeated = realm.publish(*files)
    assert repeated.status == 1
    assert "root version 2, where 3 comes next" in repeated.err
    again = realm.new("third.json", "--document", realm.document(name="Signed after the loss"), holder="USA")
    assert realm.publish(*(realm.sign(country, again) for country in ("IND", "USA"))).status == 0
    for reader in (early, realm.reader("late")):
        assert reader.refresh().document.name == "Signed after the loss"
        assert reader.realm == early.realm


def test_a_third_country_joins(realm):
    early = realm.reader("early")
    before = early.refresh().signed
    realm.make_keys("AUS")
    row = {
        "id": "au-afp",
        "name": "Australian Federal Police",
        "country": "AUS",
        "roles": ["agency"],
        "clearance": {"system": "US", "level": "SBU"},
    }
    agencies = [*before.to_object()["agencies"], row]
    proposal = realm.new(
        "three.json", "--share", realm.share("AUS"), "--document", realm.document(agencies=agencies), holder="USA"
    )
    shown = realm.run("realm", "show", proposal, *realm.held("IND"))
    assert "root root threshold: 7 becomes 11" in shown["changes"]
    assert "root targets threshold: 4 becomes 6" in shown["changes"]
    assert any(line.startswith("directory agencies au-afp") for line in shown["changes"])

    two = [realm.sign(country, proposal) for country in ("IND", "USA")]
    without = realm.publish(*two)
    assert without.status == 1
    assert tallies(without.json()) == {
        ("root", 1): (8, {}),
        ("root", 2): (8, {"AUS": 4}),
        ("targets", 2): (4, {"AUS": 2}),
    }
    assert realm.publish(*two, realm.sign("AUS", proposal)).status == 0
    for reader in (early, realm.reader("late")):
        assert reader.refresh().agency("au-afp").country == "AUS"
    next_one = realm.new("next.json", "--document", realm.document(name="Of three"), holder="USA")
    assert realm.publish(*(realm.sign(country, next_one) for country in ("IND", "USA"))).status == 1
    files = [realm.sign(country, next_one, "--again") for country in ("AUS", "IND", "USA")]
    assert realm.publish(*files).status == 0
    assert early.refresh().document.name == "Of three"


def test_root_and_targets_are_renewed_before_they_expire(realm):
    later = time.time() + 40 * DAY
    stale = realm.reader("stale", at=later)
    realm.renew_operator(later)
    with pytest.raises(IntegrityError, match="expired"):
        stale.refresh()
    held = realm.reader("early").refresh().signed
    proposal = realm.new("renewed.json", "--renew", "root", "--renew", "targets")
    shown = realm.run("realm", "show", proposal, *realm.held("IND"))
    assert {line.split(":")[0] for line in shown["changes"]} == {
        *("root version", "root expires", "targets version", "targets expires", "directory version")
    }
    assert realm.publish(*(realm.sign(country, proposal) for country in ("IND", "USA"))).status == 0
    realm.renew_operator(later)
    renewed = stale.refresh().document
    assert renewed.to_object() | {"version": 1} == held.to_object()
    assert realm.reader("new", at=later).refresh().ref.version == 2


def test_targets_alone_are_renewed_by_the_targets_keys(realm):
    proposal = realm.new("targets.json", "--renew", "targets")
    files = []
    for country in ("IND", "USA"):
        names = [path.name for path in realm.keys(country).glob("targets-*.key")]
        files.append(realm.sign(country, proposal, keys=names))
    assert realm.publish(*files).status == 0
    held = realm.run("realm", "show", realm.repository)
    assert (held["root"], held["directory"]) == (1, 2)


def test_the_operators_keys_are_replaced(realm):
    early = realm.reader("early")
    early.refresh()
    secrets = realm.path / "operator" / "realm" / "keys"
    for path in secrets.glob("*.key"):
        path.rename(path.with_suffix(".old"))
    realm.run("keys", "generate", secrets, "--for", "operator")
    out = realm.post / "operator.json"
    realm.run("realm", "share", "--keys", secrets, "--out", out)
    proposal = realm.new("operator-2.json", "--share", out)
    assert realm.publish(*(realm.sign(country, proposal) for country in ("IND", "USA"))).status == 0
    assert early.refresh().ref.version == 1


def test_a_countrys_targets_keys_change_with_the_directory_they_sign(realm):
    for path in realm.keys("USA").glob("targets-*.key"):
        path.unlink()
    realm.make_keys("USA", "--missing")
    proposal = realm.new("usa.json", "--share", realm.share("USA", "usa-2.json"))
    shown = realm.run("realm", "show", proposal, *realm.held("IND"))
    assert shown["proposes"] == {"root": 2, "targets": 2, "directory": 2}
    assert realm.publish(*(realm.sign(country, proposal) for country in ("IND", "USA"))).status == 0
    assert realm.reader().refresh().ref.version == 2


def test_two_lost_root_keys_end_the_realm_and_another_is_founded_under_a_higher_version(realm, setu):
    early = realm.reader("early")
    old = early.refresh()
    for path in list(realm.keys("IND").glob("root-ind-*.key"))[:2]:
        path.unlink()
    realm.make_keys("IND", "--missing")
    proposal = realm.new("hopeless.json", "--share", realm.share("IND", "ind-2.json"))
    said = realm.publish(*(realm.sign(country, proposal) for country in ("IND", "USA")))
    assert said.status == 1
    assert tallies(said.json())["root", 1] == (6, {"IND": 2})

    shares = [word for name in ("ind-2", "USA.share") for word in ("--share", realm.post / f"{name}.json")]
    document = realm.document()
    realm.repository.rename(realm.path / "operator" / "directory-of-the-old-realm")
    realm.repository.mkdir()
    again = realm.new(
        "again.json",
        *shares,
        *("--share", realm.path / "operator" / "realm" / "operator.share.json", "--document", document),
    )
    assert realm.publish(*(realm.sign(country, again, "--again") for country in ("IND", "USA"))).status == 0
    found = realm.run("realm", "show", realm.repository)
    assert found["realm"] != early.realm
    assert found["directory"] == old.ref.version + 1
    assert setu("directory", "verify", "--config", realm.config).status == 0
