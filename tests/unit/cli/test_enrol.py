"""Enrolment by files, as two people do it: the agency on its machine, the country's registrar where its CA is."""

import json

import pytest

from broker.assembly.realm import local_directory
from broker.cli.admit import staged_before
from broker.cli.enrol import settings_text
from broker.crypto.certificates import Authority
from broker.errors import MalformedError
from schemas.canonical import unb64u
from schemas.directory import Directory


class Applying:
    """An agency's request, its answer, and what the registrar kept; `add` with the words of a good command."""

    def __init__(self, setu, folder, deployment, agency="us-tst", **over):
        self.setu, self.folder, self.deployment, self.agency = setu, folder, deployment, agency
        self.home = folder / f"home-{agency}"
        root = over.get("root", deployment.path / "directory/root.json")
        self.asked = setu(
            "enrol",
            "request",
            agency,
            self.home,
            "--name",
            over.get("name", "Test Service"),
            "--root",
            root,
            *over.get("words", ()),
            "--json",
        )
        assert self.asked.status == 0, self.asked.err
        self.file = self.home / "enrolment.json"
        self.fingerprint = self.asked.json()["fingerprint"]

    def prove(self):
        challenge, kept, answer = (self.folder / f"{self.agency}.{each}" for each in ("challenge", "kept", "answer"))
        assert self.setu("enrol", "challenge", self.file, "--out", challenge, "--keep", kept).status == 0
        done = self.setu("enrol", "answer", challenge, "--home", self.home, "--out", answer)
        assert done.status == 0, done.err
        self.proof = ("--answer", answer, "--kept", kept)
        return self

    def add(self, *words, file=None, fingerprint=None, ca="us", proof=None):
        return self.setu(
            *("directory", "add", file or self.file, "--fingerprint", fingerprint or self.fingerprint),
            *(self.proof if proof is None else proof),
            *("--ca", self.deployment.path / "ca" / ca, "--clearance", "us:les", "--mandate", "investigation"),
            *("--config", self.deployment.config, "--certificate-out", self.folder / f"{self.agency}.pem"),
            *words,
        )


@pytest.fixture
def apply(setu, tmp_path, own):
    return lambda *words, **over: Applying(setu, tmp_path, own, *words, **over)


def document_of(own):
    return local_directory(own.gateway()).current().signed


def unchanged(own, applying):
    assert document_of(own).version == 1
    assert not (applying.folder / f"{applying.agency}.pem").exists()
    assert not (own.path / "ca/us/issued").exists()


def test_a_request_shows_what_is_compared_by_voice(setu, apply, own):
    applying = apply()
    shown = setu("enrol", "show", applying.file, "--config", own.config, "--json")
    assert shown.status == 0, shown.err
    found = shown.json()
    assert (found["agency"], found["fingerprint"], found["faults"]) == ("us-tst", applying.fingerprint, [])
    assert found["checked"] == {"proofs": True, "wrap_key_held": False, "directory": True}
    people = setu("enrol", "show", applying.file).out
    assert all(each["fingerprint"] in people for each in [*found["keys"], found["tls"], found])
    assert {path.name for path in applying.home.rglob("*") if path.is_file()} == {
        *("enrolment.json", "root.json", "tls.key", "sign-ed25519.key", "sign-mldsa65.key", "wrap.key"),
    }


NAMED = ("--name", "Test Service")
REFUSED = [
    pytest.param("US_TST", NAMED, "schema: Expected an enrolment request of the schema", id="an-id-that-is-none"),
    pytest.param("us-tst", ("--name", ""), "schema: Expected an enrolment request of the schema", id="no-name"),
    pytest.param("us-tst", (*NAMED, "--seal"), "config-invalid: Expected a passphrase, and a terminal", id="no-passphrase"),
    pytest.param("us-tst", (*NAMED, "--root"), "config-invalid: Expected the realm's first root at", id="a-root-that-is-none"),
]  # fmt: skip


