"""An enrolment request: what a good one says, and every way in which a bad one is refused, by name."""

import pytest

from broker.crypto.curves import montgomery_u
from broker.crypto.keys import PublicKey, thumbprint
from broker.crypto.requests import request_certificate
from broker.envelope.enrolment import answer_challenge, binding_of, check_answer, make_challenge, parse_enrolment
from broker.envelope.jws import PACKET_TYP, Signer, sign_both
from broker.errors import PacketError
from schemas.canonical import b64u, canonical, parse, unb64u
from schemas.enrolment import Answer, Challenge
from schemas.packet import SuiteName
from tests.builders import private_key
from tests.enrolling import Applicant

ME = Applicant()
OTHER = Applicant(label="other")
BIG = Applicant(suite=SuiteName.HYBRID_1024)
SEED = bytes(range(32))


def refused(raw, code, call=parse_enrolment):
    with pytest.raises(PacketError) as found:
        call(raw)
    assert found.value.code == code, str(found.value)
    return found.value


@pytest.mark.parametrize("applicant", [ME, BIG], ids=lambda each: each.suite)
def test_a_good_request(applicant):
    raw = applicant.request()
    parsed = parse_enrolment(raw)
    assert (parsed.body.agency, parsed.body.name, parsed.body.suite) == ("us-tst", "Test Service", applicant.suite)
    assert [key.kid for key in parsed.keys] == [*applicant.signer.kids, applicant.wrap.public.kid]
    assert canonical(parse(raw)) == raw
    assert parse_enrolment(raw + b"\r\n") == parsed


def test_it_holds_no_secret():
    raw, body = ME.request(), unb64u(parse(ME.request())["payload"])
    for key in (ME.signer.classical, ME.signer.post_quantum, ME.wrap):
        assert b64u(key.seed()).encode() not in raw + body
    secret = b"".join(ME.tls.splitlines()[1:-1])
    assert secret not in raw + body


def test_the_fingerprint_stands_for_every_key():
    prints = {each.parsed().fingerprint for each in (ME, OTHER, Applicant(name="Another"), Applicant(id="us-tsu"))}
    assert len(prints) == 4


def with_key(at, **over):
    def change(fields):
        keys = [dict(key) for key in fields["keys"]]
        keys[at] |= over
        return fields | {"keys": keys}

    return change


def offered(at, alg, raw):
    """Key bytes that no key object exists for, under their right thumbprint."""

    return with_key(at, public=b64u(raw), kid=thumbprint(alg, raw))


def halves(raw, curve):
    return raw[: -len(curve)] + curve


def off_curve(raw):
    return raw[:-1] + bytes([raw[-1] ^ 1])


SMALL_ORDER = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
LOW_U = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
NO_SECRET_65 = SEED + bytes(1920)
NO_SECRET_768 = bytes(1152) + SEED

BAD_KEYS = [
    pytest.param(ME, offered(0, "Ed25519", bytes.fromhex(SMALL_ORDER)), id="ed25519-of-small-order"),
    pytest.param(ME, offered(0, "Ed25519", bytes.fromhex("01" + "00" * 31)), id="ed25519-the-neutral-point"),
    pytest.param(
        ME, offered(2, "HPKE-9-KE", halves(ME.wrap.public.raw, bytes.fromhex(LOW_U))), id="x25519-of-low-order"
    ),
    pytest.param(ME, offered(2, "HPKE-9-KE", halves(ME.wrap.public.raw, bytes(32))), id="x25519-zero"),
    pytest.param(ME, offered(2, "HPKE-9-KE", NO_SECRET_768 + ME.wrap.public.raw[-32:]), id="ml-kem-without-secret"),
    pytest.param(ME, offered(1, "ML-DSA-65", NO_SECRET_65), id="ml-dsa-without-secret"),
    pytest.param(BIG, offered(0, "ES384", off_curve(BIG.signer.classical.public.raw)), id="p384-off-the-curve"),
    pytest.param(BIG, offered(2, "HPKE-10-KE", off_curve(BIG.wrap.public.raw)), id="p384-half-off-the-curve"),
    pytest.param(ME, with_key(0, kid=ME.wrap.public.kid), id="a-kid-of-another-key"),
    pytest.param(ME, with_key(0, use="wrap"), id="a-key-of-another-use"),
    pytest.param(ME, lambda f: f | {"keys": f["keys"][::-1]}, id="another-order"),
    pytest.param(ME, lambda f: f | {"suite": "hybrid-1024"}, id="keys-of-another-suite"),
]


