"""Each misconfiguration of an agency that the runbook names, against a real gateway: one row breaks a good set-up in
exactly that way, and `setu doctor --as` names it. And with `--echo` a good one proves its whole way.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.assembly.agency import connect
from broker.assembly.keys import keys_in
from broker.assembly.realm import operator_keys, publish_directory
from broker.cli.agency_checks import examine_agency
from broker.cli.app import app
from broker.cli.atrest import seal_files
from broker.cli.deployment import create
from broker.cli.findings import State
from broker.cli.practising import checked
from broker.cli.served import free_port
from broker.config import AgencySettings, load
from broker.crypto.certificates import Authority
from broker.crypto.sealing import Passphrase
from broker.gateway.server import bind
from schemas.directory import AgencyState, KeyState
from tests.http.live import Live

DAY = 86_400
RUNBOOK = Path(__file__).parents[2] / "deploy" / "runbooks" / "doctor.md"


class Site(Live):
    """A gateway, a set-up of an agency to copy and break, and another realm."""

    def __init__(self, folder):
        super().__init__(folder)
        self.folder = folder
        self.other = create(folder / "other", demo=True, port=free_port(), operations_port=free_port())

    def home(self, agency, name):
        """A copy of an agency's home that is good as it is."""
        made = self.folder / name / agency
        shutil.copytree(self.deployment.path / "agencies" / agency, made)
        shutil.rmtree(made / "cache", ignore_errors=True)
        text = (
            (made / "agency.toml").read_text("utf-8").replace("../../policies", str(self.deployment.path / "policies"))
        )
        (made / "agency.toml").write_text(text, "utf-8")
        return made

    def publish(self, agency, changed):
        settings = self.deployment.gateway()
        before = self.clients["in-ncb"].directory.refresh().signed
        rows = tuple(changed(each) if each.id == agency else each for each in before.agencies)
        secrets = settings.at(settings.paths.realm_keys)
        signers = [key for use, key in keys_in(secrets) if use == "targets"]
        after = before.model_copy(update={"version": before.version + 1, "agencies": rows})
        publish_directory(settings.at(settings.paths.directory), after, signers, operator_keys(secrets))
        deadline = time.monotonic() + 30
        while self.clients["in-ncb"].directory.refresh().ref.version < after.version:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def authority(self, country="in"):
        ca = self.deployment.path / "ca" / country
        return Authority.load(ca / "ca.pem", ca / "ca.key")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


def doctor(home, *words):
    said = CliRunner().invoke(app, ["doctor", "--as", str(home / "agency.toml"), "--json", *words])
    assert said.exception is None or isinstance(said.exception, SystemExit), said.exception
    return said.exit_code, json.loads(said.stdout)["findings"]


def named(findings, name, words):
    found = [each for each in findings if each["name"] == name and each["state"] == "bad" and words in each["found"]]
    assert found, json.dumps(findings, indent=1)
    assert all(each["advice"] for each in found)


def text(before, after):
    def harm(site, home):
        path = home / "agency.toml"
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after, 1))

    return harm


def address(url):
    """Another address of the gateway, made of the site."""

    def harm(site, home):
        lines = (home / "agency.toml").read_text().splitlines(keepends=True)
        made = "".join(f'url = "{url(site)}"\n' if line.startswith("url") else line for line in lines)
        (home / "agency.toml").write_text(made)

    return harm


def from_other_realm(name):
    return lambda site, home: shutil.copy(site.other.path / "agencies/us-dea" / name, home / name)


def from_other_agency(*names):
    def harm(site, home):
        for name in names:
            shutil.copy(site.deployment.path / "agencies/us-cbp" / name, home / name)

    return harm


def issued(now=0.0, days=397):
    def harm(site, home):
        made = site.authority("us").issue_client(home.name, 1, now=time.time() + now, days=days)
        for each in ("tls.pem", "tls.key"):
            (home / each).unlink()
        made.save(home / "tls.pem", home / "tls.key")

    return harm


def no_rule(site, home):
    shutil.copytree(site.deployment.path / "policies", home / "rules")
    (home / "rules/5-noforn.cedar").unlink()
    text(str(site.deployment.path / "policies"), "rules")(site, home)