@pytest.mark.parametrize(("agency", "words", "said"), REFUSED)
def test_a_request_that_is_refused_leaves_no_key(setu, own, tmp_path, agency, words, said):
    """What is left behind, and in clear, would stand in the way of the next attempt."""
    home, root = tmp_path / "home", own.path / "directory/root.json"
    root_of = ("--root", root) if "--root" not in words else (own.config,)
    done = setu("enrol", "request", agency, home, *words, *root_of)
    assert done.status == 1
    assert done.err.startswith(said)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert setu("enrol", "request", "us-tst", home, "--name", "Test Service", "--root", root).status == 0


def test_a_request_is_shown_with_what_it_was_held_against(setu, apply, own, tmp_path):
    applying, document = apply(), tmp_path / "document.json"
    assert "nothing in version 1 stands against it" in setu("enrol", "show", applying.file, "--config", own.config).out
    assert "directory:     not asked here" in setu("enrol", "show", applying.file).out
    document.write_bytes(document_of(own).canonical())
    done = setu("enrol", "show", applying.file, "--directory", document)
    assert (done.status, "a document alone" in " ".join(done.err.replace("│", "").split())) == (2, True)


def test_no_secret_is_in_a_file_that_travels(apply):
    applying = apply().prove()
    travels = b"".join(
        path.read_bytes() for path in (applying.file, *applying.folder.glob("us-tst.*")) if path.is_file()
    )
    travels += unb64u(json.loads(applying.file.read_bytes())["payload"])
    seeds = [json.loads(path.read_bytes())["seed"] for path in (applying.home / "keys").iterdir()]
    pem = (applying.home / "tls.key").read_text().splitlines()[1]
    assert [each for each in [*seeds, pem] if each.encode() in travels] == []


def test_added_and_published_where_all_keys_are(setu, apply, own):
    applying = apply().prove()
    done = applying.add("--client", "in-setu", "--community", "counter-narcotics", "--channel", "https", "--json")
    assert done.status == 0, done.err
    assert done.json()["published"] is True
    document = document_of(own)
    (row,) = [each for each in document.agencies if each.id == "us-tst"]
    assert (row.country, row.name, row.clients, row.clearance.level) == ("USA", "Test Service", ("in-setu",), "LES")
    assert "us-tst" in document.communities[0].members
    finish = ("--certificate", applying.folder / "us-tst.pem", "--gateway-ca", own.path / "ca/in/ca.pem")
    where = ("--gateway", "in-setu", "--url", "https://localhost:8443")
    done = setu("enrol", "finish", applying.home, *finish, *where, "--json")
    assert done.json()["uri"] == "urn:setu:agency:us-tst:g1"
    again = setu("enrol", "finish", applying.home, *finish, *where)
    assert again.err.startswith("bad-request: Expected an enrolment that is not finished yet, found ")
    assert "move these away first" in again.err


def test_staged_for_the_ceremony_and_put_in_force_by_it(setu, apply, own, tmp_path):
    applying = apply().prove()
    staged = tmp_path / "staged.json"
    done = applying.add("--stage", staged)
    assert done.status == 0, done.err
    assert document_of(own).version == 1
    assert Directory.from_json(staged.read_bytes()).canonical() == staged.read_bytes()
    assert setu("directory", "publish", staged, "--config", own.config, "--json").json()["changes"] == ["us-tst: joins"]


def test_a_practice_partner_is_enrolled_as_agencies_are(setu, apply, own):
    """In a realm that was founded by a ceremony nobody makes one with keys."""
    applying = apply("zz-try", name="Practice partner").prove()
    done = applying.add("--mandate", "border", ca="in")
    assert done.status == 0, done.err
    assert {each.id: each.country for each in document_of(own).agencies}["zz-try"] == "ZZZ"


