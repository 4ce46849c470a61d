"""Proof bundles and receipts: what holds, and every way in which one does not."""

import pytest

from broker.cli.evidence import verify_proof, verify_receipt_file
from broker.cli.trust import Given, Trust
from broker.envelope.acknowledge import Statement, acknowledge, parse_acknowledgement
from broker.envelope.seal import seal
from broker.envelope.verify import parse as parse_packet
from broker.errors import IntegrityError, SetuError
from broker.merkle.note import LogSigner
from schemas.canonical import b64u, canonical, parse, unb64u
from schemas.evidence import AckEvent, AckPacket
from schemas.problem import Code
from tests.builders import NOW, ORIGIN, Realm, private_key
from tests.unit.cli.exchange import Exchange


def test_a_proof_proves_the_exchange():
    exchange = Exchange()
    proven = verify_proof(exchange.proof(), exchange.trust())
    assert proven.header == exchange.sealed.header
    assert [(index, entry.type) for index, entry in proven.entries] == [
        (1, "accepted"),
        (2, "delivered"),
        (3, "acknowledged"),
    ]
    assert proven.unchecked == ()


def test_with_the_logs_keys_alone_it_says_what_was_not_checked():
    exchange = Exchange()
    proven = verify_proof(exchange.proof(), exchange.trust(None))
    assert len(proven.entries) == 3
    assert "signatures" in proven.unchecked[0]


def test_an_acknowledgement_left_out_is_told():
    exchange = Exchange()
    proven = verify_proof(exchange.proof(acknowledgements=[]), exchange.trust())
    assert proven.unchecked == ("1 logged answer of a recipient: its own signed acknowledgement is not in the bundle",)


def bent(text, at=0):
    raw = bytearray(unb64u(text))
    raw[at] ^= 1
    return b64u(bytes(raw))


def other_header(exchange):
    header = exchange.sealed.header.to_object() | {"exercise": True}
    return {"aad": b64u(canonical(header))}


def other_manifest(exchange):
    man = parse(unb64u(exchange.proof().manifest)) | {"jwe": exchange.sealed.digest}
    return {"manifest": b64u(canonical(man))}


def spaced_manifest(exchange):
    return {"manifest": b64u(unb64u(exchange.proof().manifest) + b" ")}


def bent_signature(exchange):
    first, second = (each.to_object() for each in exchange.proof().signatures)
    return {"signatures": [first | {"signature": bent(first["signature"])}, second]}


def swapped_signatures(exchange):
    first, second = (each.to_object() for each in exchange.proof().signatures)
    return {"signatures": [second, first]}


def bent_receipt(exchange):
    first, *rest = (each.to_object() for each in exchange.proof().receipts)
    return {"receipts": [first | {"entry": bent(first["entry"], 20)}, *rest]}


def two_checkpoints(exchange):
    receipts = [each.to_object() for each in exchange.proof().receipts]
    exchange.entries.append(exchange.entry("policy_changed", NOW + 20, "in-setu"))
    return {"receipts": [*receipts[:2], exchange.receipt(3).to_object()]}


def another_packets_digest(exchange):
    return {"digest": exchange.realm.sealed("in-ncb", ["us-dea"]).digest}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(another_packets_digest, "manifest of this digest", id="another-digest"),
        pytest.param(other_header, "header that the manifest names", id="another-header"),
        pytest.param(lambda _: {"aad": b64u(b"{}")}, "manifest and a header", id="no-header"),
        pytest.param(other_manifest, "manifest of this digest", id="another-manifest"),
        pytest.param(spaced_manifest, "manifest of the format", id="a-manifest-not-canonical"),
        pytest.param(lambda _: {"manifest": "A"}, "manifest and a header", id="a-manifest-not-base64url"),
        pytest.param(bent_signature, "signatures that the entry counted", id="a-signature-bent"),
        pytest.param(swapped_signatures, "Ed25519", id="signatures-swapped"),
        pytest.param(bent_receipt, "path that leads", id="an-entry-bent"),
        pytest.param(two_checkpoints, "same checkpoint", id="two-checkpoints"),
        pytest.param(lambda _: {"receipts": []}, "same checkpoint", id="no-receipt"),
    ],
)
def test_a_bundle_that_was_changed_proves_nothing(change, said):
    exchange = Exchange()
    with pytest.raises(SetuError, match=said) as caught:
        verify_proof(exchange.proof(**change(exchange)), exchange.trust())
    assert caught.value.code in (Code.RECEIPT_INVALID, Code.SIGNATURE_INVALID)


def no_acceptance(exchange):
    return exchange.proof((2, 3))


def accepted_twice(exchange):
    exchange.entries.append(exchange.entries[1])
    return exchange.proof((1, 4))


def another_packets_entry(exchange):
    exchange.entries[2]["packet"] |= {"digest": b64u(bytes(48))}
    return exchange.proof()


def an_entry_without_packet(exchange):
    return exchange.proof((0, 1))


def another_recipient(exchange):
    exchange.entries[1] = exchange.entries[1] | {
        "packet": exchange.entries[1]["packet"] | {"to": ["us-cbp", "in-setu"]}
    }
    return exchange.proof()


def another_actor(exchange):
    exchange.entries[1]["actor"] = "us-cbp"
    return exchange.proof()


def another_realm(exchange):
    exchange.entries[1]["aud"] = {"realm": b64u(bytes(48)), "gateway": "in-setu"}
    return exchange.proof()


def other_evidence(exchange):
    exchange.entries[1]["evidence"] = b64u(bytes(48))
    return exchange.proof()


