"""Where the money of the Bengali Market case goes: NCB and NIA exchange it over a real gateway, and nobody else sees it."""

import json
import time

import pytest
from typer.testing import CliRunner

from broker.cli.app import app
from broker.errors import MalformedError, NotFoundError, PolicyError
from schemas import registry
from schemas.act import Answers, Asks
from schemas.evidence import EntryType
from tests.http.live import Live

BETWEEN_TWO = {
    **registry.sample_handling(),
    "tlp": "RED",
    "dissem": ["OC"],
    "releasable_to": ["in-ncb", "in-nia", "in-setu"],
    "purpose": ["investigation"],
    "legal_basis": "DOMESTIC",
    "permitted_actions": "contact-for-instruction",
}
REGULATORY = {
    **registry.sample_handling(),
    "handling_code": "H0",
    "purpose": ["regulatory"],
    "legal_basis": "UN1988-12",
}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("nexus"))
    yield made
    made.close()


def sample(kind, name="terror-nexus"):
    return registry.samples(kind)[name]


def next_of(live, agency, kind):
    """The next packet of this kind, verified and opened, with its last word said."""
    (packet,) = live.clients[agency].follow(kind, drain=True, wait=0)
    packet.acknowledge("opened")
    return packet


def asked_of_policy(live, header):
    """`setu policy explain`, which looks the sources up as in-ncb."""
    words = ["policy", "explain", "--header", "-", "--as", str(live.deployment.agencies["in-ncb"]), "--json"]
    return json.loads(CliRunner().invoke(app, words, input=json.dumps(header)).stdout)


def test_a_terror_nexus_goes_between_ncb_and_nia_and_to_nobody_else(live):
    ncb, nia, dea, auditor = (live.clients[each] for each in ("in-ncb", "in-nia", "us-dea", "in-audit"))

    tip = ncb.send("tip", to="in-nia", payload=sample("tip"), handling=BETWEEN_TWO, precedence="IMMEDIATE")
    read = next_of(live, "in-nia", "tip")
    assert read.digest == tip.digest
    assert read.payload.terror_nexus[0].confidence == "low"

    words = {"thread": read.header.thread, "handling": BETWEEN_TWO}
    subject = nia.send(
        "subject", to="in-ncb", payload=sample("subject"), in_reply_to=read.digest, sources=[read.digest], **words
    )
    answer = next_of(live, "in-ncb", "subject")
    assert (answer.digest, answer.header.in_reply_to) == (subject.digest, tip.digest)
    assert answer.payload.terror_nexus[0].organisation == read.payload.terror_nexus[0].organisation
    assert answer.payload.people() == ("/party",)

    trail = ncb.send(
        "payment-trail", to="in-nia", payload=sample("payment-trail"), sources=[tip.digest, answer.digest], **words
    )
    money = next_of(live, "in-nia", "payment-trail")
    assert money.header.sources == (tip.digest, subject.digest)
    assert money.payload.terror_nexus[0].confidence == "moderate"

    with pytest.raises(PolicyError) as refused:
        ncb.send("tip", to="us-dea", payload=sample("tip"), handling=BETWEEN_TWO)
    assert {"1.releasable", "2.tlp-red"} <= {hit.rule for hit in refused.value.rules}
    made = {"from": "in-ncb", "to": ["us-dea"], "kind": "tip", "handling": registry.sample_handling()}
    for sources, rules in (([], []), ([answer.digest], ["3.third-party", "6.derivative", "7.originator"])):
        said = asked_of_policy(live, made | ({"sources": sources} if sources else {}))
        assert sorted(hit["rule"] for each in said["recipients"] for hit in each["hits"]) == rules

    for digest in (tip.digest, subject.digest, trail.digest):
        with pytest.raises(NotFoundError):
            dea.timeline(digest)
    assert list(dea.follow(drain=True, wait=0)) == []

    logged = list(auditor.search(types=[EntryType.ACCEPTED]))
    assert [each.entry.packet.digest for each in logged] == [tip.digest, subject.digest, trail.digest]
    told = "".join(str(each.entry) for each in auditor.search())
    for secret in ("Farid", "QDe.999", "An invented front", "RC-04/2026", "+971501234567"):
        assert secret not in told


def test_a_notice_asks_and_its_answer_stands_in_clear(live):
    ncb, dea = live.clients["in-ncb"], live.clients["us-dea"]
    notice = ncb.send("pen", to="us-dea", payload=sample("pen", "notify"), handling=REGULATORY)
    asked = next_of(live, "us-dea", "pen")
    assert asked.header.act == Asks(does="asks", due=1_772_582_400)
    assert time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(asked.header.act.due)) == "2026-03-04T00:00Z"

    words = {"to": "in-ncb", "handling": REGULATORY}
    with pytest.raises(MalformedError, match="in_reply_to"):
        dea.send("pen", payload=sample("pen", "object"), **words)
    sent = dea.send("pen", payload=sample("pen", "object"), in_reply_to=asked.digest, **words)
    answer = next_of(live, "in-ncb", "pen")
    assert (answer.digest, answer.header.act) == (sent.digest, Answers(does="answers", of=notice.digest))

    arrived = dea.send("pen", payload=sample("pen", "arrived"), in_reply_to=asked.digest, **words)
    assert arrived.header.act is None
    moved = ncb.send("pen", to="us-dea", payload=sample("pen", "moved"), handling=REGULATORY)
    assert (moved.header.act, moved.header.in_reply_to) == (None, None)