@pytest.mark.parametrize(("applicant", "change"), BAD_KEYS)
def test_keys_that_are_refused(applicant, change):
    refused(applicant.bound(change(applicant.body())), "key-unknown")


def twice_on_curve25519(fields):
    """The X25519 half of the wrap key is the signing key in its other form."""

    u = montgomery_u(ME.signer.classical.public.raw)
    return offered(2, "HPKE-9-KE", halves(ME.wrap.public.raw, u))(fields)


def twice_on_p384(fields):
    return offered(2, "HPKE-10-KE", halves(BIG.wrap.public.raw, BIG.signer.classical.public.raw))(fields)


@pytest.mark.parametrize(
    ("applicant", "change"),
    [
        pytest.param(ME, twice_on_curve25519, id="ed25519-and-x25519"),
        pytest.param(BIG, twice_on_p384, id="es384-and-the-p384-half"),
    ],
)
def test_a_key_used_twice(applicant, change):
    fields = change(applicant.body())
    PublicKey(fields["keys"][2]["alg"], unb64u(fields["keys"][2]["public"]))
    assert "used twice" in str(refused(applicant.bound(fields), "id-conflict"))


def envelope(**over):
    return canonical(parse(ME.request()) | over)


def with_typ(typ):
    payload = parse(ME.request())["payload"]
    return envelope(signatures=[each.to_object() for each in sign_both(payload, ME.signer, typ)])


def swapped():
    first, second = parse(ME.request())["signatures"]
    return envelope(signatures=[second, first])


def doubled():
    first, _ = parse(ME.request())["signatures"]
    return envelope(signatures=[first, first])


def another_signed_half():
    return ME.signed(ME.body(), Signer(ME.signer.classical, OTHER.signer.post_quantum))


def foreign_csr(**over):
    """A certificate request out of somebody else's enrolment."""
    return ME.signed(ME.body() | {"csr": OTHER.body()["csr"]} | over)


def self_made_csr(agency="us-tst", generation=1, key=None):

    der = request_certificate(key or ME.tls, agency, generation, binding_of(ME.body()))
    return ME.signed(ME.body() | {"csr": b64u(der)})


def broken_csr():
    der = bytearray(unb64u(ME.body()["csr"]))
    der[-1] ^= 1
    return ME.signed(ME.body() | {"csr": b64u(bytes(der))})


def under_anothers_name(place):
    """One of the two keys is somebody else's: whoever asks names it rightly, and signs with another."""
    signatures = parse(ME.request())["signatures"]
    signatures[place]["signature"] = parse(OTHER.signed(ME.body()))["signatures"][place]["signature"]
    return lambda: envelope(signatures=signatures)


UNPROVEN = [
    pytest.param(under_anothers_name(0), "signature-invalid", id="a-classical-key-without-proof"),
    pytest.param(under_anothers_name(1), "signature-invalid", id="a-post-quantum-key-without-proof"),
    pytest.param(lambda: canonical({"payload": parse(ME.request())["payload"]}), "signature-invalid", id="no-proof"),
    pytest.param(lambda: envelope(signatures=[]), "signature-invalid", id="no-signature"),
    pytest.param(doubled, "signature-invalid", id="one-signature-twice"),
    pytest.param(swapped, "signature-invalid", id="signatures-swapped"),
    pytest.param(lambda: ME.signed(ME.body(), OTHER.signer), "signature-invalid", id="signed-by-other-keys"),
    pytest.param(another_signed_half, "signature-invalid", id="one-signature-by-another-key"),
    pytest.param(lambda: with_typ(PACKET_TYP), "signature-invalid", id="signatures-of-another-typ"),
    pytest.param(
        lambda: envelope(payload=b64u(canonical(ME.body() | {"name": "Another"}))),
        "signature-invalid",
        id="body-changed-afterwards",
    ),
    pytest.param(foreign_csr, "signature-invalid", id="a-certificate-request-bound-to-other-keys"),
    pytest.param(lambda: self_made_csr("us-dea"), "sender-mismatch", id="a-certificate-request-of-another-agency"),
    pytest.param(
        lambda: self_made_csr(generation=2), "sender-mismatch", id="a-certificate-request-of-another-generation"
    ),
    pytest.param(broken_csr, "signature-invalid", id="a-certificate-request-without-proof"),
    pytest.param(lambda: ME.signed(ME.body() | {"csr": "AAAA"}), "key-unknown", id="no-certificate-request"),
]


