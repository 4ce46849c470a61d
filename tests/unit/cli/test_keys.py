"""Key files: made once, shown without what is secret."""

import json
import os
import re
import stat
from hashlib import sha256

import pytest

from broker.crypto.certificates import Authority, authority_of
from broker.crypto.keyfile import read_key
from broker.crypto.sealing import is_sealed
from schemas.canonical import unb64u


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], {"Ed25519", "ML-DSA-65", "HPKE-9-KE"}, id="an-agency"),
        pytest.param(["--suite", "hybrid-1024"], {"ES384", "ML-DSA-87", "HPKE-10-KE"}, id="the-larger-suite"),
        pytest.param(["--for", "log"], {"Ed25519", "ML-DSA-44"}, id="a-log"),
    ],
)
def test_generate_makes_what_the_role_needs(setu, tmp_path, words, expected):
    said = setu("keys", "generate", tmp_path / "keys", *words, "--json")
    found = said.json()["keys"]
    assert said.status == 0
    assert {each["alg"] for each in found} == expected
    for each in found:
        path = tmp_path / "keys" / each["file"].rpartition("/")[2]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_key(path, each["use"]).public.kid == each["kid"]


def test_the_fingerprint_is_the_kid_for_voice(setu, tmp_path):
    (first, *_) = setu("keys", "generate", tmp_path / "keys", "--json").json()["keys"]
    assert first["fingerprint"].replace(" ", "") == unb64u(first["kid"]).hex()
    assert re.fullmatch(r"([0-9a-f]{4} ){15}[0-9a-f]{4}", first["fingerprint"])


def test_list_and_show_say_the_same_and_nothing_secret(setu, tmp_path):
    made = setu("keys", "generate", tmp_path / "keys", "--json")
    listed = setu("keys", "list", tmp_path / "keys", "--json")
    assert listed.json() == made.json()
    each = listed.json()["keys"][0]
    shown = setu("keys", "show", each["file"], "--json")
    assert shown.json() == each
    people = setu("keys", "list", tmp_path / "keys").out + setu("keys", "show", each["file"]).out
    assert each["fingerprint"] in people
    seeds = [json.loads(path.read_text())["seed"] for path in (tmp_path / "keys").iterdir()]
    assert [seed for seed in seeds if seed in people + made.out + listed.out + shown.out] == []


def test_a_key_is_never_overwritten(setu, tmp_path):
    setu("keys", "generate", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    said = setu("keys", "generate", tmp_path)
    assert (said.status, said.out) == (1, "")
    assert "never overwritten" in said.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nothing_is_written_where_one_is_in_the_way(setu, tmp_path):
    (tmp_path / "wrap.key").write_text("mine")
    assert setu("keys", "generate", tmp_path).status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["wrap.key"]


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        pytest.param(b"{}", 0o600, "Expected a key file", id="no-key"),
        pytest.param(b"\xff", 0o600, "Expected a key file", id="no-text"),
        pytest.param(None, 0o644, "readable by its owner alone", id="readable-by-others"),
    ],
)
def test_what_is_no_sound_key_file_is_refused(setu, tmp_path, content, mode, said):
    setu("keys", "generate", tmp_path)
    path = tmp_path / "wrap.key"
    if content is not None:
        path.write_bytes(content)
    path.chmod(mode)
    found = setu("keys", "show", path)
    assert found.status == 1
    assert said in found.err


def test_a_countrys_certificate_authority(setu, tmp_path):
    """Good for `setu directory add --ca`; its key is its owner's alone, and never written over."""
    made = setu("keys", "ca", tmp_path / "ca", "--country", "AUS", "--json")
    assert made.status == 0, made.err
    authority = Authority.load(tmp_path / "ca/ca.pem", tmp_path / "ca/ca.key")
    assert authority_of(authority.issued.certificate) == "AUS"
    assert made.json()["fingerprint"].replace(" ", "") == sha256(authority.issued.der).hexdigest()
    assert (tmp_path / "ca/ca.key").stat().st_mode & 0o777 == 0o600
    assert setu("keys", "ca", tmp_path / "ca", "--country", "AUS").err.startswith("config-invalid: Expected no file")
    assert setu("keys", "ca", tmp_path / "other", "--country", "au").status == 2


def test_a_certificate_authority_sealed_from_the_first(setu, tmp_path):
    refused = setu("keys", "ca", tmp_path / "ca", "--country", "AUS", "--seal")
    assert refused.err.startswith("config-invalid: Expected a passphrase")
    assert not (tmp_path / "ca").exists()
    out, into = os.pipe()
    os.write(into, b"six words drawn by dice")
    os.close(into)
    made = setu("keys", "ca", tmp_path / "ca", "--country", "AUS", "--seal", "--passphrase-fd", out)
    os.close(out)
    assert made.status == 0, made.err
    assert is_sealed((tmp_path / "ca/ca.key").read_bytes())
