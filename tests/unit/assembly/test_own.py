"""Keys taken up from their folder while a program runs, and a certificate taken up by its transport."""

import pytest

from broker.assembly.own import FolderKeys
from broker.crypto.keyfile import write_key
from broker.envelope.jws import Signer
from broker.errors import IntegrityError
from schemas.directory import KeyUse
from tests.builders import NOW, Realm, key_row, private_key

ALGS = ("Ed25519", "ML-DSA-65")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "keys"
    made.mkdir(mode=0o700)
    put(made, "us-dea")
    return made


def put(folder, label):
    for alg in ALGS:
        write_key(folder / f"sign-{alg}-{label}.key", private_key(alg, label), "sign")
    write_key(folder / f"wrap-{label}.key", private_key("HPKE-9-KE", label), "wrap")


def listing(*labels):
    rows = [
        key_row(private_key(alg, label), KeyUse.SIGN, not_before=NOW - 100 + n).to_object()
        for n, label in enumerate(labels)
        for alg in ALGS
    ]
    return Realm(agencies={"us-dea": {"keys": rows}}).snapshot


def signer(label):
    return Signer(*(private_key(alg, label) for alg in ALGS)).kids


def test_new_keys_are_taken_up_once_the_directory_lists_them(folder):
    own = FolderKeys(folder, "us-dea")
    kid = private_key("HPKE-9-KE", "next").public.kid
    assert (own.wraps.get(kid), len(own.wraps)) == (None, 1)
    put(folder, "next")
    assert own.signer(listing("us-dea"), NOW).kids == signer("us-dea")
    assert own.signer(listing("us-dea", "next"), NOW).kids == signer("next")
    assert own.wraps[kid].public.kid == kid
    assert set(own.wraps) == {kid, private_key("HPKE-9-KE", "us-dea").public.kid}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: (folder / "half.key").write_bytes(b'{"v":"setu1.'), id="a-file-half-written"),
        pytest.param(lambda folder: (folder / "sign-Ed25519-us-dea.key").unlink(), id="one-of-a-pair-gone"),
        pytest.param(lambda folder: (folder / "wrap-us-dea.key").chmod(0o644), id="readable-by-others"),
    ],
)
def test_in_the_middle_of_a_change_what_was_stays_in_use(folder, spoil):
    own = FolderKeys(folder, "us-dea")
    spoil(folder)
    assert own.signer(listing("us-dea"), NOW).kids == signer("us-dea")


def test_a_folder_without_both_kinds_is_no_agencys(folder):
    (folder / "sign-ML-DSA-65-us-dea.key").unlink()
    with pytest.raises(IntegrityError) as found:
        FolderKeys(folder, "us-dea")
    assert found.value.code == "config-invalid"
