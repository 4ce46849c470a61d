"""Who may count what: an auditor all, an agency what it sent and was offered; each question is on record."""

import pytest

from broker.errors import CallerError, RequestError
from broker.flows.audit import Audit
from broker.ledger.outcomes import Counting
from schemas.act import Outcome, Reports


async def _reported(gateway):
    """A tip of in-ncb that us-dea was offered and reports on, in sealed mode, and another that nobody fetched."""
    await gateway.change(us_dea={"sealed_kinds": ["tip"]})
    first, _ = await gateway.send()
    await gateway.page()
    await gateway.send()
    act = Reports(does="reports", of=first.digest, outcome=Outcome.SEIZURE, lawful=False, held_hours=3)
    report = gateway.realm.sealed("us-dea", ["in-ncb"], "tip", act=act, handling=first.header.handling)
    await gateway.submit(gateway.caller("us-dea"), report.raw)


async def _rows(gateway, agency, **asked):
    found = await gateway.audit.outcomes(gateway.caller(agency), None, Counting(**asked))
    return {row.agency: (row.packets, row.reported, dict(row.outcomes)) for row in found.rows}


async def test_an_auditor_counts_all_and_an_agency_what_it_may_see(gateway):
    await _reported(gateway)
    of_ncb, of_dea = (2, 1, {"seizure": 1}), (1, 0, {})
    assert await _rows(gateway, "in-audit") == {"in-ncb": of_ncb, "us-dea": of_dea}
    assert await _rows(gateway, "in-ncb") == {"in-ncb": (2, 0, {})}, "the report was not offered to it yet"
    await gateway.page("in-ncb")
    assert await _rows(gateway, "in-ncb") == {"in-ncb": of_ncb, "us-dea": of_dea}
    assert await _rows(gateway, "us-dea") == {"in-ncb": (1, 1, {"seizure": 1}), "us-dea": of_dea}
    assert await _rows(gateway, "us-cbp") == {}
    asked = [(each["actor"], each["event"]) for each in gateway.entries("ledger_read")]
    assert asked == [(each, "outcomes") for each in ("in-audit", "in-ncb", "in-ncb", "us-dea", "us-cbp")]


async def test_who_is_neither_is_refused(gateway):
    with pytest.raises(CallerError):
        await gateway.audit.outcomes(gateway.caller("in-setu"), None, Counting())
    assert gateway.entries("ledger_read") == []


async def test_more_than_one_question_may_read_is_refused_and_read_in_parts_before(gateway):
    for _ in range(5):
        await gateway.send()
    caller = gateway.caller("in-audit")
    parts = Audit(gateway.in_force, gateway.ledger, gateway.reader, at_once=2, most=6)
    assert (await parts.outcomes(caller, None, Counting())).rows[0].packets == 5
    with pytest.raises(RequestError) as found:
        await Audit(gateway.in_force, gateway.ledger, gateway.reader, at_once=2, most=3).outcomes(
            caller, None, Counting()
        )
    assert found.value.code == "bad-query"
