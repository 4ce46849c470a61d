"""An adapter that reads Kafka goes on while its agency's certificate is rotated and the old one loses its grants."""

import threading

from adapters.assembly import run
from adapters.runner import Delivered
from broker.config import AgencySettings, load
from broker.crypto.certificates import fingerprint, pem_to_der
from tests.system.kafka_site import READER, send, serving, setu, told, until

SETTINGS = """profile = "{}"
kinds = ["tip"]
source = "kafka"

[filedrop]
folder = "drop"
"""


def present(profile):
    settings = load(AgencySettings, profile)
    return fingerprint(pem_to_der(settings.at(settings.certificate).read_bytes()))


def test_the_reader_takes_the_new_certificate_up_and_loses_nothing(tmp_path):
    with serving(tmp_path) as deployment:
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

        first = {each.digest for each in send(deployment, 3)}
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
        second = {each.digest for each in send(deployment, 3)}
        until(lambda: second <= delivered())
        told("directory", "retire", READER, "--certificate", old, "--config", config)
        setu("topics", "apply", "--remove", "--config", config)
        third = {each.digest for each in send(deployment, 3)}
        until(lambda: third <= delivered())
        stop.set()
        thread.join(30)
        assert not failed, failed
        assert [each for each in events if not isinstance(each, Delivered)] == []
