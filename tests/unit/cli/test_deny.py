"""`setu deny`: a country suspends its own, the operator puts it in force, and only the directory lifts."""

import json
import re

import pytest

from broker.assembly.deny import renew_lists
from broker.assembly.realm import keep_fresh, local_directory, operator_keys
from broker.cli.checks import State, examine
from schemas.canonical import unb64u
from schemas.deny import SignedDenyList

DAY = 86_400


@pytest.fixture
def keys(own):
    return own.path / "realm/keys"


def lists(setu, own):
    return {each["list"]: each for each in setu("deny", "show", "--config", own.config, "--json").json()["lists"]}


def state(own, agency):
    return local_directory(own.gateway()).current().agency(agency).state


def test_a_new_deployment_has_three_lists_that_suspend_nobody(setu, made):
    found = lists(setu, made)
    assert sorted(found) == ["IND", "USA", "operator"]
    assert [(each["serial"], each["stale"], each["trouble"], each["entries"]) for each in found.values()] == [
        (0, False, None, [])
    ] * 3
    assert "suspends nobody" in setu("deny", "show", "--config", made.config).out


def test_a_country_signs_and_the_operator_puts_it_in_force(setu, own, keys, tmp_path):
    file = tmp_path / "USA.json"
    asked = ("--keys", keys, "--directory", own.path / "directory", "--out", file, "--note", "laptop lost", "--json")
    signed = setu("deny", "add", "USA", "--agency", "us-dea", *asked).json()
    assert (signed["list"], signed["version"], signed["serial"], signed["published"]) == ("USA", 2, 1, False)
    assert state(own, "us-dea") == "active"
    assert SignedDenyList.from_json(file.read_bytes()).document.denials[0].note == "laptop lost"
    assert setu("deny", "publish", file, "--config", own.config, "--json").json()["published"] is True
    assert state(own, "us-dea") == "suspended"
    (entry,) = lists(setu, own)["USA"]["entries"]
    assert (entry["serial"], entry["agency"], entry["lifted"]) == (1, "us-dea", False)
    people = setu("deny", "show", "--config", own.config).out
    assert "us-dea  laptop lost" in people
    shown = setu("directory", "show", "--config", own.config, "--json").json()
    assert shown["denied"] == [{"list": "USA", "serial": 1, "hash": signed["hash"]}]
    again = setu("deny", "publish", file, "--config", own.config)
    assert (again.status, "found version 2" in again.err) == (1, True)


def test_a_key_and_a_certificate_alone(setu, own, keys):
    row = local_directory(own.gateway()).current().agency("in-ncb")
    kid, fingerprint = row.keys[0].kid, row.certificates[0].sha256
    asked = ("--keys", keys, "--config", own.config, "--since", "2026-01-31T00:00:00")
    assert setu("deny", "add", "IND", "--kid", kid, "--certificate", fingerprint, *asked).status == 0
    found = local_directory(own.gateway()).current().agency("in-ncb")
    assert (found.state, found.keys[0].state, found.certificates[0].state) == ("active", "revoked", "revoked")
    assert found.keys[0].compromised_since == 1_769_817_600


def test_a_gateways_wrap_key_of_the_day_as_rotate_wrap_names_it(setu, own, keys):
    """The way of rotate.md where one is in the wrong hands."""
    made = setu("rotate", "wrap", "--config", own.config, "--json").json()
    for named in (made["kid"], made["fingerprint"]):
        said = setu("deny", "add", "operator", "--kid", named, "--keys", keys, "--config", own.config)
        assert said.status == 0, said.err
    rows = local_directory(own.gateway()).current().agency("in-setu").keys
    assert {row.kid for row in rows if row.state == "revoked"} == {made["kid"]}
    assert setu("rotate", "wrap", "--config", own.config).status == 0
    rows = local_directory(own.gateway()).current().agency("in-setu").keys
    assert {row.kid for row in rows if row.state == "revoked"} == {made["kid"]}


def test_fingerprints_as_other_programs_write_them(setu, own, keys):
    """`openssl x509 -fingerprint` has colons and capitals, `setu keys list` blanks."""
    row = local_directory(own.gateway()).current().agency("in-ncb")
    spelled = ":".join(re.findall("..", row.certificates[0].sha256)).upper()
    fingerprint = " ".join(re.findall("....", unb64u(row.keys[0].kid).hex()))
    asked = ("--kid", fingerprint, "--certificate", spelled, "--keys", keys, "--config", own.config)
    said = setu("deny", "add", "IND", *asked)
    assert said.status == 0, said.err
    found = local_directory(own.gateway()).current().agency("in-ncb")
    assert (found.keys[0].state, found.certificates[0].state) == ("revoked", "revoked")


