"""What a ceremony must refuse, each by name: wrong sets of signatures, changed proposals, and two of one version."""

import copy
import json
import shutil

import pytest

from broker.crypto.keyfile import read_key
from broker.crypto.keys import generate
from broker.directory.tuf_held import held_in
from broker.directory.tuf_keys import OwnSigner
from broker.directory.tuf_proposal import Proposal
from tests.unit.cli.ceremonies import begun


class Signed:
    """The next root and directory of a realm, signed by all; signatures by country, to be put together wrongly."""

    def __init__(self, realm):
        self.realm = realm
        self.file = realm.new("next.json", "--renew", "root", "--renew", "targets")
        self.members = json.loads(self.file.read_bytes())
        self.by = {country: json.loads(realm.sign(country, self.file).read_bytes()) for country in ("IND", "USA")}

    def signatures(self, country, part="root"):
        return copy.deepcopy(self.by[country][part]["signatures"])

    def made_by(self, key, part="root"):
        held = held_in(self.realm.repository, (self.realm.path / "pinned.json").read_bytes())
        proposal = Proposal.from_json(self.file.read_bytes(), held)
        payload = (proposal.root if part == "root" else proposal.targets).signed_bytes
        made = OwnSigner(key).sign(payload)
        return {"keyid": made.keyid, "sig": made.signature}

    def with_root(self, signatures):
        """A file with these on the root; the targets are signed by all."""
        members = copy.deepcopy(self.members)
        members["root"]["signatures"] = signatures
        members["targets"]["signatures"] = [each for who in ("IND", "USA") for each in self.signatures(who, "targets")]
        return members


@pytest.fixture
def signed(realm):
    return Signed(realm)


def of_alg(signed, country, alg):
    """A country's root signatures by the keys of one algorithm; Ed25519's are the short ones."""
    return [each for each in signed.signatures(country) if (len(each["sig"]) == 128) == (alg == "Ed25519")]


def targets_keys(signed, country):
    return [read_key(path) for path in sorted(signed.realm.keys(country).glob("targets-*.key"))]


# seven signatures, and none of the sets is one
WRONG_SETS = [
    pytest.param(
        lambda s: s.signatures("IND") + s.signatures("IND")[:3],
        "two signatures by one key",
        id="one-country-and-duplicates",
    ),
    pytest.param(
        lambda s: s.signatures("IND") + [s.made_by(generate("Ed25519")) for _ in range(3)],
        "3 signatures on the root that do not verify, or are by keys that do not count",
        id="both-schemes-of-one-country-and-strangers",
    ),
    pytest.param(
        lambda s: [s.made_by(generate(alg)) for alg in ["Ed25519"] * 4 + ["ML-DSA-65"] * 3],
        "7 signatures on the root that do not verify",
        id="another-realms",
    ),
    pytest.param(
        lambda s: [
            *s.signatures("IND"),
            *(s.made_by(key) for key in targets_keys(s, "IND") + targets_keys(s, "USA")[:1]),
        ],
        "3 signatures on the root that do not verify",
        id="one-country-and-targets-keys",
    ),
    pytest.param(
        lambda s: [
            *s.signatures("IND"),
            *(
                {**mine, "sig": theirs["sig"]}
                for mine, theirs in zip(s.signatures("USA"), s.signatures("IND"), strict=True)
            ),
        ][:7],
        "3 signatures on the root that do not verify",
        id="one-countrys-signatures-under-the-others-names",
    ),
    pytest.param(
        lambda s: s.signatures("IND") + s.signatures("USA", "targets") + [s.made_by(targets_keys(s, "IND")[0])],
        "3 signatures on the root that do not verify",
        id="signatures-of-the-targets",
    ),
]


@pytest.mark.parametrize(("pick", "fault"), WRONG_SETS)
def test_seven_root_signatures_from_a_wrong_set(signed, write, pick, fault):
    picked = pick(signed)
    assert len(picked) == 7
    before = {path: path.read_bytes() for path in signed.realm.repository.rglob("*.json")}
    said = signed.realm.publish(write("wrong.json", signed.with_root(picked)))
    assert (said.status, fault in said.err) == (1, True), said.err
    assert {path: path.read_bytes() for path in signed.realm.repository.rglob("*.json")} == before


