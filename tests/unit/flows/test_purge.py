"""What may not be kept any longer is removed; what proves the exchange stays."""

import datetime as dt
import sqlite3
from contextlib import closing

import pytest

from broker.errors import PacketError
from broker.flows.record import header_of
from broker.merkle.receipt import verify_receipt
from schemas.act import Withdraws
from schemas.evidence import AckEvent
from tests.builders import NOW, handling
from tests.unit.flows.seen import gone, states, timeline
from tests.unit.flows.test_lifecycle import opened

DAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
MIDNIGHT = int(dt.datetime.combine(DAY + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp())


async def kept(gateway, to=("us-dea",), day=DAY, **over):
    """A packet to be purged today."""
    flags = {"personal_data": False, "sanitised": True}
    until = handling(tlp="GREEN", retention={"purge_on": day.isoformat()}, flags=flags)
    sealed, sent = await gateway.act(None, to, handling=until, **over)
    return sealed, sent


async def test_bytes_are_there_to_the_end_of_the_day_and_then_purged_once(gateway):
    sealed, _ = await kept(gateway)
    await gateway.page()
    gateway.clock.at = MIDNIGHT - 1.0
    assert await gateway.purge() == 0
    assert await gone(gateway) == [sealed.digest]
    gateway.clock.at += 1
    for _ in range(2):
        await gateway.purge()
    (entry,) = gateway.entries("purged")
    assert (entry["actor"], entry["packet"]["digest"]) == ("in-setu", sealed.digest)
    assert gateway.reader.packet(sealed.digest).raw is None


async def test_what_nobody_answered_ends_before_it_is_purged(gateway):
    """Expired, and so in the log (G1), for who never fetched it and for who did not answer."""
    sealed, _ = await kept(gateway, ("us-cbp", "us-dea"), exp=NOW + 5 * 86_400)
    await gateway.page("us-cbp")
    gateway.clock.at = float(MIDNIGHT)
    await gateway.purge()
    assert states(gateway, sealed) == {"us-cbp": "expired", "us-dea": "expired"}
    types = [each["type"] for each in gateway.entries("expired", "purged")]
    assert types == ["expired", "expired", "purged"]
    assert await gone(gateway) == ["expired"]


async def test_what_was_opened_leaves_a_tombstone_and_its_evidence(gateway):
    sealed, sent = await kept(gateway)
    await gateway.page()
    await opened(gateway, sealed, sent.receipt.index)
    before = await gateway.timelines.proof(gateway.caller("us-dea"), sealed.digest)
    gateway.clock.at = float(MIDNIGHT)
    await gateway.purge()
    assert await gone(gateway) == ["purged"]
    assert states(gateway, sealed) == {"us-dea": "opened"}
    found = gateway.reader.packet(sealed.digest)
    assert header_of(found) == sealed.header
    for each in ("us-dea", "in-ncb"):
        assert (await timeline(gateway, each, sealed))[0] == ["accepted", "delivered", "acknowledged", "purged"]
        proof = await gateway.timelines.proof(gateway.caller(each), sealed.digest)
        assert (proof.aad, proof.manifest, proof.signatures) == (before.aad, before.manifest, before.signatures)
        assert len(proof.acknowledgements) == 1
        types = [str(verify_receipt(each, gateway.realm.directory.logs[0]).type) for each in proof.receipts]
        assert types[-1] == "purged"
    await opened(gateway, sealed, sent.receipt.index, AckEvent.RECEIVED)
    assert gateway.entries("acknowledged")[-1]["packet"]["id"] == sealed.header.id


async def test_the_repeat_of_a_purged_packet_gets_its_first_receipt(gateway):
    sealed, sent = await kept(gateway)
    gateway.clock.at = float(MIDNIGHT)
    await gateway.purge()
    again = await gateway.submit(gateway.caller("in-ncb"), sealed.raw)
    assert (again.receipt, again.fresh) == (sent.receipt, False)
    assert len(gateway.entries("accepted")) == 1


async def test_an_offer_that_comes_between_holds_a_purge_up_until_it_ended(gateway):
    sealed, _ = await kept(gateway)
    packet = gateway.reader.packet(sealed.digest)
    await gateway.page()
    await gateway.purge._purge(packet, packet.raw)
    assert gateway.entries("purged") == []
    assert await gone(gateway) == [sealed.digest]


async def test_what_was_withdrawn_is_purged_at_once(gateway, tmp_path):
    sealed, _ = await gateway.act()
    await gateway.page()
    await gateway.act(Withdraws(does="withdraws", of=sealed.digest, due=NOW + 60))
    assert await gateway.purge() == 1
    assert (await timeline(gateway, "us-dea", sealed))[0] == ["accepted", "delivered", "retracted", "purged"]
    assert (await gone(gateway))[0] == "retracted"
    assert (await timeline(gateway, "us-dea", sealed))[1] == ["running"]


async def test_no_file_of_the_store_holds_what_was_purged(gateway, tmp_path):
    sealed, _ = await kept(gateway)
    ciphertext, header = (sealed.raw.split(name)[1][:1024] for name in (b'"ciphertext":"', b'"aad":"'))

    def holding(text):
        """Files in which some of it stands; a page of the file may end anywhere in it."""
        parts = [text[start : start + 64] for start in range(0, len(text), 64)]
        found = {each.name: each.read_bytes() for each in tmp_path.glob("setu.db*")}
        return [name for name, raw in found.items() if any(part in raw for part in parts)]

    assert holding(ciphertext)
    gateway.clock.at = float(MIDNIGHT)
    await gateway.purge()
    assert holding(ciphertext) == []
    assert holding(header)


async def test_what_a_read_held_up_is_scrubbed_when_the_read_is_over(gateway, tmp_path):
    sealed, _ = await kept(gateway)
    ciphertext = sealed.raw.split(b'"ciphertext":"')[1][:1024]
    await gateway.purge()
    gateway.clock.at = float(MIDNIGHT)
    with closing(sqlite3.connect(tmp_path / "setu.db")) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM packets").fetchall()
        await gateway.purge()
        files = b"".join(each.read_bytes() for each in tmp_path.glob("setu.db*"))
        assert ciphertext[512:640] in files
    assert await gateway.purge() == 0
    files = b"".join(each.read_bytes() for each in tmp_path.glob("setu.db*"))
    assert ciphertext[512:640] not in files


async def test_what_may_not_be_kept_is_not_accepted(gateway):
    with pytest.raises(PacketError) as found:
        await kept(gateway, day=DAY - dt.timedelta(days=1))
    assert (found.value.code, found.value.pointer) == ("expired", "/handling/retention/purge_on")


async def test_the_last_day_of_all_days_is_a_day_too(gateway):
    await kept(gateway, day=dt.date.max)
    assert await gateway.purge() == 0
