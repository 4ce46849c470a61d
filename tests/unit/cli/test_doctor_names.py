"""Each misconfiguration of a gateway that the runbook names: one row breaks a good deployment in exactly that way, and
`setu doctor` names it, with what was expected, what was found and what to do.
"""

import json
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from broker.assembly import operator_keys, renew_directory
from broker.assembly.keys import keys_in, log_pairs_of
from broker.assembly.realm import local_directory
from broker.cli.checks import examine
from broker.cli.checks_around import EARLIEST, NO_SPACE, check_kafka
from broker.cli.deployment import create
from broker.cli.findings import Patient, State
from broker.cli.served import free_port
from broker.config import GatewaySettings, load
from broker.crypto.certificates import Authority
from broker.directory.tuf_repository import Operator, Repository, cosign
from broker.errors import UnavailableError
from broker.flows.topics import Difference
from broker.gateway.server import bind
from broker.ledger.committer import Committer
from broker.ledger.guard import FileGuard
from broker.store.sql import SqlStore
from broker.transport.port import Grant, TopicFacts
from schemas.directory import Directory
from tests.unit.ledger.ledgers import note

pytestmark = pytest.mark.sockets

DAY = 86_400
RUNBOOK = Path(__file__).parents[3] / "deploy" / "runbooks" / "doctor.md"


@pytest.fixture
def own(tmp_path):
    return create(tmp_path / "d", port=free_port(), operations_port=free_port())


def other(own):
    return create(own.path.parent / "other").path


def settings(*words):
    """Change or add to the settings' text: (before, after)."""

    def harm(own):
        text = own.config.read_text()
        for before, after in words:
            assert before in text
            text = text.replace(before, after, 1)
        own.config.write_text(text)

    return harm


def issued(own, hosts=("localhost", "127.0.0.1"), days=397, now=None):
    ca = own.path / "ca/in"
    made = Authority.load(ca / "ca.pem", ca / "ca.key").issue_server("x", hosts, now=now or time.time(), days=days)
    for each in ("server.pem", "server.key"):
        (own.path / "tls" / each).unlink()
    made.save(own.path / "tls/server.pem", own.path / "tls/server.key")


def copied(name, to=None):
    return lambda own: shutil.copy(other(own) / name, own.path / (to or name))


def stale(own):
    folder = own.path / "directory"
    renew_directory(folder, operator_keys(own.path / "realm/keys"), now=lambda: time.time() - 4 * DAY)


