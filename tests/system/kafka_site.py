"""A deployment as `setu init --demo` makes it, with a Kafka as `make kafka` starts it; each knows of the other."""

import json
import time
from contextlib import contextmanager

from typer.testing import CliRunner

from broker.assembly import connect
from broker.cli.app import app
from broker.cli.served import Served
from schemas import registry
from tests.system.kafka import cluster

READER = "us-hsi"
TIP = f"setu.{READER}.tip"
KAFKA = '\n[kafka]\nbootstrap = ["{}"]\n'


def setu(*words, status=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, done.stdout + done.stderr + str(done.exception)
    return done


def told(*words, status=0):
    return json.loads(setu(*words, "--json", status=status).stdout)


def site():
    """The session's cluster; its deployment's settings, and one agency's, name it."""
    made = cluster()
    deployment = made.deployment
    settings = deployment.config.read_text()
    if "[kafka]" not in settings:
        deployment.config.write_text(settings + KAFKA.format(made.node.bootstrap))
        profile = deployment.agencies[READER]
        profile.write_text(profile.read_text() + KAFKA.format(made.node.bootstrap))
    return made


@contextmanager
def serving(folder):
    """The directory says who reads Kafka, `setu topics apply` made what that takes, and a gateway serves."""
    deployment = site().deployment
    config = deployment.config
    setu("directory", "change", READER, "--channel", "https", "--channel", "kafka", "--config", config)
    setu("topics", "apply", "--remove", "--config", config)
    with Served(deployment, folder / "gateway.log"):
        yield deployment


def send(deployment, count, kind="tip"):
    sample = next(iter(registry.samples(kind).values()))
    handling = {**registry.sample_handling(), "purpose": ["investigation"]}
    with connect(deployment.agencies["in-ncb"]) as client:
        return [client.send(kind, to=READER, payload=sample, handling=handling) for _ in range(count)]


def until(holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
    return found
