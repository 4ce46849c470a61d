"""Rule 10: policy is decided before anything is written to a topic, and again at delivery; each side of both."""

import pytest

from broker.errors import PolicyError
from tests.builders import handling

OPEN = {"tlp": "GREEN", "flags": {"personal_data": True, "sanitised": True}}


def topics(gateway, agency="us-dea"):
    return gateway.reader.topics(agency), gateway.reader.topic(agency, "tip", after=-1, limit=10)


async def test_what_is_permitted_has_its_place_in_the_topic(gateway):
    sealed, sent = await gateway.send()
    counted, rows = topics(gateway)
    assert counted == [("tip", 1, 1)]
    assert [(row.index, row.digest) for row in rows] == [(sent.receipt.index, sealed.digest)]


async def test_what_is_refused_has_none_with_any_of_its_recipients(gateway):
    """us-dea alone would have been permitted: one rule against one of them keeps all of it out."""
    refused = handling(**OPEN, releasable_to=["us-dea", "in-setu"])
    with pytest.raises(PolicyError) as found:
        await gateway.send(("us-dea", "us-cbp"), handling=refused)
    assert {(hit.rule, hit.recipient) for hit in found.value.rules} == {("1.releasable", "us-cbp")}
    assert topics(gateway) == topics(gateway, "us-cbp") == ([], [])
    assert (await gateway.page()).items == ()
    assert gateway.entries("accepted", "delivered", "withheld") == []


async def test_at_delivery_it_is_decided_again(gateway):
    sealed, _ = await gateway.send(("us-dea", "us-cbp"))
    await gateway.change(us_cbp={"mandates": ["border"]})
    assert [item.digest for item in (await gateway.page()).items] == [sealed.digest]
    assert [item.gone for item in (await gateway.page("us-cbp")).items] == ["withheld"]
    (delivered,), (withheld,) = gateway.entries("delivered"), gateway.entries("withheld")
    assert delivered["decision"] == {"outcome": "permit", "rules": ["permit.deliver"]}
    assert withheld["decision"] == {"outcome": "deny", "rules": ["1.purpose"]}
