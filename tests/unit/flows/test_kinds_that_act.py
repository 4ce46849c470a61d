"""The kinds whose payloads ask, answer, withdraw and attest, in open mode: from the payload to the clock."""

import uuid

import pytest

from broker.errors import PacketError
from broker.sdk.content import write_payload
from schemas import registry
from tests.builders import handling
from tests.unit.flows.seen import clocks, gone, states

SOON = "2026-09-22T12:00:00Z"
BLOCK = {"handling": handling(tlp="GREEN", handling_code="H0")}


async def send(gateway, kind, sample, sender="in-ncb", to="us-dea", *, in_reply_to=None, **over):
    payload = {**registry.samples(kind)[sample], **over}
    version, raw, act = write_payload(kind, None, payload, BLOCK["handling"], in_reply_to)
    sealed = gateway.realm.sealed(
        sender,
        [to, gateway.realm.gateway],
        kind,
        raw,
        kind_version=version,
        act=act,
        in_reply_to=in_reply_to,
        **BLOCK,
    )
    await gateway.submit(gateway.caller(sender), sealed.raw)
    return sealed


async def test_a_question_is_asked_and_answered(gateway):
    question = await send(gateway, "rfi", "request", due_at=SOON)
    ((recipient, word, due, state),) = clocks(gateway, question)
    assert (recipient, word, state) == ("us-dea", "answer", "running")
    await gateway.page(kind="rfi")
    await send(gateway, "rfi", "reply", "us-dea", "in-ncb", in_reply_to=question.digest)
    assert clocks(gateway, question) == [("us-dea", "answer", due, "stopped")]


async def test_what_is_retracted_is_gone_and_its_destruction_attested(gateway):
    tip = await send(gateway, "tip", "bengali-market")
    await gateway.page()
    target = {"id": tip.header.id, "digest": tip.digest}
    await send(gateway, "lifecycle", "retract", target=target, deadline=SOON)
    assert states(gateway, tip) == {"us-dea": "retracted"}
    assert await gone(gateway) == ["retracted"]
    notice = (await gateway.page(kind="lifecycle")).items[0]
    assert notice.packet.jwe.aad
    await send(gateway, "lifecycle", "attest", "us-dea", "in-ncb", target=target)
    assert [each[3] for each in clocks(gateway, tip)] == ["stopped"]
    assert [each["packet"]["digest"] for each in gateway.entries("retracted", "attested")] == [tip.digest] * 2


@pytest.mark.parametrize(
    ("kind", "sample", "sender", "to"),
    [
        pytest.param("lifecycle", "retract", "in-ncb", "us-dea", id="withdrawn"),
        pytest.param("lifecycle", "amend", "in-ncb", "us-dea", id="amended"),
        pytest.param("feedback", None, "us-dea", "in-ncb", id="reported-on"),
    ],
)
async def test_the_id_and_the_digest_of_two_packets_are_refused(gateway, kind, sample, sender, to):
    first, second = [await send(gateway, "tip", "bengali-market") for _ in range(2)]
    await gateway.page()
    over = {"deadline": SOON} if sample == "retract" else {}
    sample = sample or next(iter(registry.samples(kind)))
    mixed = {"id": second.header.id, "digest": first.digest}
    with pytest.raises(PacketError) as caught:
        await send(gateway, kind, sample, sender, to, target=mixed, **over)
    assert (caught.value.code, caught.value.pointer) == ("reference-unknown", "/target/id")
    assert states(gateway, first) == {"us-dea": "offered"}
    await send(gateway, kind, sample, sender, to, target=mixed | {"id": first.header.id}, **over)


async def test_a_stranger_is_not_told_whose_id_it_is(gateway):
    """An amendment has no act, so that nothing is asked of what it names but this."""
    unseen = await send(gateway, "tip", "bengali-market")
    target = {"id": str(uuid.UUID(unseen.header.id)), "digest": unseen.digest}
    for named in (target, target | {"id": unseen.header.id[:-1] + ("0" if unseen.header.id[-1] != "0" else "1")}):
        await send(gateway, "lifecycle", "amend", "us-dea", "in-ncb", target=named)
