"""Acceptance, step by step: what is accepted, what is refused and on record, what is only counted."""

import asyncio
import threading

import pytest

from broker.errors import ConflictError, MalformedError, PacketError, PolicyError, SignatureError, UnavailableError
from broker.flows.submit import Submitted
from broker.ledger.port import Basis, Proposal
from broker.merkle.receipt import verify_receipt
from schemas.problem import Code
from tests.builders import NOW, handling


async def test_an_accepted_packet_is_in_the_ledger_and_its_receipt_proves_it(gateway):
    sealed, submitted = await gateway.send()
    entry = verify_receipt(submitted.receipt, gateway.realm.directory.logs[0])
    assert submitted.fresh
    assert (entry.type, entry.actor, entry.packet.digest) == ("accepted", "in-ncb", sealed.digest)
    assert entry.directory == gateway.realm.snapshot.ref
    assert entry.decision.outcome == "permit"
    assert entry.packet.to == ("us-dea", "in-setu")
    assert gateway.reader.packet(sealed.digest).raw == sealed.raw
    assert list(gateway.reader.packet(sealed.digest).states) == ["us-dea"]


@pytest.mark.parametrize(
    "then",
    [
        pytest.param({"in_ncb": {"keys": []}}, id="the sender's keys are gone"),
        pytest.param({"us_dea": {"state": "suspended"}}, id="the recipient is suspended"),
        pytest.param({"us_dea": {"mandates": ["border"]}}, id="policy would refuse it now"),
    ],
)
async def test_asking_again_gets_the_same_receipt_whatever_the_directory_says_now(gateway, then):
    sealed, first = await gateway.send()
    await gateway.change(**then)
    gateway.clock.at += 30 * 86_400
    again = await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    assert again.receipt == first.receipt
    assert not again.fresh
    assert len(gateway.entries("accepted")) == 1


async def test_an_id_used_for_another_packet_is_a_conflict_on_record(gateway):
    first, _ = await gateway.send()
    second = gateway.sealed(id=first.header.id)
    with pytest.raises(ConflictError):
        await gateway.submit(gateway.caller("in-ncb"), second.raw)
    assert [each["packet"]["digest"] for each in gateway.entries("conflict")] == [second.digest]
    assert gateway.reader.find("in-ncb", first.header.id)[1] == first.digest


async def test_a_conflict_without_a_valid_signature_is_only_counted(gateway):
    first, _ = await gateway.send()
    await gateway.change(in_ncb={"keys": []})
    with pytest.raises(SignatureError):
        await gateway.submit(gateway.caller("in-ncb"), gateway.sealed(id=first.header.id).raw)
    assert gateway.entries("conflict") == []


async def test_a_policy_refusal_is_an_entry_with_its_rules_and_uses_up_no_id(gateway):
    sealed = gateway.sealed(handling=handling(releasable_to=["IND"]))
    with pytest.raises(PolicyError) as caught:
        await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    assert {hit.recipient for hit in caught.value.rules} == {"us-dea"}
    (entry,) = gateway.entries("refused")
    assert (entry["code"], entry["packet"]["digest"]) == ("policy-denied", sealed.digest)
    assert entry["decision"] == {"outcome": "deny", "rules": sorted({hit.rule for hit in caught.value.rules})}
    assert gateway.reader.packet(sealed.digest) is None
    await gateway.submit(gateway.caller("in-ncb"), gateway.sealed(id=sealed.header.id).raw)


async def test_refusals_before_the_signatures_held_are_counted_by_agency_code_and_minute(gateway):
    for raw in (b"{", b"[]", b"{"):
        with pytest.raises(PacketError):
            await gateway.submit(gateway.caller("in-ncb"), raw)
    foreign = gateway.sealed(sender="us-cbp")
    with pytest.raises(PacketError):
        await gateway.submit(gateway.caller("in-ncb"), foreign.raw)
    await gateway.refusals.flush()
    assert gateway.entries("refused", "refused_many") == []
    gateway.clock.at += 60
    await gateway.refusals.flush()
    counted = {(each["actor"], each["code"]): each["count"] for each in gateway.entries("refused_many")}
    assert counted == {
        ("in-ncb", "json-invalid"): 2,
        ("in-ncb", "envelope-invalid"): 1,
        ("in-ncb", "sender-mismatch"): 1,
    }
    assert all("packet" not in each for each in gateway.entries("refused_many"))


