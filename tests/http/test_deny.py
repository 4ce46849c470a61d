"""A deny list put in force under a gateway that runs: requests, long polls and streams end, and the log says where."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from broker.assembly.deny import deny_signers, put_lists, sign_next
from broker.assembly.realm import local_directory, operator_keys
from schemas.deny import Denial
from schemas.evidence import EntryType
from tests.http.live import Live

PATIENCE = 30
TOPIC = "/v1/topics/setu.us-dea.tip"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


def deny(live, name, agency):
    """As the country signs it and the operator puts it in force."""
    settings = live.deployment.gateway()
    keys = settings.at(settings.paths.realm_keys)
    snapshot = local_directory(settings).current()
    made = sign_next(snapshot, name, deny_signers(keys, name), [Denial(agency=agency, at=int(time.time()))])
    put_lists(settings.at(settings.paths.directory), operator_keys(keys), [made])


def drained(live, opened):
    """A stream read to its end: its last comment."""
    with live.http["us-dea"].stream("GET", f"{TOPIC}/stream", timeout=PATIENCE) as stream:
        lines = []
        for line in stream.iter_lines():
            opened.set()
            lines.append(line)
    return lines[-2]


def polled(live):
    """Long polls until one is refused: its code."""
    while True:
        answer = live.http["us-dea"].get(f"{TOPIC}/packets", params={"wait": 20}, timeout=PATIENCE)
        if not answer.is_success:
            return answer.json()["code"]


def test_who_is_suspended_is_out_on_open_streams_and_long_polls_too(live):
    before = live.accepted()
    opened = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        stream, poll = pool.submit(drained, live, opened), pool.submit(polled, live)
        assert opened.wait(PATIENCE)
        deny(live, "USA", "us-dea")
        ended = stream.result(PATIENCE), poll.result(PATIENCE)
    assert ended == (": agency-suspended", "agency-suspended")
    (entry,) = [
        each for each in live.clients["in-audit"].search(types=[EntryType.DIRECTORY_CHANGED]) if each.entry.denied
    ]
    assert [(each.list, each.serial) for each in entry.entry.denied] == [("USA", 1)]
    assert live.accepted() == before


def test_the_others_go_on(live):
    assert live.http["us-cbp"].get("/v1/topics").status_code == 200
    ready = httpx.get(f"{live.deployment.operations}/readyz").json()
    assert (ready["ready"], "warning" in ready) == (True, False)
    page = httpx.get(f"{live.deployment.operations}/metrics").text
    assert 'setu_deny_list_expiry_timestamp_seconds{list="USA"}' in page
