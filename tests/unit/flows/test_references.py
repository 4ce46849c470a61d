"""What a header names of earlier packets: only what its sender takes part in, and that without telling which failed."""

import pytest

from broker.errors import PacketError, PolicyError
from schemas.act import Answers, Outcome, Reports, Withdraws
from tests.builders import NOW

NOBODYS = "A" * 64


async def _shown(gateway):
    """The digest of a packet from in-ncb that us-dea was offered, and of one that it was not."""
    first, _ = await gateway.send()
    await gateway.page()
    second, _ = await gateway.send()
    return first.digest, second.digest


async def test_sources_of_ones_own_and_of_what_was_offered_are_taken_and_logged(gateway):
    shown, unseen = await _shown(gateway)
    for sender, to, sources in (
        ("in-ncb", "us-dea", (shown, unseen)),
        ("us-dea", "in-ncb", (shown,)),
    ):
        sealed, _ = await gateway.send((to,), sender=sender, sources=sources)
        assert gateway.entries("accepted")[-1]["sources"] == list(sources)
        assert sealed.header.sources == sources


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(lambda shown, unseen: unseen, id="addressed-and-not-offered-yet"),
        pytest.param(lambda shown, unseen: NOBODYS, id="not-there"),
    ],
)
@pytest.mark.parametrize("sender", ["us-dea", "us-cbp"])
async def test_a_source_the_sender_may_not_know_of_is_refused_like_one_that_is_not_there(gateway, named, sender):
    digest = named(*await _shown(gateway))
    with pytest.raises(PacketError) as found:
        await gateway.send(("in-ncb",), sender=sender, sources=(digest,))
    assert (found.value.code, found.value.pointer) == ("reference-unknown", "/sources/0")
    assert digest not in str(found.value)
    assert gateway.entries("refused")[-1]["code"] == "reference-unknown"


@pytest.mark.parametrize(
    ("sender", "act"),
    [
        pytest.param("us-dea", lambda of: Withdraws(does="withdraws", of=of, due=NOW + 60), id="withdrawn-by-a-recipient"),
        pytest.param("in-ncb", lambda of: Answers(does="answers", of=of), id="answered-by-its-sender"),
        pytest.param("us-cbp", lambda of: Answers(does="answers", of=of), id="answered-by-a-stranger"),
    ],
)  # fmt: skip
async def test_an_act_by_who_has_not_the_part_is_refused(gateway, sender, act):
    shown, _ = await _shown(gateway)
    to = "us-dea" if sender == "in-ncb" else "in-ncb"
    with pytest.raises(PacketError) as found:
        await gateway.send((to,), sender=sender, act=act(shown))
    assert (found.value.code, found.value.pointer) == ("reference-unknown", "/act/of")


@pytest.mark.parametrize("drill", [True, False])
async def test_a_drill_does_nothing_to_a_real_packet_nor_the_other_way_round(gateway, drill):
    first, _ = await gateway.send(exercise=not drill)
    await gateway.page()
    with pytest.raises(PacketError) as found:
        await gateway.act(Withdraws(does="withdraws", of=first.digest, due=NOW + 60), exercise=drill)
    assert (found.value.code, found.value.pointer) == ("reference-unknown", "/act/of")
    assert gateway.reader.packet(first.digest).raw is not None
    await gateway.act(Withdraws(does="withdraws", of=first.digest, due=NOW + 60), exercise=not drill)


async def test_an_act_that_the_payload_does_not_say_is_refused_by_name(gateway):
    shown, _ = await _shown(gateway)
    with pytest.raises(PolicyError) as found:
        await gateway.send(("in-ncb",), sender="us-dea", act=Reports(does="reports", of=shown, outcome=Outcome.USED))
    assert [hit.rule for hit in found.value.rules] == ["header.act"]