@pytest.mark.parametrize(
    ("over", "code"),
    [
        pytest.param({"iat": NOW + 301}, Code.CLOCK_SKEW, id="301 s ahead"),
        pytest.param({"exp": NOW}, Code.EXPIRED, id="expires now"),
        pytest.param({"exp": NOW + 7 * 86_400 + 1}, Code.LIFETIME, id="a second too long"),
        pytest.param({"iat": NOW + 100, "exp": NOW + 50}, Code.LIFETIME, id="ends before it begins"),
        pytest.param({"kind_version": 2}, Code.KIND_UNKNOWN, id="a version nobody knows"),
    ],
)
async def test_time_and_kind(gateway, over, code):
    with pytest.raises(PacketError) as caught:
        await gateway.send(**over)
    assert caught.value.code is code
    assert [each["code"] for each in gateway.entries("refused")] == [code]


async def test_the_edges_of_time_are_inside(gateway):
    await gateway.send(iat=NOW + 300, exp=NOW + 300 + 7 * 86_400)
    await gateway.send(iat=NOW - 5 * 86_400, exp=NOW + 1)


async def test_a_suspension_between_decision_and_commit_is_decided_again(gateway):
    """The basis is checked under the head lock: what was decided under another directory is not committed."""

    def meanwhile():
        gateway.realm = gateway.realm.with_(agencies={"us-dea": {"state": "suspended"}})
        gateway.directory.put(gateway.realm)
        view = gateway.in_force.view()
        changed = {
            "v": "setu1.entry",
            "type": "directory_changed",
            "actor": "in-setu",
            "aud": gateway.in_force.audience.to_object(),
            "directory": gateway.directory.newest.ref.to_object(),
            "policy": view.policy.version,
        }
        basis = Basis(gateway.directory.newest.ref.version, view.policy.version)
        gateway.ledger.propose(Proposal(changed, once="directory/2", puts_in_force=basis)).result(5)

    gateway.hooks["decided"] = meanwhile
    with pytest.raises(PacketError) as caught:
        await gateway.send()
    assert (caught.value.code, caught.value.pointer) == (Code.RECIPIENT_UNKNOWN, "/to/0")
    assert gateway.entries("accepted") == []
    (entry,) = gateway.entries("refused")
    assert entry["directory"]["version"] == 2


async def test_a_sealed_packet_is_taken_only_where_policy_allows_the_kind_sealed(gateway):
    sealed = gateway.realm.sealed("in-ncb", ["us-dea"], "tip", b"for us-dea alone")
    assert (await gateway.submit(gateway.caller("in-ncb"), sealed.raw)).fresh
    refused = gateway.realm.sealed("in-ncb", ["us-dea"], "pen", b"for us-dea alone")
    with pytest.raises(PolicyError) as caught:
        await gateway.submit(gateway.caller("in-ncb"), refused.raw)
    assert [hit.rule for hit in caught.value.rules] == ["sealed-allowed"]


async def test_a_check_says_what_would_happen_and_commits_nothing(gateway):
    size = len(gateway.entries())
    rules = await gateway.submit.check(gateway.caller("in-ncb"), gateway.sealed().raw)
    assert rules
    with pytest.raises(PolicyError):
        await gateway.submit.check(gateway.caller("in-ncb"), gateway.sealed(handling=handling(releasable_to=[])).raw)
    assert len(gateway.entries()) == size


