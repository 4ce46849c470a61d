"""Each field of a packet, changed alone, at each place where somebody could change it."""

import json

import pytest

from broker.errors import PacketError
from schemas.canonical import b64u, canonical, unb64u
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.bend import edit, parent_of
from tests.builders import NOW, Realm, uuid7
from tests.forge import Forge, accept, man


@pytest.fixture(scope="module", params=list(SuiteName))
def realm(request):
    return Realm(request.param)


# Every single field, changed on its own.

LEAVES = [
    "/jwe/protected",
    "/jwe/aad",
    "/jwe/iv",
    "/jwe/ciphertext",
    "/jwe/tag",
    "/jwe/recipients/0/header/alg",
    "/jwe/recipients/0/header/kid",
    "/jwe/recipients/0/header/ek",
    "/jwe/recipients/0/encrypted_key",
    "/jwe/recipients/2/header/kid",
    "/jwe/recipients/2/encrypted_key",
    "/jws/payload",
    "/jws/signatures/0/protected",
    "/jws/signatures/0/signature",
    "/jws/signatures/1/protected",
    "/jws/signatures/1/signature",
]
HEADER = {
    "v": "setu2",
    "id": uuid7(99),
    "aud/realm": b64u(bytes(48)),
    "aud/gateway": "us-setu",
    "from": "us-cbp",
    "to/0/agency": "us-fbi",
    "to/0/kid": b64u(bytes(32)),
    "suite": "hybrid-512",
    "kind": "pen",
    "kind_version": 2,
    "handling/classification/system": "US",
    "handling/classification/level": "UNCLASSIFIED",
    "handling/tlp": "CLEAR",
    "handling/pap": "CLEAR",
    "handling/handling_code": "H0",
    "handling/dissem": ["REL"],
    "handling/releasable_to": ["IND", "USA", "GBR"],
    "handling/purpose": ["prosecution"],
    "handling/legal_basis": "EGMONT",
    "handling/permitted_actions": "externally-visible-direct",
    "handling/attribution": "may",
    "handling/retention/review_on": "2028-01-01",
    "handling/retention/purge_on": "2031-01-01",
    "handling/flags/personal_data": False,
    "handling/flags/sanitised": False,
    "precedence": "FLASH",
    "exercise": True,
    "thread": uuid7(98),
    "in_reply_to": b64u(bytes(48)),
    "act": {"does": "asks", "due": NOW},
    "sources": [b64u(bytes(48))],
    "iat": NOW + 1,
    "exp": NOW + 2,
    "commitment": b64u(bytes(48)),
    "sig/0": b64u(bytes(32)),
    "sig/1": b64u(bytes(32)),
}

OPTIONAL = {"in_reply_to", "act", "sources"}


@pytest.mark.parametrize("pointer", LEAVES)
def test_any_string_changed(realm, pointer):
    for change in (
        lambda text: text[:-2] + ("AA" if text[-2:] != "AA" else "BB"),
        lambda text: ("C" if text[0] == "B" else "B") + text[1:],
    ):
        with pytest.raises(PacketError):
            accept(Forge(realm, packet=edit(pointer, change)).make(), realm)


@pytest.mark.parametrize("name", HEADER)
def test_a_header_field_changed_on_the_way(realm, name):
    """With a manifest to match, so that only the signatures stand against it, or what they name."""
    packet = edit("/jwe/aad", lambda aad: b64u(canonical(_changed(unb64u(aad), name))))(Forge(realm).object())
    packet["jws"]["payload"] = b64u(man(packet["jwe"]))
    with pytest.raises(PacketError):
        accept(json.dumps(packet).encode(), realm)


@pytest.mark.parametrize("name", HEADER)
def test_a_header_field_changed_after_the_commitment(realm, name):
    """Signed, encrypted and wrapped anew with the changed header: the commitment still stands against it."""
    with pytest.raises(PacketError) as found:
        accept(Forge(realm, header=lambda raw: canonical(_changed(raw, name))).make(), realm)
    by_schema = {"v", "suite", "handling/classification/system"}
    by_place = {"aud/realm", "aud/gateway", "from", "to/0/agency", "to/0/kid", "sig/0", "sig/1"}
    assert (found.value.code is Code.COMMITMENT_MISMATCH) is (name not in by_schema | by_place)


def test_the_table_names_every_header_field(realm):
    fields = json.loads(unb64u(Forge(realm).object()["jwe"]["aad"]))
    assert {name.split("/")[0] for name in HEADER} == set(fields) | OPTIONAL
    assert {name.split("/")[1] for name in HEADER if name.startswith("handling")} == set(fields["handling"])


def _changed(raw, name):
    pointer = f"/{name}"
    value = json.loads(raw)
    if name in OPTIONAL:
        value[name] = ""
    assert parent_of(value, pointer)[0][parent_of(value, pointer)[1]] != HEADER[name]
    return edit(pointer, HEADER[name])(value)