TOO_FEW = [
    pytest.param(lambda s: s.signatures("IND"), {"USA": 4}, id="both-schemes-of-one-country"),
    pytest.param(
        lambda s: of_alg(s, "IND", "Ed25519") + of_alg(s, "USA", "Ed25519"),
        {"IND": 2, "USA": 2},
        id="one-scheme-of-both",
    ),
    pytest.param(lambda s: s.signatures("IND") + s.signatures("USA")[:2], {"USA": 2}, id="six-of-both"),
]


@pytest.mark.parametrize(("pick", "left"), TOO_FEW)
def test_too_few_are_counted_by_country_and_nothing_is_published(signed, write, pick, left):
    said = signed.realm.publish(write("few.json", signed.with_root(pick(signed))))
    found = said.json()
    assert (said.status, found["published"]) == (1, False)
    assert [each["open"] for each in found["thresholds"] if each["what"] == "root"] == [left, left]


def test_the_same_file_twice_counts_once(signed, write):
    one = write("one.json", signed.by["IND"])
    found = signed.realm.publish(one, one).json()
    assert {each["what"]: sum(each["signed"].values()) for each in found["thresholds"]} == {"root": 4, "targets": 2}


def test_files_of_two_proposals_are_not_put_together(signed, write):
    other = signed.realm.new("other.json", "--renew", "root", "--days", "5", holder="USA")
    theirs = signed.realm.sign("USA", other, "--again")
    said = signed.realm.publish(write("one.json", signed.by["IND"]), theirs)
    assert said.status == 1
    assert f"In {theirs.name}: " in said.err
    assert "files that propose different things" in said.err


def changed(change):
    def apply(members):
        members = copy.deepcopy(members)
        change(members)
        return members

    return apply


def operators_key(members):
    root = members["root"]["signed"]
    root["roles"]["targets"]["keyids"][0] = root["roles"]["timestamp"]["keyids"][0]


CHANGED = [
    pytest.param(changed(lambda m: m["directory"].update(name="Another")), "whose hash", id="directory"),
    pytest.param(changed(lambda m: m["directory"].update(version=9)), "of version 9 alone", id="directory-version"),
    pytest.param(changed(lambda m: m.pop("directory")), "no proposal", id="without-the-directory"),
    pytest.param(changed(lambda m: m["root"]["signed"].update(version=7)), "where 2 comes next", id="root-version"),
    pytest.param(
        changed(lambda m: m["root"]["signed"]["roles"]["root"].update(threshold=4)), "threshold of 4", id="threshold"
    ),
    pytest.param(changed(operators_key), "other targets keys", id="operator-among-targets"),
    pytest.param(changed(lambda m: m["root"]["signed"].update(note="x")), "does not know", id="unknown-member"),
    pytest.param(
        changed(lambda m: next(iter(m["root"]["signed"]["keys"].values())).update(note="x")),
        "does not know",
        id="unknown-member-of-a-key",
    ),
    pytest.param(
        changed(lambda m: m["targets"]["signed"]["targets"]["directory.json"].update(custom={"x": 1})),
        "does not know",
        id="unknown-member-of-the-target",
    ),
    pytest.param(
        changed(lambda m: m["targets"]["signed"]["targets"]["directory.json"]["hashes"].update(md5="0" * 32)),
        "other hashes",
        id="a-weaker-hash",
    ),
    pytest.param(
        changed(lambda m: m["targets"]["signed"]["targets"].update({"x": {"length": 1, "hashes": {"sha512": "0"}}})),
        "alone",
        id="a-second-target",
    ),
    pytest.param(changed(lambda m: m.update(root=m["targets"])), "in the place of root", id="targets-as-root"),
    pytest.param(changed(lambda m: m["root"].update(signed={})), "root metadata that is none", id="no-metadata"),
    pytest.param(changed(lambda m: m.update(v="setu2.proposal")), "no proposal", id="another-format"),
]


