"""`setu keys seal`, `unseal` and `p12`, as a person uses them."""

import os

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from broker.cli.checks import Patient, _secrets
from broker.crypto.sealing import is_sealed

WORDS = b"correct horse battery"


@pytest.fixture
def fd():
    """Something to read, behind a descriptor."""
    opened = []

    def make(text=WORDS):
        out, into = os.pipe()
        os.write(into, text)
        os.close(into)
        opened.append(out)
        return out

    yield make
    for each in opened:
        os.close(each)


@pytest.fixture
def home(own):
    return own.path / "agencies" / "us-dea"


def contents(home):
    return {path.name: path.read_bytes() for path in [*(home / "keys").iterdir(), home / "tls.key"]}


def test_sealed_and_unsealed_is_what_it_was(setu, home, fd):
    before = contents(home)
    done = setu("keys", "seal", home / "keys", home / "tls.key", "--passphrase-fd", fd(), "--json")
    assert done.status == 0, done.err
    assert len(done.json()["sealed"]) == 4
    after = contents(home)
    assert after.keys() == before.keys()
    assert all(is_sealed(each) for each in after.values())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (home / "keys").iterdir())
    again = setu("keys", "seal", home / "keys", "--passphrase-fd", fd())
    assert "nothing was changed" in again.out
    assert contents(home) == after
    wrong = setu("keys", "unseal", home / "keys", "--passphrase-fd", fd(b"wrong horse battery"))
    assert (wrong.status, contents(home)) == (1, after)
    opened = setu("keys", "unseal", home / "keys", home / "tls.key", "--passphrase-fd", fd())
    assert opened.status == 0, opened.err
    assert contents(home) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(b"short", "at least 12 characters", id="too-short"),
        pytest.param(b"", "of one line", id="none"),
        pytest.param(b"two\nlines of words", "of one line", id="two-lines"),
    ],
)
def test_a_passphrase_that_is_none(setu, home, fd, words, said):
    before = contents(home)
    done = setu("keys", "seal", home / "keys", "--passphrase-fd", fd(words))
    assert done.status == 1
    assert said in done.err
    assert contents(home) == before


def test_what_is_no_key_seals_nothing(setu, home, fd):
    (home / "keys" / "zz.key").write_text("tea")
    (home / "keys" / "zz.key").chmod(0o600)
    before = contents(home)
    done = setu("keys", "seal", home / "keys", "--passphrase-fd", fd())
    assert done.err.startswith("config-invalid:")
    assert contents(home) == before


def test_an_empty_folder(setu, tmp_path, fd):
    assert setu("keys", "seal", tmp_path, "--passphrase-fd", fd()).err.startswith("config-invalid:")


def test_without_a_terminal_or_a_descriptor(setu, home):
    done = setu("keys", "seal", home / "keys")
    assert done.status == 1
    assert "no terminal" in done.err


def test_a_sealed_deployment_is_seen_by_the_doctor(setu, own, fd):
    assert setu("keys", "seal", own.path / "realm/keys", "--passphrase-fd", fd()).status == 0
    (found,) = _secrets(Patient(own.gateway(), own.now))
    count = len(list((own.path / "realm/keys").glob("*.key")))
    assert f"{count} sealed with a passphrase" in found.found


def test_p12_for_java_and_browsers(setu, home, tmp_path, write):
    password = write("password", WORDS + b"\n")
    password.chmod(0o600)
    words = ("keys", "p12", home / "tls.pem", home / "tls.key", "--out", tmp_path / "a.p12", "--name", "us-dea")
    done = setu(*words, "--password-file", password)
    assert done.status == 0, done.err
    assert (tmp_path / "a.p12").stat().st_mode & 0o777 == 0o600
    assert pkcs12.load_pkcs12((tmp_path / "a.p12").read_bytes(), WORDS).cert.friendly_name == b"us-dea"
    assert setu(*words, "--password-file", password).err.startswith("config-invalid:")
    password.chmod(0o644)
    assert "owner alone" in setu(*words[:5], tmp_path / "b.p12", "--password-file", password).err


def test_keys_that_are_to_be_sealed_are_not_made_before_there_is_a_passphrase(setu, own, fd, tmp_path):
    words = ["us-tst", tmp_path / "us-tst", "--name", "Test", "--root", own.path / "directory/root.json", "--seal"]
    for given in ([], ["--passphrase-fd", fd(b"too short")]):
        assert setu("enrol", "request", *words, *given).status == 1
        assert not (tmp_path / "us-tst").exists()
    assert setu("enrol", "request", *words, "--passphrase-fd", fd()).status == 0
    made = [*(tmp_path / "us-tst").glob("keys/*.key"), tmp_path / "us-tst/tls.key"]
    assert [path for path in made if not is_sealed(path.read_bytes())] == []
