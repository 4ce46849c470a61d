"""What follows a delivery: acknowledgements, timelines, proofs, search; and who may see which part."""

import json

import pytest

from broker.crypto.certificates import Authority, directory_row
from broker.envelope.acknowledge import Statement, acknowledge
from broker.errors import CallerError, MalformedError, NotFoundError, PacketError, PolicyError, RequestError
from broker.flows.audit import Audit, Found
from broker.flows.identify import Identify
from broker.ledger.port import EntryFilter
from broker.merkle.receipt import verify_receipt
from schemas.evidence import AckEvent, AckPacket, EntryType
from schemas.problem import Code
from tests.builders import NOW, handling


async def ack(gateway, sealed, index, *, by="us-dea", event=AckEvent.OPENED, reason=None, **over):
    await gateway.page(by, sealed.header.kind)
    named = {"from": sealed.header.from_, "id": sealed.header.id, "digest": sealed.digest, "index": index, **over}
    statement = Statement(
        aud=gateway.in_force.audience,
        by=by,
        event=event,
        reason=reason,
        at=int(gateway.now()),
        packet=AckPacket.from_object(named),
    )
    raw = acknowledge(statement, gateway.realm.members[by].sign, gateway.realm.suite)
    return await gateway.acknowledge(gateway.caller(by), raw)


def states(gateway, sealed):
    return {agency: str(state) for agency, state in gateway.reader.packet(sealed.digest).states.items()}


async def test_an_acknowledgement_is_an_entry_and_its_answer_the_entrys_receipt(gateway):
    sealed, sent = await gateway.send()
    await gateway.page()
    answered = await ack(gateway, sealed, sent.receipt.index)
    entry = verify_receipt(answered.receipt, gateway.realm.directory.logs[0])
    assert (entry.type, entry.actor, entry.event, entry.packet.digest) == (
        "acknowledged",
        "us-dea",
        "opened",
        sealed.digest,
    )
    assert states(gateway, sealed) == {"us-dea": "opened"}


async def test_what_was_never_offered_cannot_be_acknowledged(gateway):
    """Else an acknowledgement by hearsay would let the bytes leave without an entry that says so."""
    sealed, sent = await gateway.send()
    named = {"from": "in-ncb", "id": sealed.header.id, "digest": sealed.digest, "index": sent.receipt.index}
    statement = Statement(
        aud=gateway.in_force.audience,
        by="us-dea",
        event=AckEvent.RECEIVED,
        reason=None,
        at=NOW,
        packet=AckPacket.from_object(named),
    )
    raw = acknowledge(statement, gateway.realm.members["us-dea"].sign, gateway.realm.suite)
    with pytest.raises(NotFoundError):
        await gateway.acknowledge(gateway.caller("us-dea"), raw)
    assert gateway.entries("acknowledged") == []
    await gateway.page()
    assert len(gateway.entries("delivered")) == 1


async def test_what_ended_before_it_was_offered_cannot_be_acknowledged_either(gateway):
    sealed, sent = await gateway.send()
    await gateway.change(**DENIED)
    with pytest.raises(NotFoundError):
        await ack(gateway, sealed, sent.receipt.index)
    assert states(gateway, sealed) == {"us-dea": "withheld"}
    assert gateway.entries("acknowledged") == []


async def test_an_acknowledgement_with_padding_is_not_kept(gateway):
    with pytest.raises(RequestError) as caught:
        await gateway.acknowledge(gateway.caller("us-dea"), b"{}" + b" " * 65_536)
    assert caught.value.code is Code.TOO_LARGE


async def test_the_same_acknowledgement_again_gets_the_same_receipt(gateway):
    sealed, sent = await gateway.send()
    first = await ack(gateway, sealed, sent.receipt.index)
    again = await ack(gateway, sealed, sent.receipt.index)
    assert (first.receipt, again.fresh) == (again.receipt, False)
    assert len(gateway.entries("acknowledged")) == 1


async def test_a_rejection_carries_its_reason(gateway):
    sealed, sent = await gateway.send()
    await ack(gateway, sealed, sent.receipt.index, event=AckEvent.REJECTED, reason=Code.COMMITMENT_MISMATCH)
    (entry,) = gateway.entries("rejected_by_recipient")
    assert entry["code"] == "commitment-mismatch"
    assert states(gateway, sealed) == {"us-dea": "rejected"}


