"""Keys sealed with a passphrase, and where a program finds its keys."""

import json
import os
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from broker.crypto.keyfile import read_secret, write_key, write_secret
from broker.crypto.keystore import KeyStore
from broker.crypto.sealing import Passphrase, about_of, is_sealed, seal, unseal
from broker.errors import IntegrityError
from schemas.canonical import canonical
from tests.builders import client_certificate, private_key

COST = 2**10
SALT = bytes(16)
WORDS = Passphrase(lambda: b"correct horse battery")
OTHERS = Passphrase(lambda: b"wrong horse battery")


def sealed(plain=b"secret", passphrase=WORDS, about=None):
    return seal(plain, about or {"form": "pem"}, passphrase, SALT, random=os.urandom, cost=COST)


def refused(call, *arguments):
    with pytest.raises(IntegrityError) as found:
        call(*arguments)
    assert found.value.code == "config-invalid"
    return str(found.value)


def test_what_was_sealed_is_unsealed():
    raw = sealed(about={"kid": "x"})
    assert is_sealed(raw)
    assert about_of(raw, "a.key") == {"kid": "x"}
    assert unseal(raw, WORDS, "a.key") == b"secret"
    assert b"secret" not in raw
    assert sealed() != sealed()


def test_another_passphrase_does_not_open_it():
    assert "does not" in refused(unseal, sealed(), OTHERS, "a.key")


def test_a_passphrase_is_asked_for_once_and_only_when_it_is_needed():
    asked = []
    passphrase = Passphrase(lambda: asked.append(1) or b"correct horse battery")
    assert asked == []
    assert unseal(sealed(), passphrase, "a") == unseal(sealed(), passphrase, "b") == b"secret"
    assert asked == [1]
    assert "horse" not in repr(passphrase)


def changed(**over):
    return lambda raw: canonical({**json.loads(raw), **over})


def kdf(**over):
    return lambda raw: canonical({**json.loads(raw), "kdf": {**json.loads(raw)["kdf"], **over}})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(changed(about={"kid": "another"}), id="about"),
        pytest.param(changed(iv="A" * 16), id="iv"),
        pytest.param(changed(iv="AA"), id="iv-too-short"),
        pytest.param(changed(sealed="A" * 30), id="content"),
        pytest.param(changed(sealed=1), id="content-no-text"),
        pytest.param(changed(v="setu2.sealed"), id="version"),
        pytest.param(changed(more=1), id="a-member-too-many"),
        pytest.param(changed(kdf=None), id="no-kdf"),
        pytest.param(kdf(n=2**11), id="another-cost"),
        pytest.param(kdf(n=2**30), id="all-the-memory-there-is"),
        pytest.param(kdf(n=1000), id="no-power-of-two"),
        pytest.param(kdf(n=True), id="no-number"),
        pytest.param(kdf(r=9), id="another-r"),
        pytest.param(kdf(salt="AA"), id="salt-too-short"),
        pytest.param(lambda raw: raw[:-10], id="cut"),
    ],
)
def test_a_sealed_file_that_was_changed(change):
    refused(unseal, change(sealed()), WORDS, "a.key")


@pytest.fixture
def folders(tmp_path):
    for name in ("keys", "credentials"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path / "keys", tmp_path / "credentials"


def put(folder, name, key, use="sign"):
    write_key(folder / f"plain-{name}", key, use)
    plain = read_secret(folder / f"plain-{name}")
    (folder / f"plain-{name}").unlink()
    write_secret(folder / name, sealed(plain))


def test_sealed_and_plain_keys_of_a_folder(folders):
    keys, _ = folders
    one, two = private_key("Ed25519", "one"), private_key("ML-DSA-65", "two")
    put(keys, "a.key", one)
    write_key(keys / "b.key", two, "sign")
    found = list(KeyStore(WORDS).keys_in(keys))
    assert [(use, key.public) for use, key in found] == [("sign", one.public), ("sign", two.public)]


def test_a_sealed_key_without_a_passphrase_says_how_to_give_one(folders):
    keys, _ = folders
    put(keys, "a.key", private_key("Ed25519", "one"))
    said = refused(list, KeyStore().keys_in(keys))
    assert "setu-passphrase" in said
    assert "SETU_PASSPHRASE_FD" in said


def test_a_credential_stands_in_for_a_file_that_is_not_there(folders):
    keys, credentials = folders
    mine, theirs, other = (private_key("Ed25519", each) for each in ("mine", "theirs", "other"))
    write_key(keys / "a.key", mine, "sign")
    write_key(credentials / "a.key", theirs, "sign")
    put(credentials, "b.key", other, "wrap")
    write_secret(credentials / "server.key", client_certificate("us-dea").key)
    store = KeyStore(WORDS, credentials)
    assert [key.public for _, key in store.keys_in(keys)] == [mine.public, other.public]
    assert store.key(keys / "b.key", "wrap").public == other.public
    assert store.read(keys / "server.key") == client_certificate("us-dea").key
    assert store.find(keys / "none.key") == keys / "none.key"
    refused(store.read, keys / "none.key")


def test_a_credential_may_show_its_access_list_and_a_file_may_not(folders):
    """systemd grants a service's user its credential by an ACL, which a mode shows as the group's right to read."""
    keys, credentials = folders
    write_key(credentials / "a.key", private_key("Ed25519", "one"), "sign")
    (credentials / "a.key").chmod(0o440)
    assert KeyStore(None, credentials).key(keys / "a.key", "sign")
    for mode in (0o444, 0o460, 0o640 | 0o001):
        (credentials / "a.key").chmod(mode)
        refused(KeyStore(None, credentials).read, keys / "a.key")
    write_key(keys / "b.key", private_key("Ed25519", "two"), "sign")
    (keys / "b.key").chmod(0o440)
    refused(KeyStore(None, credentials).read, keys / "b.key")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(folders):
    keys, _ = folders
    write_key(keys / "a.key", private_key("Ed25519", "one"), "sign")
    os.chown(keys / "a.key", 12_345, -1)
    assert "another user" in refused(KeyStore().read, keys / "a.key")
    os.chown(keys, 12_345, -1)
    assert KeyStore().read(keys / "a.key"), "root looks after a service's folder"


def test_a_sealed_tls_key_is_loaded_without_touching_a_disk(folders):
    keys, _ = folders
    issued = client_certificate("us-dea")
    (keys / "tls.pem").write_bytes(issued.certificate)
    write_secret(keys / "tls.key", sealed(issued.key))
    before = sorted(keys.iterdir())
    KeyStore(WORDS).load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), keys / "tls.pem", keys / "tls.key")
    assert sorted(keys.iterdir()) == before
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    refused(KeyStore(OTHERS).load_chain, context, keys / "tls.pem", keys / "tls.key")


def test_a_pem_that_another_program_encrypted_does_not_ask_the_terminal(folders):
    keys, _ = folders
    issued = client_certificate("us-dea")
    key = load_pem_private_key(issued.key, None)
    (keys / "tls.pem").write_bytes(issued.certificate)
    write_secret(
        keys / "tls.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x" * 12))
    )
    with pytest.raises(ssl.SSLError):
        KeyStore().load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), keys / "tls.pem", keys / "tls.key")
