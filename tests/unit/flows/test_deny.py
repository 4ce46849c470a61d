"""A deny list in force: who it suspends is out at once, whatever was decided or dated before, and the log says where."""

import asyncio

import pytest

from broker.directory.deny import Listed
from broker.directory.lookup import Snapshot
from broker.errors import CallerError, IntegrityError, SignatureError, UnavailableError
from broker.flows.health import Health
from broker.flows.identify import Identify
from broker.flows.inforce import InForce
from broker.flows.standing import GRACE
from schemas.deny import Denial, DenyList, genesis
from schemas.problem import Code
from tests.builders import NOW, handling
from tests.unit.flows.test_after import ack
from tests.unit.flows.world import Directory

AMERICAN = handling(
    classification={"system": "US", "level": "LES"}, tlp="GREEN", flags={"personal_data": True, "sanitised": True}
)


def listed(realm, name, *denials, expires=NOW + 86_400, version=1):
    made = DenyList(realm=realm.realm, list=name, base=genesis(realm.realm, name), denials=denials)
    return Listed(name, version, expires, made, made.places())


def denial(agency, **over):
    return Denial(agency=agency, at=NOW, **over)


def put(gateway, *lists):
    """What the directory's source finds when it is asked next."""
    realm = gateway.realm
    snapshot = Snapshot(realm.directory, raw=realm.directory.canonical(), realm=realm.realm, lists=lists)
    gateway.directory.newest = snapshot


async def deny(gateway, *denials, name="IND"):
    put(gateway, listed(gateway.realm, name, *denials))
    await gateway.in_force.poll()


async def test_the_log_says_where_it_came_into_force(gateway):
    await deny(gateway, denial("in-ncb"))
    entry = gateway.entries("directory_changed")[-1]
    place = listed(gateway.realm, "IND", denial("in-ncb")).places[-1]
    assert entry["denied"] == [{"list": "IND", "serial": 1, "hash": place.hash}]
    assert entry["directory"] == gateway.realm.snapshot.ref.to_object()
    assert gateway.reader.in_force() == gateway.in_force.view().basis
    assert gateway.reader.in_force().denied == f"IND:1:{place.hash}"


async def test_a_list_signed_anew_or_without_entries_is_no_entry(gateway):
    await deny(gateway)
    assert len(gateway.entries("directory_changed")) == 1
    await deny(gateway, denial("in-ncb"))
    put(gateway, listed(gateway.realm, "IND", denial("in-ncb"), expires=NOW + 99, version=2))
    await gateway.in_force.poll()
    assert gateway.in_force.view().snapshot.lists[0].expires == NOW + 99
    assert len(gateway.entries("directory_changed")) == 2


async def test_a_suspended_agencys_certificate_is_refused_at_once(gateway):
    identify = Identify(gateway.in_force, gateway.now)
    assert identify(gateway.realm.client("in-ncb")).agency.id == "in-ncb"
    await deny(gateway, denial("in-ncb"))
    with pytest.raises(CallerError) as caught:
        identify(gateway.realm.client("in-ncb"))
    assert caught.value.code is Code.AGENCY_SUSPENDED


async def test_so_is_a_suspended_certificate_alone(gateway):
    identify = Identify(gateway.in_force, gateway.now)
    mine = gateway.in_force.view().snapshot.agency("in-ncb").certificates[0].sha256
    await deny(gateway, denial("in-ncb", certificate=mine))
    with pytest.raises(CallerError) as caught:
        identify(gateway.realm.client("in-ncb"))
    assert caught.value.code is Code.AGENCY_SUSPENDED


async def test_a_packet_signed_after_suspension_but_dated_before_it_is_refused(gateway):
    """Its sender was identified a moment before, so that only what is asked at acceptance is left."""
    caller = gateway.caller("in-ncb")
    await deny(gateway, denial("in-ncb"))
    late = gateway.sealed(iat=NOW - 3600, exp=NOW + 3600)
    with pytest.raises(CallerError) as caught:
        await gateway.submit(caller, late.raw)
    assert caught.value.code is Code.AGENCY_SUSPENDED
    assert gateway.entries("accepted") == []


async def test_so_is_one_signed_with_a_suspended_key(gateway):
    key = gateway.realm.members["in-ncb"].sign.post_quantum.public.kid
    await deny(gateway, denial("in-ncb", kid=key))
    with pytest.raises(SignatureError) as caught:
        await gateway.send(iat=NOW - 3600, exp=NOW + 3600)
    assert caught.value.code is Code.KEY_UNKNOWN


async def test_a_packet_sent_through_a_certificate_that_was_suspended_meanwhile(gateway):
    caller = gateway.caller("in-ncb")
    await deny(gateway, denial("in-ncb", certificate=caller.certificate.sha256))
    with pytest.raises(CallerError) as caught:
        await gateway.submit(caller, gateway.sealed().raw)
    assert caught.value.code is Code.AGENCY_SUSPENDED