async def test_received_then_opened_moves_forward_and_late_evidence_moves_nothing_back(gateway):
    sealed, sent = await gateway.send()
    await ack(gateway, sealed, sent.receipt.index, event=AckEvent.RECEIVED)
    assert states(gateway, sealed) == {"us-dea": "received"}
    await ack(gateway, sealed, sent.receipt.index)
    await ack(gateway, sealed, sent.receipt.index, event=AckEvent.REJECTED, reason=Code.SCHEMA)
    assert states(gateway, sealed) == {"us-dea": "opened"}
    assert len(gateway.entries("rejected_by_recipient")) == 1


async def test_an_acknowledgement_after_expiry_is_recorded_and_moves_nothing(gateway):
    sealed, sent = await gateway.send(exp=NOW + 60)
    await gateway.page()
    gateway.clock.at += 61
    await gateway.expire()
    await ack(gateway, sealed, sent.receipt.index)
    assert states(gateway, sealed) == {"us-dea": "expired"}
    assert len(gateway.entries("acknowledged")) == 1


async def test_what_was_opened_does_not_expire(gateway):
    sealed, sent = await gateway.send(exp=NOW + 60)
    await ack(gateway, sealed, sent.receipt.index)
    gateway.clock.at += 61
    assert await gateway.expire() == 0


async def test_an_acknowledgement_by_who_is_no_recipient_is_not_there(gateway):
    sealed, sent = await gateway.send()
    with pytest.raises(NotFoundError):
        await ack(gateway, sealed, sent.receipt.index, by="us-cbp")


@pytest.mark.parametrize(("index", "over"), [(0, {}), (2, {"from": "us-cbp"})])
async def test_an_acknowledgement_that_names_another_packet(gateway, index, over):
    sealed, _ = await gateway.send()
    with pytest.raises(MalformedError) as caught:
        await ack(gateway, sealed, index, **over)
    assert caught.value.pointer == "/packet"


async def test_an_acknowledgement_for_somebody_elses_connection(gateway):
    sealed, sent = await gateway.send()
    statement = Statement(
        aud=gateway.in_force.audience,
        by="us-dea",
        event=AckEvent.OPENED,
        reason=None,
        at=NOW,
        packet=AckPacket.from_object(
            {"from": "in-ncb", "id": sealed.header.id, "digest": sealed.digest, "index": sent.receipt.index}
        ),
    )
    raw = acknowledge(statement, gateway.realm.members["us-dea"].sign, gateway.realm.suite)
    with pytest.raises(PacketError) as caught:
        await gateway.acknowledge(gateway.caller("us-cbp"), raw)
    assert caught.value.code is Code.SENDER_MISMATCH


async def seen_by(gateway, agency, digest):
    timeline = await gateway.timelines.timeline(gateway.caller(agency), digest)
    return [(str(item.entry.type), item.entry.recipient) for item in timeline.items], timeline.states


async def test_each_sees_its_own_part_of_a_timeline(gateway):
    sealed, sent = await gateway.send(("us-dea", "us-cbp"))
    await gateway.page("us-dea")
    await gateway.page("us-cbp")
    await ack(gateway, sealed, sent.receipt.index)
    whole = [
        ("accepted", None),
        ("delivered", "us-dea"),
        ("delivered", "us-cbp"),
        ("acknowledged", "us-dea"),
    ]
    both = {"us-dea": "opened", "us-cbp": "offered"}
    assert await seen_by(gateway, "in-ncb", sealed.digest) == (whole, both)
    assert await seen_by(gateway, "in-audit", sealed.digest) == (whole, both)
    mine = [("accepted", None), ("delivered", "us-cbp")]
    assert await seen_by(gateway, "us-cbp", sealed.digest) == (mine, {"us-cbp": "offered"})