@pytest.mark.parametrize(("change", "fault"), CHANGED)
def test_a_changed_proposal_is_neither_shown_nor_signed(realm, setu, write, change, fault):
    file = realm.new("next.json", "--renew", "root", "--renew", "targets")
    spoilt = write("spoilt.json", change(json.loads(file.read_bytes())))
    held = realm.held("IND")
    out = realm.post / "never.json"
    for words in (
        ["show", spoilt],
        ["sign", spoilt, "--keys", realm.keys("IND"), "--out", out, "--fingerprint", "0" * 64],
    ):
        said = setu("realm", *words, *held)
        assert (said.status, said.out) == (1, ""), said.out
        assert fault in said.err
    assert not out.exists()


def test_a_fingerprint_that_the_other_side_does_not_read_out_signs_nothing(realm, setu):
    file = realm.new("next.json", "--renew", "root")
    words = ["realm", "sign", file, "--keys", realm.keys("IND"), "--out", realm.post / "o.json", *realm.held("IND")]
    for heard in ({"stdin": "abcd\n"}, {"stdin": "\n" * 9}):
        said = setu(*words, **heard)
        assert said.status == 1
    said = setu(*words, "--fingerprint", "0000 " * 16)
    assert "do not look at the same one" in said.err
    assert not (realm.post / "o.json").exists()
    record = json.loads((realm.keys("IND") / "signed.json").read_bytes())
    assert "root 2" not in record


def test_it_is_asked_for_and_what_will_be_signed_is_shown_before(realm, setu):
    file = realm.new("next.json", "--renew", "root")
    held = realm.held("IND")
    fingerprint = realm.run("realm", "show", file, *held)["fingerprint"]
    words = ["realm", "sign", file, "--keys", realm.keys("IND"), "--out", realm.post / "o.json", *held]
    assert setu(*words, "--json").status == 2
    said = setu(*words, stdin=f"{fingerprint}\n")
    assert said.status == 0
    assert fingerprint in said.out
    assert said.out.count(", here") + said.out.count(" here") == 6
    assert "root expires: " in said.out
    assert "4 signatures, 7 needed (IND 4 of 4, USA 0 of 4): 3 more, of USA (4 left)" in said.out
    assert "as the other side reads it out" in said.err


def test_keys_that_have_no_part_in_it_sign_nothing(realm, setu, tmp_path):
    file = realm.new("next.json", "--renew", "root")
    held = realm.held("IND")
    fingerprint = realm.run("realm", "show", file, *held)["fingerprint"]
    realm.run("keys", "generate", tmp_path / "others", "--for", "country", "--country", "IND")
    out = realm.post / "o.json"
    said = setu("realm", "sign", file, "--keys", tmp_path / "others", "--out", out, "--fingerprint", fingerprint, *held)
    assert said.status == 1
    assert "none of the keys given" in said.err
    assert not out.exists()


def test_two_directories_of_one_version_are_not_signed_by_one_holder(realm, setu):
    first, second = (realm.new(f"{name}.json", "--document", realm.document(name=name)) for name in ("one", "another"))
    realm.sign("IND", first)
    realm.sign("IND", first)  # again the same
    held = realm.held("IND")
    fingerprint = realm.run("realm", "show", second, *held)["fingerprint"]
    words = ["--keys", realm.keys("IND"), "--out", realm.post / "o.json", "--fingerprint", fingerprint, *held]
    said = setu("realm", "sign", second, *words)
    assert said.status == 1
    assert "another of that version" in said.err
    assert not (realm.post / "o.json").exists()
    assert setu("realm", "sign", second, *words, "--again").status == 0


