"""New key files beside old ones: kept as those are, there whole or not at all, and gone whole or not at all."""

import json
import os
import resource
import signal

import pytest

from broker.crypto.keyfile import about_key, destroy, key_bytes, write_at_once, write_key, write_secret
from broker.crypto.keystore import KeyStore
from broker.crypto.place import Place
from broker.crypto.sealing import Passphrase, is_sealed, seal
from broker.errors import IntegrityError
from tests.builders import private_key

PASSPHRASE = Passphrase(lambda: b"six words drawn by dice")


def reference(path, alg="Ed25519"):
    """The file of a key in an HSM, which is not asked."""
    fields = json.loads(key_bytes(private_key(alg, path.name), "log"))
    del fields["seed"]
    path.write_text(json.dumps({**fields, "pkcs11": "pkcs11:token=setu;object=in-setu%2Flog-ed25519"}))
    path.chmod(0o600)
    return path


def sealed(path, alg="ML-DSA-44"):
    key = private_key(alg, path.name)
    raw = seal(key_bytes(key, "log"), about_key(key, "log"), PASSPHRASE, bytes(16), random=os.urandom, cost=2**10)
    write_at_once(path, raw)
    return path


def test_beside_a_key_in_an_hsm_a_new_one_is_sealed_as_the_others_are(tmp_path):
    store = KeyStore(PASSPHRASE)
    first = reference(tmp_path / "log-ed25519.key")
    sealed(tmp_path / "log-mldsa44.key")
    key = private_key("ML-DSA-44", "new")
    store.write_beside(first, tmp_path / "log-mldsa44-2.key", key, "log")
    assert is_sealed((tmp_path / "log-mldsa44-2.key").read_bytes())
    assert store.key(tmp_path / "log-mldsa44-2.key", "log").public == key.public


def test_a_new_key_follows_one_in_an_hsm_there(tmp_path, hsm):
    tokens = hsm.opened()
    store = KeyStore(PASSPHRASE, tokens=lambda: tokens)
    path = tmp_path / "log-ed25519.key"
    write_key(path, tokens.generate("Ed25519", Place("setu"), "in-setu/log-ed25519"), "log")
    sealed(tmp_path / "log-mldsa44.key")
    made = store.successor(path, "Ed25519", "log-ed25519-2", os.urandom)
    store.write_beside(path, tmp_path / "log-ed25519-2.key", made, "log")
    assert store.place(tmp_path / "log-ed25519-2.key").object == "in-setu/log-ed25519-2"
    assert store.key(tmp_path / "log-ed25519-2.key", "log").public == made.public != store.key(path, "log").public
    assert store.place(tmp_path / "log-mldsa44.key") is None


def test_one_in_a_file_is_followed_by_one_in_a_file(tmp_path):
    assert "seed" in KeyStore().successor(sealed(tmp_path / "a.key"), "Ed25519", "b", os.urandom).stored()


def test_what_a_crash_left_of_a_new_file_is_no_key_and_in_nobodys_way(tmp_path):
    part = tmp_path / ".a.key.part"
    part.write_bytes(b"half")
    write_at_once(tmp_path / "a.key", b"whole")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a.key", b"whole")]
    with pytest.raises(IntegrityError, match="Expected no file"):
        write_at_once(tmp_path / "a.key", b"other")
    (tmp_path / "b.key").symlink_to(tmp_path / "nowhere")
    with pytest.raises(IntegrityError, match="Expected no file"):
        write_at_once(tmp_path / "b.key", b"other")


def test_what_cannot_be_written_whole_is_not_there(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # as a full disk: no more than so many bytes
    try:
        for write in (write_secret, write_at_once):
            with pytest.raises(IntegrityError, match="Expected to write"):
                write(tmp_path / "a.key", bytes(200))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_a_destroyed_file_is_written_over_before_it_goes(tmp_path):
    path = tmp_path / "x.key"
    path.write_bytes(b"secret")
    (tmp_path / "other").hardlink_to(path)
    destroy(path)
    assert ([each.name for each in tmp_path.iterdir()], (tmp_path / "other").read_bytes()) == (["other"], bytes(6))
    destroy(path)


@pytest.mark.parametrize("left", [b"secret", bytes(6)], ids=["renamed", "written over"])
def test_where_destroying_was_stopped_no_key_file_stands_in_the_way_and_it_ends_later(tmp_path, left):
    going = tmp_path / ".x.key.going"
    going.write_bytes(left)
    assert KeyStore().paths(tmp_path) == []
    destroy(tmp_path / "x.key")
    assert not list(tmp_path.iterdir())


def test_no_link_is_followed(tmp_path):
    (tmp_path / "kept").write_bytes(b"secret")
    (tmp_path / "x.key").symlink_to(tmp_path / "kept")
    with pytest.raises(IntegrityError):
        destroy(tmp_path / "x.key")
    assert (tmp_path / "kept").read_bytes() == b"secret"
