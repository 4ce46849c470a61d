"""Rotation by files, as two people do it: what each command makes, and what it refuses before anything is changed."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.assembly import connect
from broker.assembly.asking import PASSPHRASE
from broker.assembly.realm import local_directory
from broker.cli.app import app
from broker.config import AgencySettings, load
from broker.crypto.certificates import Authority
from broker.crypto.sealing import is_sealed
from schemas import registry
from schemas.canonical import parse, unb64u
from schemas.directory import Directory, KeyState
from tests.http.live import Live

WORDS = b"correct horse battery staple"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


@pytest.fixture
def descriptor(monkeypatch):
    """The passphrase behind a descriptor, as a program that has no terminal gets it."""
    out, into = os.pipe()
    os.write(into, WORDS)
    os.close(into)
    monkeypatch.setenv(PASSPHRASE.descriptor, str(out))
    yield out
    os.close(out)


def said(*words):
    return CliRunner().invoke(app, [*(str(word) for word in words), "--json"])


def setu(*words):
    done = said(*words)
    assert done.exit_code == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def refused(code, *words):
    done = said(*words)
    assert done.exit_code == 1, done.stdout
    error = json.loads(done.stdout)["error"]
    assert (error["code"], bool(error["advice"])) == (code, True), error
    return error["message"]


def version(live):
    return local_directory(live.deployment.gateway()).current().ref.version


def profile(live, agency):
    return live.deployment.agencies[agency]


def asked(live, folder, agency, *parts):
    """A request in a file of its own."""
    file = folder / f"{agency}-{len(list(folder.iterdir()))}.json"
    return file, setu("rotate", "request", "--as", profile(live, agency), "--out", file, *parts)


def carried_out(live, file, country, *words):
    where = ("--ca", live.deployment.path / "ca" / country, "--config", live.deployment.config)
    return setu("directory", "rotate", file, *where, *words)


@pytest.mark.parametrize(
    ("parts", "uses", "generation"),
    [
        pytest.param(["--sign"], ["sign", "sign"], None, id="sign"),
        pytest.param(["--wrap"], ["wrap"], None, id="wrap"),
        pytest.param(["--certificate"], [], 2, id="certificate"),
        pytest.param(["--wrap", "--certificate"], ["wrap"], 2, id="two"),
        pytest.param([], ["sign", "sign", "wrap"], 2, id="all"),
    ],
)
def test_what_is_named_is_made_and_nothing_that_was_there_changes(live, tmp_path, parts, uses, generation):
    home = profile(live, "us-audit").parent
    before = {path: path.read_bytes() for path in home.rglob("*.*") if "cache" not in path.parts}
    file, found = asked(live, tmp_path, "us-audit", *parts)
    assert ([key["use"] for key in found["keys"]], found["generation"]) == (uses, generation)
    made = [Path(each) for each in found["made"]]
    assert len(made) == len(uses) + (generation is not None)
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert {path: path.read_bytes() for path in before} == before
    body = unb64u(parse(file.read_bytes().strip())["payload"])
    assert not any(parse(path.read_bytes())["seed"].encode() in body for path in made if path.parent.name == "keys")
    assert setu("directory", "rotate", file, "--config", live.deployment.config, "--dry-run")["published"] is False
    for path in made:
        path.unlink()


def test_nothing_is_made_where_the_file_is_there(live, tmp_path):
    (tmp_path / "there.json").write_text("x")
    keys = profile(live, "us-audit").parent / "keys"
    before = sorted(keys.iterdir())
    refused("config-invalid", "rotate", "request", "--as", profile(live, "us-audit"), "--out", tmp_path / "there.json")
    nowhere = tmp_path / "none" / "rotation.json"
    refused("config-invalid", "rotate", "request", "--as", profile(live, "us-audit"), "--out", nowhere)
    assert sorted(keys.iterdir()) == before


def test_nothing_is_made_where_the_tls_key_alone_is_sealed_and_nobody_says_how(live, tmp_path):
    home = profile(live, "us-audit").parent
    plain = (home / "tls.key").read_bytes()
    before = sorted((home / "keys").iterdir())
    words, into = os.pipe()
    os.write(into, WORDS)
    os.close(into)
    setu("keys", "seal", home / "tls.key", "--passphrase-fd", words)
    os.close(words)
    try:
        refused("config-invalid", "rotate", "request", "--as", profile(live, "us-audit"), "--out", tmp_path / "r.json")
    finally:
        (home / "tls.key").write_bytes(plain)
    assert sorted((home / "keys").iterdir()) == before


def test_sealed_keys_have_sealed_successors(live, tmp_path, descriptor):
    """From request to a packet sent with the new keys, the passphrase given to each program in its own way."""
    home = profile(live, "us-fincen").parent
    words, into = os.pipe()
    os.write(into, WORDS)
    os.close(into)
    setu("keys", "seal", home / "keys", home / "tls.key", "--passphrase-fd", words)
    os.close(words)
    file, found = asked(live, tmp_path, "us-fincen")
    made = [Path(each) for each in found["made"]]
    assert len(made) == 4
    assert all(is_sealed(path.read_bytes()) for path in made)
    carried_out(live, file, "us", "--certificate-out", tmp_path / "c.pem")
    setu("rotate", "finish", tmp_path / "c.pem", "--as", profile(live, "us-fincen"))
    with connect(profile(live, "us-fincen")) as client:
        payload = next(iter(registry.samples("tip").values()))
        handling = registry.sample_handling() | {"purpose": ["investigation"]}
        sent = client.send("tip", to="in-nia", payload=payload, handling=handling)
    assert set(sent.header.sig) == {key["kid"] for key in found["keys"] if key["use"] == "sign"}


def test_a_version_is_staged_for_a_ceremony(live, tmp_path):
    before = version(live)
    file, found = asked(live, tmp_path, "us-cbp", "--wrap", "--certificate")
    stage, pem = tmp_path / "directory.json", tmp_path / "c.pem"
    directory = live.deployment.path / "directory"
    words = ("--ca", live.deployment.path / "ca/us", "--directory", directory, "--certificate-out", pem)
    staged = setu("directory", "rotate", file, *words, "--stage", stage)
    assert (staged["published"], staged["version"], version(live)) == (False, before + 1, before)
    row = next(each for each in Directory.from_json(stage.read_bytes()).agencies if each.id == "us-cbp")
    assert (len(row.keys), len(row.certificates)) == (4, 2)
    # Not in force: the certificate is not put in place, and nothing is changed.
    text = profile(live, "us-cbp").read_text("utf-8")
    assert "does not list it" in refused("unavailable", "rotate", "finish", pem, "--as", profile(live, "us-cbp"))
    assert profile(live, "us-cbp").read_text("utf-8") == text
    # The same request is staged again, with the same certificate.
    again = setu("directory", "rotate", file, *words[:-1], tmp_path / "d.pem", "--stage", tmp_path / "e.json")
    assert (again["version"], (tmp_path / "d.pem").read_bytes()) == (before + 1, pem.read_bytes())
    setu("directory", "publish", stage, "--config", live.deployment.config)
    setu("rotate", "finish", pem, "--as", profile(live, "us-cbp"))
    settings = load(AgencySettings, profile(live, "us-cbp"))
    assert settings.at(settings.certificate).read_bytes() == pem.read_bytes()
    # Retired by a staged version too.
    words = ("--replaced", "--early", "--directory", directory, "--stage", tmp_path / "f.json")
    ended = setu("directory", "retire", "us-cbp", *words)
    assert (len(ended["kids"]), ended["published"]) == (1, False)
    row = next(each for each in Directory.from_json((tmp_path / "f.json").read_bytes()).agencies if each.id == "us-cbp")
    assert [each.state for each in row.keys].count(KeyState.RETIRED) == 1
    assert {key["kid"] for key in found["keys"]}.isdisjoint(ended["kids"])


@pytest.fixture(scope="module")
def request_(live, tmp_path_factory):
    file, _ = asked(live, tmp_path_factory.mktemp("request"), "us-hsi")
    return file


def elsewhere(live, folder, agency, generation, key=None):
    """A certificate that the country's CA issued by hand."""
    ca = live.deployment.path / "ca/us"
    made = Authority.load(ca / "ca.pem", ca / "ca.key").issue_client(agency, generation, now=live.deployment.now())
    path = folder / "elsewhere.pem"
    path.write_bytes(made.certificate)
    return ("--certificate", path)


