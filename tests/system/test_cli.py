"""The command line against a real gateway: what each kind of person types, over TLS, from first to last."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from broker.assembly import connect
from broker.cli.app import app
from broker.cli.deployment import create
from broker.cli.served import Served, free_port
from broker.sdk.cursors import MemoryCursors
from schemas import registry
from tests.arch.tree import ROOT


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    made = create(folder / "deployment", demo=True, port=free_port(), operations_port=free_port())
    with Served(made, folder / "gateway.log"):
        yield made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for kind in registry.kinds():
        (folder / f"{kind}.json").write_text(json.dumps(next(iter(registry.samples(kind).values()))))
    (folder / "handling.json").write_text(json.dumps(registry.sample_handling()))
    return folder


@pytest.fixture
def setu(served):
    """Calls `setu`; an agency's id after `--as` stands for its settings."""

    def call(*words, status=0, stdin=None):
        found = [
            str(served.agencies.get(word, word) if before == "--as" else word)
            for before, word in zip(("", *words), words, strict=False)
        ]
        done = CliRunner().invoke(app, found, input=stdin)
        assert done.exit_code == status, done.stderr + str(done.exception)
        return done

    return call


def send(setu, files, *more, kind="tip", sender="in-ncb", to="us-dea", status=0):
    words = ("send", kind, files / f"{kind}.json", "--as", sender, "--to", to, "--handling", files / "handling.json")
    return setu(*words, *more, status=status)


def follow(setu, agency, *more):
    done = setu("follow", "--as", agency, "--once", "--json", *more)
    return [json.loads(line) for line in done.stdout.splitlines()]


def packet_of(served, digest):
    """The packet as its recipient is given it."""
    with connect(served.agencies["us-dea"]) as client:
        items = client.source(MemoryCursors()).read("setu.us-dea.tip", 0)
        return next(item.raw for item in items if item.digest == digest)


def until_published(setu, index):
    """The published checkpoint moves once a second at most."""
    for _ in range(40):
        if json.loads(setu("audit", "verify", "--as", "us-audit", "--json").stdout)["size"] > index:
            return
        time.sleep(0.25)
    raise AssertionError(f"Expected a published checkpoint beyond {index}, found none in 10 s.")