async def test_a_refusal_is_for_its_sender_and_the_auditors(gateway):
    sealed = gateway.sealed(handling=handling(releasable_to=["IND"]))
    with pytest.raises(PolicyError):
        await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    assert (await seen_by(gateway, "in-ncb", sealed.digest))[0] == [("refused", None)]
    assert (await seen_by(gateway, "in-audit", sealed.digest))[0] == [("refused", None)]
    with pytest.raises(NotFoundError):
        await gateway.timelines.timeline(gateway.caller("us-dea"), sealed.digest)
    refusals = EntryFilter(types=[EntryType.REFUSED])
    assert await found_by(gateway, "us-dea", refusals) == []
    assert await found_by(gateway, "in-ncb", refusals) == ["refused"]
    assert await found_by(gateway, "in-audit", refusals) == ["refused"]


async def found_by(gateway, agency, what=None):
    found = await gateway.audit.search(gateway.caller(agency), what or EntryFilter())
    types = [json.loads(each.entry)["type"] for each in found.entries]
    return [each for each in types if each not in ("ledger_read", "directory_changed", "policy_changed")]


DENIED = {"us_dea": {"mandates": ["border"]}}


async def nothing_shown(gateway, agency, digest):
    """The same answer as for what does not exist."""
    for ask in (gateway.timelines.timeline, gateway.timelines.proof):
        with pytest.raises(NotFoundError):
            await ask(gateway.caller(agency), digest)


async def test_what_was_never_offered_to_a_recipient_is_not_there_for_it(gateway):
    """Neither while it waits, nor once policy has denied it: no header, no co-recipient, no time of acceptance."""
    sealed, _ = await gateway.send(("us-dea", "us-cbp"))
    of_it = EntryFilter(packet=sealed.digest, limit=1)
    await nothing_shown(gateway, "us-dea", sealed.digest)
    assert await gateway.audit.search(gateway.caller("us-dea"), of_it) == Found(())
    await gateway.change(**DENIED)
    await nothing_shown(gateway, "us-dea", sealed.digest)
    assert [item.gone for item in (await gateway.page()).items] == ["withheld"]
    await nothing_shown(gateway, "us-dea", sealed.digest)
    assert await found_by(gateway, "us-dea") == ["withheld"]
    await gateway.page("us-cbp")
    assert await found_by(gateway, "us-cbp") == ["accepted", "delivered"]
    assert await found_by(gateway, "in-ncb") == ["accepted", "withheld", "delivered"]


async def test_what_a_recipient_had_been_offered_stays_visible_to_it(gateway):
    sealed, _ = await gateway.send(("us-dea", "us-cbp"))
    await gateway.page()
    await gateway.change(**DENIED)
    assert [item.gone for item in (await gateway.page()).items] == ["withheld"]
    mine = [("accepted", None), ("delivered", "us-dea"), ("withheld", "us-dea")]
    assert await seen_by(gateway, "us-dea", sealed.digest) == (mine, {"us-dea": "withheld"})
    assert await found_by(gateway, "us-dea") == ["accepted", "delivered", "withheld"]
    proof = await gateway.timelines.proof(gateway.caller("us-dea"), sealed.digest)
    assert [str(verify_receipt(each, gateway.realm.directory.logs[0]).type) for each in proof.receipts] == [
        "accepted",
        "delivered",
        "withheld",
    ]


async def test_a_search_passes_over_what_was_never_offered_and_misses_nothing_behind_it(gateway):
    audit = Audit(gateway.in_force, gateway.ledger, gateway.reader, at_once=2)
    for _ in range(3):
        await gateway.send()
    seen, _ = await gateway.send(kind="pen")
    await gateway.page(kind="pen")
    caller = gateway.caller("us-dea")
    first = await audit.search(caller, EntryFilter(limit=1, kind="pen"))
    assert [json.loads(each.entry)["packet"]["digest"] for each in first.entries] == [seen.digest]
    rest = await audit.search(caller, EntryFilter(limit=10, kind="pen", after=first.more))
    assert [json.loads(each.entry)["type"] for each in rest.entries] == ["delivered"]
    assert rest.more is None
    assert await found_by(gateway, "us-dea") == ["accepted", "delivered"]


async def test_a_search_that_looked_at_much_says_where_to_go_on(gateway):
    audit = Audit(gateway.in_force, gateway.ledger, gateway.reader, at_once=1, rounds=2)
    sent = [(await gateway.send())[1].receipt.index for _ in range(3)]
    found = await audit.search(gateway.caller("us-dea"), EntryFilter(types=[EntryType.ACCEPTED]))
    assert found == Found((), sent[1])


