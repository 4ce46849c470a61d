import json
import os

import pytest

from broker.crypto.algorithms import ALGORITHMS
from broker.crypto.keyfile import read_key, read_secret, write_key, write_secret
from broker.errors import IntegrityError
from schemas.canonical import b64u
from schemas.problem import Code
from tests.builders import private_key


def refused(call, *arguments):
    with pytest.raises(IntegrityError) as found:
        call(*arguments)
    assert found.value.code is Code.CONFIG_INVALID
    return str(found.value)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_written_is_read(tmp_path, alg):
    key = private_key(alg, "a")
    write_key(tmp_path / "a.key", key, "sign")
    assert read_key(tmp_path / "a.key", "sign").public == key.public
    assert read_key(tmp_path / "a.key").public == key.public


def test_for_the_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_key(tmp_path / "a.key", private_key("Ed25519", "a"), "sign")
    finally:
        os.umask(before)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_open_to_others(tmp_path, mode):
    path = tmp_path / "a.key"
    write_key(path, private_key("Ed25519", "a"), "sign")
    path.chmod(mode)
    assert f"{mode:04o}" in refused(read_key, path)


def test_never_overwritten(tmp_path):
    path = tmp_path / "a.key"
    write_key(path, private_key("Ed25519", "a"), "sign")
    refused(write_key, path, private_key("Ed25519", "b"), "sign")
    assert read_key(path).public == private_key("Ed25519", "a").public


def test_never_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    refused(write_secret, tmp_path / "link", b"x")
    assert not (tmp_path / "elsewhere").exists()


def test_no_folder(tmp_path):
    refused(write_secret, tmp_path / "none" / "a.key", b"x")


def test_not_there(tmp_path):
    refused(read_key, tmp_path / "a.key")


def test_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    refused(read_secret, tmp_path / "fifo")
    refused(read_secret, tmp_path)


def test_another_use(tmp_path):
    write_key(tmp_path / "a.key", private_key("Ed25519", "a"), "log")
    refused(read_key, tmp_path / "a.key", "sign")


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda f: {**f, "seed": b64u(bytes(31))}, id="seed one short"),
        pytest.param(lambda f: {**f, "seed": b64u(bytes(32))}, id="seed of another kid"),
        pytest.param(lambda f: {**f, "seed": f["seed"] + "="}, id="seed padded"),
        pytest.param(lambda f: {**f, "seed": 5}, id="seed a number"),
        pytest.param(lambda f: {**f, "alg": "RS256"}, id="another algorithm"),
        pytest.param(lambda f: {**f, "alg": []}, id="algorithm a list"),
        pytest.param(lambda f: {**f, "alg": "ML-DSA-65"}, id="the algorithm of another key"),
        pytest.param(lambda f: {**f, "v": "setu2.key"}, id="another version"),
        pytest.param(lambda f: {**f, "x": 1}, id="a member added"),
        pytest.param(lambda f: {k: v for k, v in f.items() if k != "use"}, id="a member missing"),
        pytest.param(lambda f: [f], id="a list"),
    ],
)
def test_not_a_key_file(tmp_path, bend):
    path = tmp_path / "a.key"
    write_key(path, private_key("Ed25519", "a"), "sign")
    fields = json.loads(path.read_bytes())
    path.write_text(json.dumps(bend(fields)))
    assert fields["seed"] not in refused(read_key, path)


@pytest.mark.parametrize("raw", [b"", b"\xff", b"{", b"-----BEGIN PRIVATE KEY-----", b" " * 5000])
def test_not_json(tmp_path, raw):
    write_secret(tmp_path / "a.key", raw)
    refused(read_key, tmp_path / "a.key")