class Watched:
    """A reader that keeps on which threads it was asked."""

    def __init__(self, reader):
        self.reader, self.threads = reader, set()

    def __getattr__(self, name):
        self.threads.add(threading.current_thread())
        return getattr(self.reader, name)


async def test_no_question_to_the_store_holds_up_the_event_loop(gateway):
    """A store that hangs would else stop all that the gateway does, from its streams to its answer on health."""
    reader = gateway.submit._reader = Watched(gateway.reader)
    sealed, _ = await gateway.send()
    await gateway.submit.check(gateway.caller("in-ncb"), sealed.raw)
    await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    assert reader.threads
    assert threading.current_thread() not in reader.threads


async def test_many_have_each_their_own_outcome(gateway):
    before, first = await gateway.send()
    twice = gateway.sealed()
    unsigned = gateway.sealed()
    refused = gateway.sealed(handling=handling(releasable_to=["IND"]))
    used = gateway.sealed(id=before.header.id)
    rival = gateway.sealed(id=twice.header.id)
    raws = [twice.raw, b"{", before.raw, refused.raw, twice.raw, used.raw, rival.raw, unsigned.raw]
    found = await gateway.submit.many(gateway.caller("in-ncb"), raws)
    kinds = [type(each) for each in found]
    assert kinds == [
        Submitted, MalformedError, Submitted, PolicyError, Submitted, ConflictError, ConflictError, Submitted,
    ]  # fmt: skip
    assert found[2] == Submitted(first.receipt, fresh=False)
    assert found[4].receipt == found[0].receipt
    assert sorted([found[0].fresh, found[4].fresh]) == [False, True]
    assert len(gateway.entries("accepted")) == 3
    assert sorted(each["packet"]["digest"] for each in gateway.entries("conflict")) == sorted(
        [used.digest, rival.digest]
    )
    assert [each["packet"]["digest"] for each in gateway.entries("refused")] == [refused.digest]


async def test_more_than_one_thread_takes_at_a_time_are_all_answered_in_order(gateway):
    sealed = [gateway.sealed() for _ in range(40)]
    found = await gateway.submit.many(gateway.caller("in-ncb"), [each.raw for each in sealed])
    accepted = {each["packet"]["digest"] for each in gateway.entries("accepted")}
    assert accepted == {each.digest for each in sealed}
    entries = [verify_receipt(each.receipt, gateway.realm.directory.logs[0]) for each in found]
    assert [each.packet.digest for each in entries] == [each.digest for each in sealed]


async def test_a_change_under_many_is_decided_again_for_those_it_concerns(gateway):
    def meanwhile():
        gateway.realm = gateway.realm.with_(agencies={"us-dea": {"state": "suspended"}})
        gateway.directory.put(gateway.realm)
        asyncio.run_coroutine_threadsafe(gateway.in_force.poll(), loop).result(5)

    loop = asyncio.get_running_loop()
    gateway.submit._lane._free = 1  # one thread for all of them, which the change then comes under
    sealed = [gateway.sealed(to) for to in (["us-dea"], ["us-cbp"], ["us-dea"])]
    gateway.hooks["decided"] = meanwhile
    found = await gateway.submit.many(gateway.caller("in-ncb"), [each.raw for each in sealed])
    codes = [None if isinstance(each, Submitted) else each.code for each in found]
    assert codes == [Code.RECIPIENT_UNKNOWN, None, Code.RECIPIENT_UNKNOWN]
    assert {each["directory"]["version"] for each in gateway.entries("accepted", "refused")} == {2}


async def test_many_while_the_store_does_not_answer_are_in_doubt_and_nothing_is_counted(gateway):
    def fails(sender, packet_ids):
        raise UnavailableError("Expected the store to answer, found it busy.")

    gateway.reader.found = fails
    found = await gateway.submit.many(gateway.caller("in-ncb"), [gateway.sealed().raw, b"{"])
    assert [type(each) for each in found] == [UnavailableError, MalformedError]
    assert gateway.entries("accepted") == []
