"""A deployment of several gateways: each loads, they differ in where they listen, and the guard knows the log's keys."""

import pytest

from broker.cli.deployment import create
from broker.cli.sharing import GUARD, Shared
from broker.config import GatewaySettings, GuardSettings, load
from broker.crypto.certificates import pem_to_der, verify_chain
from schemas.directory import Channel, Directory

SHARED = Shared("postgresql://setu@localhost:5432/setu", 8543, 9543, 9094, ((8444, 9444),), frozenset({"us-dea"}))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "d"
    return create(folder, demo=True, host="localhost", limits={"rate": 100.0}, shared=SHARED)


def test_the_gateways_differ_in_where_they_listen_and_in_nothing_else(made):
    first = made.gateway()
    ((path, url, operations),) = made.further
    second = load(GatewaySettings, path)
    assert first.model_copy(update={"listen": second.listen}) == second
    assert (first.listen.address, first.listen.operations) == ("127.0.0.1:8443", "127.0.0.1:9443")
    assert (second.listen.address, second.listen.operations) == ("127.0.0.1:8444", "127.0.0.1:9444")
    assert (url, operations) == ("https://localhost:8444", "http://127.0.0.1:9444")
    assert (first.store, first.embedded, first.limits.rate) == (SHARED.store, False, 100.0)
    assert (first.guard.url, first.kafka.bootstrap) == ("https://localhost:8543", ("localhost:9094",))


def test_agencies_know_both_gateways_and_readers_know_kafka(made):
    assert {made.agency(each).url for each in made.agencies} == {("https://localhost:8443", "https://localhost:8444")}
    assert [each for each in made.agencies if made.agency(each).kafka is not None] == ["us-dea"]
    (target,) = (made.path / "directory" / "targets").glob("*directory.json")
    channels = {each.id: each.channels for each in Directory.from_json(target.read_bytes()).agencies}
    assert channels["us-dea"] == (Channel.HTTPS, Channel.KAFKA)
    assert channels["us-hsi"] == (Channel.HTTPS,)


def test_the_guard_and_its_clients_trust_each_other(made):
    guard = load(GuardSettings, made.path / GUARD / "guard.toml")
    assert (guard.address, guard.operations) == ("127.0.0.1:8543", "127.0.0.1:9543")
    assert all(vkey.startswith(f"{guard.origin}+") for vkey in guard.vkeys)
    shared = made.gateway().guard
    client = pem_to_der(made.gateway().at(shared.certificate).read_bytes())
    verify_chain(client, guard.at(guard.clients_ca).read_bytes(), made.now())
    assert guard.at(guard.certificate_key).stat().st_mode & 0o777 == 0o600