async def test_a_decision_made_before_goes_back_under_the_head_lock(gateway):
    """Decided, and not yet committed, when the list comes into force on another gateway of the same ledger."""
    other = InForce(
        Directory(gateway.realm), gateway.in_force.view().policy, gateway.ledger, gateway.reader, gateway="in-setu"
    )
    loop = asyncio.get_running_loop()
    put(gateway, listed(gateway.realm, "IND", denial("in-ncb")))
    other._directory.newest = gateway.directory.newest

    def meanwhile():
        asyncio.run_coroutine_threadsafe(other.poll(), loop).result(5)

    gateway.hooks["decided"] = meanwhile
    with pytest.raises(CallerError) as caught:
        await gateway.send()
    assert caught.value.code is Code.AGENCY_SUSPENDED
    assert gateway.entries("accepted") == []
    assert gateway.entries("directory_changed")[-1]["denied"][0]["serial"] == 1


async def test_nothing_is_sent_to_a_suspended_recipient_and_what_waits_goes_on_waiting(gateway):
    await gateway.send()
    await deny(gateway, denial("us-dea"), name="USA")
    with pytest.raises(CallerError):
        await gateway.page()
    assert gateway.entries("delivered", "withheld") == []


async def test_a_long_poll_of_a_suspended_agency_ends(gateway):
    identify = Identify(gateway.in_force, gateway.now)
    mine = gateway.realm.client("us-dea")

    def standing():
        gateway.clock.at += 1
        return identify(mine)

    waiting = asyncio.create_task(gateway.subscribe.page(standing, "setu.us-dea.tip", None, 10, 30.0))
    await asyncio.sleep(0.05)
    await deny(gateway, denial("us-dea"), name="USA")
    with pytest.raises(CallerError):
        await asyncio.wait_for(waiting, 3)


async def test_an_open_stream_of_a_suspended_agency_ends(gateway):
    identify = Identify(gateway.in_force, gateway.now)
    mine = gateway.realm.client("us-dea")
    stream = await gateway.subscribe.stream(lambda: identify(mine), "setu.us-dea.tip", None)
    assert await anext(stream) is None
    await deny(gateway, denial("us-dea"), name="USA")
    with pytest.raises(CallerError):
        await asyncio.wait_for(anext(stream), 3)


async def test_who_waits_is_asked_at_once_and_not_when_it_would_look_again(gateway):
    identify = Identify(gateway.in_force, gateway.now)
    mine = gateway.realm.client("us-dea")
    with gateway.bell.listen(("us-dea", "tip")) as listener:
        await deny(gateway, denial("us-dea"), name="USA")
        await asyncio.wait_for(listener.wait(30), 3)
    with pytest.raises(CallerError):
        identify(mine)


async def test_policy_does_not_answer_from_before(gateway):
    await gateway.send()
    await deny(gateway, denial("in-setu"), name="operator")
    with pytest.raises(Exception, match="active gateway"):
        await gateway.send()


async def test_a_list_that_says_less_than_the_ledger_remembers_is_not_taken(gateway):
    await deny(gateway, denial("in-ncb"))
    await deny(gateway)
    assert "deny list IND" in gateway.in_force.trouble
    with pytest.raises(CallerError):
        await gateway.send()
    put(gateway)
    again = InForce(
        Directory(gateway.realm), gateway.in_force.view().policy, gateway.ledger, gateway.reader, gateway="in-setu"
    )
    with pytest.raises(IntegrityError, match="Expected of the deny list IND entries up to 1"):
        await again.start()


async def test_the_directory_lifts_it(gateway):
    await deny(gateway, denial("in-ncb"))
    held = gateway.in_force.view().snapshot.lists
    gateway.realm = gateway.realm.with_(document={"lifted": [held[0].ref.to_object()]})
    put(gateway, *held)
    await gateway.in_force.poll()
    _, done = await gateway.send()
    assert done.fresh
    assert [each["directory"]["version"] for each in gateway.entries("directory_changed")] == [1, 1, 2]


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(lambda realm: listed(realm, "IND", expires=NOW - GRACE), id="expired-and-stale-beyond-grace"),
        pytest.param(lambda _: Listed("IND", trouble="none"), id="never-seen"),
    ],
)
async def test_a_country_whose_list_is_too_old_is_not_heard_and_the_other_is(gateway, late):
    theirs, sent = await gateway.send(("in-ncb",), sender="us-dea", handling=AMERICAN)
    await gateway.page("in-ncb")
    put(gateway, late(gateway.realm), listed(gateway.realm, "USA"))
    await gateway.in_force.poll()
    with pytest.raises(UnavailableError, match="deny list of IND"):
        await gateway.send()
    with pytest.raises(UnavailableError, match="deny list of IND"):
        await ack(gateway, theirs, sent.receipt.index, by="in-ncb")
    _, done = await gateway.send(("in-ncb",), sender="us-dea", handling=AMERICAN)
    assert done.fresh
    assert len((await gateway.page("in-ncb")).items) == 2


async def test_one_that_expired_is_enough_for_a_while_and_readyz_warns(gateway):
    put(gateway, listed(gateway.realm, "IND", expires=NOW - 7200))
    await gateway.in_force.poll()
    _, done = await gateway.send()
    assert done.fresh
    found = await Health(gateway.in_force, gateway.reader, list, gateway.now).ready()
    assert found["warning"] == "Expected the deny list IND to be fresh, found one that expired 2 h ago."
