"""Packets made from others: marked by rule 6, sources named, and judged with them before anything is sealed."""

import json

import httpx
import pytest

from broker.errors import IntegrityError, PolicyError, UnavailableError
from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from schemas.act import DecidesRelease
from schemas.handling import Dissem
from tests.builders import NOW, uuid7
from tests.unit.sdk.answers import ref
from tests.unit.sdk.simulator import HANDLING, TIP, Fault, SimulatedGateway, follow, send

PLAIN = {**HANDLING, "tlp": "CLEAR"}
OC = {**PLAIN, "dissem": ["OC"]}


@pytest.fixture
def gateway():
    return SimulatedGateway()


def judging(gateway, agency, **over):
    rules = default_rules()
    return gateway.client(agency, policy=CedarPolicy(rules.rules, rules.schema), **over)


def received(gateway, **over):
    """A tip of in-ncb's, as us-dea received it, and us-dea's client."""
    send(gateway, **{"handling": PLAIN, **over})
    dea = judging(gateway, "us-dea")
    return dea, follow(dea)[-1]


def questions(gateway, agency):
    return [
        (method, path) for who, method, path, _ in gateway.seen if who == agency and path.startswith("/v1/packets/")
    ]


def decide(gateway, packet, *, agency="us-dea", **over):
    said = {"release_to": ("us-cbp",), "permit": True, **over}
    act = DecidesRelease(does="decides-release", of=packet.digest, agency=agency, **said)
    gateway.commit(
        {
            "type": "release_decided",
            "actor": packet.header.from_,
            "recipient": agency,
            "packet": ref(packet.header, packet.digest),
            "act": act.to_object(),
        }
    )


def test_a_reply_is_marked_as_what_it_answers_and_says_so(gateway):
    dea, packet = received(gateway)
    sent = dea.reply(packet, "tip", payload=TIP)
    header = sent.header
    assert [each.agency for each in header.recipients()] == ["in-ncb"]
    assert header.handling == packet.header.handling
    assert (header.sources, header.in_reply_to, header.thread) == (
        (packet.digest,),
        packet.digest,
        packet.header.thread,
    )
    assert questions(gateway, "us-dea") == [], "what this program received it need not look up"


def test_an_answer_to_several_takes_the_strictest_of_them(gateway):
    dea, first = received(gateway)
    send(gateway, handling={**PLAIN, "pap": "RED", "retention": {"purge_on": "2027-01-01"}})
    second = follow(dea)[-1]
    header = dea.reply(first, "tip", payload=TIP, also=[second]).header
    assert header.handling.pap == "RED"
    assert str(header.handling.retention.purge_on) == "2027-01-01"
    assert header.sources == (first.digest, second.digest)


def test_options_of_ones_own_are_kept(gateway):
    dea, packet = received(gateway)
    sent = dea.reply(
        packet, "tip", payload=TIP, thread=uuid7(9), precedence="FLASH", to=["in-ncb"], marked={"pap": "RED"}
    )
    assert (sent.header.thread, sent.header.precedence, sent.header.handling.pap) == (uuid7(9), "FLASH", "RED")


def test_an_amendment_goes_to_the_same_and_its_originator_may_mark_it_anew(gateway):
    ncb = judging(gateway, "in-ncb")
    first = ncb.send("tip", to=["us-dea"], payload=TIP, handling=PLAIN)
    sent = ncb.amend(first, "tip", payload=TIP, marked={"pap": "CLEAR"})
    assert [each.agency for each in sent.header.to] == ["us-dea", "in-setu"]
    assert (sent.header.handling.pap, sent.header.in_reply_to) == ("CLEAR", first.digest)


def test_an_originator_may_have_its_own_back_whomever_it_is_releasable_to(gateway):
    dea, packet = received(gateway, handling={**PLAIN, "releasable_to": ["us-dea", "in-setu"]})
    header = dea.reply(packet, "tip", payload=TIP).header
    assert header.handling.releasable_to == ("us-dea", "in-setu", "in-ncb")