def test_two_agencies_join_in_one_version(setu, apply, own, tmp_path):
    """A ceremony takes two countries' key holders: it is not held once for each agency."""
    first, second = apply().prove(), apply("us-tzt", name="Other Service").prove()
    assert first.add("--stage", tmp_path / "one.json").status == 0
    again = first.add("--stage", tmp_path / "x.json", "--onto", tmp_path / "one.json")
    assert again.err.startswith("id-conflict:")
    done = second.add("--stage", tmp_path / "two.json", "--onto", tmp_path / "one.json", "--json")
    assert (done.status, done.json()["version"]) == (0, 2), done.err
    made = setu("directory", "publish", tmp_path / "two.json", "--config", own.config, "--json")
    assert made.json()["changes"] == ["us-tst: joins", "us-tzt: joins"]
    late = second.add("--stage", tmp_path / "three.json", "--onto", tmp_path / "one.json")
    assert late.err.startswith("bad-request: Expected a staged version above 2, which is in force, found 2.")


def test_what_was_staged_is_held_against_the_gateways_keys_of_the_day_too(apply, own, tmp_path):
    assert apply().prove().add("--stage", tmp_path / "one.json").status == 0
    before = local_directory(own.gateway()).current()
    staged = staged_before(before, tmp_path / "one.json")
    daily = {key.kid for each in before.gateways for key in each.keys}
    assert daily
    assert daily <= {key.kid for agency in staged.document.agencies for key in agency.keys}


def test_a_version_that_was_not_signed_is_staged_again_with_the_same_certificate(apply, tmp_path):
    applying = apply().prove()
    assert applying.add("--stage", tmp_path / "one.json").status == 0
    first = (tmp_path / "us-tst.pem").read_bytes()
    (tmp_path / "us-tst.pem").unlink()
    assert applying.add("--stage", tmp_path / "two.json").status == 0
    assert (tmp_path / "us-tst.pem").read_bytes() == first


def test_a_certificate_issued_elsewhere(apply, own, setu, tmp_path):
    applying = apply().prove()
    applying.add("--stage", tmp_path / "one.json")
    elsewhere = (tmp_path / "us-tst.pem").rename(tmp_path / "elsewhere.pem")
    (own.path / "ca/us/ca.key").unlink()
    assert applying.add("--certificate", elsewhere).status == 0


def test_a_certificate_of_one_agency_with_anothers_key(apply, own, setu):
    applying = apply().prove()
    theirs = own.path / "agencies/us-cbp/tls.pem"
    done = applying.add("--certificate", theirs)
    assert done.err.startswith("sender-mismatch: Expected a certificate for this agency's TLS key")
    unchanged(own, applying)
    finish = ("--gateway-ca", own.path / "ca/in/ca.pem", "--gateway", "in-setu", "--url", "https://localhost:8443")
    done = setu("enrol", "finish", applying.home, "--certificate", theirs, *finish)
    assert done.err.startswith("sender-mismatch:")
    assert not (applying.home / "agency.toml").exists()


def test_a_tls_key_that_another_agency_has_a_certificate_for(apply, own, tmp_path):
    applying = apply().prove()
    assert applying.add("--stage", tmp_path / "one.json").status == 0
    issued = own.path / "ca/us/issued"
    (mine,) = issued.iterdir()
    mine.rename(issued / "us-other.g1.pem")
    (tmp_path / "us-tst.pem").unlink()
    assert "found that of us-other.g1.pem" in applying.add("--stage", tmp_path / "two.json").err


REFUSED = [
    pytest.param({"proof": ()}, "signature-invalid: Expected proof that the agency holds its wrap key", id="no-proof"),
    pytest.param({"fingerprint": "00" * 32}, "signature-invalid: Expected the fingerprint", id="another-fingerprint"),
    pytest.param({"ca": "in"}, "sender-mismatch: Expected the certificate authority", id="another-countrys-authority"),
]


@pytest.mark.parametrize(("over", "said"), REFUSED)
def test_what_is_not_added_changes_nothing(apply, own, over, said):
    applying = apply().prove()
    done = applying.add(**over)
    assert done.status == 1
    assert done.err.startswith(said)
    unchanged(own, applying)


