"""Every packet that must not be accepted, by name, with the code it gets."""

import json

import pytest

from broker.envelope.verify import parse
from broker.errors import PacketError
from schemas.canonical import unb64u
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.bend import parent_of
from tests.builders import Realm, private_key
from tests.faults import BENT, CHANGED
from tests.forge import Forge, refused, two_plaintexts

ENVELOPE, SIGNATURE = Code.ENVELOPE_INVALID, Code.SIGNATURE_INVALID


@pytest.fixture(scope="module", params=list(SuiteName))
def realm(request):
    return Realm(request.param)


# What the sender signs but may not: each is bent before the signatures are made.


@pytest.mark.parametrize(("code", "hooks"), [pytest.param(*case, id=name) for name, case in BENT.items()])
def test_refused_though_its_signatures_are_good(realm, code, hooks):
    refused(Forge(realm, **hooks).make(), realm, code)


def test_one_key_in_to_for_two_agencies(realm):
    shared = realm.wrap_key("us-dea")
    refused(Forge(realm, readers=[("us-dea", shared), ("us-cbp", shared)]).make(), realm, ENVELOPE)


@pytest.mark.parametrize("count", [65, 66, 200])
def test_too_many_recipients(count):
    realm = Realm()
    readers = [(f"us-a{n}", private_key("HPKE-9-KE", f"reader {n}").public) for n in range(count)]
    refused(Forge(realm, readers=readers).make(), realm, ENVELOPE)


@pytest.mark.parametrize("size", [0, 1, 15, 32, 32 + 512, 1055, 1057, 1055 + 64, 1057 + 64, 2**16])
def test_sizes_that_padding_never_has_are_seen_without_a_key(size):
    with pytest.raises(PacketError) as found:
        parse(Forge(Realm(), plain=lambda _: b"r" * size).make())
    assert found.value.code is ENVELOPE


@pytest.mark.parametrize("size", [1024, 1024 + 64, 2048, 2048 + 128])
def test_sizes_that_padding_has(size):
    assert parse(Forge(Realm(), plain=lambda _: b"r" * (32 + size)).make()).packet.jwe.ciphertext


# What somebody on the way changes after the signatures were made.


@pytest.mark.parametrize(("code", "change"), [pytest.param(*case, id=name) for name, case in CHANGED.items()])
def test_refused_when_changed_on_the_way(realm, code, change):
    refused(Forge(realm, packet=change).make(), realm, code)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
        pytest.param(b'{"jwe":1,"jwe":1,"jws":1}', id="a member twice"),
        pytest.param(b'{"jwe":NaN,"jws":1}', id="NaN"),
        pytest.param(b'{"jwe":1e999,"jws":1}', id="infinity by overflow"),
        pytest.param(b"[" * 33 + b"]" * 33, id="depth 33"),
        pytest.param(b"[" * 100_000, id="depth 100,000"),
        pytest.param(b'{"jwe":"\xc0\xaf","jws":1}', id="overlong UTF-8"),
        pytest.param(b'{"jwe":"\\ud800","jws":1}', id="a lone surrogate"),
        pytest.param(b'{"jwe":1,"jws":1}x', id="trailing bytes"),
        pytest.param(b'{"jwe":' + b"9" * 5000 + b',"jws":1}', id="a 5,000-digit number"),
    ],
)
def test_not_strict_json(raw):
    refused(raw, Realm(), Code.JSON_INVALID)


# Pieces of one good packet put into another.


def _transplant(pointer):
    def change(packet, other):
        parent, last = parent_of(packet, pointer)
        donor, _ = parent_of(other, pointer)
        parent[last] = donor[last]
        return packet

    return change


@pytest.mark.parametrize(
    ("pointer", "code"),
    [
        pytest.param("/jwe/recipients/0/encrypted_key", ENVELOPE, id="a wrapped key"),
        pytest.param("/jwe/recipients/0", ENVELOPE, id="a wrap"),
        pytest.param("/jwe/recipients", ENVELOPE, id="all wraps"),
        pytest.param("/jwe/aad", ENVELOPE, id="a header, with its commitment"),
        pytest.param("/jwe/ciphertext", ENVELOPE, id="a ciphertext"),
        pytest.param("/jws/payload", ENVELOPE, id="a manifest"),
        pytest.param("/jws", ENVELOPE, id="manifest and signatures"),
        pytest.param("/jws/signatures", SIGNATURE, id="signatures"),
        pytest.param("/jws/signatures/0", SIGNATURE, id="the classical signature"),
        pytest.param("/jws/signatures/1", SIGNATURE, id="the post-quantum signature"),
    ],
)
def test_a_piece_of_another_packet(realm, pointer, code):
    other = Forge(realm, payload=b'{"note":"other"}', r=b"R" * 32).object()
    refused(json.dumps(_transplant(pointer)(Forge(realm).object(), other)).encode(), realm, code)


def test_wraps_of_another_packet_signed_anew(realm):
    """A thief of ciphertext: the victim's content and wraps under the thief's own header and signatures."""
    victim = Forge(realm, to=("us-dea", "us-cbp")).object()["jwe"]
    stolen = {name: victim[name] for name in ("iv", "ciphertext", "tag", "recipients")}
    forged = Forge(realm, to=("us-dea", "us-cbp"), sender="in-audit", jwe=lambda jwe: {**jwe, **stolen})
    refused(forged.make(), realm, Code.WRAP_INVALID)


def test_commitment_of_another_packet_signed_anew(realm):
    victim = json.loads(unb64u(Forge(realm).object()["jwe"]["aad"]))
    forged = Forge(realm, r=b"R" * 32, commitment=lambda _: unb64u(victim["commitment"]))
    refused(forged.make(), realm, Code.COMMITMENT_MISMATCH)


def test_two_plaintexts_in_one_packet(realm):
    """Both content keys open the same ciphertext and tag (the forge checks that): no reader accepts either content."""
    raw = two_plaintexts(realm).make()
    for reader in ("us-dea", "us-cbp", "in-setu"):
        refused(raw, realm, Code.COMMITMENT_MISMATCH, reader=reader)
