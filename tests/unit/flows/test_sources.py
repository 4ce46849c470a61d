"""What went into a packet, at the gateway: rules 3, 6 and 7 at acceptance, and again when the bytes leave."""

import pytest

from broker.errors import PolicyError, UnavailableError
from broker.flows.lineage import AT_ONCE as LINEAGE_AT_ONCE
from broker.flows.lineage import LedgerLineage
from broker.flows.record import packet_ref
from broker.ledger.port import Proposal
from schemas.act import DecidesRelease
from tests.builders import NOW, handling

MARKED = {"tlp": "GREEN", "flags": {"personal_data": True, "sanitised": True}}


def marked(**over):
    return handling(**{**MARKED, **over})


CONTROLLED = [
    pytest.param({"dissem": ["OC"]}, id="originator-controlled"),
    pytest.param({"handling_code": "H2"}, id="no-dissemination-without-permission"),
    pytest.param({"legal_basis": "EGMONT"}, id="by-egmont"),
]


async def source(gateway, **over):
    """A packet from in-ncb that us-dea was given, under control if nothing else is said."""
    sealed, _ = await gateway.send(handling=marked(**(over or {"dissem": ["OC"]})))
    await gateway.page()
    return sealed


def decide(gateway, sealed, *, by=None, agency="us-dea", **over):
    """What the ledger has once an originator decided."""
    said = {"release_to": ("us-cbp",), "permit": True, **over}
    found = {
        "v": "setu1.entry",
        "type": "release_decided",
        "actor": by or sealed.header.from_,
        "recipient": agency,
        "aud": gateway.in_force.audience.to_object(),
        "packet": packet_ref(sealed.header, sealed.digest),
        "act": DecidesRelease(does="decides-release", of=sealed.digest, agency=agency, **said).to_object(),
        "directory": gateway.in_force.view().snapshot.ref.to_object(),
        "policy": gateway.in_force.view().policy.version,
    }
    gateway.ledger.propose(Proposal(found)).result(5)


def onward(gateway, *sources, to=("us-cbp",), sender="us-dea", **over):
    made = marked(**{"dissem": ["OC"], **over})
    return gateway.send(to, sender=sender, handling=made, sources=tuple(each.digest for each in sources))


async def refused(sending):
    with pytest.raises(PolicyError) as found:
        await sending
    return [hit.rule for hit in found.value.rules]


@pytest.mark.parametrize("control", CONTROLLED)
async def test_what_is_controlled_goes_on_only_with_its_originators_release(gateway, control):
    first = await source(gateway, **control)
    assert await refused(onward(gateway, first, **control)) == ["3.third-party"]
    (entry,) = gateway.entries("refused")
    assert (entry["code"], entry["decision"]["rules"]) == ("policy-denied", ["3.third-party"])
    decide(gateway, first)
    _, accepted = await onward(gateway, first, **control)
    assert accepted.fresh
    assert len((await gateway.page("us-cbp")).items) == 1


async def test_what_is_not_controlled_goes_on_as_far_as_it_is_releasable(gateway):
    first = await source(gateway, dissem=[])
    assert (await onward(gateway, first, dissem=[]))[1].fresh


async def test_whoever_has_it_already_is_no_third_party(gateway):
    first, _ = await gateway.send(("us-dea", "us-cbp"), handling=marked(dissem=["OC"]))
    await gateway.page()
    assert (await onward(gateway, first))[1].fresh
    assert (await onward(gateway, first, to=("in-ncb",)))[1].fresh, "its originator least of all"


async def test_the_originator_itself_sends_its_own_on(gateway):
    first = await source(gateway)
    assert (await onward(gateway, first, sender="in-ncb"))[1].fresh


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"permit": False}, id="it-said-no"),
        pytest.param({"until": NOW}, id="it-has-lapsed"),
        pytest.param({"release_to": ("in-nia",)}, id="to-somebody-else"),
        pytest.param({"agency": "us-cbp"}, id="about-another-agency"),
        pytest.param({"by": "us-cbp"}, id="by-somebody-else"),
    ],
)
async def test_a_decision_that_is_none_for_this(gateway, over):
    first = await source(gateway)
    decide(gateway, first, **over)
    assert await refused(onward(gateway, first)) == ["3.third-party"]


async def test_a_country_holds_its_agencies(gateway):
    first = await source(gateway)
    decide(gateway, first, release_to=("USA",))
    assert (await onward(gateway, first))[1].fresh


@pytest.mark.parametrize("many", [pytest.param(0, id="a-few"), pytest.param(120, id="more-than-a-page")])
async def test_the_newest_decision_counts_at_once(gateway, many):
    first = await source(gateway)
    for _ in range(many):
        decide(gateway, first, permit=False)
    decide(gateway, first)
    await onward(gateway, first)
    decide(gateway, first, permit=False)
    assert await refused(onward(gateway, first)) == ["3.third-party"]
    decide(gateway, first)
    await onward(gateway, first)


async def test_a_release_taken_back_or_lapsed_keeps_what_has_not_left(gateway):
    first = await source(gateway)
    decide(gateway, first, until=NOW + 60)
    await onward(gateway, first)
    gateway.clock.at += 60
    page = await gateway.page("us-cbp")
    assert [item.gone for item in page.items] == ["withheld"]
    (entry,) = gateway.entries("withheld")
    assert (entry["recipient"], entry["decision"]["rules"]) == ("us-cbp", ["3.third-party"])