@pytest.mark.parametrize(("made", "code"), UNPROVEN)
def test_a_request_without_proof_or_with_anothers(made, code):
    refused(made(), code)


MALFORMED = [
    pytest.param(lambda: b"{", "json-invalid", id="no-json"),
    pytest.param(lambda: b"[]", "envelope-invalid", id="no-object"),
    pytest.param(lambda: envelope(more="x"), "envelope-invalid", id="a-member-too-many"),
    pytest.param(lambda: ME.request().replace(b":", b": ", 1), "envelope-invalid", id="not-canonical"),
    pytest.param(lambda: ME.signed(ME.body() | {"mood": "good"}), "schema", id="a-member-too-many-in-the-body"),
    pytest.param(lambda: ME.signed(ME.body() | {"agency": "us-d\u0435a"}), "schema", id="a-cyrillic-letter-in-the-id"),
    pytest.param(lambda: ME.signed(ME.body() | {"name": "a\u202eb"}), "schema", id="a-name-that-turns-around"),
    pytest.param(lambda: b" " * 70_000, "too-large", id="too-large"),
]


@pytest.mark.parametrize(("made", "code"), MALFORMED)
def test_what_is_no_request(made, code):
    refused(made(), code)


@pytest.mark.parametrize("applicant", [ME, BIG], ids=lambda each: each.suite)
def test_the_wrap_key_answers(applicant):
    parsed = applicant.parsed()
    challenge, kept = make_challenge(parsed, lambda n: SEED[:n])
    answer = answer_challenge(parsed, Challenge.from_json(challenge.canonical()), applicant.wrap)
    check_answer(parsed, kept, Answer.from_json(answer.canonical()))
    assert b64u(SEED) not in (challenge.canonical() + kept.canonical() + answer.canonical()).decode()


def test_another_key_gives_no_answer():
    parsed = ME.parsed()
    challenge, _ = make_challenge(parsed, lambda n: SEED[:n])
    refused(private_key("HPKE-9-KE", "stranger"), "wrap-invalid", lambda key: answer_challenge(parsed, challenge, key))


def test_who_enrols_anothers_wrap_key_gets_no_answer_out_of_its_owner():
    """The owner's program answers for its own request alone: the wrap is bound to the request."""
    thief = Applicant(id="us-thf", label="thief")
    stolen = parse_enrolment(thief.request(ME.wrap))
    challenge, _ = make_challenge(stolen, lambda n: SEED[:n])
    mine = ME.parsed()
    refused(challenge, "wrap-invalid", lambda each: answer_challenge(mine, each, ME.wrap))
    relabelled = challenge.model_copy(update={"request": mine.digest})
    refused(relabelled, "wrap-invalid", lambda each: answer_challenge(mine, each, ME.wrap))


def test_an_answer_is_good_for_its_own_challenge_alone():
    parsed = ME.parsed()
    first, kept = make_challenge(parsed, lambda n: SEED[:n])
    second, _ = make_challenge(parsed, bytes)
    answer = answer_challenge(parsed, second, ME.wrap)
    refused(answer, "signature-invalid", lambda each: check_answer(parsed, kept, each))
    right = answer_challenge(parsed, first, ME.wrap)
    other = OTHER.parsed()
    refused(right, "wrap-invalid", lambda each: check_answer(other, kept, each))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"ek": "AAAA"}, id="ek-too-short"),
        pytest.param({"encrypted_key": "A" * 64}, id="another-wrap"),
        pytest.param({"ek": "B"}, id="no-base64url"),
    ],
)
def test_a_challenge_that_was_changed(change):
    parsed = ME.parsed()
    challenge, _ = make_challenge(parsed, lambda n: SEED[:n])
    with pytest.raises(PacketError):
        answer_challenge(parsed, challenge.model_copy(update=change), ME.wrap)
