"""The precursor watch at the gateway: who sees what of which packets."""

import pytest

from broker.errors import CallerError, RequestError
from broker.flows.identify import Caller
from broker.flows.precursors import Precursors
from broker.ledger.port import Basis, Proposal
from schemas import registry
from schemas.act import Answers, Asks
from schemas.directory import Role

SAMPLES = registry.samples("pen")


def _watch(gateway, **over):
    keys = gateway.realm.members[gateway.realm.gateway].keys
    return Precursors(gateway.in_force, gateway.reader, gateway.audit, keys=keys, now=gateway.now, **over)


def _act(payload, of=None):
    return registry.act_of(registry.check("pen", 1, payload), of)


async def _exchanged(gateway):
    """A notice of in-ncb to us-dea, offered and answered; and another that is sealed for us-dea alone."""
    await gateway.change(in_ncb={"sealed_kinds": ["pen"]})
    notice = SAMPLES["notify"]
    first = gateway.realm.sealed(
        "in-ncb", ["us-dea", "in-setu"], "pen", notice, act=_act(notice), handling=gateway.sealed().header.handling
    )
    await gateway.submit(gateway.caller("in-ncb"), first.raw)
    sealed = gateway.realm.sealed("in-ncb", ["us-dea"], "pen", notice, act=_act(notice), handling=first.header.handling)
    await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    await gateway.page(kind="pen")
    answer = {
        **SAMPLES["no-objection"],
        "pen_ref": "PEN/IND/2026/999999",
    }  # joined by what it answers, not by its number
    reply = gateway.realm.sealed(
        "us-dea", ["in-ncb", "in-setu"], "pen", answer, act=_act(answer, first.digest), in_reply_to=first.digest,
        handling=first.header.handling,
    )  # fmt: skip
    await gateway.submit(gateway.caller("us-dea"), reply.raw)
    return first, sealed


async def _seen(gateway, agency, **over):
    found = await _watch(gateway, **over)(gateway.caller(agency), None, None)
    return [(row.pen_ref, row.state) for row in found.notices], [row.digest for row in found.unread]


async def test_parties_see_what_the_gateway_can_open_and_the_rest_as_the_log_has_it(gateway):
    first, sealed = await _exchanged(gateway)
    ref = SAMPLES["notify"]["pen_ref"]
    assert await _seen(gateway, "us-dea") == ([(ref, "no-objection")], [sealed.digest])
    assert await _seen(gateway, "in-ncb") == ([(ref, "open")], [sealed.digest]), "the answer was not offered to it yet"
    await gateway.page("in-ncb", kind="pen")
    assert await _seen(gateway, "in-ncb") == ([(ref, "no-objection")], [sealed.digest])
    assert await _seen(gateway, "us-cbp") == ([], [])
    asked = {(each["actor"], each["event"]) for each in gateway.entries("ledger_read")}
    assert asked == {(each, "watch precursors") for each in ("us-dea", "in-ncb", "us-cbp")}
    del first


async def test_an_auditor_sees_no_content_and_what_is_overdue_first(gateway):
    first, sealed = await _exchanged(gateway)
    due = _act(SAMPLES["notify"]).due
    gateway.clock.at = due
    found = await _watch(gateway)(gateway.caller("in-audit"), None, None)
    assert (found.notices, found.substances, found.facts) == ((), (), None)
    rows = [(row.digest, row.answered, row.overdue) for row in found.unread]
    assert rows[0] == (sealed.digest, False, True)
    assert (first.digest, True, False) in rows
    assert SAMPLES["notify"]["exporter"]["name"] not in found.canonical().decode()


async def test_what_the_gateway_cannot_open_any_more_is_unread_and_said_to_be(gateway):
    first, sealed = await _exchanged(gateway)
    watch = Precursors(gateway.in_force, gateway.reader, gateway.audit, keys={}, now=gateway.now)
    found = await watch(gateway.caller("us-dea"), None, None)
    assert found.notices == ()
    destroyed = {row.digest: row.destroyed for row in found.unread}
    assert (destroyed[first.digest], destroyed[sealed.digest]) == (True, False)
    assert sum(destroyed.values()) == 2
    of_others = await watch(gateway.caller("in-audit"), None, None)
    assert not any(row.destroyed for row in of_others.unread), "it is not opened for an auditor anyway"