async def test_a_proof_holds_against_one_checkpoint(gateway):
    sealed, sent = await gateway.send()
    await gateway.page()
    await ack(gateway, sealed, sent.receipt.index)
    proof = await gateway.timelines.proof(gateway.caller("us-dea"), sealed.digest)
    types = [str(verify_receipt(each, gateway.realm.directory.logs[0]).type) for each in proof.receipts]
    assert types == ["accepted", "delivered", "acknowledged"]
    assert len({each.checkpoint for each in proof.receipts}) == 1
    assert len(proof.acknowledgements) == 1
    with pytest.raises(NotFoundError):
        await gateway.timelines.proof(gateway.caller("us-cbp"), sealed.digest)


async def test_a_search_is_on_record_before_it_is_answered(gateway):
    await gateway.audit.search(gateway.caller("in-audit"), EntryFilter(party="us-dea", kind="tip"))
    (entry,) = gateway.entries("ledger_read")
    assert (entry["actor"], entry["event"], entry["note"]) == ("in-audit", "search", "party=us-dea kind=tip")


async def test_who_only_operates_may_not_search(gateway):
    with pytest.raises(CallerError) as caught:
        await gateway.audit.search(gateway.caller("in-setu"), EntryFilter())
    assert caught.value.code is Code.FORBIDDEN


async def test_a_changed_directory_is_an_entry_and_is_refused_when_it_goes_back(gateway):
    await gateway.change(us_cbp={"state": "suspended"})
    assert [each["directory"]["version"] for each in gateway.entries("directory_changed")] == [1, 2]
    gateway.directory.newest = gateway.directory.held[1]
    await gateway.in_force.poll()
    assert gateway.in_force.view().snapshot.ref.version == 2
    assert gateway.in_force.trouble


class TestIdentify:
    @pytest.fixture
    def authority(self):
        return Authority.create("USA", now=NOW)

    async def enrolled(self, gateway, der, **over):
        row = {**directory_row(der).to_object(), **over}
        await gateway.change(us_dea={"certificates": [row]})
        return Identify(gateway.in_force, gateway.now)

    async def test_a_registered_certificate(self, gateway, authority):
        der = authority.issue_client("us-dea", 1, now=NOW).der
        assert (await self.enrolled(gateway, der))(der).agency.id == "us-dea"

    @pytest.mark.parametrize("der", [None, b"", b"not a certificate"])
    async def test_nobody(self, gateway, der):
        with pytest.raises(CallerError) as caught:
            Identify(gateway.in_force, gateway.now)(der)
        assert caught.value.code is Code.UNKNOWN_AGENCY

    @pytest.mark.parametrize(
        ("over", "code"),
        [
            pytest.param({"uri": "urn:setu:agency:us-cbp:g1"}, Code.UNKNOWN_AGENCY, id="another name in the row"),
            pytest.param({"not_after": NOW}, Code.UNKNOWN_AGENCY, id="the row is out of its dates"),
            pytest.param({"not_before": NOW + 1}, Code.UNKNOWN_AGENCY, id="the row is not in its dates yet"),
            pytest.param({"state": "revoked"}, Code.AGENCY_SUSPENDED, id="the certificate is revoked"),
        ],
    )
    async def test_a_row_that_does_not_hold(self, gateway, authority, over, code):
        der = authority.issue_client("us-dea", 1, now=NOW).der
        identify = await self.enrolled(gateway, der, **over)
        with pytest.raises(CallerError) as caught:
            identify(der)
        assert caught.value.code is code

    async def test_dates_are_asked_each_time(self, gateway, authority):
        der = authority.issue_client("us-dea", 1, now=NOW, days=1).der
        identify = await self.enrolled(gateway, der)
        identify(der)
        gateway.clock.at += 2 * 86_400
        with pytest.raises(CallerError):
            identify(der)

    async def test_a_suspension_is_in_force_at_once(self, gateway, authority):
        der = authority.issue_client("us-dea", 1, now=NOW).der
        identify = await self.enrolled(gateway, der)
        identify(der)
        await gateway.change(us_dea={"state": "suspended"})
        with pytest.raises(CallerError) as caught:
            identify(der)
        assert caught.value.code is Code.AGENCY_SUSPENDED
