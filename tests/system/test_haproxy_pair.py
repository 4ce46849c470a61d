"""HAProxy before two gateways on one PostgreSQL: an agency's own program notices no loss of either."""

import re
import threading
import time
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from broker.assembly import connect
from schemas import registry
from tests.system.haproxy import BOTH, Haproxy
from tests.system.pair import Pair

PACKETS = 45
pytestmark = pytest.mark.long
FAST = {"rate": 100_000.0, "burst": 100_000.0}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """(the pair, the proxy); agencies know the proxy's address alone."""
    folder = tmp_path_factory.mktemp("p")
    sockets = [folder / f"{number}.sock" for number in (1, 2)]

    def listen(number):
        return f'identity = "client-cert"\nsocket = "{sockets[number - 1]}"\n'

    with Pair(folder, limits=FAST, listen=listen) as pair:
        tls = pair.deployment.path / "tls"
        whole = folder / "server-all.pem"
        whole.write_bytes((tls / "server.pem").read_bytes() + (tls / "server.key").read_bytes())
        at = tuple(
            (f"unix@{socket}", operations.removeprefix("http://"))
            for socket, operations in zip(sockets, pair.operations, strict=True)
        )
        for profile in pair.deployment.agencies.values():
            text = re.sub(r"^url = .*$", f'url = "{pair.deployment.url}"', profile.read_text(), flags=re.MULTILINE)
            profile.write_text(text)
        port = urlsplit(pair.deployment.url).port
        with Haproxy(folder, whole, tls / "clients-ca.pem", at, port=port) as proxy:
            proxy.until(BOTH)
            yield pair, proxy


class Following:
    """us-dea inside the `with`, following its tips by a stream through the proxy.

    came: (index, digest), in the order they came.
    """

    def __init__(self, pair):
        self.came = []
        self._stop = threading.Event()
        self._profile = pair.deployment.agencies["us-dea"]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self):
        with connect(self._profile) as setu:
            for received in setu.follow("tip", stream=True, wait=1.0, stop=self._stop):
                self.came.append((received.index, received.digest))
                received.acknowledge()


def send(pair, count, midway):
    """Send so many, calling `midway` after a third; (what was sent, the longest time between two receipts)."""
    sample, handling = next(iter(registry.samples("tip").values())), registry.sample_handling()
    sent, at = [], []
    with connect(pair.deployment.agencies["in-ncb"]) as setu:
        for number in range(count):
            if number == count // 3:
                midway()
            sent.append(setu.send("tip", to="us-dea", payload=sample, handling=handling))
            at.append(time.monotonic())
    return sent, max(later - earlier for earlier, later in pairwise(at))


def until(holds, seconds=40):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("lose", "back", "patience"),
    [
        pytest.param(lambda gateway: gateway.kill(), lambda gateway: gateway.start(), 5, id="killed"),
        pytest.param(
            lambda gateway: gateway.stop(),
            lambda gateway: gateway.start(),
            5,
            id="ended-in-order",
            marks=pytest.mark.long,
        ),
        pytest.param(
            lambda gateway: gateway.pause(), lambda gateway: gateway.resume(), 15, id="stopped", marks=pytest.mark.long
        ),
    ],
)
@pytest.mark.timeout(180)
def test_a_gateway_is_lost_and_no_packet_is(site, lose, back, patience):
    pair, proxy = site
    proxy.until(BOTH)
    gateway = pair.gateways[0]
    with Following(pair) as dea:
        before = len(dea.came)
        try:
            sent, longest = send(pair, PACKETS, lambda: lose(gateway))
            wanted = [(each.index, each.digest) for each in sent]
            until(lambda: set(wanted) <= set(dea.came))
        finally:
            back(gateway)
    assert longest < patience
    came = list(dict.fromkeys(dea.came[before:]))
    assert [each for each in came if each in set(wanted)] == wanted, "in ledger order"
    assert len({each.index for each in sent}) == PACKETS
    proxy.until(BOTH)


def test_while_both_are_gone_the_program_waits_and_then_goes_on(site):
    pair, proxy = site
    proxy.until(BOTH)
    for each in pair.gateways:
        each.kill()
    threading.Timer(2, lambda: [each.start() for each in pair.gateways]).start()
    sent, longest = send(pair, 3, lambda: None)
    assert len({each.index for each in sent}) == 3
    assert longest < 30
    proxy.until(BOTH)
