"""What the parties and auditors are shown of entries whose signer's key turns out to have been in other hands."""

import pytest

from schemas.directory import KeyUse
from tests.builders import NOW, key_row, private_key
from tests.unit.flows.test_after import ack


def rows(gateway, agency, **over):
    member = gateway.realm.members[agency]
    other = [private_key(alg, f"{agency} next") for alg in ("Ed25519", "ML-DSA-65")]
    return [
        key_row(member.sign.classical, KeyUse.SIGN, **over).to_object(),
        key_row(member.sign.post_quantum, KeyUse.SIGN).to_object(),
        key_row(member.wrap, KeyUse.WRAP).to_object(),
        *(key_row(key, KeyUse.SIGN).to_object() for key in other),
    ]


async def shown(gateway, digest, agency="in-audit"):
    found = await gateway.timelines.timeline(gateway.caller(agency), digest)
    return [str(item.entry.type) for item in found.items if item.disputed]


@pytest.mark.parametrize(
    ("agency", "since", "expected"),
    [
        pytest.param("in-ncb", NOW - 1, ["accepted"], id="the-senders"),
        pytest.param("us-dea", NOW - 1, ["acknowledged"], id="the-recipients"),
        pytest.param("in-ncb", NOW + 3600, [], id="only-later"),
        pytest.param("us-cbp", NOW - 1, [], id="another-agencys"),
    ],
)
async def test_a_timeline_says_what_is_disputed(gateway, agency, since, expected):
    sealed, sent = await gateway.send()
    await gateway.page("us-dea")
    await ack(gateway, sealed, sent.receipt.index)
    assert await shown(gateway, sealed.digest) == []
    stolen = {"state": "revoked", "compromised_since": since}
    await gateway.change(**{agency: {"keys": rows(gateway, agency, **stolen)}})
    assert await shown(gateway, sealed.digest) == expected
    assert await shown(gateway, sealed.digest, "in-ncb") == expected


async def test_what_a_retired_key_signed_never_is(gateway):
    sealed, _ = await gateway.send()
    await gateway.change(**{"in-ncb": {"keys": rows(gateway, "in-ncb", state="retired")}})
    assert await shown(gateway, sealed.digest) == []
