"""Every sample of every kind, through a real gateway over TLS: sent, followed, opened, compared, acknowledged.

What answers a packet, or names one by id and digest, is sent after a real packet that it answers or names, and holds
that one's id and digest.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from broker.flows.references import BY_SENDER
from broker.sdk.received import Received
from schemas import registry
from schemas.act import Act, Asks, Attests
from tests.http.live import Live

TELLER, READER = "in-ncb", "us-dea"
SAMPLES = [(kind, name) for kind in registry.kinds() for name in registry.samples(kind)]
ANYTHING = "A" * 64


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


@dataclass
class Story:
    """What two agencies send each other, each packet read and acknowledged before the next is sent."""

    live: Live

    def tell(self, sender: str, kind: str, payload: dict[str, Any], in_reply_to: str | None = None) -> Received:
        reader = READER if sender == TELLER else TELLER
        handling = registry.sample_handling()
        options = {"in_reply_to": in_reply_to} if in_reply_to else {}
        sent = self.live.clients[sender].send(kind, to=reader, payload=payload, handling=handling, **options)
        found = None
        for each in self.live.clients[reader].follow(kind, drain=True, wait=0):
            each.acknowledge("opened")
            found = each if each.digest == sent.digest else found
        assert found is not None, "the packet did not come"
        assert found.header == sent.header
        assert found.as_object() == payload
        return found

    def sample(self, kind: str, name: str | None = None) -> Received:
        """A sample, after whatever must be there before it; the kind's first, where none is named."""
        document = registry.samples(kind)[name or next(iter(registry.samples(kind)))]
        document = self._with_real_packets(document)
        payload = registry.check(kind, registry.versions(kind)[-1], document)
        act = payload.act(ANYTHING)
        if isinstance(act, Attests):
            self.tell(TELLER, "lifecycle", {**registry.samples("lifecycle")["retract"], "target": document["target"]})
        answered = self.sample(kind).digest if payload.replies() else None
        return self.tell(_sender(act, replies=payload.replies()), kind, document, answered)

    def _with_real_packets(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"id", "digest"}:
            named = self.sample("tip")
            return {"id": named.header.id, "digest": named.digest}
        if isinstance(value, dict):
            return {name: self._with_real_packets(each) for name, each in value.items()}
        return [self._with_real_packets(each) for each in value] if isinstance(value, list) else value


def _sender(act: Act | None, *, replies: bool) -> str:
    """The first packet is the teller's; its reader answers, and what an act says of a packet is for the one it names."""
    if act is None or isinstance(act, Asks):
        return READER if replies else TELLER
    return TELLER if isinstance(act, BY_SENDER) else READER


@pytest.mark.parametrize(("kind", "name"), SAMPLES)
def test_arrives_as_it_was_sent_and_is_acknowledged(live: Live, kind: str, name: str) -> None:
    found = Story(live).sample(kind, name)
    assert registry.act_of(found.payload, found.header.in_reply_to) == found.header.act == found.entry.act
    states = live.clients[found.header.from_].timeline(found.digest).states
    assert states == {found.header.recipients()[0].agency: "opened"}