@pytest.mark.parametrize(
    ("country", "words", "code"),
    [
        pytest.param("in", lambda *_: (), "sender-mismatch", id="another-countrys-ca"),
        pytest.param(
            "us",
            lambda live, at: elsewhere(live, at, "us-hsi", 2),
            "sender-mismatch",
            id="a-certificate-for-another-key",
        ),
        pytest.param(
            "us", lambda live, at: elsewhere(live, at, "us-dea", 2), "sender-mismatch", id="another-agencys-certificate"
        ),
    ],
)
def test_nothing_is_issued_or_published_for_a_certificate_that_is_wrong(live, tmp_path, request_, country, words, code):
    before, issued = version(live), sorted(live.deployment.path.glob("ca/*/issued/*"))
    where = ("--ca", live.deployment.path / "ca" / country, "--config", live.deployment.config)
    refused(code, "directory", "rotate", request_, *where, *words(live, tmp_path))
    assert (version(live), sorted(live.deployment.path.glob("ca/*/issued/*"))) == (before, issued)


def test_another_agencys_certificate_is_not_put_in_place(live, tmp_path):
    other = tmp_path / "other.pem"
    shutil.copy(profile(live, "us-dea").parent / "tls.pem", other)
    text = profile(live, "us-hsi").read_text("utf-8")
    refused("sender-mismatch", "rotate", "finish", other, "--as", profile(live, "us-hsi"))
    assert profile(live, "us-hsi").read_text("utf-8") == text


