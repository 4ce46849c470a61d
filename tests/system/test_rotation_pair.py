"""Two gateways of two workers each, on one ledger: keys and certificates change under load, in all processes."""

import hashlib
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from broker.assembly import connect
from broker.assembly.tls import gateway_places, guard_place, issue_next
from broker.assembly.wrap import make_key
from broker.cli.sharing import GUARD
from broker.config import AgencySettings, GuardSettings, load
from broker.crypto.certificates import Authority, fingerprint, pem_to_der
from broker.errors import SetuError
from schemas import registry
from schemas.evidence import EntryType
from tests.system.pair import Pair

LOOKS = 40


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("pair"), workers=2, limits={"rate": 1e6, "burst": 1e6}) as made:
        yield made


def at(pair, number, agency):
    """An agency's connection to one gateway alone."""
    profile = pair.deployment.agencies[agency]
    lines = profile.read_text().splitlines()
    changed = [f'url = "{pair.urls[number]}"' if line.startswith("url =") else line for line in lines]
    copy = profile.with_name(f"at-{number}.toml")
    copy.write_text("\n".join([f'cache = "cache-{number}"', *changed, ""]))
    return connect(copy)


def shown(pair, url):
    """The certificates that this gateway's processes show to new connections."""
    settings = load(AgencySettings, pair.deployment.agencies["in-ncb"])
    context = ssl.create_default_context(cafile=str(settings.at(settings.gateway_ca)))
    context.load_cert_chain(settings.at(settings.certificate), settings.at(settings.certificate_key))
    found = set()
    for _ in range(LOOKS):
        with (
            socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 5) as plain,
            context.wrap_socket(plain, server_hostname=urlsplit(url).hostname) as tls,
        ):
            found.add(hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest())
    return found


def sending(client, stop, digests, failed):
    sample = {"payload": next(iter(registry.samples("tip").values())), "handling": registry.sample_handling()}
    while not stop.wait(0.05):
        client._sealer.mistrust()  # as after five minutes
        try:
            digests.append(client.send("tip", to="us-dea", **sample).digest)
        except SetuError as error:
            failed.append(error)


@pytest.fixture
def stack():
    with ExitStack() as made:
        yield made


@pytest.mark.long
def test_every_process_takes_up_every_key_and_certificate_and_nothing_is_refused(pair, stack):
    settings = pair.deployment.gateway()
    folder = pair.deployment.path / "ca" / "in"
    authority = Authority.load(folder / "ca.pem", folder / "ca.key")
    places = [*gateway_places(settings), guard_place(load(GuardSettings, pair.deployment.path / GUARD / "guard.toml"))]
    stop, digests, failed = threading.Event(), [], []
    stack.callback(stop.set)
    clients = [stack.enter_context(at(pair, number, "in-ncb")) for number in (0, 1)]
    threads = [threading.Thread(target=sending, args=(each, stop, digests, failed), daemon=True) for each in clients]
    for each in threads:
        each.start()
    kids = []
    for _ in range(3):
        kids.append(make_key(settings).key.kid)
        for place in places:
            issue_next(place, authority, now=time.time(), days=30)
        time.sleep(4)
    server = fingerprint(pem_to_der(places[0].certificate.read_bytes()))
    assert [shown(pair, url) for url in pair.urls] == [{server}] * 2
    before = len(digests)
    time.sleep(2)
    stop.set()
    for each in threads:
        each.join(30)
    assert failed == []
    assert len(set(digests)) == len(digests) > before > 20
    last = clients[0].seal(
        "tip", to="us-dea", payload=next(iter(registry.samples("tip").values())), handling=registry.sample_handling()
    )
    assert kids[-1] in {each.kid for each in last.header.to}
    with connect(pair.deployment.agencies["in-audit"]) as audit:
        accepted = [each.entry.packet.digest for each in audit.search(types=[EntryType.ACCEPTED])]
        assert sorted(accepted) == sorted(digests)
        assert list(audit.search(types=[EntryType.REFUSED])) == []