ROWS = [
    pytest.param(text("gateway =", 'mood = "good"\ngateway ='), "settings", "mood", id="setting-unknown"),
    pytest.param(lambda _, home: next(home.glob("keys/*.key")).chmod(0o640), "secrets", "0640", id="key-readable"),
    pytest.param(issued(-40 * DAY, 30), "certificate", "ended or has not begun", id="certificate-expired"),
    pytest.param(from_other_agency("tls.key"), "certificate", "another certificate's", id="certificate-and-key"),
    pytest.param(
        from_other_agency("tls.pem", "tls.key"), "certificate", "of us-dea, found one of us-cbp", id="certificate-of-another"
    ),
    pytest.param(issued(), "gateway", "does not know this caller", id="certificate-unlisted"),
    pytest.param(
        address(lambda _: f"https://localhost:{free_port()}"), "gateway", "something to listen", id="port-closed"
    ),
    pytest.param(
        address(lambda site: site.deployment.operations.replace("http:", "https:").replace("127.0.0.1", "localhost")),
        "gateway", "Expected TLS", id="not-tls",
    ),
    pytest.param(address(lambda _: "https://nowhere.invalid:8443"), "gateway", "of the name nowhere", id="name-unknown"),
    pytest.param(from_other_realm("gateway-ca.pem"), "gateway", "the CA in `gateway_ca`", id="ca-wrong"),
    pytest.param(
        lambda _, home: (home / "gateway-ca.pem").write_text("none"), "gateway", "no certificate in it", id="ca-unreadable"
    ),
    pytest.param(lambda _, home: (home / "gateway-ca.pem").unlink(), "gateway", "No such file", id="ca-missing"),
    pytest.param(
        lambda _, home: (home / "keys/wrap.key").unlink(), "keys", "that others wrap to by directory version", id="wrap-key-missing"
    ),
    pytest.param(from_other_realm("root.json"), "directory", "another realm's", id="root-of-another-realm"),
    pytest.param(text('"in-setu"', '"in-ncb"'), "gateway", "there is in-setu", id="gateway-id"),
    pytest.param(
        from_other_agency(*(f"keys/{each}.key" for each in ("sign-ed25519", "sign-mldsa65"))),
        "keys", "of us-dea, found the one of us-cbp", id="key-of-another",
    ),
    pytest.param(from_other_realm("keys/wrap.key"), "keys", "found none there", id="key-unlisted"),
    pytest.param(no_rule, "policies", "no 5-noforn.cedar", id="rule-missing"),
]  # fmt: skip
ALONE = ["agency-suspended", "key-retired", "key-revoked", "host-not-in-certificate", "tls-too-old", "timestamp-stale"]
ALONE += ["release-refused", "clock-ahead", "clock-behind", "echo-unlisted", "echo-silent"]


@pytest.mark.parametrize(("harm", "name", "words"), ROWS)
def test_it_is_named(site, request, harm, name, words):
    home = site.home("us-dea", request.node.callspec.id)
    assert doctor(home)[0] == 0
    harm(site, home)
    status, findings = doctor(home)
    assert status == 1
    named(findings, name, words)


def test_a_good_set_up_is_well(site):
    for agency in ("in-ncb", "in-audit"):
        status, findings = doctor(site.home(agency, "well"))
        assert status == 0
        assert {each["state"] for each in findings} == {"ok"}