@pytest.mark.parametrize("due", [253_402_300_799, 253_402_300_800, 2**53 - 1])
async def test_a_time_beyond_the_calendar_keeps_nobody_from_the_rest(gateway, due):
    """What a sealed packet's header says is not held to its payload here."""
    await gateway.change(in_ncb={"sealed_kinds": ["pen"]})
    sealed = gateway.realm.sealed(
        "in-ncb", ["us-dea"], "pen", SAMPLES["notify"], act=Asks(does="asks", due=due),
        handling=gateway.sealed().header.handling,
    )  # fmt: skip
    await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    for each in ("in-audit", "in-ncb"):
        (row,) = (await _watch(gateway)(gateway.caller(each), None, None)).unread
        assert (row.digest, row.due, row.overdue) == (sealed.digest, "9999-12-31T23:59:59Z", False)


async def test_what_policy_no_longer_releases_is_not_opened(gateway):
    first, sealed = await _exchanged(gateway)
    await gateway.change(us_dea={"mandates": ["border"]})
    notices, unread = await _seen(gateway, "us-dea")
    assert notices == []
    assert {first.digest, sealed.digest} <= set(unread)


async def test_an_auditor_that_is_an_agency_too_reads_nothing_before_it_was_offered(gateway):
    """It sees the log's entries at once; content leaves after the entry that says so (G4)."""
    us_dea = gateway.caller("us-dea")
    both = Caller(us_dea.agency.model_copy(update={"roles": (Role.AGENCY, Role.AUDITOR)}), us_dea.certificate)
    notice = SAMPLES["notify"]
    block = gateway.sealed().header.handling
    sent = gateway.realm.sealed("in-ncb", ["us-dea", "in-setu"], "pen", notice, act=_act(notice), handling=block)
    await gateway.submit(gateway.caller("in-ncb"), sent.raw)
    found = await _watch(gateway)(both, None, None)
    assert ([row.digest for row in found.unread], found.notices) == ([sent.digest], ())
    await gateway.page(kind="pen")
    assert [row.digest for row in (await _watch(gateway)(both, None, None)).notices] == [sent.digest]


async def test_a_directory_that_another_gateway_put_in_force_counts(gateway):
    """Its entry is committed, and this gateway has not looked yet."""
    await _exchanged(gateway)
    caller = gateway.caller("us-dea")
    gateway.realm = gateway.realm.with_(agencies={"us-dea": {"mandates": ["border"]}})
    gateway.directory.put(gateway.realm)
    newest, view = gateway.directory.newest.ref, gateway.in_force.view()
    changed = gateway.entries("directory_changed")[-1] | {"directory": newest.to_object()}
    del changed["time"]
    basis = Basis(newest.version, view.basis.policy)
    gateway.ledger.propose(Proposal(changed, once=f"directory/{newest.version}", puts_in_force=basis)).result(5)
    assert gateway.in_force.view() is view
    found = await _watch(gateway)(caller, None, None)
    assert found.notices == ()


async def test_what_a_destroyed_key_could_open_is_unread(gateway):
    first, sealed = await _exchanged(gateway)
    lost = Precursors(gateway.in_force, gateway.reader, gateway.audit, keys={}, now=gateway.now)
    found = await lost(gateway.caller("us-dea"), None, None)
    assert {first.digest, sealed.digest} <= {row.digest for row in found.unread}


async def test_more_than_one_question_may_read_is_refused(gateway):
    await _exchanged(gateway)
    with pytest.raises(RequestError) as found:
        await _watch(gateway, most=1)(gateway.caller("in-ncb"), None, None)
    assert found.value.code == "bad-query"


async def test_who_is_neither_is_refused(gateway):
    with pytest.raises(CallerError):
        await _watch(gateway)(gateway.caller("in-setu"), None, None)


def test_the_samples_ask_and_answer():
    assert isinstance(_act(SAMPLES["notify"]), Asks)
    assert isinstance(_act(SAMPLES["no-objection"], "A" * 64), Answers)
