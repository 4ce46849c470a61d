"""A new agency enrols by itself, with files going to and fro, and sends a tip through a gateway that runs all the while."""

import os
import time

import pytest
from typer.testing import CliRunner

from broker.assembly import connect
from broker.assembly.agency import transport_of
from broker.assembly.asking import PASSPHRASE
from broker.cli.app import app
from broker.config import AgencySettings, load
from broker.crypto.sealing import is_sealed
from schemas import registry
from tests.http.live import Live

WORDS = b"correct horse battery staple"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


def setu(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def passphrase():
    """A descriptor with the passphrase behind it."""
    out, into = os.pipe()
    os.write(into, WORDS)
    os.close(into)
    return out


def test_a_new_agency_enrols_and_sends_a_tip(live, tmp_path, monkeypatch):
    realm, home, mail = live.deployment, tmp_path / "us-tst", tmp_path / "mail"
    mail.mkdir()
    root = tmp_path / "root.json"
    root.write_bytes((realm.path / "directory/root.json").read_bytes())

    # The agency, on its own machine; its keys are sealed before anything leaves it.
    descriptor = passphrase()
    words = ("--name", "Test Service", "--root", root, "--seal", "--passphrase-fd", descriptor)
    setu("enrol", "request", "us-tst", home, *words)
    os.close(descriptor)
    assert all(is_sealed(path.read_bytes()) for path in [*(home / "keys").iterdir(), home / "tls.key"])
    request = mail / "enrolment.json"
    request.write_bytes((home / "enrolment.json").read_bytes())

    # The registrar: looks at it, hears the fingerprint, asks for the wrap key.
    shown = setu("enrol", "show", request, "--config", realm.config, "--json")
    heard = next(line for line in shown.splitlines() if line.startswith('  "fingerprint"')).split('"')[3]
    setu("enrol", "challenge", request, "--out", mail / "challenge.json", "--keep", tmp_path / "kept.json")

    # The agency: answers, its passphrase behind a descriptor.
    descriptor = passphrase()
    monkeypatch.setenv(PASSPHRASE.descriptor, str(descriptor))
    setu("enrol", "answer", mail / "challenge.json", "--home", home, "--out", mail / "answer.json")

    # The registrar: adds it. The gateway runs on and takes the new version up by itself.
    proof = ("--fingerprint", heard, "--answer", mail / "answer.json", "--kept", tmp_path / "kept.json")
    terms = ("--clearance", "US:LES", "--mandate", "investigation", "--client", "in-setu")
    where = ("--config", realm.config, "--certificate-out", mail / "us-tst.pem")
    setu("directory", "add", request, *proof, "--ca", realm.path / "ca/us", *terms, *where)

    # The agency: puts the certificate in its place, and is in.
    finish = ("--certificate", mail / "us-tst.pem", "--gateway-ca", realm.path / "ca/in/ca.pem", "--trust-gateway")
    setu("enrol", "finish", home, *finish, "--gateway", "in-setu", "--url", realm.url)
    with connected(home / "agency.toml") as agency:
        payload = registry.samples("tip")[next(iter(registry.samples("tip")))]
        sent = agency.send("tip", to="in-ncb", payload=payload, handling=registry.sample_handling())
        live.clients["in-ncb"].directory.refresh()
        (received,) = list(live.clients["in-ncb"].follow("tip", drain=True, wait=0))
        assert (received.header.from_, received.digest) == ("us-tst", sent.digest)
        assert received.as_object() == payload
        received.acknowledge("opened")
        assert agency.timeline(sent.digest).states
    os.close(descriptor)


def connected(profile):
    """The gateway looks at its directory every half second."""
    settings = load(AgencySettings, profile)
    deadline = time.monotonic() + 10
    while True:
        with transport_of(settings) as transport:
            if transport.get("/v1/directory/metadata/timestamp.json").status_code != 403:
                break
        assert time.monotonic() < deadline, "the gateway did not take the new version up"
        time.sleep(0.1)
    return connect(profile)