def from_the_future(own):
    SqlStore(f"sqlite:///{own.path / 'store/setu.db'}").close()
    with closing(sqlite3.connect(own.path / "store/setu.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def ledger(own, count):
    """So many entries in the deployment's own ledger, and its guard."""
    (document,) = (own.path / "directory/targets").glob("*.directory.json")
    (log,) = Directory.from_json(document.read_bytes()).logs
    (signer,) = log_pairs_of(keys_in(own.path / "keys"), log)
    guard = FileGuard(own.path / "guard/head")
    with closing(SqlStore(f"sqlite:///{own.path / 'store/setu.db'}")) as store, closing(guard):
        committer = Committer(store, signer, guard, time.time)
        committer.start()
        for future in [committer.propose(note(number)) for number in range(count)]:
            future.result(30)
        committer.close()


def static_wrap_key(own):
    """A realm whose directory neither gives the gateway a role for its wrap keys, nor has one of them."""
    settings = load(GatewaySettings, own.config)
    keys, folder = settings.at(settings.paths.realm_keys), settings.at(settings.paths.directory)
    repository = Repository(folder, time.time)
    document = local_directory(settings).current().signed.model_copy(update={"version": 2})
    targets = repository.draft(document, {})
    for use, key in keys_in(keys):
        targets = cosign(targets, key) if use == "targets" else targets
    repository.install(Operator(*operator_keys(keys)), document=document, targets=targets)


def ended_wrap_keys(own):
    """Where the role's keys are elsewhere, and nobody made another key for three days."""
    earlier = create(own.path.parent / "earlier", now=lambda: time.time() - 3 * DAY)
    for folder in ("directory", "realm", "wrap", "keys"):
        shutil.rmtree(own.path / folder)
        shutil.copytree(earlier.path / folder, own.path / folder)
    keys = own.path / "realm/keys"
    renew_directory(own.path / "directory", operator_keys(keys))
    for path in keys.glob("wrap-*.key"):
        path.unlink()


def older_store(own):
    ledger(own, 3)
    shutil.copytree(own.path / "store", own.path / "backup")
    ledger(own, 2)
    shutil.rmtree(own.path / "store")
    (own.path / "backup").rename(own.path / "store")


def no_guard(own):
    ledger(own, 2)
    (own.path / "guard/head").unlink()


POSTGRES = """store = "postgresql://setu@127.0.0.1:9/setu"
[guard]
url = "https://127.0.0.1:9"

[listen]"""

ROWS = [
    pytest.param(settings(("gateway =", 'mood = "good"\ngateway =')), "settings", "mood", id="setting-unknown"),
    pytest.param(
        settings(("[listen]", f'[listen]\nidentity = "client-cert"\nsocket = "g.sock"\nproxy = "{"0" * 64}"')),
        "settings", "one of `socket` and `proxy`", id="two-identities",
    ),
    pytest.param(settings(("gateway =", "workers = 2\ngateway =")), "settings", "`workers` of 1", id="workers-on-sqlite"),
    pytest.param(lambda own: (own.path / "keys/log-ed25519.key").chmod(0o644), "secrets", "0644", id="key-readable"),
    pytest.param(
        lambda own: [shutil.copy(path, own.path / "keys") for path in (other(own) / "keys").glob("log-*.key")],
        "keys", "log keys here are not those", id="log-keys-foreign",
    ),
    pytest.param(static_wrap_key, "keys", "wrap keys is in the directory", id="wrap-key-unlisted"),
    pytest.param(
        lambda own: [path.unlink() for path in (own.path / "wrap").glob("*.key")],
        "keys", "the private half of each wrap key", id="wrap-key-missing",
    ),
    pytest.param(ended_wrap_keys, "keys", "Expected a wrap key in its dates", id="wrap-key-ended"),
    pytest.param(
        lambda own: issued(own, days=30, now=time.time() - 40 * DAY), "certificates", "ended or has not begun",
        id="certificate-expired",
    ),
    pytest.param(copied("tls/server.key"), "tls", "found another certificate's", id="certificate-and-key"),
    pytest.param(
        settings(('hosts = ["', 'hosts = ["gw.example", "')), "tls", "host name gw.example", id="host-not-in-certificate"
    ),
    pytest.param(copied("directory/root.json"), "repository", "another realm's", id="root-of-another-realm"),
    pytest.param(stale, "repository", "timestamp of the directory that is good now", id="timestamp-stale"),
    pytest.param(settings(('"in-setu"', '"in-other"')), "keys", "name this gateway's ledger", id="gateway-id"),
    pytest.param(
        lambda own: (own.path / "policies/5-noforn.cedar").unlink(), "policies", "no 5-noforn.cedar", id="rule-missing"
    ),
    pytest.param(from_the_future, "store", "or older, found 9999", id="store-newer"),
    pytest.param(
        lambda own: (own.path / "store/setu.db").write_bytes(b"nothing of the kind" * 100), "store", "Expected",
        id="store-damaged",
    ),
    pytest.param(settings(("[listen]", POSTGRES)), "store", "PostgreSQL", id="store-unreachable"),
    pytest.param(older_store, "guard", "hold the guard's head of size 5", id="guard-ahead"),
    pytest.param(no_guard, "guard", "found no file", id="guard-lost"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "name", "words"), ROWS)
def test_it_is_named(setu, own, harm, name, words):
    assert setu("doctor", "--config", own.config).status == 0
    harm(own)
    said = setu("doctor", "--config", own.config, "--json")
    assert said.status == 1
    named(said.json()["findings"], name, words)


def named(findings, name, words):
    found = [each for each in findings if each["name"] == name and each["state"] == "bad" and words in each["found"]]
    assert found, json.dumps(findings, indent=1)
    assert all(each["advice"] for each in found)
    assert all(re.search("Expected|found|not those|None of", each["found"]) for each in found)


def documents(findings):
    return [{"name": each.name, "state": each.state, "found": each.found, "advice": each.advice} for each in findings]


def test_a_port_that_is_taken(own):
    """Row `port-taken`."""
    with bind("127.0.0.1", int(own.gateway().listen.address.rpartition(":")[2])) as taken:
        taken.listen()
        named(documents(examine(own.gateway())), "listening", "port")


def test_a_clock_that_is_behind(own):
    """Row `clock-behind`."""
    findings = documents(examine(own.gateway(), lambda: EARLIEST - DAY))
    named(findings, "clock", "at or after what was logged last")


def test_a_disk_that_is_full(own):
    """Row `disk-full`."""
    findings = documents(examine(own.gateway(), free=lambda _: NO_SPACE - 1))
    assert {(each["name"], each["state"]) for each in findings if each["state"] == "bad"} == {("disk", State.BAD)}
    assert all("GiB free" in each["found"] and each["advice"] for each in findings if each["name"] == "disk")


class Kafka:
    """A plan of Kafka's topics and grants, or why there is none."""

    def __init__(self, found):
        self.found = found

    def plan(self, snapshot):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


GRANT = Grant("agency.us-dea.g1", "topic", "setu.us-dea.", "read")
NONE = Difference({}, {}, frozenset(), frozenset(), {})


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        pytest.param(
            Difference({"setu.us-dea.tip": TopicFacts(1, 3, {})}, {}, frozenset(), frozenset(), {}), State.BAD,
            "1 topics missing: setu.us-dea.tip", id="kafka-topic-missing",
        ),
        pytest.param(
            Difference({}, {}, frozenset({GRANT}), frozenset(), {}), State.BAD,
            "1 ACLs missing: agency.us-dea.g1 on setu.us-dea.", id="kafka-acl-missing",
        ),
        pytest.param(
            Difference({}, {}, frozenset(), frozenset({GRANT}), {}), State.WARNING, "1 ACLs too many", id="kafka-acl-too-many"
        ),
        pytest.param(
            Difference({}, {}, frozenset(), frozenset(), {"setu.us-dea.tip": "2 partitions."}), State.BAD,
            "2 partitions", id="kafka-partitions",
        ),
        pytest.param(NONE, State.OK, "those that the directory calls for", id="kafka-well"),
    ],
)  # fmt: skip
def test_kafka(own, found, state, words):
    with_kafka = settings(("[listen]", '[kafka]\nbootstrap = ["localhost:9094"]\n\n[listen]'))
    with_kafka(own)
    patient = Patient(own.gateway(), time.time, topics=lambda _: Kafka(found))
    (finding,) = check_kafka(patient)
    assert (finding.state, words in finding.found) == (state, True), finding
    assert bool(finding.advice) == (state is not State.OK)


def test_a_kafka_of_another_cluster_or_none(own):
    """Rows `kafka-unknown-cluster` and `kafka-certificates`: what Kafka's own client says is handed on."""
    settings(("[listen]", '[kafka]\nbootstrap = ["localhost:9094"]\n\n[listen]'))(own)
    named(documents(examine(own.gateway())), "kafka", "Kafka's CA and the certificate and key of its admin")
    error = UnavailableError("Expected the cluster that is named, found another.", advice="Name this one.")
    with pytest.raises(UnavailableError):
        list(check_kafka(Patient(own.gateway(), time.time, topics=lambda _: Kafka(error))))


def test_the_runbook_has_every_row():
    text = RUNBOOK.read_text("utf-8")
    rows = [each.id for each in ROWS] + ["port-taken", "clock-behind", "disk-full"]
    rows += ["kafka-topic-missing", "kafka-acl-missing", "kafka-unknown-cluster", "kafka-certificates"]
    assert [row for row in rows if f"| `{row}` |" not in text] == []
