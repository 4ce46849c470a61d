"""`setu rotate targets|root`: a country's keys are exchanged by a ceremony; readers follow, and history verifies."""

import json

import pytest

from broker.assembly.keys import keys_in
from broker.assembly.realm import local_directory
from broker.crypto.keyfile import write_secret
from broker.errors import IntegrityError
from broker.merkle.note import LogSigner

USES = [pytest.param("targets", 2, id="targets"), pytest.param("root", 4, id="root")]


def kept(realm, use):
    return {path.name: path.read_bytes() for path in realm.keys("IND").glob(f"{use}-*.key")}


def begun(realm, use, name="ind.next.json"):
    out = realm.post / name
    found = realm.run("rotate", use, "IND", "--keys", realm.keys("IND"), *realm.held("IND"), "--out", out)
    return out, found


def published(realm, share, name="next.json"):
    proposal = realm.new(name, "--share", share)
    files = [realm.sign("IND", proposal, keys=[".", "next"]), realm.sign("USA", proposal)]
    done = realm.publish(*files)
    assert done.status == 0, done.err


def finish(realm, use):
    return realm.setu("rotate", use, "IND", "--keys", realm.keys("IND"), *realm.held("IND"), "--finish", "--json")


@pytest.mark.parametrize(("use", "count"), USES)
def test_keys_are_exchanged_by_files_alone(realm, use, count):
    early, before = realm.reader("early"), kept(realm, use)
    assert early.refresh().ref.version == 1
    share, found = begun(realm, use)
    assert len(list((realm.keys("IND") / "next").glob("*.key"))) == count
    assert kept(realm, use) == before
    assert json.loads(share.read_bytes())["holder"] == "IND"
    assert found["keys_in"].endswith("next")

    said = finish(realm, use)
    assert (said.status, "in the root in force" in said.err) == (1, True)
    published(realm, share)
    assert early.refresh().ref.version == (2 if use == "targets" else 1)
    done = finish(realm, use)
    assert (done.status, len(done.json()["destroyed"])) == (0, count)
    after = kept(realm, use)
    assert (after.keys(), set(after.values()) & set(before.values())) == (before.keys(), set())
    assert not (realm.keys("IND") / "next").exists()

    # The ceremony after it is signed with the new keys alone.
    again = realm.new("after.json", "--document", realm.document(name="Signed after the change"))
    assert realm.publish(*(realm.sign(country, again) for country in ("IND", "USA"))).status == 0
    for reader in (early, realm.reader("late")):
        newest = reader.refresh()
        assert newest.document.name == "Signed after the change"
        assert [reader.at(n).ref.version for n in range(1, newest.ref.version + 1)] == list(
            range(1, newest.ref.version + 1)
        )


def test_made_twice_the_same_keys_follow(realm):
    first, _ = begun(realm, "targets")
    again, _ = begun(realm, "targets", "again.json")
    assert json.loads(first.read_bytes())["keys"] == json.loads(again.read_bytes())["keys"]


def test_former_targets_keys_sign_nothing_new(realm, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    share, _ = begun(realm, "targets")
    for name, raw in kept(realm, "targets").items():
        (old / name).write_bytes(raw)
        (old / name).chmod(0o600)
    published(realm, share)
    proposal = realm.new("forged.json", "--document", realm.document(name="By whoever kept them"))
    held = realm.held("IND")
    fingerprint = realm.run("realm", "show", proposal, *held)["fingerprint"]
    out = ("--out", tmp_path / "signed.json", "--fingerprint", fingerprint)
    said = realm.setu("realm", "sign", proposal, "--keys", old, *out, *held, "--json")
    assert (said.status, "none of the keys given" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        pytest.param(["AUS"], 1, "AUS among the countries", id="a country of none"),
        pytest.param(["USA"], 1, "keys of USA that are in force", id="another country's folder"),
        pytest.param(["IND", "--finish"], 2, "either --out or --finish", id="both"),
        pytest.param(["IND", "--config", "setu.toml"], 2, "expected --config alone", id="two ways at once"),
    ],
)
def test_what_is_not_begun(realm, words, status, said):
    given = [realm.config if each == "setu.toml" else each for each in words]
    out = ("--out", realm.post / "x.json")
    found = realm.setu("rotate", "targets", *given, "--keys", realm.keys("IND"), *realm.held("IND"), *out)
    assert (found.status, said in found.err) == (status, True), found.err
    assert not (realm.keys("IND") / "next").exists()


@pytest.mark.parametrize(("use", "count"), USES)
def test_where_all_keys_are_in_one_place_it_is_done_at_once(setu, own, use, count):
    before = local_directory(own.gateway()).current()
    folder = own.path / "realm" / "keys"
    others = {path.name: path.read_bytes() for path in folder.glob("*-us-*.key")}
    found = setu("rotate", use, "IND", "--config", own.config, "--json").json()
    assert (found["root"], len(found["destroyed"])) == (2, count)
    source = local_directory(own.gateway())
    assert source.current().ref.version == (2 if use == "targets" else 1)
    assert source.at(1).ref == before.ref
    assert others == {path.name: path.read_bytes() for path in folder.glob("*-us-*.key")}
    again = setu("rotate", use, "USA", "--config", own.config, "--json").json()
    assert again["root"] == 3
    changed = setu("directory", "change", "us-dea", "--state", "suspended", "--config", own.config, "--json").json()
    assert changed["published"] is True
    with pytest.raises(IntegrityError):
        source.at(99)


@pytest.mark.parametrize("moved", [0, 1], ids=["before the first", "after the first"])
def test_what_was_stopped_after_it_was_in_force_goes_on(setu, own, moved):
    folder = own.path / "realm" / "keys"
    old = {path.name: path.read_bytes() for path in folder.glob("targets-in-*.key")}
    setu("rotate", "targets", "IND", "--config", own.config, "--json")
    new = {path.name: path.read_bytes() for path in folder.glob("targets-in-*.key")}
    (folder / "next").mkdir(mode=0o700)
    for name in sorted(new)[moved:]:
        (folder / name).rename(folder / "next" / name)
        write_secret(folder / name, old[name])
    found = setu("rotate", "targets", "IND", "--config", own.config, "--json").json()
    assert (found["root"], len(found["destroyed"])) == (2, 2 - moved)
    assert new == {path.name: path.read_bytes() for path in folder.glob("targets-in-*.key")}
    assert not (folder / "next").exists()


def test_what_was_stopped_while_keys_were_made_goes_on(realm):
    first, _ = begun(realm, "targets")
    following = realm.keys("IND") / "next"
    (following / "targets-ind-mldsa65.key").unlink()
    again, _ = begun(realm, "targets", "again.json")
    kids = [{key["public"] for key in json.loads(each.read_bytes())["keys"]} for each in (first, again)]
    assert len(kids[0] & kids[1]) == len(kids[0]) - 1


def test_nobody_signs_away_a_logs_former_pair(realm):
    logs = json.loads(realm.reader("now").refresh().raw)["logs"]
    realm.run("keys", "generate", realm.post / "other", "--for", "log")
    other = log_signer(logs[0]["origin"], realm.post / "other")
    logs[0] |= {"ed25519": other.vkeys[0], "mldsa44": other.vkeys[1]}
    out = realm.post / "forgotten.json"
    said = realm.setu("realm", "new", out, "--document", realm.document(logs=logs), *realm.held("IND"))
    assert (said.status, "without a pair of keys that it had" in said.err) == (1, True)


def log_signer(origin, folder):
    keys = {key.alg: key for _, key in keys_in(folder)}
    return LogSigner(origin, keys["Ed25519"], keys["ML-DSA-44"])
