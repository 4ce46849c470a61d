import json
from dataclasses import replace

import pytest

from broker.crypto.suites import SUITES
from broker.envelope.content import check_commitment, commitment
from broker.envelope.open import open_packet
from broker.envelope.seal import Signer, seal
from broker.envelope.shape import text_of
from broker.envelope.verify import check_recipients, check_signatures, parse
from broker.errors import MalformedError, PacketError, SignatureError
from schemas.canonical import b64u, canonical, unb64u
from schemas.packet import Packet, SuiteName
from schemas.problem import Code
from tests.builders import Realm, handling, private_key
from tests.forge import Forge, accept, padded, verified

READERS = ["us-dea", "us-cbp", "in-setu"]


@pytest.fixture(scope="module", params=list(SuiteName))
def realm(request):
    return Realm(request.param)


def test_every_reader_opens_what_was_sealed(realm):
    sealed = realm.sealed("in-ncb", READERS, payload=b'{"note":"x"}')
    assert [accept(sealed.raw, realm, reader) for reader in READERS] == [b'{"note":"x"}'] * 3


def test_what_another_maker_seals_is_accepted(realm):
    assert accept(Forge(realm).make(), realm) == Forge(realm).payload


def test_what_is_parsed_is_what_was_sealed(realm):
    sealed = realm.sealed("in-ncb", READERS)
    parsed = parse(sealed.raw)
    assert (parsed.header, parsed.digest, parsed.raw) == (sealed.header, sealed.digest, sealed.raw)
    assert parsed.jwe == text_of(Packet.from_json(sealed.raw).jwe)
    assert parsed.hdr == sealed.header.canonical()


@pytest.mark.parametrize("over", [{}, {"in_reply_to": "A" * 64}, {"handling": handling(tlp="GREEN")}])
def test_a_header_without_its_commitment_is_what_is_left_when_it_is_cut_out(realm, over):
    sealed = realm.sealed("in-ncb", READERS, **over)
    plain = bytes(range(32)) + b"content"
    fields = json.loads(sealed.header.canonical())
    fields["commitment"] = b64u(commitment(fields, plain))
    hdr = canonical(fields)
    check_commitment(hdr, fields["commitment"], plain)
    with pytest.raises(PacketError):
        check_commitment(hdr, fields["commitment"], plain + b".")


def test_gateway_among_the_readers_means_open(realm):
    assert realm.sealed("in-ncb", ["us-dea", "in-setu"]).header.open
    assert not realm.sealed("in-ncb", ["us-dea"]).header.open


def test_randomness_is_asked_for_in_the_stated_order(realm):
    asked = []

    def random(size):
        asked.append(size)
        return bytes([len(asked)]) * size

    readers = [("us-dea", realm.wrap_key("us-dea"))]
    sealed = seal(realm.draft("in-ncb"), b"{}", readers, realm.members["in-ncb"].sign, realm.suite, random=random)
    assert asked == [32, 32, 12]
    assert json.loads(sealed.raw)["jwe"]["iv"] == b64u(b"\3" * 12)


def test_the_outer_form_is_not_the_packet(realm):
    """Whitespace and member order outside the signed strings may change on the way; the digest does not."""
    sealed = realm.sealed("in-ncb", READERS)
    packet = json.loads(sealed.raw)
    spread = json.dumps({"jws": packet["jws"], "jwe": dict(reversed(packet["jwe"].items()))}, indent=1).encode()
    parsed = verified(spread, realm)
    assert parsed.digest == sealed.digest
    assert parsed.evidence == parse(sealed.raw).evidence


@pytest.mark.parametrize("size", [0, 1, 1019, 1020, 1021, 4092, 5000, 70_000])
def test_sizes_of_payloads_are_blurred(realm, size):
    sealed = realm.sealed("in-ncb", ["us-dea"], payload=b"x" * size)
    assert len(unb64u(json.loads(sealed.raw)["jwe"]["ciphertext"])) == len(padded(bytes(32), b"x" * size))
    assert accept(sealed.raw, realm) == b"x" * size


def test_evidence_changes_with_the_signatures_and_the_digest_does_not(realm):
    packet = Forge(realm).object()
    again = Forge(realm, jwe=lambda _: packet["jwe"]).object()
    one, two = (parse(json.dumps(each).encode()) for each in (packet, again))
    assert one.digest == two.digest
    assert one.evidence != two.evidence


def test_a_retired_key_still_opens(realm):
    sealed = realm.sealed("in-ncb", ["us-dea"])
    keys = {
        key.public.kid: key for key in (private_key(SUITES[realm.suite].wrap, "newer"), realm.members["us-dea"].wrap)
    }
    assert open_packet(parse(sealed.raw), "us-dea", keys) == b'{"note":"x"}'


def _readers(realm, *agencies):
    return [(agency, realm.wrap_key(agency)) for agency in agencies]


def _many(realm, count):
    key = SUITES[realm.suite].wrap
    return [(f"us-a{n}", private_key(key, f"reader {n}").public) for n in range(count)]


