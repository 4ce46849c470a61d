"""A private key signs: the same of a key in a file and of one in an HSM."""

import copy
import pickle
import threading

import pytest

from broker.crypto.keyfile import parse_key, read_secret, write_key
from broker.crypto.keys import PrivateKey
from broker.crypto.keystore import KeyStore
from broker.crypto.place import parse_place
from broker.crypto.signatures import SIGNATURE_SIZES, sign, verify
from broker.crypto.wrap import unwrap
from broker.errors import SignatureError
from tests.builders import private_key

TOKEN = parse_place("pkcs11:token=setu")
pytestmark = pytest.mark.parametrize("alg", ["Ed25519", "ES384"])


class Keys:
    """Makes and reads keys of one kind."""

    def __init__(self, engine, request):
        self.tokens = request.getfixturevalue("hsm").opened() if engine == "hsm" else None

    def make(self, alg, label="a") -> PrivateKey:
        return private_key(alg, label) if self.tokens is None else self.tokens.generate(alg, TOKEN, label)

    def store(self) -> KeyStore:
        return KeyStore(tokens=None if self.tokens is None else lambda: self.tokens)


@pytest.fixture(params=["file", "hsm"])
def keys(request):
    return Keys(request.param, request)


@pytest.mark.parametrize("message", [b"", b"message", bytes(100_000)], ids=["empty", "short", "long"])
def test_what_is_signed_verifies(keys, alg, message):
    key = keys.make(alg)
    signature = sign(key, message)
    assert len(signature) == SIGNATURE_SIZES[alg]
    verify(key.public, message, signature)
    with pytest.raises(SignatureError):
        verify(key.public, message + b"\0", signature)


def test_what_is_written_is_read(keys, alg, tmp_path):
    key = keys.make(alg)
    write_key(tmp_path / "a.key", key, "sign")
    read = keys.store().key(tmp_path / "a.key", "sign")
    assert read.public == key.public
    verify(key.public, b"message", sign(read, b"message"))
    assert [use for use, _ in keys.store().keys_in(tmp_path)] == ["sign"]
    assert parse_key(read_secret(tmp_path / "a.key"), tmp_path, keys.tokens)[1].stored() == key.stored()


def test_two_keys_are_two(keys, alg):
    one, other = keys.make(alg, "a"), keys.make(alg, "b")
    assert one.public != other.public
    with pytest.raises(SignatureError):
        verify(other.public, b"message", sign(one, b"message"))


def test_it_is_not_shown_and_not_copied(keys, alg):
    key = keys.make(alg)
    assert "seed hidden" in repr(key) or "pkcs11:token=setu" in repr(key)
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            leak(key)


def test_it_opens_no_wrap(keys, alg):
    with pytest.raises(SignatureError):
        unwrap(keys.make(alg), bytes(1120), bytes(48), b"")


def test_several_threads_sign_at_once(keys, alg):
    key = keys.make(alg)
    wrong = []

    def work(number):
        try:
            for n in range(25):
                verify(key.public, b"%d.%d" % (number, n), sign(key, b"%d.%d" % (number, n)))
        except Exception as error:  # noqa: BLE001 - told by the test
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []
