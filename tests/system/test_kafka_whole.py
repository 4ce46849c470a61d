"""What an operator and an agency do with Kafka, command by command, on a real one: from a packet to a file and back."""

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from adapters.__main__ import main
from broker.assembly import connect
from broker.crypto.certificates import Authority
from broker.sdk.cursors import MemoryCursors
from broker.sdk.source import Item
from broker.sdk.verify import Verified
from broker.transport.port import Record
from schemas import registry
from schemas.evidence import AckEvent
from tests.system import kafka_site
from tests.system.kafka import cluster, sender
from tests.system.kafka_site import KAFKA, READER, TIP, send, serving, setu, told, until

ROOT = Path(__file__).parents[2]
GROUP = f"setu.{READER}.adapter"
ADAPTER = 'profile = "{}"\nsource = "kafka"\nkinds = ["tip"]\n[filedrop]\nfolder = "drop"\n'


@pytest.fixture(scope="module")
def site():
    return kafka_site.site()


@pytest.fixture(scope="module")
def served(site, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("whole")) as deployment:
        yield deployment


def adapter(deployment, folder):
    (folder / "drop").mkdir()
    path = folder / "adapter.toml"
    path.write_text(ADAPTER.format(deployment.agencies[READER]))
    return path


@contextmanager
def running(*words):
    with subprocess.Popen(
        [sys.executable, "-m", *map(str, words)], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def states(deployment, digest):
    with connect(deployment.agencies["in-ncb"]) as client:
        return client.timeline(digest).states


def test_a_packet_goes_by_kafka_to_a_file_and_its_answer_back_by_https(served, site, tmp_path):
    path = adapter(served, tmp_path)
    with running("adapters", "run", path) as process:
        sent = send(served, 3)
        drop = tmp_path / "drop"
        until(lambda: len(list(drop.glob("packet-*.json"))) == len(sent) or process.poll() is not None)
        until(lambda: states(served, sent[-1].digest) == {READER: "opened"})
        process.terminate()
        assert process.wait(20) == 0, process.stderr.read()
    found = {each["digest"]: each for each in (json.loads(path.read_bytes()) for path in drop.glob("packet-*.json"))}
    assert {digest: each["index"] for digest, each in found.items()} == {each.digest: each.index for each in sent}
    for each in sent:
        entries = told("audit", "search", "--as", served.agencies["in-ncb"], "--packet", each.digest)["entries"]
        told_of = [(entry["entry"]["type"], entry["entry"].get("channel")) for entry in entries]
        assert told_of == [("accepted", None), ("delivered", "kafka"), ("acknowledged", None)]
    shown = Consumer(site.librdkafka("admin", **{"group.id": GROUP}))
    try:
        (place,) = shown.committed([TopicPartition(TIP, 0)], timeout=10)
        assert place.offset == shown.get_watermark_offsets(TopicPartition(TIP, 0), timeout=10)[1]
    finally:
        shown.close()


def test_an_agency_reads_with_a_plain_client_and_answers_with_the_sdk(served, site, tmp_path):
    """kcat from Debian and a plain librdkafka configuration; nothing of ours is between it and Kafka."""
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("no kcat here: apt-get install kcat")
    sent = {each.digest: each for each in send(served, 2)}
    home = served.agencies[READER].parent
    config = tmp_path / "kcat.conf"
    config.write_text(
        f"bootstrap.servers={site.node.bootstrap}\nsecurity.protocol=ssl\nssl.ca.location={home / 'gateway-ca.pem'}\n"
        f"ssl.certificate.location={home / 'tls.pem'}\nssl.key.location={home / 'tls.key'}\n"
        "auto.offset.reset=earliest\nenable.partition.eof=true\n"
    )
    found = until(partial(_read_by, kcat, config, f"setu.{READER}.plain", sent.keys()))
    previous = -1
    with connect(served.agencies[READER]) as client:
        for each in found:
            headers = dict(zip(each["headers"][::2], each["headers"][1::2], strict=True))
            assert int(headers["setu-previous"]) == previous
            previous = int(headers["setu-index"])
            if headers["ce_id"] not in sent:
                continue
            receipt = json.loads(headers["setu-receipt"])
            item = Item(TIP, previous, headers["ce_id"], each["payload"].encode(), receipt, None, None)
            judged = client.judge(item)
            assert isinstance(judged, Verified), judged
            assert (judged.receipt.index, judged.parsed.digest) == (sent[headers["ce_id"]].index, headers["ce_id"])
            assert each["key"] == f"in-ncb/{judged.header.thread}"
            client.acknowledge(judged.named, AckEvent.OPENED)
    assert all(states(served, digest) == {READER: "opened"} for digest in sent)


def _read_by(kcat, config, group, wanted):
    """The topic's records as kcat prints them, once they hold what is wanted."""
    command = [kcat, "-F", config, "-e", "-q", "-J", "-G", f"{group}{time.time_ns()}", TIP]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return found if wanted <= {each["headers"][each["headers"].index("ce_id") + 1] for each in found} else None


def test_an_adapter_rejects_what_is_not_what_it_says_and_goes_on(served, tmp_path):
    """The records of somebody who can write to the topic: one without sense; a packet that was opened, at a place that
    it does not have; and one of another topic, which nobody has answered yet. No receipt is with any.
    """
    path, drop = adapter(served, tmp_path), tmp_path / "drop"
    (other,) = send(served, 1, "pen")
    (first,) = send(served, 1)
    until(partial(_took, path, drop, {f"packet-{first.digest}.json"}))
    until(lambda: states(served, other.digest) == {READER: "offered"})
    forged = [
        Record(b"", raw_of(served, each.digest, kind), [("ce_id", each.digest.encode()), ("setu-index", b"%d" % index)])
        for each, kind, index in ((first, "tip", first.index + 1000), (other, "pen", other.index))
    ]
    sender().send(TIP, [Record(b"", b"no packet", []), *forged])
    (last,) = send(served, 1)
    until(partial(_took, path, drop, {f"packet-{last.digest}.json"}))
    lines = [json.loads(line) for line in path.with_suffix(".log").read_text().splitlines()]
    rejected = {each["digest"]: each["answered"] for each in lines if each["event"] == "rejected"}
    assert (rejected.pop(other.digest), rejected.pop(first.digest)) == (True, False)
    assert list(rejected.values()) == [False]
    assert states(served, other.digest) == {READER: "rejected"}
    assert states(served, first.digest) == states(served, last.digest) == {READER: "opened"}
    assert len(list((tmp_path / "adapter-state" / "quarantine").glob("packet-*.json"))) == 3


def raw_of(deployment, digest, kind):
    with connect(deployment.agencies[READER]) as client:
        items = client.source(MemoryCursors()).read(f"setu.{READER}.{kind}", 0)
        return next(each.raw for each in items if each.digest == digest)


@pytest.mark.long
def test_what_waits_in_kafka_is_taken_up_where_the_adapter_stopped(served, tmp_path):
    path = adapter(served, tmp_path)
    for count in (2, 3):
        sent = {f"packet-{each.digest}.json" for each in send(served, count)}
        until(partial(_took, path, tmp_path / "drop", sent))


def _took(path, drop, wanted):
    """One run of the adapter; whether it has all of these now. What it had before, it is not given again."""
    before = {each.name: each.stat().st_mtime_ns for each in drop.iterdir()}
    command = [sys.executable, "-m", "adapters", "run", path, "--once"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with path.with_suffix(".log").open("a") as log:
        log.write(done.stderr)
    assert before == {name: (drop / name).stat().st_mtime_ns for name in before}
    return wanted <= {each.name for each in drop.iterdir()}


def test_topics_apply_shows_first_changes_once_and_takes_nothing_away_unasked(served):
    config = served.config
    assert told("topics", "plan", "--config", config)["same"]
    other, line = "in-nia", "agency.in-nia.g1 may read topics setu.in-nia.*"
    told("directory", "change", other, "--channel", "https", "--channel", "kafka", "--config", config)
    planned = told("topics", "plan", "--config", config, status=1)
    assert planned["create"] == [f"setu.{other}.{kind}" for kind in sorted(registry.kinds())]
    assert line in planned["give"]
    assert planned["take"] == []
    assert told("topics", "apply", "--config", config) == planned
    assert told("topics", "apply", "--config", config)["same"]
    told("directory", "change", other, "--channel", "https", "--config", config)
    assert line in told("topics", "apply", "--config", config)["take"]
    assert line in told("topics", "plan", "--config", config, status=1)["take"]
    told("topics", "apply", "--remove", "--config", config)
    assert told("topics", "plan", "--config", config)["same"]


def test_watched_an_agency_that_is_suspended_is_cut_off_within_a_second(served, site):
    config = served.config
    profile = served.agencies[READER].parent
    send(served, 1)
    consumer = Consumer(
        {
            **site.librdkafka("admin"),
            "ssl.certificate.location": str(profile / "tls.pem"),
            "ssl.key.location": str(profile / "tls.key"),
            "group.id": f"setu.{READER}.live",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(TIP, 0, 0)])
    try:
        until(lambda: (message := consumer.poll(1.0)) is not None and message.error() is None)
        with running("broker", "topics", "apply", "--watch", "--config", config) as watching:
            assert "Kafka holds what the directory says." in watching.stdout.readline()
            time.sleep(0.5)
            setu("directory", "change", READER, "--state", "suspended", "--config", config)
            began = time.monotonic()
            until(lambda: _refused(consumer.poll(0.05)))
            took = time.monotonic() - began
            watching.terminate()
            assert f"- agency.{READER}.g1 may read topics {TIP.removesuffix('tip')}*" in watching.stderr.read()
        assert took < 1.0
    finally:
        consumer.close()
        setu("directory", "change", READER, "--state", "active", "--config", config)
        setu("topics", "apply", "--config", config)


def _refused(message):
    return message is not None and message.error() is not None and "authorization failed" in message.error().str()


def no_settings(site, config):
    config.write_text(config.read_text().partition("[kafka]")[0])
    return "Expected settings for Kafka, found none.", "Write into setu.toml"


def no_certificates(site, config):
    _edit(config, '[kafka]\nfolder = "elsewhere"')
    return "and the certificate and key of its admin in", "setu topics certificates"


def nobody_there(site, config):
    _edit(config, "[kafka]", site.node.bootstrap, "localhost:1")
    return "Expected Kafka at localhost:1 to say which cluster it is, found no answer.", "Does it run"


def wrong_cluster(site, config):
    _edit(config, '[kafka]\ncluster = "another"')
    return "Expected the Kafka cluster another at", "nothing was read or written"


def wrong_ca(site, config):
    _other_folder(site, config)
    other = Authority.create("UTO", now=time.time())
    (config.parent / "other" / "ca.pem").write_bytes(other.issued.certificate)
    return "Expected a Kafka whose certificate our CA issued", "Is it the right cluster?"


def wrong_certificate(site, config):
    folder = _other_folder(site, config)
    issued = Authority.create("UTO", now=time.time()).issue_client("admin", 1, now=time.time(), unit="gateway")
    _put(issued, folder, "admin")
    return "to take our certificate, found that it does not", "its issuer, its dates, and a subject"


def no_administrator(site, config):
    folder = _other_folder(site, config)
    _put(site.authority.issue_client("nobody", 1, now=time.time(), unit="gateway"), folder, "admin")
    return "for an administrator's, found that it does not", "`super.users`"


def _other_folder(site, config):
    _edit(config, '[kafka]\nfolder = "other"')
    return Path(shutil.copytree(site.folder, config.parent / "other", ignore=shutil.ignore_patterns("data")))


def _put(issued, folder, name):
    for end in ("pem", "key"):
        (folder / f"{name}.{end}").unlink()
    issued.save(folder / f"{name}.pem", folder / f"{name}.key")


def _edit(config, section, old="", new=""):
    config.write_text(config.read_text().replace("[kafka]", section).replace(old, new))


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(each, id=each.__name__.replace("_", "-"))
        for each in (
            no_settings,
            no_certificates,
            nobody_there,
            wrong_cluster,
            wrong_ca,
            wrong_certificate,
            no_administrator,
        )
    ],
)
def test_what_is_wrong_is_said_to_the_operator_in_one_sentence_with_what_to_do(site, tmp_path, wrong):
    config = tmp_path / "setu.toml"
    config.write_text(site.deployment.config.read_text())
    shutil.copytree(site.deployment.path / "directory", tmp_path / "directory")
    if wrong not in (no_certificates, wrong_ca, wrong_certificate, no_administrator):
        (tmp_path / "kafka").symlink_to(site.folder)
    message, advice = wrong(site, config)
    done = told("topics", "plan", "--config", config, status=1)["error"]
    assert message in done["message"]
    assert advice in done["advice"]
    assert "\n" not in done["message"] + done["advice"]


READS = "in-ncb"


def adapter_without_settings(site, profile):
    _edit_profile(profile, "")
    return "Expected settings for Kafka, found none. Write into agency.toml"


def adapter_of_another_cluster(site, profile):
    _edit_profile(profile, 'cluster = "another"')
    return "Expected the Kafka cluster another at"


def adapter_that_trusts_another_ca(site, profile):
    other = Authority.create("UTO", now=time.time())
    (profile.parent / "other.pem").write_bytes(other.issued.certificate)
    _edit_profile(profile, 'ca = "other.pem"')
    return "Is it the right cluster?"


def adapter_without_acl(site, profile):
    return "Expected leave to have Kafka show setu.in-ncb.tip, found none for this certificate. Have the operator run"


def adapter_without_topic(site, profile):
    site.grant(READS, f"setu.{READS}.")
    return "found that there is no such topic. Have the operator run `setu topics apply`"


def _edit_profile(profile, line):
    kept, _, _ = profile.read_text().partition("[kafka]")
    profile.write_text(
        kept + (f"[kafka]\nbootstrap = [{json.dumps(cluster().node.bootstrap)}]\n{line}\n" if line else "")
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(each, id=each.__name__.removeprefix("adapter_").replace("_", "-"))
        for each in (
            adapter_without_settings,
            adapter_of_another_cluster,
            adapter_that_trusts_another_ca,
            adapter_without_acl,
            adapter_without_topic,
        )
    ],
)
def test_what_is_wrong_is_said_to_the_agency_in_one_sentence_with_what_to_do(served, site, tmp_path, capsys, wrong):
    home = served.agencies[READS].parent
    profile = Path(shutil.copytree(home, tmp_path / "home")) / "agency.toml"
    profile.write_text(profile.read_text().replace('policies = "../../policies"', ""))
    profile.write_text(profile.read_text() + KAFKA.format(site.node.bootstrap))
    expected = wrong(site, profile)
    (tmp_path / "drop").mkdir()
    path = tmp_path / "adapter.toml"
    path.write_text(ADAPTER.format(profile))
    assert main(["run", str(path), "--once"]) == 1
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
