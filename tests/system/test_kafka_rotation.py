"""An adapter that reads Kafka goes on while its agency's certificate is rotated and the old one loses its grants."""

import threading
from contextlib import contextmanager

import pytest

from adapters.assembly import run
from adapters.runner import Delivered
from broker.assembly import connect
from broker.config import AgencySettings, load
from broker.crypto.certificates import fingerprint, pem_to_der
from schemas import registry
from schemas.handling import Purpose
from tests.system.kafka_site import KAFKA, serving, setu, site, told, until

READER = "us-fincen"
"""Another one than the other tests' of this cluster, whose topics they count."""

SETTINGS = """profile = "{}"
kinds = ["tip"]
source = "kafka"

[filedrop]
folder = "drop"
"""


def present(profile):
    settings = load(AgencySettings, profile)
    return fingerprint(pem_to_der(settings.at(settings.certificate).read_bytes()))


def send(deployment):
    sample = next(iter(registry.samples("tip").values()))
    handling = {**registry.sample_handling(), "purpose": [Purpose.FINANCIAL]}
    with connect(deployment.agencies["in-ncb"]) as client:
        return {client.send("tip", to=READER, payload=sample, handling=handling).digest for _ in range(3)}


@contextmanager
def reading(folder):
    """As `serving`, with one more agency that reads Kafka; afterwards it does so no more."""
    with serving(folder) as deployment:
        profile = deployment.agencies[READER]
        profile.write_text(profile.read_text("utf-8") + KAFKA.format(site().node.bootstrap), "utf-8")
        change = ("directory", "change", READER, "--config", deployment.config, "--channel", "https")
        setu(*change, "--channel", "kafka")
        setu("topics", "apply", "--config", deployment.config)
        try:
            yield deployment
        finally:
            setu(*change)
            setu("topics", "apply", "--remove", "--config", deployment.config)
            site().drop(*(f"setu.{READER}.{kind}" for kind in registry.kinds()))


@pytest.mark.long
def test_the_reader_takes_the_new_certificate_up_and_loses_nothing(tmp_path):
    with reading(tmp_path) as deployment:
        profile, config = deployment.agencies[READER], deployment.config
        (tmp_path / "drop").mkdir()
        (tmp_path / "adapter.toml").write_text(SETTINGS.format(profile), "utf-8")
        stop, events, failed = threading.Event(), [], []

        def work():
            try:
                run(tmp_path / "adapter.toml", stop=stop, report=events.append)
            except BaseException as error:  # noqa: BLE001 - the test shows it
                failed.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()

        def delivered():
            assert not failed, failed
            return {each.digest for each in events if isinstance(each, Delivered) and each.answered}

        first = send(deployment)
        until(lambda: first <= delivered())
        old = present(profile)
        told("rotate", "request", "--as", profile, "--certificate", "--out", tmp_path / "r.json")
        words = ("--ca", deployment.path / "ca/us", "--config", config, "--certificate-out", tmp_path / "c.pem")
        told("directory", "rotate", tmp_path / "r.json", *words)
        refused = setu("rotate", "finish", tmp_path / "c.pem", "--as", profile, status=1)
        assert "setu topics apply" in refused.stderr.replace("\n", " ")
        setu("topics", "apply", "--config", config)
        told("rotate", "finish", tmp_path / "c.pem", "--as", profile)
        assert present(profile) != old
        second = send(deployment)
        until(lambda: second <= delivered())
        told("directory", "retire", READER, "--certificate", old, "--config", config)
        setu("topics", "apply", "--remove", "--config", config)
        third = send(deployment)
        until(lambda: third <= delivered())
        stop.set()
        thread.join(30)
        assert not failed, failed
        assert [each for each in events if not isinstance(each, Delivered)] == []