def test_a_key_that_lies_elsewhere_by_a_link_remembers_what_it_signed(realm, setu, tmp_path):
    first, second = (realm.new(f"{name}.json", "--document", realm.document(name=name)) for name in ("one", "another"))
    realm.sign("IND", first)
    linked = tmp_path / "linked.key"
    linked.symlink_to(next(realm.keys("IND").glob("targets-*.key")))
    held = realm.held("IND")
    fingerprint = realm.run("realm", "show", second, *held)["fingerprint"]
    words = ["--keys", linked, "--out", realm.post / "o.json", "--fingerprint", fingerprint, *held]
    assert "another of that version" in setu("realm", "sign", second, *words).err


def test_another_realm_that_somebody_brought_is_not_signed_for(realm, setu, tmp_path):
    """A repository whose own root.json says that these keys are India's: what is shown is the difference to that."""
    realm.sign("IND", realm.new("next.json", "--renew", "root"))
    other = begun(setu, tmp_path / "other")
    shutil.copytree(realm.keys("IND"), other.keys("IND"), ignore=shutil.ignore_patterns("signed.json"))
    other.make_keys("USA")
    shares = [word for country in ("IND", "USA") for word in ("--share", other.share(country))]
    drafts = other.path / "operator" / "realm"
    founding = ("--share", drafts / "operator.share.json", "--document", drafts / "directory.json")
    proposal = other.new("founding.json", *shares, *founding)
    assert other.publish(*(other.sign(country, proposal) for country in ("IND", "USA"))).status == 0
    brought = ["--in-force", other.repository]
    asked = other.post / "asked.json"
    other.run("realm", "new", asked, "--renew", "targets", *brought)
    found = other.run("realm", "show", asked, *brought)
    assert (
        found["realm"]
        != realm.run("realm", "show", realm.new("b.json", "--renew", "root"), *realm.held("IND"))["realm"]
    )
    words = ["--keys", realm.keys("IND"), "--out", realm.post / "o.json", "--fingerprint", found["fingerprint"]]
    said = setu("realm", "sign", asked, *words, *brought)
    assert (said.status, "Expected the same realm" in said.err) == (1, True), said.err
    assert found["realm"] in said.out
    assert not (realm.post / "o.json").exists()


def test_of_two_directories_of_one_version_one_is_published(realm):
    files = {}
    for name in ("one", "another"):
        proposal = realm.new(f"{name}.json", "--document", realm.document(name=name))
        files[name] = [realm.sign(country, proposal, "--again") for country in ("IND", "USA")]
    assert realm.publish(*files["one"]).status == 0
    said = realm.publish(*files["another"])
    assert said.status == 1
    assert "directory version 2, where one above 2 comes next" in said.err
    assert realm.reader().refresh().document.name == "one"


def test_a_copy_of_what_is_in_force_is_verified_from_the_root_that_was_pinned(realm, setu, founded, tmp_path):
    file = realm.new("next.json", "--renew", "root")
    _, copied, _, pinned = realm.held("IND")
    (copied / "metadata" / "1.targets.json").write_bytes(b"{}")
    said = setu("realm", "show", file, "--in-force", copied, "--root", pinned)
    assert (said.status, said.out) == (1, "")
    other = tmp_path / "root.json"
    other.write_bytes(pinned.read_bytes().replace(b'"threshold":7', b'"threshold":4'))
    said = setu("realm", "show", file, "--in-force", founded.repository, "--root", other)
    assert said.err.startswith("directory-invalid:")


def test_what_somebody_wrote_cannot_rewrite_the_screen(realm, setu, write):
    file = realm.new("next.json", "--renew", "targets")
    members = json.loads(file.read_bytes())
    members["targets"]["signed"]["delegations"] = {
        "keys": {},
        "roles": [{"name": "x\x1b[2J", "keyids": [], "threshold": 1, "terminating": False, "paths": ["\x1b[1A*"]}],
    }
    said = setu("realm", "show", write("escape.json", members), *realm.held("IND"))
    assert "\x1b" not in said.out + said.err
    assert (said.status, "a role that is no deny list" in " ".join(said.err.split())) == (1, True)