@contextmanager
def running(*words):
    """`setu` as a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "broker", *map(str, words)]
    with subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_send_follow_acknowledge(setu, files):
    sent = json.loads(send(setu, files, "--json").stdout)
    assert sent["ok"] is True
    got = follow(setu, "us-dea", "tip", "--ack", "opened")
    assert [each["digest"] for each in got] == [sent["digest"]]
    assert got[0]["payload"] == json.loads((files / "tip.json").read_bytes())
    assert got[0]["receipt"] == sent["receipt"]
    assert follow(setu, "us-dea", "tip") == []
    assert [each["digest"] for each in follow(setu, "us-dea", "tip", "--from-start")] == [sent["digest"]]
    events = json.loads(setu("audit", "search", "--as", "in-ncb", "--packet", sent["digest"], "--json").stdout)
    assert [each["entry"]["type"] for each in events["entries"]] == ["accepted", "delivered", "acknowledged"]


def test_people_read_a_packet_and_its_answer(setu, files):
    sent = send(setu, files, "--precedence", "IMMEDIATE", "--exercise", kind="payment-trail")
    assert "Accepted at ledger index" in sent.stdout
    shown = setu("follow", "payment-trail", "--as", "us-dea", "--once", "--stream", "--ack", "none")
    assert "payment-trail from in-ncb  IMMEDIATE  IN RESTRICTED  TLP:AMBER  EXERCISE" in shown.stdout
    assert shown.stderr == ""


def test_a_refusal_names_the_rule_and_what_would_change_it(setu, files):
    refused = send(setu, files, to="us-fincen", status=1)
    assert refused.stdout == ""
    assert "policy-denied:" in refused.stderr
    assert "1.purpose (us-fincen): The mandate of us-fincen does not cover" in refused.stderr
    assert "what would change it: Narrow the purpose" in refused.stderr
    document = json.loads(send(setu, files, "--json", to="us-fincen", status=1).stdout)
    assert [hit["rule"] for hit in document["error"]["rules"]] == ["1.purpose"]


def test_what_a_gateway_would_say_can_be_asked(setu, files):
    assert "would accept" in send(setu, files, "--check").stdout
    assert "policy-denied" in send(setu, files, "--check", to="us-fincen", status=1).stderr


def test_markings_come_from_options_too(setu, served, files):
    words = ("send", "tip", "-", "--as", "in-ncb", "--to", "us-dea", "--classification", "IN:RESTRICTED")
    words += ("--tlp", "GREEN", "--purpose", "investigation", "--legal-basis", "UN1988-9", "--personal-data")
    words += ("--sanitised", "--releasable-to", "USA", "--releasable-to", "IND", "--purge-on", "2031-01-01")
    words += ("--review-on", "2027-02-10")
    sent = setu(*words, "--json", stdin=(files / "tip.json").read_bytes())
    packet = packet_of(served, json.loads(sent.stdout)["digest"])
    header = json.loads(setu("packet", "inspect", "-", "--json", stdin=packet).stdout)["header"]
    assert header["handling"]["tlp"] == "GREEN"
    assert header["handling"]["retention"] == {"review_on": "2027-02-10", "purge_on": "2031-01-01"}


def test_a_packet_is_sealed_verified_opened_and_posted_again(setu, files, tmp_path):
    packet, receipt = tmp_path / "packet.json", tmp_path / "receipt.json"
    words = ("packet", "seal", "pen", files / "pen.json", "--as", "in-ncb", "--to", "us-dea", "-o", packet)
    sealed = json.loads(setu(*words, "--handling", files / "handling.json", "--json").stdout)
    again = setu(*words, "--handling", files / "handling.json", status=1)
    assert "bad-request: " in again.stderr
    first = json.loads(setu("packet", "post", packet, "--as", "in-ncb", "--json").stdout)
    assert json.loads(setu("packet", "post", packet, "--as", "in-ncb", "--json").stdout) == first
    assert first["digest"] == sealed["digest"]
    receipt.write_text(json.dumps(first))
    for trust in (("--as", "us-cbp"), ("--as", "us-dea", "--receipt", receipt)):
        assert json.loads(setu("packet", "verify", packet, *trust, "--json").stdout)["ok"] is True
    opened = setu("packet", "open", packet, "--as", "us-dea", "--receipt", receipt)
    assert json.loads(opened.stdout) == json.loads((files / "pen.json").read_bytes())
    document = json.loads(setu("packet", "open", packet, "--as", "us-dea", "--json").stdout)
    assert document["payload"] == json.loads(opened.stdout)
    assert setu("packet", "open", packet, "--as", "us-cbp", status=1).stderr.startswith("not-for-me")
    assert json.loads(setu("packet", "resend", "--as", "in-ncb", "--json").stdout) == {"sent": []}


def test_what_is_doubtful_is_told_beside_the_receipt(setu, files, tmp_path):
    sent = send(setu, files, "--json", kind="pen")
    assert json.loads(sent.stdout)["ok"]
    assert "look again at /substance/hs6: this is a residual heading" in sent.stderr
    assert "look again at when its answer is due: that is over" in sent.stderr
    assert "look again" not in send(setu, files, "--json").stderr
    words = ("packet", "seal", "pen", files / "pen.json", "--as", "in-ncb", "--to", "us-dea", "-o", tmp_path / "p")
    assert "residual heading" in setu(*words, "--handling", files / "handling.json").stderr


def test_a_tip_is_sent_sealed_where_that_is_allowed(setu, files):
    assert "readers us-dea\n" in send(setu, files, "--sealed").stdout
    assert "sealed-allowed" in send(setu, files, "--sealed", kind="pen", status=1).stderr


def test_the_auditor_mirrors_verifies_searches_and_proves(setu, files, tmp_path):
    follow(setu, "us-dea", "tip", "--ack", "opened")
    sent = json.loads(send(setu, files, "--json", "--receipt", tmp_path / "receipt.json").stdout)
    follow(setu, "us-dea", "tip", "--ack", "opened")
    (tmp_path / "vkeys").write_text(setu("audit", "vkey", "--as", "us-audit").stdout)
    until_published(setu, sent["index"] + 2)
    first = json.loads(setu("audit", "mirror", tmp_path / "log", "--as", "us-audit", "--json").stdout)
    kept = shutil.copy(tmp_path / "log" / "checkpoint", tmp_path / "kept")
    later = json.loads(send(setu, files, "--json").stdout)
    until_published(setu, later["index"])
    second = json.loads(setu("audit", "mirror", tmp_path / "log", "--as", "us-audit", "--json").stdout)
    assert second["before"] == first["size"] < second["size"]
    words = ("audit", "verify", tmp_path / "log", "--vkey", tmp_path / "vkeys", "--known", kept, "--json")
    assert json.loads(setu(*words).stdout)["continues"] == first["size"]
    assert json.loads(setu("audit", "verify", "--as", "in-audit", "--json").stdout)["size"] >= second["size"]
    found = json.loads(setu("audit", "search", tmp_path / "log", "--packet", sent["digest"], "--json").stdout)
    live = json.loads(setu("audit", "search", "--as", "us-audit", "--packet", sent["digest"], "--json").stdout)
    assert found["entries"] == live["entries"]
    # Offline nothing was named whose directory says which keys were in other hands.
    assert (found["disputes"], live["disputes"]) == (False, True)
    assert [each["entry"]["type"] for each in found["entries"]] == ["accepted", "delivered", "acknowledged"]
    bundle = tmp_path / "proof.json"
    assert "This proof holds." in setu("audit", "proof", sent["digest"], "--as", "us-audit", "-o", bundle).stdout
    assert json.loads(setu("audit", "proof", sent["digest"], "--as", "us-audit").stdout)["digest"] == sent["digest"]
    for each in (bundle, tmp_path / "receipt.json"):
        setu("audit", "verify", each, "--vkey", tmp_path / "vkeys")
        setu("audit", "verify", each, "--as", "us-audit")


def test_agencies_are_no_auditors(setu, tmp_path):
    assert setu("audit", "mirror", tmp_path / "log", "--as", "us-dea", status=1).stderr.startswith("forbidden")
    unseen = json.loads(setu("audit", "search", "--as", "us-hsi", "--agency", "us-dea", "--json").stdout)
    assert unseen["entries"] == []


def test_a_suspension_is_in_force_at_once_and_can_be_lifted(setu, served, tmp_path):
    shown = json.loads(setu("directory", "show", "--config", served.config, "--json").stdout)["directory"]
    for state, status in (("suspended", 1), ("active", 0)):
        rows = [row | {"state": state} if row["id"] == "us-cbp" else row for row in shown["agencies"]]
        shown |= {"version": shown["version"] + 1, "agencies": rows}
        (tmp_path / "d.json").write_text(json.dumps(shown))
        setu("directory", "publish", tmp_path / "d.json", "--config", served.config)
        time.sleep(1.5)
        done = setu("follow", "--as", "us-cbp", "--once", "--json", status=status)
        assert ("agency-suspended" in done.stdout) is (state == "suspended")


def test_the_doctor_looks_at_a_running_gateway(setu, served):
    done = json.loads(setu("doctor", "--config", served.config, "--json").stdout)
    found = {each["name"]: each["found"] for each in done["findings"] if each["state"] == "ok"}
    assert done["ok"] is True
    assert "serving this deployment, and is ready" in found["listening"]
    assert "among the store's heads" in found["guard"]
    rest = [each["found"] for each in done["findings"] if each["state"] != "ok"]
    assert [text for text in rest if "same disk" not in text] == []


def test_a_second_gateway_on_one_ledger_refuses_to_start(served):
    with running("serve", "--config", served.config) as second:
        _, said = second.communicate(timeout=30)
    assert second.returncode == 1
    assert "config-invalid" in said
    assert "Traceback" not in said


def test_a_follower_gets_what_is_sent_meanwhile_and_ends_on_ctrl_c(setu, served, files):
    with running("follow", "tip", "--as", served.agencies["in-nia"], "--json") as follower:
        time.sleep(1.5)
        sent = json.loads(send(setu, files, "--json", "--purpose", "investigation", to="in-nia").stdout)
        got = json.loads(follower.stdout.readline())
        follower.send_signal(signal.SIGINT)
        _, said = follower.communicate(timeout=20)
    assert got["digest"] == sent["digest"]
    assert "Traceback" not in said


def test_a_gateway_that_is_not_there_is_said_so(setu, served, tmp_path):
    shutil.copytree(served.agencies["us-hsi"].parent, tmp_path / "agency")
    profile = tmp_path / "agency" / "agency.toml"
    profile.write_text(profile.read_text().replace(served.url, f"https://127.0.0.1:{free_port()}"))
    shutil.rmtree(tmp_path / "agency" / "cache", ignore_errors=True)
    assert setu("directory", "verify", "--as", profile, status=1).stderr.startswith("unavailable:")


def test_what_is_held_of_the_directory_serves_while_the_gateway_is_away(setu, served, tmp_path):
    setu("directory", "verify", "--as", "us-hsi")
    shutil.copytree(served.agencies["us-hsi"].parent, tmp_path / "agency")
    profile = tmp_path / "agency" / "agency.toml"
    profile.write_text(profile.read_text().replace(served.url, f"https://127.0.0.1:{free_port()}"))
    assert "The gateway does not answer: going by directory version" in setu("audit", "vkey", "--as", profile).stderr


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("send", "tip", "tip.json", "--to", "us-dea", "--handling", "handling.json"), id="send"),
        pytest.param(("follow", "tip", "--once"), id="follow"),
        pytest.param(("audit", "mirror", "copy"), id="audit-mirror"),
    ],
)
def test_who_waits_for_a_gateway_is_told_so_and_for_how_long(served, files, tmp_path, words):
    connect(served.agencies["in-ncb"]).close()  # it holds the directory from now on
    copied = tmp_path / "agency"
    shutil.copytree(served.agencies["in-ncb"].parent, copied)
    settings = copied / "agency.toml"
    text = settings.read_text().replace("../../policies", str(served.path / "policies"))
    settings.write_text(re.sub(r"https://[^\"]+", f"https://localhost:{free_port()}", text))
    found = [str(files / word) if word.endswith(".json") else word for word in words]
    with contextlib.chdir(tmp_path), running(*found, "--as", settings, "--patience", "4") as process:
        out, said = process.communicate(timeout=30)
    assert process.returncode == 1, said
    assert out == ""
    assert "(--patience)" in said


def test_several_files_are_as_many_packets_each_with_its_own_outcome(setu, files, tmp_path):
    text = (files / "tip.json").read_text()
    same = tmp_path / "again.json"
    same.write_text(text)
    words = ("--as", "in-ncb", "--to", "us-dea", "--handling", files / "handling.json")
    found = json.loads(setu("send", "tip", files / "tip.json", same, *words, "--json").stdout)
    assert found["ok"]
    assert [each["ok"] for each in found["packets"]] == [True, True]
    got = follow(setu, "us-dea", "tip", "--ack", "opened")
    assert {each["digest"] for each in found["packets"]} <= {each["digest"] for each in got}
    words = ("--as", "in-ncb", "--to", "us-fincen", "--handling", files / "handling.json")
    refused = setu("send", "tip", files / "tip.json", same, *words, "--json", status=1)
    error = json.loads(refused.stdout)["error"]
    assert (error["code"], {hit["rule"] for hit in error["rules"]}) == ("policy-denied", {"1.purpose"})
    assert error["advice"].startswith("Nothing was sealed.")
    assert "expected one FILE" in setu("send", "tip", same, same, *words, "--check", status=2).stderr