def _seal(realm, readers, signer=None, **over):
    signer = signer or realm.members["in-ncb"].sign
    return seal(realm.draft("in-ncb", **over), b"{}", readers, signer, realm.suite)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda r: _seal(r, _readers(r, "us-dea"), id="1"), Code.SCHEMA, id="an id that is no UUIDv7"),
        pytest.param(lambda r: _seal(r, _readers(r, "us-dea"), iat=1.5), Code.SCHEMA, id="a fraction of a second"),
        pytest.param(lambda r: _seal(r, _readers(r, "us-dea"), iat=2**53), Code.SCHEMA, id="a time beyond 2^53 - 1"),
        pytest.param(lambda r: _seal(r, _readers(r, "us-dea"), kind="Tip"), Code.SCHEMA, id="a kind of another form"),
        pytest.param(lambda r: _seal(r, []), Code.SCHEMA, id="no reader"),
        pytest.param(lambda r: _seal(r, _readers(r, "in-setu")), Code.ENVELOPE_INVALID, id="the gateway alone"),
        pytest.param(lambda r: _seal(r, _readers(r, "us-dea") * 2), Code.ENVELOPE_INVALID, id="a reader twice"),
        pytest.param(lambda r: _seal(r, _many(r, 65)), Code.ENVELOPE_INVALID, id="65 recipients"),
        pytest.param(
            lambda r: _seal(r, [("us-dea", r.wrap_key("us-dea")), ("us-cbp", r.wrap_key("us-dea"))]),
            Code.ENVELOPE_INVALID,
            id="one key for two readers",
        ),
        pytest.param(
            lambda r: _seal(r, [("us-dea", r.members["us-dea"].sign.classical.public)]),
            Code.KEY_UNKNOWN,
            id="a signing key to wrap to",
        ),
        pytest.param(
            lambda r: _seal(r, [("us-dea", Realm(_other(r.suite)).wrap_key("us-dea"))]),
            Code.KEY_UNKNOWN,
            id="a wrap key of the other suite",
        ),
        pytest.param(
            lambda r: _seal(r, _readers(r, "us-dea"), Signer(*reversed(_pair(r)))),
            Code.KEY_UNKNOWN,
            id="the signing keys in the other order",
        ),
    ],
)
def test_seal_refuses(realm, make, code):
    with pytest.raises((MalformedError, SignatureError)) as refused:
        make(realm)
    assert refused.value.code is code


def _other(suite):
    return next(each for each in SuiteName if each is not suite)


def _pair(realm):
    signer = realm.members["in-ncb"].sign
    return signer.classical, signer.post_quantum


def test_64_recipients_and_the_gateway_are_the_most():
    realm = Realm()
    sealed = _seal(realm, [*_many(realm, 64), ("in-setu", realm.wrap_key("in-setu"))])
    parsed = parse(sealed.raw)
    check_signatures(parsed, realm.signing_key("in-ncb"))
    assert len(parsed.header.recipients()) == 64


def test_another_agency_cannot_open(realm):
    sealed = realm.sealed("in-ncb", ["us-dea"])
    with pytest.raises(PacketError) as refused:
        accept(sealed.raw, realm, "us-cbp")
    assert refused.value.code is Code.NOT_FOR_ME


def test_no_key_for_the_wrap(realm):
    sealed = realm.sealed("in-ncb", ["us-dea"])
    with pytest.raises(PacketError) as refused:
        open_packet(parse(sealed.raw), "us-dea", {})
    assert refused.value.code is Code.NOT_FOR_ME


def test_a_key_held_under_a_foreign_kid(realm):
    sealed = realm.sealed("in-ncb", ["us-dea"])
    wrong = {realm.wrap_key("us-dea").kid: realm.members["us-cbp"].wrap}
    with pytest.raises(PacketError) as refused:
        open_packet(parse(sealed.raw), "us-dea", wrong)
    assert refused.value.code is Code.NOT_FOR_ME


def test_a_signing_key_is_no_wrap_key(realm):
    """A packet that names a reader's signing key in `to`, and a reader who gave that key too."""
    signing = realm.members["us-dea"].sign.classical

    def misname(fields):
        return {**fields, "to": [{"agency": "us-dea", "kid": signing.public.kid}]}

    def follow(jwe):
        wrap = jwe["recipients"][0]
        return {**jwe, "recipients": [{**wrap, "header": {**wrap["header"], "kid": signing.public.kid}}]}

    raw = Forge(realm, to=["us-dea"], fields=misname, jwe=follow).make()
    with pytest.raises(PacketError) as refused:
        open_packet(parse(raw), "us-dea", {signing.public.kid: signing})
    assert refused.value.code is Code.NOT_FOR_ME


def test_the_packet_that_is_answered(realm):
    first = realm.sealed("in-ncb", ["us-dea"])
    answer = realm.sealed("us-dea", ["in-ncb"], in_reply_to=first.digest)
    assert parse(answer.raw).header.in_reply_to == first.digest
    assert accept(answer.raw, realm, "in-ncb") == b'{"note":"x"}'


def test_step_5_shown_by_itself(realm):
    """A recipe may show step 5 on its own; it holds against a header that `parse` never let through."""
    parsed = parse(realm.sealed("in-ncb", READERS).raw)
    check_recipients(parsed)
    first, second, third = parsed.header.to
    for to in ([first, second], [second, first, third], [first, first, third], [third]):
        bent = replace(parsed, header=parsed.header.model_copy(update={"to": tuple(to)}))
        with pytest.raises(MalformedError):
            check_recipients(bent)


def test_nothing_shows_the_payload_or_a_key(realm):
    sealed = realm.sealed("in-ncb", READERS, payload=b'{"note":"bridge closed"}')
    member = realm.members["us-dea"]
    shown = repr((parse(sealed.raw), member, realm.members, member.wrap, sealed.header))
    assert "bridge closed" not in shown
    for key in (member.wrap, member.sign.classical, member.sign.post_quantum):
        assert b64u(key.seed()) not in shown
        assert repr(key.seed()) not in shown
        assert key.seed().hex() not in shown