def test_the_operator_suspends_anybody(setu, own, keys):
    asked = ("--keys", keys, "--config", own.config)
    assert setu("deny", "add", "operator", "--agency", "us-dea", "--agency", "in-nia", *asked).status == 0
    assert (state(own, "us-dea"), state(own, "in-nia"), state(own, "in-ncb")) == ("suspended", "suspended", "active")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("IND", "--agency", "us-dea"), "another country's in entry 1", id="the-other-countrys-agency"),
        pytest.param(("FRA", "--agency", "in-ncb"), "Expected key files for deny-FRA", id="no-keys"),
        pytest.param(("IND",), "neither --agency nor --kid", id="nobody"),
        pytest.param(("IND", "--kid", "x"), "none of that name", id="a-key-of-nobody"),
        pytest.param(("IND", "--agency", "in-ncb", "--since", "2026-01-31"), "--since without --kid", id="since"),
        pytest.param(("IND", "--agency", "in-ncv"), "none of that id", id="a-misspelt-agency"),
    ],
)
def test_what_is_refused_before_anything_is_signed(setu, own, keys, words, told):
    said = setu("deny", "add", *words, "--keys", keys, "--config", own.config)
    assert said.status == 1
    assert told in said.err
    assert lists(setu, own)["IND"]["version"] == 1


def test_without_config_it_says_where_to(setu, made):
    asked = ("--keys", made.path / "realm/keys", "--directory", made.path / "directory")
    said = setu("deny", "renew", "IND", *asked)
    assert (said.status, "--out" in said.err) == (2, True)


def test_a_file_that_is_none_is_refused(setu, own, write):
    said = setu("deny", "publish", write("x.json", {"v": "setu1.deny"}), "--config", own.config)
    assert (said.status, "a signed deny list" in said.err) == (1, True)


def test_a_changed_file_is_refused(setu, own, keys, tmp_path, write):
    file = tmp_path / "USA.json"
    setu("deny", "renew", "USA", "--keys", keys, "--directory", own.path / "directory", "--out", file)
    members = json.loads(file.read_bytes())
    members["document"]["denials"] = [{"agency": "us-cbp", "at": 1}]
    said = setu("deny", "publish", write("changed.json", members), "--config", own.config)
    assert (said.status, "does not verify" in said.err) == (1, True)


def test_only_a_directory_that_all_countries_sign_lifts_it(setu, own, keys):
    asked = ("--keys", keys, "--config", own.config)
    setu("deny", "add", "USA", "--agency", "us-dea", *asked)
    setu("deny", "renew", "USA", *asked)
    setu("directory", "change", "us-dea", "--state", "active", "--channel", "https", "--config", own.config)
    assert state(own, "us-dea") == "suspended"
    done = setu("directory", "change", "us-dea", "--lift", "USA", "--config", own.config, "--json").json()
    assert done["changes"] == ["deny list USA: lifted up to entry 1"]
    assert state(own, "us-dea") == "active"
    assert lists(setu, own)["USA"]["entries"][0]["lifted"] is True
    setu("deny", "renew", "USA", *asked)
    assert (lists(setu, own)["USA"]["entries"], lists(setu, own)["USA"]["serial"]) == ([], 1)
    setu("deny", "add", "USA", "--agency", "us-cbp", *asked)
    assert (state(own, "us-dea"), state(own, "us-cbp")) == ("active", "suspended")


def test_keys_are_made_and_their_fingerprints_told(setu, tmp_path):
    made = setu("deny", "keys", tmp_path / "k", "IND", "--json").json()
    assert [each["alg"] for each in made["keys"]] == ["Ed25519", "ML-DSA-65"]
    assert sorted(path.name for path in (tmp_path / "k").iterdir()) == ["deny-ind-ed25519.key", "deny-ind-mldsa65.key"]
    assert len(setu("deny", "keys", tmp_path / "k", "operator", "--json").json()["keys"]) == 1
    assert setu("deny", "keys", tmp_path / "k", "India").status == 2


def test_a_gateway_with_the_keys_keeps_its_lists_fresh(setu, own, keys):
    clock = [own.now()]
    settings = own.gateway()
    root = (own.path / "directory/root.json").read_bytes()
    operator = operator_keys(keys)
    assert renew_lists(own.path / "directory", root, keys, operator, now=lambda: clock[0]) == []
    for path in keys.glob("deny-usa-*.key"):
        path.unlink()
    clock[0] += DAY / 2 + 60
    assert keep_fresh(settings, now=lambda: clock[0])
    found = {each.name: each for each in local_directory(settings, now=lambda: clock[0]).current().lists}
    assert {name: each.version for name, each in found.items()} == {"IND": 2, "USA": 1, "operator": 2}


@pytest.mark.sockets
def test_doctor_tells_of_a_list_that_nobody_signs(own, keys):
    for path in keys.glob("deny-usa-*.key"):
        path.unlink()
    for hours, expected in ((30, [State.WARNING]), (50, [State.BAD])):
        later = own.now() + hours * 3600
        keep_fresh(own.gateway(), now=lambda later=later: later)
        found = [each for each in examine(own.gateway(), lambda later=later: later) if "deny list" in each.found]
        assert [each.state for each in found] == expected
        assert all("USA" in each.found for each in found)
