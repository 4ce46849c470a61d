"""A gateway's wrap keys and certificate change under load: nothing is refused that should pass, and old keys are gone."""

import hashlib
import socket
import ssl
import threading
import time
from contextlib import ExitStack

import httpx
import pytest

from broker.assembly import connect
from broker.assembly.tls import gateway_places, issue_next
from broker.assembly.wrap import kid_of
from broker.crypto.certificates import Authority, fingerprint, pem_to_der
from broker.errors import PacketError, SetuError
from schemas.evidence import EntryType
from schemas.problem import Code
from schemas.registry import sample_handling, samples
from tests.http.live import Live

EVERY, VALID = 3, 9
SETTINGS = f"\n[wrap_keys]\nevery = {EVERY}\nvalid = {VALID}\nkept = 1\n"
SENDERS = ("in-ncb", "in-nia", "us-hsi")
READER = "us-dea"
TIP = next(iter(samples("tip").values()))
HANDLING = sample_handling() | {"purpose": ["investigation"]}


class Sending(threading.Thread):
    """Sends open packets until told to stop."""

    def __init__(self, client, stop):
        super().__init__(daemon=True)
        self.client, self.stop = client, stop
        self.digests, self.failed = [], []

    def run(self):
        looked = 0.0
        while not self.stop.wait(0.05):
            if time.monotonic() - looked > 1:
                self.client._sealer.mistrust()  # as after five minutes
                looked = time.monotonic()
            try:
                self.digests.append(send(self.client).digest)
            except SetuError as error:
                self.failed.append(error)


def send(client):
    return client.send("tip", to=READER, payload=TIP, handling=HANDLING)


def seal(client):
    client._sealer.mistrust()
    return client.seal("tip", to=READER, payload=TIP, handling=HANDLING)


def until(holds, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.1)
    raise AssertionError(f"it did not come about within {seconds} s")


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"), settings=SETTINGS)
    yield made
    made.close()


def held(live):
    """Kids whose private halves are on the gateway's disk."""
    return {kid_of(path) for path in (live.deployment.path / "wrap").glob("*.key")}


def own_kid(live, sealed):
    return next(each.kid for each in sealed.header.to if each.agency == live.gateway)


def shown(live):
    """The certificate that a new connection is shown."""
    settings = live.deployment.agency("in-ncb")
    context = ssl.create_default_context(cafile=str(settings.at(settings.gateway_ca)))
    context.load_cert_chain(settings.at(settings.certificate), settings.at(settings.certificate_key))
    port = int(live.deployment.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()


def replace_certificate(live):
    (place,) = gateway_places(live.deployment.gateway())
    folder = live.deployment.path / "ca" / "in"
    authority = Authority.load(folder / "ca.pem", folder / "ca.key")
    return fingerprint(pem_to_der(issue_next(place, authority, now=time.time(), days=30)))


def test_nothing_is_refused_while_keys_and_the_certificate_change(live):
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(live.deployment.agencies[each])) for each in SENDERS]
        stop = threading.Event()
        stack.callback(stop.set)
        _under_load(live, clients, stop)


def _under_load(live, clients, stop):
    before, first, seen = live.accepted(), held(live), set()
    senders = [Sending(each, stop) for each in clients]
    for each in senders:
        each.start()
    kept = seal(clients[0])
    certificate = shown(live)
    replaced = replace_certificate(live)
    until(lambda: shown(live) == replaced)
    while len(seen) < 3:
        seen |= held(live) - first
        time.sleep(0.1)
        if own_kid(live, seal(clients[0])) != own_kid(live, kept):
            clients[0].post(kept.raw)  # sealed to the key before the last one, and still accepted
    until(lambda: seen - held(live))
    stop.set()
    for each in senders:
        each.join(30)
    assert [each.failed for each in senders] == [[]] * 3
    digests = [digest for each in senders for digest in each.digests]
    assert len(set(digests)) == len(digests) > 20
    assert live.accepted() == before + len(digests) + 1
    assert list(live.clients["in-audit"].search(types=[EntryType.REFUSED])) == []
    assert certificate != replaced


def test_what_is_sealed_to_a_destroyed_key_is_refused_and_sent_anew(live):
    # Its clock is behind, so that what it knows of the directory seems to hold when it is over.
    with connect(live.deployment.agencies["in-nia"], now=lambda: time.time() - 60) as late:
        old = seal(late)
        until(lambda: own_kid(live, old) not in held(live))
        with pytest.raises(PacketError, match="Refresh the directory") as refused:
            live.clients["in-nia"].post(old.raw)
        assert refused.value.code is Code.RECIPIENT_UNKNOWN
        again = late.send("tip", to=READER, payload=TIP, handling=HANDLING)
        assert own_kid(live, again) in held(live)


def test_a_gateway_whose_keys_change_is_ready(live):
    ready = httpx.get(f"{live.deployment.operations}/readyz").json()
    assert (ready["ready"], "warning" in ready) == (True, False)
