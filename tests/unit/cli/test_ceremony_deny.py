"""Deny lists in ceremonies: countries give them their keys, replace these, and see which they are."""

import shutil
import time

import pytest

from schemas.canonical import parse
from tests.unit.cli.ceremonies import Ceremony, begun
from tests.unit.cli.conftest import run


class Denying:
    """A realm whose countries have the keys of a deny list beside the others."""

    def __init__(self, realm):
        self.realm = realm

    def keys(self, country):
        return self.realm.path / country / "deny-keys"

    def share(self, country):
        """With new keys of its deny list: the words of `realm new`, and what `realm share` said."""
        shutil.rmtree(self.keys(country), ignore_errors=True)
        self.realm.run("deny", "keys", self.keys(country), country)
        out = self.realm.post / f"{country}.{time.time_ns()}.share.json"
        places = ("--keys", self.realm.keys(country), "--keys", self.keys(country))
        said = self.realm.run("realm", "share", *places, "--country", country, "--out", out)
        return ["--share", out], {key["fingerprint"] for key in said["keys"] if key["role"] == "deny"}

    def found(self):
        for country in ("IND", "USA"):
            self.realm.make_keys(country)
        drafts = self.realm.path / "operator" / "realm"
        shares = [word for country in ("IND", "USA") for word in self.share(country)[0]]
        founding = ("--share", drafts / "operator.share.json", "--document", drafts / "directory.json")
        proposal = self.realm.new("founding.json", *shares, *founding)
        assert self.realm.publish(*self.by_both(proposal)).status == 0
        shutil.copyfile(self.realm.repository / "root.json", self.realm.path / "pinned.json")

    def by_both(self, proposal):
        return [self.realm.sign(country, proposal) for country in ("IND", "USA")]

    def renewed(self, country):
        out = self.realm.post / f"{country}.{time.time_ns()}.list.json"
        asked = ("--keys", self.keys(country), "--config", self.realm.config, "--out", out)
        self.realm.run("deny", "renew", country, *asked)
        return out

    def put(self, file):
        return self.realm.setu("deny", "publish", file, "--config", self.realm.config)

    def lists(self):
        found = self.realm.run("deny", "show", "--config", self.realm.config)["lists"]
        return {each["list"]: (each["version"], each["stale"], each["trouble"] is None) for each in found}


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory):
    made = Denying(begun(run, tmp_path_factory.mktemp("denying") / "c"))
    made.found()
    return made


@pytest.fixture
def denying(begun_once, tmp_path, setu):
    shutil.copytree(begun_once.realm.path, tmp_path / "c")
    return Denying(Ceremony(setu, tmp_path / "c"))


def test_a_realm_is_founded_with_three_lists_which_their_keys_then_sign(denying):
    assert denying.lists() == dict.fromkeys(("IND", "USA", "operator"), (0, True, False))
    assert [denying.put(denying.renewed(country)).status for country in ("IND", "USA")] == [0, 0]
    assert denying.lists() == {"IND": (1, False, True), "USA": (1, False, True), "operator": (0, True, False)}


def test_a_directory_that_says_nothing_of_them_carries_them_on(denying):
    denying.put(denying.renewed("IND"))
    proposal = denying.realm.new("next.json", "--document", denying.realm.document(name="Another"))
    assert denying.realm.publish(*denying.by_both(proposal)).status == 0
    assert denying.lists()["IND"] == (1, False, True)
    assert denying.put(denying.renewed("IND")).status == 0


def test_keys_are_replaced_together_with_the_list_that_they_sign(denying):
    denying.put(denying.renewed("IND"))
    words, fingerprints = denying.share("IND")
    assert len(fingerprints) == 2
    proposal = denying.realm.new("keys.json", *words)
    assert set(parse(proposal.read_bytes())) == {"v", "targets", "directory"}
    shown = denying.realm.run("realm", "show", proposal, *denying.realm.held("USA"))
    changed = " ".join(shown["changes"])
    assert all(each in changed for each in fingerprints)
    files = denying.by_both(proposal)

    alone = denying.realm.publish(*files)
    assert (alone.status, "deny list" in alone.err) == (1, True)
    assert denying.lists()["IND"] == (1, False, True)

    settings = ("--config", denying.realm.config)
    with_list = ("realm", "publish", *files, "--list", denying.renewed("IND"), *settings)
    assert denying.realm.run(*with_list)["published"] is True
    assert denying.lists()["IND"] == (2, False, True)
    assert denying.put(denying.renewed("IND")).status == 0


def test_a_share_of_the_lists_keys_alone_leaves_the_others_as_they_are(denying):
    """From the machine that keeps the list, end to end: the other keys are nowhere near it."""
    denying.put(denying.renewed("IND"))
    before = denying.realm.run("realm", "show", denying.realm.repository)
    shutil.rmtree(denying.keys("IND"))
    denying.realm.run("deny", "keys", denying.keys("IND"), "IND")
    out = denying.realm.post / "ind.deny.share.json"
    said = denying.realm.run("realm", "share", "--keys", denying.keys("IND"), "--country", "IND", "--out", out)
    assert [key["role"] for key in said["keys"]] == ["deny", "deny"]
    shown = denying.realm.run("realm", "show", out)
    assert shown["keys"] == said["keys"]
    proposal = denying.realm.new("deny.json", "--share", out)
    assert set(parse(proposal.read_bytes())) == {"v", "targets", "directory"}
    files = denying.by_both(proposal)
    alone = denying.realm.publish(*files)
    assert (alone.status, "deny list" in alone.err) == (1, True)
    settings = ("--config", denying.realm.config)
    assert denying.realm.run("realm", "publish", *files, "--list", denying.renewed("IND"), *settings)["published"]
    assert denying.lists()["IND"] == (2, False, True)
    after = denying.realm.run("realm", "show", denying.realm.repository)
    assert after["root"] == before["root"]
    assert denying.put(denying.renewed("IND")).status == 0


@pytest.mark.parametrize(
    ("country", "held", "said"),
    [
        pytest.param("AUS", True, "the six keys of AUS", id="of-a-country-that-is-new"),
        pytest.param("IND", False, "the six keys of IND", id="for-a-first-realm"),
    ],
)
def test_a_share_of_a_lists_keys_alone_makes_no_country(denying, country, held, said):
    folder, out = denying.realm.path / "new", denying.realm.post / "new.share.json"
    denying.realm.run("deny", "keys", folder, country)
    denying.realm.run("realm", "share", "--keys", folder, "--country", country, "--out", out)
    drafts = denying.realm.path / "operator" / "realm"
    words = ["--share", out]
    if held:
        words += denying.realm.held("USA")
    else:
        words += ["--share", drafts / "operator.share.json", "--document", drafts / "directory.json"]
    found = denying.realm.setu("realm", "new", denying.realm.post / "new.json", *words)
    assert (found.status, said in found.err) == (1, True), found.err


@pytest.mark.parametrize("alg", ["Ed25519", "ML-DSA-65"])
def test_half_of_a_lists_keys_is_no_share(denying, alg):
    folder = denying.keys("IND")
    (folder / f"deny-ind-{alg.lower().replace('-', '')}.key").unlink()
    words = ("--keys", folder, "--country", "IND", "--out", denying.realm.post / "half.json")
    found = denying.realm.setu("realm", "share", *words)
    assert (found.status, "its deny list's two" in found.err) == (1, True)
