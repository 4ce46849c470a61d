"""What packet.md says is what the vectors hold, by a reader that shares no code with the broker."""

import json
from importlib.resources import files
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from tests.unit.schemas.spec import reader

SUITES = {
    "hybrid-768": {"first": "Ed25519", "second": "ML-DSA-65", "wrap": "HPKE-9-KE", "ek": 1120, "sizes": (64, 3309)},
    "hybrid-1024": {"first": "ES384", "second": "ML-DSA-87", "wrap": "HPKE-10-KE", "ek": 1665, "sizes": (96, 4627)},
}


def vectors(suite: str) -> dict[str, Any]:
    return json.loads(files("schemas").joinpath("spec", "vectors", f"{suite}.json").read_text())


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return request.param


def test_keys_expand_and_are_named_as_section_3_says(suite: str) -> None:
    for key in vectors(suite)["keys"]:
        _, public = reader.expand(key["alg"], reader.unb64u(key["seed"]))
        assert reader.b64u(public) == key["public"]
        assert reader.kid(key["alg"], public) == key["kid"]


def test_packets_verify_and_open_as_section_9_says(suite: str) -> None:
    document, names = vectors(suite), SUITES[suite]
    by_kid = {key["kid"]: key for key in document["keys"]}
    for vector in document["packets"]:
        jwe, jws = vector["packet"]["jwe"], vector["packet"]["jws"]
        assert jwe["protected"] == "eyJlbmMiOiJBMjU2R0NNIiwidHlwIjoic2V0dTErandlIn0"
        man = reader.manifest(jwe)
        assert reader.b64u(man) == jws["payload"]
        assert reader.b64u(reader.sha384(man)) == vector["digest"]
        header = json.loads(reader.unb64u(jwe["aad"]))
        assert reader.jcs(header) == reader.unb64u(jwe["aad"])
        assert header["aud"]["realm"] == document["realm"]
        for each, alg, kid, size in zip(
            jws["signatures"], (names["first"], names["second"]), header["sig"], names["sizes"], strict=True
        ):
            protected = {"alg": alg, "kid": kid, "typ": "setu1+jws"}
            assert reader.unb64u(each["protected"]) == reader.jcs(protected)
            signature = reader.unb64u(each["signature"])
            assert len(signature) == size
            signed = f"{each['protected']}.{jws['payload']}".encode()
            public = reader.unb64u(by_kid[kid]["public"])
            reader.verify(alg, public, signed, signature)
            with pytest.raises(InvalidSignature):
                reader.verify(alg, public, signed + b".", signature)
        for position, to in enumerate(header["to"]):
            wrap = jwe["recipients"][position]
            assert (wrap["header"]["kid"], wrap["header"]["alg"]) == (to["kid"], names["wrap"])
            assert len(reader.unb64u(wrap["header"]["ek"])) == names["ek"]
            plain = reader.open_content(jwe, position, names["wrap"], reader.unb64u(by_kid[to["kid"]]["seed"]))
            assert reader.commitment(header, plain) == reader.unb64u(header["commitment"])
            payload = vector["payload"].encode()
            body = len(payload).to_bytes(4, "big") + payload
            assert len(plain) == 32 + max(1024, reader.padme(len(body)))
            assert plain[32:] == body + bytes(len(plain) - 32 - len(body))


def test_acknowledgements_verify_as_section_11_says(suite: str) -> None:
    document, names = vectors(suite), SUITES[suite]
    by_kid = {key["kid"]: key for key in document["keys"]}
    for vector in document["acknowledgements"]:
        ack = vector["acknowledgement"]
        body = json.loads(reader.unb64u(ack["payload"]))
        assert reader.jcs(body) == reader.unb64u(ack["payload"])
        for each, alg, kid in zip(ack["signatures"], (names["first"], names["second"]), body["sig"], strict=True):
            assert json.loads(reader.unb64u(each["protected"])) == {"alg": alg, "kid": kid, "typ": "setu1+ack"}
            signed = f"{each['protected']}.{ack['payload']}".encode()
            reader.verify(alg, reader.unb64u(by_kid[kid]["public"]), signed, reader.unb64u(each["signature"]))


@pytest.mark.parametrize(
    ("size", "padded"), [(1024, 1024), (1025, 1088), (2000, 2048), (5000, 5120), (100_000, 100_352)]
)
def test_padme_examples(size: int, padded: int) -> None:
    assert reader.padme(size) == padded
