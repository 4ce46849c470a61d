"""Keys that change while packets are on their way: what the gateway does not know yet, and what it does not hold yet."""

import asyncio
import json
import threading
import time

import pytest

from broker.directory.lookup import Snapshot
from broker.directory.wrap import GatewayKeys
from broker.envelope.seal import seal
from broker.errors import PacketError, SignatureError, UnavailableError
from broker.flows.standing import warnings
from broker.flows.submit import Submit
from schemas import registry
from schemas.directory import KeyUse
from schemas.problem import Code
from schemas.wrap import WrapKeys
from tests.builders import NOW, handling, key_row, private_key

NEW = private_key("HPKE-9-KE", "us-dea, the next")
TIP = next(iter(registry.samples("tip").values()))


def sealed_to(gateway, key):
    realm = gateway.realm
    readers = [("us-dea", key.public), (realm.gateway, realm.wrap_key(realm.gateway))]
    block = handling(tlp="GREEN", flags={"personal_data": True, "sanitised": True})
    draft = realm.draft("in-ncb", act=registry.act_of(registry.check("tip", 1, TIP), None), handling=block)
    return seal(draft, json.dumps(TIP).encode(), readers, realm.members["in-ncb"].sign, realm.suite)


def publish_next(gateway):
    """A directory in the repository that the gateway has not looked at yet."""
    row = gateway.realm.snapshot.agency("us-dea").to_object()
    rows = [*row["keys"], key_row(NEW, KeyUse.WRAP).to_object()]
    gateway.directory.put(gateway.realm.with_(agencies={"us-dea": {"keys": rows}}))


def lacking(gateway, keys):
    """The gateway's acceptance with other private halves at hand."""
    return Submit(
        gateway.in_force,
        gateway.ledger,
        gateway.reader,
        gateway.refusals,
        gateway.workers,
        keys=keys,
        now=gateway.now,
        max_lifetime=7 * 86_400,
        probe=lambda _: None,
    )


async def test_a_key_that_only_the_newest_directory_has_is_looked_for_before_it_is_refused(gateway):
    publish_next(gateway)
    sealed = sealed_to(gateway, NEW)
    assert await gateway.submit.check(gateway.caller("in-ncb"), sealed.raw)
    submitted = await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    assert submitted.fresh
    assert gateway.entries("refused") == []


async def test_of_several_the_others_are_not_kept_by_one(gateway):
    publish_next(gateway)
    raws = [sealed_to(gateway, NEW).raw, gateway.sealed().raw, sealed_to(gateway, NEW).raw]
    found = await gateway.submit.many(gateway.caller("in-ncb"), raws)
    assert [each.fresh for each in found] == [True] * 3


async def test_a_key_that_no_directory_has_is_refused_and_recorded_once(gateway):
    stranger = sealed_to(gateway, private_key("HPKE-9-KE", "nobody's"))
    for ask in (gateway.submit.check, gateway.submit):
        with pytest.raises(PacketError, match="Refresh the directory") as refused:
            await ask(gateway.caller("in-ncb"), stranger.raw)
        assert refused.value.code is Code.RECIPIENT_UNKNOWN
    assert [each["code"] for each in gateway.entries("refused")] == ["recipient-unknown"]


async def test_a_flood_of_unknown_kids_shares_its_looks_for_a_newer_directory(gateway):
    looks, refresh = [], gateway.directory.refresh

    def slowly():
        looks.append("begun")
        time.sleep(0.02)
        assert looks.pop() == "begun", "one at a time"
        counted.append(1)
        return refresh()

    counted = []
    gateway.directory.refresh = slowly
    stranger = private_key("HPKE-9-KE", "nobody's")
    raws = [sealed_to(gateway, stranger).raw for _ in range(12)]
    found = await asyncio.gather(
        *(gateway.submit.check(gateway.caller("in-ncb"), raw) for raw in raws), return_exceptions=True
    )
    assert {each.code for each in found} == {Code.RECIPIENT_UNKNOWN}
    assert len(counted) < len(raws) / 2


async def test_who_asks_during_a_look_gets_one_that_began_after_that(gateway):
    refresh, going, go = gateway.directory.refresh, threading.Event(), threading.Event()

    def held():
        found = refresh()
        going.set()
        go.wait(10)
        return found

    gateway.directory.refresh = held
    first = asyncio.create_task(gateway.in_force.poll())
    await asyncio.to_thread(going.wait, 10)
    publish_next(gateway)
    second = asyncio.create_task(gateway.submit(gateway.caller("in-ncb"), sealed_to(gateway, NEW).raw))
    await asyncio.sleep(0.05)
    go.set()
    assert (await second).fresh
    await first


async def test_a_look_that_is_given_up_is_nobody_elses_answer(gateway):
    refresh, going, go = gateway.directory.refresh, threading.Event(), threading.Event()

    def held():
        going.set()
        go.wait(10)
        return refresh()

    gateway.directory.refresh = held
    one, other = (asyncio.create_task(gateway.in_force.poll()) for _ in range(2))
    await asyncio.to_thread(going.wait, 10)
    publish_next(gateway)
    one.cancel()
    go.set()
    await other
    assert gateway.in_force.view().snapshot.ref.version == 2


async def test_new_signing_keys_are_looked_for_too(gateway):
    label = "in-ncb, the next"
    signers = [private_key(alg, label) for alg in ("Ed25519", "ML-DSA-65")]
    realm = gateway.realm
    rows = [
        *realm.snapshot.agency("in-ncb").to_object()["keys"],
        *(key_row(each, KeyUse.SIGN).to_object() for each in signers),
    ]
    readers = [("us-dea", realm.wrap_key("us-dea")), (realm.gateway, realm.wrap_key(realm.gateway))]
    other = type(realm.members["in-ncb"].sign)(*signers)
    sealed = seal(realm.draft("in-ncb", handling=handling(tlp="GREEN")), b"{}", readers, other, realm.suite)
    with pytest.raises(SignatureError):
        await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    gateway.directory.put(realm.with_(agencies={"in-ncb": {"keys": rows}}))
    with pytest.raises(PacketError) as refused:
        await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    assert refused.value.code is Code.SCHEMA, "its signatures were good"


async def test_a_private_half_that_is_not_here_yet_is_no_refusal(gateway):
    keys = {}
    submit, sealed = lacking(gateway, keys), gateway.sealed()
    for ask in (submit, submit.check):
        with pytest.raises(UnavailableError, match="private half") as doubt:
            await ask(gateway.caller("in-ncb"), sealed.raw)
        assert "Send the same bytes again" in doubt.value.advice
    assert gateway.entries("refused", "accepted") == []
    keys |= gateway.realm.members[gateway.realm.gateway].keys
    assert (await submit(gateway.caller("in-ncb"), sealed.raw)).fresh


async def test_that_the_gateway_has_no_key_in_its_dates_is_a_warning(gateway):
    snapshot = gateway.realm.snapshot
    key = key_row(NEW, KeyUse.WRAP, not_before=NOW, not_after=NOW + 100)
    document = WrapKeys(realm=snapshot.realm, gateway="in-setu", keys=(key,))
    for trouble in (None, "Expected another."):
        role = GatewayKeys("in-setu", 1, NOW + 100, document, trouble)
        found = Snapshot(snapshot.signed, raw=snapshot.raw, realm=snapshot.realm, gateways=[role])
        assert warnings(found, NOW) == ([trouble] if trouble else [])
        assert (
            warnings(found, NOW + 100)[0] == "Expected a wrap key of in-setu in its dates, found none: it is no reader."
        )
