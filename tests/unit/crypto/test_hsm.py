"""A key in an HSM: what is wrong is said, a token that was away is found again, and no wrong signature comes out."""

import json
from pathlib import Path

import pkcs11
import pkcs11._pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass

from broker.assembly.keys import cursor_key
from broker.crypto.hsm import CURVES, Tokens
from broker.crypto.keyfile import parse_key, read_secret, write_key
from broker.crypto.place import Place, parse_place
from broker.crypto.signatures import sign, verify
from broker.errors import IntegrityError, UnavailableError
from schemas.canonical import b64u
from schemas.problem import Code
from tests.builders import private_key
from tests.softhsm import PIN

TOKEN = Place("setu")
LIBRARY = Path(pkcs11._pkcs11.__file__)
"""One that is no PKCS #11 module."""

SEEDS_CURSOR_KEY = "2f5fd2832792f6f4e0b5a0ad6f196c07b46a5c3c5e63ead147905cc46681a4a3"
"""By HMAC of the seed, as it was before a log key could be in an HSM."""


def stored(path, hsm, **over):
    """A key file of a new key, some of its members changed."""
    key = hsm.opened().generate("Ed25519", TOKEN, "sign")
    write_key(path, key, "sign")
    fields = json.loads(read_secret(path)) | over
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("over", "said"),
    [
        pytest.param({"pkcs11": "pkcs11:token=setu;object=sign?module-path=/x.so"}, "no library", id="module-path"),
        pytest.param({"pkcs11": "pkcs11:token=setu;object=sign?pin-value=4711"}, "no PIN", id="pin-value"),
        pytest.param({"pkcs11": "pkcs11:token=setu"}, "names a key", id="a-token-alone"),
        pytest.param({"pkcs11": "pkcs11:token=setu;object=other"}, "found 0 others", id="no-such-object"),
        pytest.param({"pkcs11": "pkcs11:token=setu;id=%00"}, "found 0 others", id="no-such-id"),
        pytest.param(
            {"kid": private_key("Ed25519", "x").public.kid}, "found 1 others", id="another-key-under-that-label"
        ),
        pytest.param({"alg": "ES384"}, "found 1 others", id="the-algorithm-of-another-key"),
        pytest.param({"alg": "ML-DSA-65"}, "found one of another algorithm", id="an-algorithm-no-hsm-holds"),
        pytest.param({"alg": "HPKE-9-KE"}, "found one of another algorithm", id="a-wrap-key"),
        pytest.param({"seed": b64u(bytes(32))}, "a key file", id="a-seed-beside"),
        pytest.param({"pkcs11": 5}, "a key file", id="a-number"),
    ],
)
def test_a_file_that_is_refused(tmp_path, hsm, over, said):
    raw = stored(tmp_path / "a.key", hsm, **over)
    with pytest.raises(IntegrityError) as found:
        parse_key(raw, tmp_path / "a.key", hsm.opened())
    assert found.value.code is Code.CONFIG_INVALID
    assert said in str(found.value)
    assert "4711" not in str(found.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda hsm: hsm.opened("no-such-pin"), "refuses it: PinIncorrect", id="wrong-pin"),
        pytest.param(lambda hsm: hsm.opened("1"), "refuses it: PinIncorrect", id="a-pin-too-short"),
        pytest.param(lambda hsm: Tokens(hsm.folder / "no.so", lambda _: b""), "none there", id="module-missing"),
        pytest.param(lambda hsm: Tokens(hsm.config, lambda _: b""), "does not load", id="module-no-library"),
        pytest.param(lambda _: Tokens(LIBRARY, lambda _: b""), "does not load", id="another-library"),
        pytest.param(lambda _: Tokens(LIBRARY.relative_to("/"), lambda _: b""), "none there", id="module-without-its-path"),
    ],
)  # fmt: skip
def test_a_way_in_that_is_refused(tmp_path, hsm, make, said):
    raw = stored(tmp_path / "a.key", hsm)
    with pytest.raises(IntegrityError) as found:
        parse_key(raw, tmp_path / "a.key", make(hsm))
    assert found.value.code is Code.CONFIG_INVALID
    assert said in str(found.value)
    assert "no-such-pin" not in str(found.value)


def test_no_way_in_at_all(tmp_path, hsm):
    with pytest.raises(IntegrityError, match="SETU_PKCS11_MODULE"):
        parse_key(stored(tmp_path / "a.key", hsm), tmp_path / "a.key")


def test_a_pin_that_was_refused_is_not_tried_again(hsm):
    """Else a gateway that asks each second locks the token."""
    asked = []
    tokens = Tokens(hsm.module, lambda token: asked.append(token) or b"no-such-pin")
    depths = []
    for _ in range(5):
        with pytest.raises(IntegrityError, match="PinIncorrect") as refused:
            tokens.generate("Ed25519", TOKEN, "a")
        depths.append(len(refused.traceback))
    assert asked == ["setu"]
    assert len(set(depths[1:])) == 1, "what is raised again and again does not grow"
    assert hsm.opened().generate("Ed25519", TOKEN, "a")