def test_a_recipient_lowers_nothing(gateway):
    dea, packet = received(gateway)
    before = len(gateway.seen)
    with pytest.raises(PolicyError) as caught:
        dea.reply(packet, "tip", payload=TIP, marked={"pap": "CLEAR"})
    assert {hit.rule for hit in caught.value.rules} == {"6.derivative", "7.originator"}
    assert {hit.recipient for hit in caught.value.rules} == {"in-ncb", "in-setu"}
    assert len(gateway.seen) == before, "nothing was sealed, and nobody asked"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param({"legal_basis": "UN1988-7"}, "one legal basis", id="two-bases"),
        pytest.param({"purpose": ["regulatory"]}, "a purpose that all sources share", id="no-purpose-in-common"),
    ],
)
def test_what_may_not_be_joined_has_no_markings(gateway, other, said):
    dea, first = received(gateway)
    send(gateway, handling={**PLAIN, **other})
    with pytest.raises(PolicyError, match="Expected packets that may be joined") as caught:
        dea.reply(first, "tip", payload=TIP, also=[follow(dea)[-1]])
    (hit,) = caught.value.rules
    assert hit.rule == "6.derivative"
    assert said in hit.sentence


def test_a_basis_is_chosen_where_they_differ(gateway):
    dea, first = received(gateway)
    send(gateway, handling={**PLAIN, "legal_basis": "UN1988-7"})
    sent = dea.reply(first, "tip", payload=TIP, also=[follow(dea)[-1]], legal_basis="UN1988-7")
    assert sent.header.handling.legal_basis == "UN1988-7"


def test_what_is_controlled_is_not_sealed_for_a_third_party_until_it_is_released(gateway):
    dea, packet = received(gateway, handling=OC)
    with pytest.raises(PolicyError) as caught:
        dea.derive("tip", of=[packet], to="us-cbp", payload=TIP)
    assert [(hit.rule, hit.recipient) for hit in caught.value.rules] == [("3.third-party", "us-cbp")]
    assert ("POST", "/v1/packets") not in [(method, path) for who, method, path, _ in gateway.seen if who == "us-dea"]
    decide(gateway, packet)
    sent = dea.derive("tip", of=[packet], to="us-cbp", payload=TIP)
    assert sent.header.handling.dissem == (Dissem.OC,)
    decide(gateway, packet, permit=False)
    decide(gateway, packet, agency="us-cbp")
    with pytest.raises(PolicyError):
        dea.derive("tip", of=[packet], to="us-cbp", payload=TIP)


def test_sources_named_by_digest_alone_are_looked_up_once_and_held_to_the_digest(gateway):
    (first,) = send(gateway, handling=OC)
    dea = judging(gateway, "us-dea")
    options = {"to": "in-ncb", "payload": TIP, "sources": [first.digest]}
    dea.send("tip", handling=OC, **options)
    with pytest.raises(PolicyError) as caught:
        dea.send("tip", handling=PLAIN, **options)
    assert {hit.rule for hit in caught.value.rules} == {"6.derivative", "7.originator"}
    assert questions(gateway, "us-dea") == [("GET", f"/v1/packets/{first.digest}/proof")]


def test_another_packets_header_is_believed_of_none(gateway):
    (first,), (second,) = send(gateway, handling=OC), send(gateway, handling=PLAIN)
    other = json.loads(second.raw)["jwe"]["aad"]
    gateway.mangle[f"/v1/packets/{first.digest}"] = lambda proof: {**proof, "aad": other}
    with pytest.raises(IntegrityError):
        judging(gateway, "us-dea").send("tip", to="in-ncb", payload=TIP, handling=PLAIN, sources=[first.digest])
    gateway.mangle[f"/v1/packets/{first.digest}"] = lambda _: gateway._proof("us-dea", second.digest)
    with pytest.raises(IntegrityError):
        judging(gateway, "us-dea").send("tip", to="in-ncb", payload=TIP, handling=PLAIN, sources=[first.digest])


def test_what_it_may_not_see_is_left_to_the_gateway(gateway):
    sent = judging(gateway, "us-dea").send("tip", to="in-ncb", payload=TIP, handling=PLAIN, sources=["A" * 64])
    assert sent.header.sources == ("A" * 64,)


def test_a_gateway_that_does_not_answer_leaves_nothing_sealed(gateway):
    (first,) = send(gateway, handling=OC)
    gateway.faults = [Fault("/v1/packets/", before=httpx.ReadError("cut")) for _ in range(2)]
    dea = judging(gateway, "us-dea", patience=0.0)
    with pytest.raises(UnavailableError):
        dea.seal("tip", to="in-ncb", payload=TIP, handling=OC, sources=[first.digest])
    assert dea.seal("tip", to="in-ncb", payload=TIP, handling=OC).header.iat == NOW


def test_without_a_policy_nothing_is_looked_up(gateway):
    (first,) = send(gateway, handling=OC)
    gateway.client("us-dea").send("tip", to="in-ncb", payload=TIP, handling=PLAIN, sources=[first.digest])
    assert questions(gateway, "us-dea") == []