@pytest.mark.parametrize(
    ("agency", "over", "code"),
    [
        pytest.param("us-d3a", {}, "id-conflict", id="an-id-that-looks-like-another"),
        pytest.param("us-dea", {}, "id-conflict", id="an-id-that-is-taken"),
        pytest.param(
            "us-tst", {"name": "Drug Enf\u043ercement Administration"}, "schema", id="a-name-of-two-alphabets"
        ),
        pytest.param("us-tst", {"name": "Drug Enforcement  Adminstration"}, "id-conflict", id="a-name-like-another"),
        pytest.param("us-tst", {"words": ("--suite", "hybrid-1024")}, "wrong-suite", id="another-suite"),
        pytest.param("xx-tst", {}, "schema", id="no-country"),
    ],
)
def test_requests_that_do_not_fit_the_realm(setu, apply, own, agency, over, code):
    applying = apply(agency, **over).prove()
    shown = setu("enrol", "show", applying.file, "--config", own.config, "--json")
    assert (shown.status, code in [each["code"] for each in shown.json()["faults"]]) == (1, True)
    done = applying.add()
    assert done.err.startswith(f"{code}:")
    unchanged(own, applying)


def test_a_request_for_another_realm(apply, own, tmp_path):
    other = tmp_path / "root.json"
    other.write_bytes((own.path / "directory/root.json").read_bytes() + b"\n")
    applying = apply(root=other).prove()
    assert applying.add().err.startswith("wrong-audience:")
    unchanged(own, applying)


def test_the_answer_to_anothers_challenge(apply, own):
    first, second = apply("us-tst").prove(), apply("us-new", name="New Bureau").prove()
    done = first.add(proof=(*second.proof[:2], *first.proof[2:]))
    assert done.err.startswith("wrap-invalid:")
    unchanged(own, first)


def test_an_answer_alone_is_no_proof(apply, own):
    applying = apply().prove()
    assert applying.add(proof=applying.proof[:2]).status == 2
    unchanged(own, applying)


def test_answering_needs_the_wrap_key_of_the_request(setu, apply, tmp_path):
    applying = apply().prove()
    (applying.home / "keys/wrap.key").unlink()
    done = setu("enrol", "answer", tmp_path / "us-tst.challenge", "--home", applying.home, "--out", tmp_path / "x")
    assert done.err.startswith("bad-request: Expected the wrap key")


def test_a_document_alone_does_not_say_which_realm_it_is(apply, own, tmp_path, write):
    applying = apply().prove()
    plain = write("plain.json", document_of(own).canonical())
    done = applying.setu(
        *("directory", "add", applying.file, "--fingerprint", applying.fingerprint, *applying.proof),
        *("--ca", own.path / "ca/us", "--clearance", "US:LES", "--directory", plain, "--stage", tmp_path / "s.json"),
    )
    assert done.status == 2
    assert not (tmp_path / "s.json").exists()


def test_an_authority_that_the_realm_does_not_know_gets_nowhere(apply, own):
    """A CA of the right name that is not the country's: it signs, but `--certificate` must chain to `ca.pem`."""
    applying = apply().prove()
    stranger = Authority.create("USA", now=own.now())
    stranger.issued.save(own.path / "stranger.pem", own.path / "stranger.key")
    applying.add("--stage", own.path / "one.json")
    issued = (applying.folder / "us-tst.pem").rename(applying.folder / "issued.pem")
    (own.path / "ca/us/ca.pem").write_bytes(stranger.issued.certificate)
    assert applying.add("--certificate", issued).err.startswith("unknown-agency:")
    assert document_of(own).version == 1


def test_keys_are_never_overwritten(setu, apply, own):
    applying = apply()
    before = {path: path.read_bytes() for path in applying.home.rglob("*") if path.is_file()}
    root = own.path / "directory/root.json"
    done = setu("enrol", "request", "us-tst", applying.home, "--name", "Again", "--root", root)
    assert done.err.startswith("config-invalid:")
    assert {path: path.read_bytes() for path in applying.home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("urls", "gateway"),
    [(["http://a.example"], "in-setu"), (["https://a.example"], "setu"), (["https://u@a.example"], "in-setu")],
)
def test_settings_that_are_none(urls, gateway):
    with pytest.raises(MalformedError):
        settings_text("us-tst", urls, gateway, trust_gateway=True)