def an_acknowledgement_nobody_logged(exchange):
    return exchange.proof((1, 2))


def an_acknowledgement_under_anothers_name(exchange):
    exchange.entries[3]["actor"] = "us-cbp"
    return exchange.proof()


def an_acknowledgement_of_another_packet(exchange):
    named = AckPacket.from_object(
        {"from": "in-ncb", "id": exchange.sealed.header.id, "digest": b64u(bytes(48)), "index": 1}
    )
    statement = Statement(exchange.realm.aud, "us-dea", AckEvent.OPENED, NOW + 9, named)
    exchange.acks = [acknowledge(statement, exchange.realm.members["us-dea"].sign, exchange.realm.suite)]
    exchange.entries[3]["evidence"] = parse_acknowledgement(exchange.acks[0]).evidence
    return exchange.proof()


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        pytest.param(no_acceptance, "exactly one entry", id="no-acceptance"),
        pytest.param(accepted_twice, "exactly one entry", id="accepted-twice"),
        pytest.param(another_packets_entry, "this packet alone", id="another-packets-entry"),
        pytest.param(an_entry_without_packet, "this packet alone", id="an-entry-without-packet"),
        pytest.param(another_recipient, "what its header says", id="another-recipient"),
        pytest.param(another_actor, "what its header says", id="another-actor"),
        pytest.param(another_realm, "what its header says", id="another-realm"),
        pytest.param(other_evidence, "signatures that the entry counted", id="other-evidence"),
        pytest.param(
            an_acknowledgement_nobody_logged, "entry for each acknowledgement", id="an-acknowledgement-nobody-logged"
        ),
        pytest.param(
            an_acknowledgement_under_anothers_name,
            "entry for each acknowledgement",
            id="an-acknowledgement-under-anothers-name",
        ),
        pytest.param(
            an_acknowledgement_of_another_packet,
            "entry for each acknowledgement",
            id="an-acknowledgement-of-another-packet",
        ),
    ],
)
def test_even_the_logs_own_operator_cannot_forge_a_bundle(forged, said):
    exchange = Exchange()
    with pytest.raises(IntegrityError, match=said) as caught:
        verify_proof(forged(exchange), exchange.trust())
    assert caught.value.code is Code.RECEIPT_INVALID


def signed_by_another(exchange):
    """The operator seals in the sender's name, with the keys of another agency it runs."""
    draft = exchange.realm.draft("in-ncb")
    readers = [("us-dea", exchange.realm.wrap_key("us-dea")), ("in-setu", exchange.realm.wrap_key("in-setu"))]
    signer = exchange.realm.members["us-cbp"].sign
    exchange.sealed = seal(draft, b"{}", readers, signer, exchange.realm.suite)


def test_a_packet_signed_by_another_is_noticed_with_a_directory():
    exchange = Exchange()
    signed_by_another(exchange)
    parsed = parse_packet(exchange.sealed.raw)
    packet = exchange.entries[1]["packet"] | {"id": parsed.header.id, "digest": parsed.digest}
    exchange.entries[1] |= {"packet": packet, "evidence": parsed.evidence}
    proof = exchange.proof((1,), acknowledgements=[])
    verify_proof(proof, exchange.trust(None))
    with pytest.raises(SetuError) as caught:
        verify_proof(proof, exchange.trust())
    assert caught.value.code is Code.KEY_UNKNOWN


def test_an_acknowledgement_signed_by_another_is_noticed_with_a_directory():
    exchange = Exchange()
    named = parse_acknowledgement(exchange.acks[0]).body.packet
    statement = Statement(exchange.realm.aud, "us-dea", AckEvent.OPENED, NOW + 9, named)
    exchange.acks = [acknowledge(statement, exchange.realm.members["us-cbp"].sign, exchange.realm.suite)]
    exchange.entries[3]["evidence"] = parse_acknowledgement(exchange.acks[0]).evidence
    verify_proof(exchange.proof(), exchange.trust(None))
    with pytest.raises(SetuError, match="acknowledgement by us-dea") as caught:
        verify_proof(exchange.proof(), exchange.trust())
    assert caught.value.code is Code.KEY_UNKNOWN


def test_a_directory_shown_twice_is_an_alarm():
    exchange = Exchange()
    other = exchange.realm.with_(document={"name": "another", "version": 1})
    with pytest.raises(IntegrityError, match="two directories") as caught:
        verify_proof(exchange.proof(), exchange.trust(Given(other.snapshot)))
    assert caught.value.code is Code.DIRECTORY_INVALID


def test_another_logs_keys_prove_nothing():
    exchange = Exchange()
    ed25519, mldsa44 = LogSigner(ORIGIN, private_key("Ed25519", "x"), private_key("ML-DSA-44", "x")).vkeys
    log = exchange.log.model_copy(update={"ed25519": ed25519, "mldsa44": mldsa44})
    with pytest.raises(IntegrityError) as caught:
        verify_proof(exchange.proof(), Trust("in-setu", log, None))
    assert caught.value.code is Code.RECEIPT_INVALID


def test_a_receipt_gives_its_entry():
    exchange = Exchange()
    for trust in (exchange.trust(), exchange.trust(None)):
        assert verify_receipt_file(exchange.receipt(1), trust).type == "accepted"


def test_a_receipt_under_a_directory_not_held_is_refused():
    exchange = Exchange()
    newer = Realm(version=5, document={"logs": [exchange.log.to_object()]})
    with pytest.raises(IntegrityError) as caught:
        verify_receipt_file(exchange.receipt(1), exchange.trust(Given(newer.snapshot)))
    assert caught.value.code is Code.DIRECTORY_INVALID
