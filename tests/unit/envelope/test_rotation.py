"""A request to rotate: what a good one says, and every way in which a bad one is refused, by name."""

import pytest

from broker.crypto.curves import montgomery_u
from broker.crypto.keys import thumbprint
from broker.envelope.jws import ENROLMENT_TYP, PACKET_TYP, ROTATION_PROOF_TYP, ROTATION_TYP, Signer, sign_both
from broker.envelope.rotation import parse_rotation
from broker.errors import PacketError
from schemas.canonical import b64u, canonical, parse, unb64u
from schemas.packet import SuiteName
from tests.builders import Realm
from tests.rotating import Rotator

ME = Rotator()
OTHER = Rotator(id="us-cbp")
AGAIN = Rotator(label="another")
SMALL_ORDER = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
LOW_U = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"


def refused(raw, code):
    with pytest.raises(PacketError) as found:
        parse_rotation(raw)
    assert found.value.code == code, str(found.value)
    return str(found.value)


@pytest.mark.parametrize(
    "parts",
    [
        ("sign", "wrap", "certificate"),
        ("sign",),
        ("wrap",),
        ("certificate",),
        ("sign", "wrap"),
        ("wrap", "certificate"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("suite", SuiteName)
def test_a_good_request(parts, suite):
    asks = Rotator(realm=Realm(suite), parts=parts)
    raw = asks.request()
    parsed = parse_rotation(raw + b"\n")
    wanted = [*(asks.signer.kids if "sign" in parts else ()), *([asks.wrap.public.kid] if "wrap" in parts else [])]
    assert [key.kid for key in parsed.keys] == wanted
    assert (parsed.body.agency, parsed.body.sig) == ("us-dea", asks.present.kids)
    assert (parsed.csr is not None) == ("certificate" in parts)
    assert canonical(parse(raw)) == raw


def test_it_holds_no_secret():
    raw, body = ME.request(), unb64u(parse(ME.request())["payload"])
    for key in (ME.signer.classical, ME.signer.post_quantum, ME.wrap, ME.present.classical):
        assert b64u(key.seed()).encode() not in raw + body
    assert b"".join(ME.tls.splitlines()[1:-1]) not in raw + body


def with_key(at, **over):
    def change(fields):
        keys = [dict(key) for key in fields["keys"]]
        keys[at] |= over
        return fields | {"keys": keys}

    return change


def offered(at, alg, raw):
    return with_key(at, public=b64u(raw), kid=thumbprint(alg, raw))


def halves(curve):
    return ME.wrap.public.raw[:-32] + curve


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(offered(0, "Ed25519", bytes.fromhex(SMALL_ORDER)), "key-unknown", id="ed25519-of-small-order"),
        pytest.param(offered(2, "HPKE-9-KE", halves(bytes.fromhex(LOW_U))), "key-unknown", id="x25519-of-low-order"),
        pytest.param(offered(1, "ML-DSA-65", bytes(1952)), "key-unknown", id="ml-dsa-without-secret"),
        pytest.param(with_key(0, kid=ME.wrap.public.kid), "key-unknown", id="a-kid-of-another-key"),
        pytest.param(lambda f: f | {"keys": [f["keys"][n] for n in (1, 0, 2)]}, "key-unknown", id="another-order"),
        pytest.param(lambda f: f | {"suite": "hybrid-1024"}, "signature-invalid", id="another-suite"),
        pytest.param(
            offered(2, "HPKE-9-KE", halves(montgomery_u(ME.signer.classical.public.raw))),
            "id-conflict",
            id="a-key-used-twice-in-its-other-form",
        ),
        pytest.param(lambda f: f | {"keys": f["keys"][:1]}, "schema", id="one-signing-key-alone"),
        pytest.param(lambda f: f | {"keys": f["keys"][1:]}, "schema", id="half-a-pair"),
        pytest.param(with_key(0, use="log"), "schema", id="a-key-of-another-use"),
        pytest.param(lambda f: f | {"name": "me"}, "schema", id="a-member-that-nobody-knows"),
        pytest.param(lambda f: f | {"v": "setu1.enrolment"}, "schema", id="another-format"),
    ],
)
def test_a_body_that_is_refused(change, code):
    refused(ME.bound(change(ME.body())), code)


def test_a_request_for_nothing():
    fields = {name: each for name, each in ME.body().items() if name != "certificate"} | {"keys": []}
    refused(Rotator(parts=()).signed(fields), "schema")


def envelope(**over):
    return canonical({name: each for name, each in (parse(ME.request()) | over).items() if each is not None})


def by(signer, typ):
    payload = parse(ME.request())["payload"]
    return [each.to_object() for each in sign_both(payload, signer, typ)]


def from_another(member, of=OTHER):
    """Taken out of another agency's request."""
    return parse(of.request())[member]


MIXED = Signer(ME.present.classical, ME.signer.post_quantum)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(envelope(proofs=None), id="new-keys-without-proof"),
        pytest.param(envelope(proofs=from_another("proofs")), id="proofs-of-another-request"),
        pytest.param(envelope(proofs=from_another("proofs", AGAIN)), id="proofs-by-other-keys-of-its-own"),
        pytest.param(envelope(proofs=by(ME.signer, ROTATION_TYP)), id="proofs-as-whoever-asks"),
        pytest.param(envelope(proofs=by(ME.signer, ENROLMENT_TYP)), id="proofs-as-for-an-enrolment"),
        pytest.param(envelope(proofs=by(ME.present, ROTATION_PROOF_TYP)), id="proofs-by-the-present-keys"),
        pytest.param(envelope(signatures=by(ME.signer, ROTATION_TYP)), id="asked-by-the-new-keys-themselves"),
        pytest.param(envelope(signatures=by(ME.present, PACKET_TYP)), id="signed-as-a-packet"),
        pytest.param(envelope(signatures=by(ME.present, ROTATION_PROOF_TYP)), id="signed-as-a-proof"),
        pytest.param(envelope(signatures=by(MIXED, ROTATION_TYP)), id="one-present-key-and-one-new"),
        pytest.param(envelope(signatures=by(ME.present, ROTATION_TYP)[::-1]), id="signatures-swapped"),
        pytest.param(envelope(signatures=by(ME.present, ROTATION_TYP)[:1]), id="one-signature"),
        pytest.param(envelope(signatures=[]), id="no-signature"),
        pytest.param(
            ME.signed(
                ME.body() | {"certificate": ME.body()["certificate"] | {"csr": AGAIN.body()["certificate"]["csr"]}}
            ),
            id="a-certificate-request-bound-to-other-keys",
        ),
        pytest.param(ME.signed(ME.body() | {"made": ME.made + 1}), id="a-certificate-request-bound-to-another-time"),
    ],
)
def test_what_proves_nothing(raw):
    refused(raw, "signature-invalid")


def test_proofs_where_there_is_nothing_to_prove():
    only = Rotator(parts=("wrap",))
    raw = canonical({**parse(only.request()), "proofs": by(ME.signer, ROTATION_PROOF_TYP)})
    refused(raw, "signature-invalid")


def test_a_certificate_request_of_another_agency():
    fields = ME.body()
    fields["certificate"] |= {"csr": OTHER.body()["certificate"]["csr"]}
    refused(ME.signed(fields), "sender-mismatch")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"{", "json-invalid", id="no-json"),
        pytest.param(b" " * 70_000, "too-large", id="too-large"),
        pytest.param(b"{}", "envelope-invalid", id="nothing-in-it"),
        pytest.param(envelope(extra=1), "envelope-invalid", id="a-member-more"),
        pytest.param(b" " + ME.request(), "envelope-invalid", id="not-canonical"),
        pytest.param(ME.signed({**ME.body(), "certificate": None}), "envelope-invalid", id="a-member-that-is-null"),
    ],
)
def test_a_form_that_is_refused(raw, code):
    refused(raw, code)