async def test_control_does_not_end_where_somebody_hands_it_on(gateway):
    """in-ncb's packet goes to us-dea, released to us-cbp, and back inside of another: a new name is no release."""
    first = await source(gateway)
    decide(gateway, first)
    second, _ = await onward(gateway, first)
    await gateway.page("us-cbp")
    third, _ = await onward(gateway, second, to=("us-dea",), sender="us-cbp")
    await gateway.page()
    decide(gateway, first, permit=False)
    assert await refused(onward(gateway, third)) == ["3.third-party"]


LOWER = [
    pytest.param({"tlp": "CLEAR"}, "tlp", id="tlp"),
    pytest.param({"pap": "GREEN"}, "pap", id="pap"),
    pytest.param({"classification": {"system": "US", "level": "U"}}, "classification", id="classification"),
    pytest.param({"handling_code": "H0"}, "handling_code", id="code"),
    pytest.param({"purpose": ["investigation", "border"]}, "purpose", id="purpose"),
    pytest.param({"retention": {"review_on": "2027-01-01", "purge_on": "2031-01-01"}}, "retention.purge_on", id="purge"),
]  # fmt: skip


@pytest.mark.parametrize(("over", "member"), LOWER)
async def test_a_derivative_is_at_least_as_strict_as_what_went_into_it(gateway, over, member):
    first = await source(gateway, dissem=[])
    with pytest.raises(PolicyError) as found:
        await onward(gateway, first, **{"dissem": [], **over})
    assert [hit.rule for hit in found.value.rules] == ["6.derivative", "7.originator"]
    assert found.value.rules[0].sentence.endswith(f"than what went into it: {member}.")
    assert found.value.rules[1].sentence.startswith("Only in-ncb lowers")
    assert gateway.entries("refused")[-1]["decision"]["rules"] == ["6.derivative", "7.originator"]


async def test_its_originator_lowers_what_it_likes(gateway):
    first = await source(gateway)
    assert (await onward(gateway, first, sender="in-ncb", tlp="CLEAR", dissem=[], pap="CLEAR"))[1].fresh


async def test_one_of_others_among_ones_own_and_rule_6_holds_for_all(gateway):
    theirs, _ = await gateway.send(("in-ncb",), sender="us-dea", handling=marked(pap="GREEN"))
    await gateway.page("in-ncb")
    own, _ = await gateway.send(handling=marked(pap="RED"))
    assert await refused(onward(gateway, theirs, own, sender="in-ncb", to=("us-dea",), dissem=[])) == ["6.derivative"]
    assert (await onward(gateway, theirs, own, sender="in-ncb", to=("us-dea",), dissem=[], pap="RED"))[1].fresh


async def test_a_release_widens_whom_it_is_releasable_to(gateway):
    first = await source(gateway, releasable_to=["us-dea", "in-setu"])
    named = {"releasable_to": ["us-cbp", "in-setu"]}
    assert await refused(onward(gateway, first, **named)) == ["6.derivative", "7.originator"]
    decide(gateway, first)
    assert (await onward(gateway, first, **named))[1].fresh
    assert (await onward(gateway, first, to=("in-ncb",), releasable_to=["in-ncb", "in-setu"]))[1].fresh


async def test_a_check_says_the_same(gateway):
    first = await source(gateway)
    sealed = gateway.sealed(("us-cbp",), sender="us-dea", handling=marked(dissem=["OC"]), sources=(first.digest,))
    with pytest.raises(PolicyError) as found:
        await gateway.submit.check(gateway.caller("us-dea"), sealed.raw)
    assert [hit.rule for hit in found.value.rules] == ["3.third-party"]
    decide(gateway, first)
    assert await gateway.submit.check(gateway.caller("us-dea"), sealed.raw) == ("permit.deliver",)


async def test_a_ledger_that_does_not_answer_withholds_nothing_for_good(gateway):
    first = await source(gateway)
    decide(gateway, first)
    await onward(gateway, first)
    search = gateway.reader.search

    def silent(_):
        raise UnavailableError("Expected the store to answer, found it busy.")

    gateway.reader.search = silent
    with pytest.raises(UnavailableError):
        await gateway.page("us-cbp")
    gateway.reader.search = search
    assert len((await gateway.page("us-cbp")).items) == 1
    assert gateway.entries("withheld") == []


async def test_what_went_in_is_read_a_few_at_a_time_and_once(gateway):
    """Sixteen of the largest packets, each of sixteen: neither in memory together nor read for each recipient."""
    sources = [(await gateway.send(handling=marked(dissem=[])))[0].digest for _ in range(LINEAGE_AT_ONCE + 1)]
    asked, packets = [], gateway.reader.packets

    def read(digests):
        asked.append(len(digests))
        return packets(digests)

    gateway.reader.packets = read
    lineage = LedgerLineage(gateway.reader)
    for _ in range(3):
        assert set(lineage.sources([*sources, "A" * 64])) == set(sources)
    assert max(asked) <= LINEAGE_AT_ONCE
    assert sum(asked) == len(sources) + 3, "what is not there yet may come"