def test_a_token_that_is_not_there(hsm):
    with pytest.raises(UnavailableError, match="found none of that name"):
        hsm.opened().generate("Ed25519", Place("elsewhere"), "a")


def test_two_tokens_of_one_name(hsm):
    key = hsm.opened().generate("Ed25519", TOKEN, "a")
    (serial,) = (each.serial.decode() for each in pkcs11.lib(str(hsm.module)).get_tokens(token_label="setu"))
    hsm.token("setu")
    with pytest.raises(IntegrityError, match="serial="):
        hsm.opened().key("Ed25519", key.place, key.public.kid)
    named = Place("setu", serial, key.place.object, key.place.id)
    assert hsm.opened().key("Ed25519", named, key.public.kid).public == key.public


@pytest.mark.parametrize("alg", CURVES)
def test_a_token_that_was_away_is_opened_anew(hsm, alg):
    key = hsm.opened().generate(alg, TOKEN, "a")
    hsm.take_away()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="token setu"):
            sign(key, b"message")
    hsm.put_back()
    verify(key.public, b"message", sign(key, b"message"))


def test_a_session_that_was_lost_costs_nothing(hsm):
    key = hsm.opened().generate("Ed25519", TOKEN, "a")
    pkcs11.lib(str(hsm.module)).reinitialize()
    verify(key.public, b"message", sign(key, b"message"))


def test_another_key_in_its_place_signs_nothing(hsm):
    """The public half stays, the private one is exchanged."""
    key = hsm.opened().generate("Ed25519", TOKEN, "a")
    exchange(hsm, key.place)
    with pytest.raises(UnavailableError, match="nothing was signed"):
        sign(key, b"message")


def test_another_token_in_its_place_signs_nothing(hsm, tmp_path):
    key = hsm.opened().generate("Ed25519", TOKEN, "a")
    hsm.tokens.rename(tmp_path / "stolen")
    hsm.tokens.mkdir()
    hsm.token("setu")
    with pytest.raises(IntegrityError, match="found 0 others"):
        sign(key, b"message")


def exchange(hsm, place):
    library = pkcs11.lib(str(hsm.module))
    library.reinitialize()
    with library.get_token(token_label="setu").open(rw=True, user_pin=PIN) as session:
        session.get_key(ObjectClass.PRIVATE_KEY, label=place.object).destroy()
        kind, mechanism, curve = CURVES["Ed25519"]
        domain = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
        public, _ = domain.generate_keypair(mechanism=mechanism, store=True, label=place.object, id=place.id)
        public.destroy()


@pytest.mark.parametrize(
    "template",
    [
        pytest.param({Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: True}, id="extractable"),
        pytest.param({Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: False}, id="not-sensitive"),
    ],
)
def test_a_key_that_can_leave_is_refused(hsm, template):
    tokens = hsm.opened()
    kept = tokens.generate("Ed25519", TOKEN, "kept")
    library = pkcs11.lib(str(hsm.module))
    with library.get_token(token_label="setu").open(rw=True) as session:
        kind, mechanism, curve = CURVES["Ed25519"]
        domain = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
        public, _ = domain.generate_keypair(
            mechanism=mechanism, store=True, label="loose", id=b"\1", private_template=template
        )
        raw = bytes(public[Attribute.EC_POINT])[2:]
    kid = type(kept.public)("Ed25519", raw).kid
    with pytest.raises(IntegrityError, match="can be taken out"):
        tokens.key("Ed25519", parse_place("pkcs11:token=setu;object=loose"), kid)


def test_what_is_made_there_cannot_leave(hsm):
    key = hsm.opened().generate("ES384", TOKEN, "a")
    library = pkcs11.lib(str(hsm.module))
    (found,) = library.get_token(token_label="setu").open().get_objects({Attribute.LABEL: "a", Attribute.CLASS: ObjectClass.PRIVATE_KEY})  # fmt: skip
    assert found[Attribute.NEVER_EXTRACTABLE]
    assert found[Attribute.ALWAYS_SENSITIVE]
    with pytest.raises(pkcs11.AttributeSensitive):
        found[Attribute.VALUE]
    assert not hasattr(key, "seed")


def test_cursors_of_a_log_key(hsm):
    """The same after a restart, and another log's are others; those of a seed are what they were."""
    key = hsm.opened().generate("Ed25519", TOKEN, "a")
    again = hsm.opened().key("Ed25519", key.place, key.public.kid)
    assert cursor_key(again) == cursor_key(key)
    assert len(cursor_key(key)) == 32
    assert cursor_key(hsm.opened().generate("Ed25519", TOKEN, "b")) != cursor_key(key)
    assert cursor_key(private_key("Ed25519", "a")).hex() == SEEDS_CURSOR_KEY


def test_a_key_whose_signatures_differ_derives_nothing(hsm):
    with pytest.raises(IntegrityError, match="two that differ"):
        hsm.opened().generate("ES384", TOKEN, "a").derive(b"label")