def test_a_good_set_up_is_well_with_sealed_keys(site):
    home = site.home("us-dea", "sealed")
    passphrase = Passphrase(lambda: b"correct horse battery")
    seal_files([*home.glob("keys/*.key"), home / "tls.key"], passphrase)
    reading, writing = os.pipe()
    os.write(writing, b"correct horse battery\n")
    os.close(writing)
    with os.fdopen(reading):
        done = subprocess.run(
            [sys.executable, "-m", "broker", "doctor", "--as", home / "agency.toml", "--json"],
            env={**os.environ, "SETU_PASSPHRASE_FD": str(reading)},
            pass_fds=[reading],
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stdout
    assert {each["state"] for each in json.loads(done.stdout)["findings"]} == {"ok"}


@contextmanager
def speaking(context):
    """A server on loopback that shakes hands as `context` says, and answers nothing."""
    with bind("127.0.0.1", 0) as listener:
        listener.listen()

        def serve():
            try:
                plain, _ = listener.accept()
                with plain, context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(1)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        thread.join(10)


def server(site, folder, host):
    made = site.authority().issue_server("g", [host], now=time.time())
    folder.mkdir()
    made.save(folder / "s.pem", folder / "s.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "s.pem", folder / "s.key")
    return context


def test_a_host_that_is_not_in_the_certificate(site, tmp_path):
    home = site.home("us-dea", "host")
    with speaking(server(site, tmp_path / "s", "gw.example")) as url:
        address(lambda _: url)(site, home)
        named(doctor(home)[1], "gateway", "name localhost in the gateway's certificate")


def test_a_proxy_that_speaks_an_older_tls(site, tmp_path):
    home, context = site.home("us-dea", "tls"), server(site, tmp_path / "s", "localhost")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with speaking(context) as url:
        address(lambda _: url)(site, home)
        named(doctor(home)[1], "gateway", "Expected TLS 1.3")


@pytest.mark.parametrize("state", [KeyState.RETIRED, KeyState.REVOKED])
def test_a_key_that_is_no_longer_active(site, state):
    """Rows `key-retired` and `key-revoked`."""
    home = site.home("us-hsi", f"key-{state}")

    def changed(row):
        first, *rest = row.keys
        return row.model_copy(update={"keys": (first.model_copy(update={"state": state}), *rest)})

    site.publish("us-hsi", changed)
    named(doctor(home)[1], "keys", f"to be active, found it {state}")


def test_an_agency_that_is_suspended(site):
    home = site.home("us-cbp", "suspended")
    site.publish("us-cbp", lambda row: row.model_copy(update={"state": AgencyState.SUSPENDED}))
    time.sleep(1.5)
    named(doctor(home)[1], "gateway", "suspends")
    site.publish("us-cbp", lambda row: row.model_copy(update={"state": AgencyState.ACTIVE}))


def test_a_timestamp_that_nobody_renews(site):
    """To the agency it is the same as its own clock running ahead by days; the finding says to look at both."""
    home = site.home("us-dea", "stale")
    settings = load(AgencySettings, home / "agency.toml")
    found = list(examine_agency(settings, lambda: time.time() + 5 * DAY))
    assert [each.name for each in found if each.state is State.BAD] == ["directory"]
    assert "timestamp of the directory" in found[-1].found


@pytest.mark.parametrize(("off", "words"), [(3600, "minutes ahead of"), (-200, "minutes behind")])
def test_a_clock_that_is_off(site, off, words):
    """Rows `clock-ahead` and `clock-behind`: minutes show in nothing but what the gateway says to a packet."""
    home = site.home("us-dea", f"clock{off}")
    with connect(home / "agency.toml", now=lambda: time.time() + off) as client:
        (finding,) = checked(client, "zz-echo", lifetime=60)
    assert (finding.name, finding.state) == ("clock", State.BAD)
    assert words in finding.found
    assert "NTP" in finding.advice


def test_a_refusal_is_told_with_its_rule(site):
    """Row `release-refused`: an agency that may not leave the gateway out as a reader, and does."""
    home = site.home("us-fincen", "sealed-tip")
    text("trust_gateway = true", "trust_gateway = false")(site, home)
    status, findings = doctor(home)
    assert status == 1
    named(findings, "acceptance", "found rule sealed-allowed against in-setu: ")
    assert "the gateway" in findings[-1]["advice"]


def test_one_command_proves_the_whole_way(site):
    """With the partner's own program running: an exercise is opened, answered, and its answer verified."""
    home = site.home("us-fincen", "whole")
    words = [sys.executable, "-m", "broker", "echo", "--as", site.deployment.agencies["zz-echo"]]
    partner = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        status, findings = doctor(home, "--echo")
    finally:
        partner.terminate()
        partner.wait(20)
    assert status == 0, findings
    assert [each["found"] for each in findings if each["name"] == "echo"][-1].startswith(
        "zz-echo opened it and answered"
    )
    states = {each["name"]: each["state"] for each in findings}
    assert states["acceptance"] == "ok"


def test_a_partner_that_does_not_answer_or_is_none(site):
    """Rows `echo-silent` and `echo-unlisted`."""
    home = site.home("us-fincen", "silent")
    status, findings = doctor(home, "--echo", "--patience", "1")
    assert status == 1
    named(findings, "echo", "within 1 s")
    named(doctor(home, "--echo", "--partner", "zz-other")[1], "echo", "zz-other in the directory")


def test_echo_is_for_agencies():
    said = CliRunner().invoke(app, ["doctor", "--echo"])
    assert said.exit_code == 2


def test_the_runbook_has_every_row():
    text = RUNBOOK.read_text("utf-8")
    assert [row for row in [*(each.id for each in ROWS), *ALONE] if f"| `{row}` |" not in text] == []