def test_a_request_is_carried_out_once(live, tmp_path, request_):
    carried_out(live, request_, "us", "--certificate-out", tmp_path / "c.pem")
    before = version(live)
    where = ("--ca", live.deployment.path / "ca/us", "--config", live.deployment.config)
    assert "carried out already" in refused("id-conflict", "directory", "rotate", request_, *where)
    assert version(live) == before


def test_the_next_ones_are_rotated_again_at_once(live, tmp_path):
    """The keys that ask are the newest that the directory lists; the first ones, still good, have a week of their own."""
    row = local_directory(live.deployment.gateway()).current().agency("us-hsi")
    file, found = asked(live, tmp_path, "us-hsi")
    assert found["generation"] == 3
    carried_out(live, file, "us", "--certificate-out", tmp_path / "c.pem", "--overlap", "30d")
    after = local_directory(live.deployment.gateway()).current().agency("us-hsi")
    assert after.keys[:3] == row.keys[:3]
    assert {key.not_after for key in after.keys[3:6]} != {key.not_after for key in row.keys[3:6]}
    setu("rotate", "finish", tmp_path / "c.pem", "--as", profile(live, "us-hsi"))
    payload = next(iter(registry.samples("tip").values()))
    handling = registry.sample_handling() | {"purpose": ["investigation"]}
    with connect(profile(live, "us-hsi")) as client:
        sent = client.send("tip", to="in-nia", payload=payload, handling=handling)
    assert set(sent.header.sig) == {key["kid"] for key in found["keys"] if key["use"] == "sign"}
    assert {each["state"] for each in setu("doctor", "--as", profile(live, "us-hsi"))["findings"]} <= {"ok", "warning"}


def test_usage(live, request_):
    config = ("--config", live.deployment.config)
    for words in (
        ("directory", "rotate", request_),
        ("directory", "rotate", request_, *config, "--overlap", "5m"),
        ("directory", "rotate", request_, *config, "--overlap", "tea"),
        ("directory", "retire", "us-hsi", "--kid", "x"),
        ("directory", "retire", "us-hsi", "--early", *config),
    ):
        assert said(*words).exit_code == 2, words
    ending = ("directory", "retire", "us-hsi", *config)
    refused("bad-request", *ending, "--kid", "x")
    refused("bad-request", *ending, "--kid", "x", "--compromised-since", "2999-01-01")
    assert setu(*ending, "--replaced")["kids"] == []
