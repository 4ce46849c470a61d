"""Two gateways on one ledger: the same packet to both is one packet, what one accepts the other serves, one may die."""

import json
import os
import signal
import ssl
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from broker.assembly import connect
from broker.cli.cluster.process import answers
from broker.config import AgencySettings, load
from broker.ledger.fsck import check_log
from broker.ledger.mirror import files_in, mirror
from broker.ledger.port import EntryFilter
from broker.ledger.search import search_mirror
from schemas import registry
from tests.system.pair import Pair

MEDIA = "application/vnd.setu.packet+json"
FAST = {"rate": 100_000.0, "burst": 100_000.0}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("pair"), limits=FAST) as made:
        yield made


def sample(kind="tip"):
    return {"payload": next(iter(registry.samples(kind).values())), "handling": registry.sample_handling()}


def clients(pair, agency):
    """A plain HTTP client of each gateway."""
    settings = load(AgencySettings, pair.deployment.agencies[agency])
    context = ssl.create_default_context(cafile=settings.at(settings.gateway_ca))
    context.load_cert_chain(settings.at(settings.certificate), settings.at(settings.certificate_key))
    return [httpx.Client(base_url=url, verify=context, trust_env=False, timeout=60) for url in pair.urls]


def at(pair, number, agency, folder):
    """An agency's connection to one gateway alone."""
    profile = pair.deployment.agencies[agency]
    text = profile.read_text().splitlines()
    changed = [f'url = "{pair.urls[number]}"' if line.startswith("url =") else line for line in text]
    copy = profile.with_name(f"at-{number}.toml")
    copy.write_text("\n".join([f'cache = "{folder.as_posix()}"', *changed, ""]))
    return connect(copy)


def post_to_both(pair, count):
    """Each packet to both gateways at the same moment; returns the answers by digest."""
    with connect(pair.deployment.agencies["in-ncb"]) as ncb:
        ways = clients(pair, "in-ncb")
        found = {}
        with ThreadPoolExecutor(2) as pool:
            for _ in range(count):
                sealed = ncb.seal("tip", to=["us-dea"], **sample())
                barrier = threading.Barrier(2)

                def post(way, raw=sealed.raw, barrier=barrier):
                    barrier.wait()
                    return way.post("/v1/packets", content=raw, headers={"content-type": MEDIA})

                found[sealed.digest] = list(pool.map(post, ways))
        for way in ways:
            way.close()
    return found


def accepted(pair, folder):
    """The mirrored log's `accepted` indices by digest, the whole log checked."""
    with connect(pair.deployment.agencies["us-audit"]) as auditor:
        log = auditor.directory.current().log("in-setu")
        mirror(auditor.log_fetch, folder, log)
    copy = files_in(folder)
    report = check_log(copy, log)
    found = defaultdict(list)
    for place, each in enumerate(search_mirror(copy, EntryFilter(limit=10**9))):
        assert each.index == place
        entry = json.loads(each.entry)
        if entry["type"] == "accepted":
            found[entry["packet"]["digest"]].append(each.index)
    assert report.size == place + 1
    return found


def until(held, seconds=30):
    deadline = time.monotonic() + seconds
    while not held():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.05)


def check_once(pair, found, folder):
    for first, second in found.values():
        assert sorted((first.status_code, second.status_code)) == [200, 201], (first.text, second.text)
        assert first.content == second.content
    until(lambda: accepted(pair, folder).keys() >= found.keys())
    logged = accepted(pair, folder)
    for digest, (answer, _) in found.items():
        assert logged[digest] == [answer.json()["index"]]


def test_the_same_packet_to_both_at_once_is_accepted_once_with_one_receipt(pair, tmp_path):
    check_once(pair, post_to_both(pair, 60), tmp_path / "mirror")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_so_it_is_ten_thousand_times(pair, tmp_path):
    check_once(pair, post_to_both(pair, 10_000), tmp_path / "mirror")


def test_who_waits_at_one_hears_of_what_the_other_accepts(pair, tmp_path):
    got = []
    with at(pair, 0, "in-ncb", tmp_path / "ncb") as ncb, at(pair, 1, "us-dea", tmp_path / "dea") as dea:
        for packet in dea.follow("pen", drain=True, wait=0):
            packet.acknowledge("opened")

        def wait():
            for packet in dea.follow("pen"):
                got.append(packet)
                packet.acknowledge("opened")
                return

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.5)
        sent = ncb.send("pen", to=["us-dea"], **sample("pen"))
        waiting.join(20)
        assert [each.digest for each in got] == [sent.digest]
        types = [each.entry.type for each in ncb.timeline(sent.digest).items]
    assert types == ["accepted", "delivered", "acknowledged"]


def test_a_gateway_dies_under_load_and_nobody_notices_but_the_operator(pair, tmp_path):
    sent, errors, stop = [], [], threading.Event()

    def send():
        try:
            with connect(pair.deployment.agencies["in-ncb"]) as ncb:
                while not stop.is_set():
                    sent.append(ncb.send("tip", to=["us-dea"], **sample()))
        except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    first = pair.gateways[0]
    try:
        until(lambda: len(sent) > 10)
        first.kill()
        before = len(sent)
        until(lambda: len(sent) > before + 10)
        first.start()
        before = len(sent)
        until(lambda: len(sent) > before + 10)
    finally:
        stop.set()
        sender.join(60)
    assert not errors
    with at(pair, 0, "in-ncb", tmp_path / "again") as ncb:
        for each in sent:
            assert ncb.post(each.raw).receipt == each.receipt
    digests = {each.digest for each in sent}
    until(lambda: accepted(pair, tmp_path / "mirror").keys() >= digests)
    logged = accepted(pair, tmp_path / "mirror")
    assert {len(logged[digest]) for digest in digests} == {1}


def test_several_workers_share_a_port_and_one_that_dies_comes_back(tmp_path):
    with Pair(tmp_path, workers=2, limits=FAST) as pair:
        parent = pair.gateways[0].pid
        children = Path(f"/proc/{parent}/task/{parent}/children")
        workers = set(children.read_text().split())
        assert len(workers) == 2
        listening = pair.operations[0].rpartition(":")
        other = f"{listening[0]}:{int(listening[2]) + 1}"
        until(answers(f"{other}/readyz"))
        with connect(pair.deployment.agencies["in-ncb"]) as ncb:
            ncb.send("tip", to=["us-dea"], **sample())
            os.kill(int(min(workers)), signal.SIGKILL)
            until(lambda: len(set(children.read_text().split()) - workers) == 1)
            until(lambda: answers(f"{pair.operations[0]}/readyz")() and answers(f"{other}/readyz")())
            ncb.send("tip", to=["us-dea"], **sample())
        ways = [way for _ in range(12) for way in clients(pair, "in-ncb")[:1]]
        for way in ways:
            assert way.get("/v1/topics").status_code == 200
        served = []
        for url in (pair.operations[0], other):
            page = httpx.get(f"{url}/metrics").text
            served.append('route="/v1/topics"' in page)
        for way in ways:
            way.close()
        assert served == [True, True]
