"""Keys as TUF metadata holds them, and what a document must be beyond its shape."""

from typing import Any

import pytest
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, Signature, SSlibKey

from broker.crypto.keys import PublicKey
from broker.directory.check import check_document
from broker.directory.tuf_keys import MlDsaKey, OwnSigner, public_of, tuf_key
from broker.errors import IntegrityError, SignatureError
from schemas.canonical import b64u
from schemas.problem import Code
from tests.builders import private_key
from tests.unit.directory.realm import document

SIGNERS = [pytest.param(alg, id=alg) for alg in ("Ed25519", "ML-DSA-65")]


@pytest.mark.parametrize("alg", SIGNERS)
def test_a_key_survives_metadata_and_verifies(alg: str) -> None:
    private = private_key(alg, "x")
    key = tuf_key(private.public, "IND")
    again = Key.from_dict(key.keyid, key.to_dict())
    assert again == key
    assert again.keyid == private.public.kid
    assert public_of(again) == private.public
    signer = OwnSigner(private)
    assert signer.public_key.keyid == key.keyid
    again.verify_signature(signer.sign(b"data"), b"data")


def test_ml_dsa_is_registered_and_ed25519_is_tufs_own() -> None:
    assert type(tuf_key(private_key("ML-DSA-65", "x").public)) is MlDsaKey
    assert type(tuf_key(private_key("Ed25519", "x").public)) is SSlibKey


BAD_SIGNATURES = [
    pytest.param(lambda s: "00" * (len(s) // 2), id="zeros"),
    pytest.param(lambda s: s[:-2], id="shorter"),
    pytest.param(lambda s: s + "00", id="longer"),
    pytest.param(lambda s: "zz" + s[2:], id="not-hex"),
    pytest.param(lambda _: "", id="empty"),
]


@pytest.mark.parametrize("alg", SIGNERS)
@pytest.mark.parametrize("spoil", BAD_SIGNATURES)
def test_a_bad_signature(alg: str, spoil: Any) -> None:
    signer = OwnSigner(private_key(alg, "x"))
    good = signer.sign(b"data")
    with pytest.raises(UnverifiedSignatureError):
        signer.public_key.verify_signature(Signature(good.keyid, spoil(good.signature)), b"data")
    with pytest.raises(UnverifiedSignatureError):
        signer.public_key.verify_signature(good, b"other data")


def test_a_signature_by_another_key() -> None:
    made = OwnSigner(private_key("ML-DSA-65", "x")).sign(b"data")
    with pytest.raises(UnverifiedSignatureError):
        tuf_key(private_key("ML-DSA-65", "y").public).verify_signature(made, b"data")


def test_a_signer_has_no_uri() -> None:
    with pytest.raises(ValueError, match="no URI"):
        OwnSigner.from_priv_key_uri("file:x", tuf_key(private_key("Ed25519", "x").public))


def _key(**over: Any) -> Key:
    made = tuf_key(private_key("ML-DSA-65", "x").public)
    row = {"keyid": made.keyid, "keytype": made.keytype, "scheme": made.scheme, "keyval": made.keyval, **over}
    return MlDsaKey(row["keyid"], row["keytype"], row["scheme"], row["keyval"])


BAD_KEYS = [
    pytest.param({"keytype": "rsa", "scheme": "rsassa-pss-sha256"}, id="other-type"),
    pytest.param({"scheme": "ml-dsa-65/1"}, id="other-scheme"),
    pytest.param({"keytype": "ed25519", "scheme": "ed25519"}, id="size-of-another-type"),
    pytest.param({"keyid": "x"}, id="id-not-the-thumbprint"),
    pytest.param({"keyval": {}}, id="no-value"),
    pytest.param({"keyval": {"public": 1}}, id="value-not-text"),
    pytest.param({"keyval": {"public": "zz"}}, id="value-not-hex"),
    pytest.param({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00" * 32}}, id="small-order"),
]


@pytest.mark.parametrize("over", BAD_KEYS)
def test_a_bad_key(over: dict[str, Any]) -> None:
    with pytest.raises(SignatureError) as refused:
        public_of(_key(**over))
    assert refused.value.code is Code.KEY_UNKNOWN


@pytest.mark.parametrize("over", BAD_KEYS[:1] + BAD_KEYS[3:5])
def test_a_bad_key_verifies_nothing(over: dict[str, Any]) -> None:
    good = OwnSigner(private_key("ML-DSA-65", "x")).sign(b"data")
    with pytest.raises(UnverifiedSignatureError):
        _key(**over).verify_signature(good, b"data")


def test_a_sound_document() -> None:
    check_document(document())


def _first(change: Any) -> Any:
    def apply(made: dict[str, Any]) -> None:
        change(made["agencies"][0])

    return apply


def _signing_key_for_wrapping(row: dict[str, Any]) -> None:
    row["keys"][0]["use"] = "wrap"


def _log_key_for_signing(row: dict[str, Any]) -> None:
    key = private_key("ML-DSA-44", "x").public
    row["keys"][0].update(alg="ML-DSA-44", kid=key.kid, public=b64u(key.raw))


UNSOUND = [
    pytest.param(_first(lambda a: a["keys"][0].update(public=b64u(bytes(32)))), "no sound Ed25519", id="small-order"),
    pytest.param(_first(lambda a: a["keys"][0].update(kid="A" * 43)), "not of its kid", id="kid-of-nothing"),
    pytest.param(_first(lambda a: a["keys"][1].update(public="AAAA")), "no sound ML-DSA-65", id="size"),
    pytest.param(_first(_signing_key_for_wrapping), "for the use wrap", id="signing-key-for-wrapping"),
    pytest.param(_first(_log_key_for_signing), "an ML-DSA-44 key of in-ncb for the use sign", id="log-key-for-signing"),
    pytest.param(
        _first(lambda a: a["certificates"][0].update(uri="urn:setu:agency:us-dea:g1")), "certificate", id="certificate"
    ),
    pytest.param(_first(lambda a: a.update(clients=["us-none"])), "a client of in-ncb", id="client-unknown"),
    pytest.param(_first(lambda a: a.update(clients=["in-ncb"])), "a client of in-ncb", id="client-itself"),
    pytest.param(lambda d: d["communities"][0]["members"].append("us-none"), "narcotics", id="member-unknown"),
    pytest.param(lambda d: d["logs"][0].update(gateway="us-none"), "a log", id="log-of-nobody"),
    pytest.param(lambda d: d["logs"][0].update(gateway="in-ncb"), "a log", id="log-of-no-gateway"),
    pytest.param(lambda d: d["logs"].append(d["logs"][0]), "two logs", id="two-logs"),
    pytest.param(
        lambda d: d["agreement"]["ranks"].append({**d["agreement"]["ranks"][0], "rank": 9}), "two ranks", id="two-ranks"
    ),
]


@pytest.mark.parametrize(("change", "fault"), UNSOUND)
def test_an_unsound_document(change: Any, fault: str) -> None:
    made = document().to_object()
    change(made)
    with pytest.raises(IntegrityError) as refused:
        check_document(type(document()).from_object(made))
    assert refused.value.code is Code.DIRECTORY_INVALID
    assert fault in refused.value.message


def test_only_two_algorithms_sign_metadata() -> None:
    other: PublicKey = private_key("ML-DSA-87", "x").public
    with pytest.raises(IntegrityError, match="only Ed25519 and ML-DSA-65"):
        tuf_key(other)
