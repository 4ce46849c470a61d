import json
from collections.abc import Iterator
from typing import Any

import pytest

from broker.errors import IntegrityError
from broker.ledger.fetch import files_of
from broker.ledger.port import EntryFilter, Proposal, State
from broker.ledger.search import search_mirror
from schemas.evidence import EntryType
from tests.unit.ledger.ledgers import Ledgers, accepted, digest, entry, moved, packet_ref


def _time(second: int) -> str:
    return f"2026-09-21T14:13:{second:02d}.000000Z"


PROPOSALS = [
    Proposal(entry("directory_changed")),
    Proposal(entry("refused", "in-ncb", packet=packet_ref(1), code="expired")),
    accepted(1, ("us-dea", "us-cbp")),
    Proposal(entry("conflict", "in-ncb", packet=packet_ref(1, to=("us-dea",)), code="id-conflict")),
    moved(1, State.OFFERED),
    Proposal(entry("acknowledged", "us-dea", packet=packet_ref(1), recipient="us-dea", event="opened")),
    accepted(2, ("in-ncb",), "us-dea", kind="pen", exercise=True),
    Proposal(entry("refused_many", "us-dea", code="json-invalid", count=7)),
    Proposal(entry("ledger_read", "us-audit", event="search")),
]


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgers]:
    with Ledgers(tmp_path_factory.mktemp("ledger")) as opened:
        for proposal in PROPOSALS:
            opened.commit(proposal)
            opened.clock += 1
        opened.publisher.publish()
        yield opened


@pytest.mark.parametrize(
    ("what", "found"),
    [
        pytest.param(EntryFilter(), list(range(9)), id="all"),
        pytest.param(EntryFilter(after=2, limit=3), [3, 4, 5], id="a page"),
        pytest.param(EntryFilter(since=_time(22), until=_time(24)), [2, 3], id="a span of time"),
        pytest.param(EntryFilter(since=_time(59)), [], id="after the end"),
        pytest.param(EntryFilter(party="us-cbp"), [2], id="a recipient of the packet, not of what became of it"),
        pytest.param(EntryFilter(party="us-dea"), [1, 2, 3, 4, 5, 6, 7], id="a party, for an auditor"),
        pytest.param(EntryFilter(party="us-audit"), [8], id="the actor"),
        pytest.param(EntryFilter(kind="pen"), [6], id="kind"),
        pytest.param(EntryFilter(packet=digest(1)), [1, 2, 3, 4, 5], id="packet"),
        pytest.param(EntryFilter(types=[EntryType.REFUSED, EntryType.CONFLICT]), [1, 3], id="types"),
        pytest.param(EntryFilter(code="expired"), [1], id="code"),
        pytest.param(EntryFilter(exercise=True), [6], id="exercise"),
        pytest.param(EntryFilter(exercise=False, kind="tip"), [1, 2, 3, 4, 5], id="no exercise"),
        pytest.param(EntryFilter(parties_view="us-dea"), [2, 4, 5, 6, 7], id="never another's refusals and conflicts"),
        pytest.param(EntryFilter(parties_view="in-ncb"), [1, 2, 3, 4, 5, 6], id="one's own refusals"),
        pytest.param(EntryFilter(parties_view="us-cbp"), [2], id="a recipient's own part"),
        pytest.param(EntryFilter(parties_view="us-fincen"), [], id="a stranger"),
        pytest.param(EntryFilter(parties_view="us-cbp", party="us-dea", types=[EntryType.REFUSED]), [], id="prying"),
        pytest.param(EntryFilter(parties_view="us-dea", packet=digest(1), since=_time(23)), [4, 5], id="together"),
    ],
)
def test_online_and_offline_find_the_same(ledgers: Ledgers, what: EntryFilter, found: list[int]):
    assert [each.index for each in ledgers.reader.search(what)] == found
    offline = list(search_mirror(files_of(ledgers.reader), what))
    assert [each.index for each in offline] == found
    assert [each.entry for each in offline] == [each.entry for each in ledgers.reader.search(what)]


def test_offline_search_notices_an_altered_entry(ledgers: Ledgers):
    fetch = files_of(ledgers.reader)

    def forged(path: str) -> bytes:
        return fetch(path).replace(b"us-cbp", b"us-xxx")

    with pytest.raises(IntegrityError, match=r"Expected entry 2 in tile/entries/000.p/9"):
        list(search_mirror(forged, EntryFilter(types=[EntryType.LEDGER_READ])))


def test_entries_found_are_entries(ledgers: Ledgers):
    found: list[Any] = [json.loads(each.entry)["type"] for each in ledgers.reader.search(EntryFilter(limit=2))]
    assert found == ["directory_changed", "refused"]
