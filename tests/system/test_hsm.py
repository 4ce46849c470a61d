"""Keys in an HSM at work: a gateway whose log's Ed25519 is there, and an agency that signs with one; SoftHSM."""

import json
import os
import shutil
import sys
from contextlib import contextmanager

import httpx
import pytest

from broker.assembly import connect
from broker.assembly.keys import keys_in
from broker.assembly.realm import local_directory, operator_keys, publish_directory
from broker.cli.deployment import create
from broker.cli.served import Served, free_port
from broker.crypto.keyfile import in_hsm, read_secret
from broker.crypto.keys import PublicKey
from broker.crypto.sealing import is_sealed
from broker.merkle.note import ED25519, VerifierKey
from schemas import registry
from schemas.canonical import unb64u
from schemas.directory import KeyUse
from tests.softhsm import PIN, SoftHsm

WORDS = b"correct horse battery"
SENDER, READER = "in-ncb", "us-dea"
HANDLING = registry.sample_handling() | {"releasable_to": ["IND", "USA"], "tlp": "GREEN"}


class Site:
    """A demo realm in which the gateway's Ed25519 log key and in-ncb's Ed25519 signing key are in tokens."""

    def __init__(self, folder):
        self.hsm = SoftHsm(folder / "hsm")
        self.hsm.token("agency")
        self.deployment = create(
            folder / "deployment", demo=True, host="localhost", port=free_port(), operations_port=free_port()
        )
        self.profile = self.deployment.agencies[SENDER]
        self.log = folder / "gateway.log"
        gateway = self.into_hsm(self.deployment.path / "keys", "log", "pkcs11:token=setu;object=in-setu")
        agency = self.into_hsm(self.profile.parent / "keys", "sign", "pkcs11:token=agency")
        self._enrol({"in-setu": gateway, SENDER: agency})
        (folder / "tip.json").write_text(json.dumps(next(iter(registry.samples("tip").values()))))
        (folder / "handling.json").write_text(json.dumps(HANDLING))
        self.folder = folder

    def setu(self, *words, **env):
        return self.hsm.run(sys.executable, "-m", "broker", *words, **env)

    def into_hsm(self, keys, use, uri):
        """A key of this use is made in a token, and its file takes the place of the one that there was."""
        made = self.setu("keys", "generate", keys / "new", "--for", "log" if use == "log" else "agency", "--pkcs11", uri, "--json")  # fmt: skip
        assert made.returncode == 0, made.stderr
        (shown,) = (each for each in json.loads(made.stdout)["keys"] if "pkcs11" in each)
        name = f"{use}-ed25519.key"
        (keys / name).unlink()
        shutil.move(keys / "new" / name, keys / name)
        shutil.rmtree(keys / "new")
        assert shown["use"] == use
        assert in_hsm(read_secret(keys / name), keys / name)
        return shown

    def _enrol(self, shown):
        settings = self.deployment.gateway()
        secrets = settings.at(settings.paths.realm_keys)
        before = local_directory(settings).current().document
        rows = tuple(self._with(each, shown.get(each.id)) for each in before.agencies)
        (log,) = before.logs
        public = PublicKey("Ed25519", unb64u(shown["in-setu"]["public"]))
        logs = (log.model_copy(update={"ed25519": str(VerifierKey(log.origin, ED25519, public))}),)
        after = before.model_copy(update={"version": before.version + 1, "agencies": rows, "logs": logs})
        signers = [key for use, key in keys_in(secrets) if use == "targets"]
        publish_directory(settings.at(settings.paths.directory), after, signers, operator_keys(secrets))

    @staticmethod
    def _with(row, shown):
        if shown is None:
            return row
        own = {"kid": shown["kid"], "public": shown["public"]}
        keys = tuple(
            each.model_copy(update=own) if (each.use, each.alg) == (KeyUse(shown["use"]), "Ed25519") else each
            for each in row.keys
        )
        return row.model_copy(update={"keys": keys})

    def served(self):
        return Served(self.deployment, self.log, self.hsm.env)

    def send(self):
        words = ("tip", self.folder / "tip.json", "--as", self.profile, "--to", READER)
        return self.setu("send", *words, "--handling", self.folder / "handling.json", "--json")

    def findings(self, *words, **env):
        found = json.loads(self.setu("doctor", *words, "--json", **env).stdout)["findings"]
        return {each["name"]: each for each in found}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def opened(site):
    """A packet that the reader opened and acknowledged."""
    with site.served():
        sent = site.send()
        assert sent.returncode == 0, sent.stderr
        with connect(site.deployment.agencies[READER]) as reader:
            (found,) = [each for each in reader.follow(drain=True) if each.digest == json.loads(sent.stdout)["digest"]]
            found.acknowledge("opened")
    return found


def test_an_agency_sends_and_a_gateway_gives_receipts(opened):
    """The sender's program and the reader's have verified packet and receipts."""
    assert opened.header.from_ == SENDER


def test_another_process_goes_on_with_the_same_log_and_positions(site, opened):
    with site.served():
        again = site.send()
        assert again.returncode == 0, again.stderr
        with connect(site.deployment.agencies[READER]) as reader:
            assert [each.digest for each in reader.follow(drain=True)] == [json.loads(again.stdout)["digest"]]
            assert reader.timeline(opened.digest).states == {READER: "opened"}


def test_a_gateway_whose_token_is_away_is_not_ready_and_then_is_again(site):
    ready = f"{site.deployment.operations}/readyz"
    with site.served():
        site.hsm.take_away()
        try:
            away = httpx.get(ready)
        finally:
            site.hsm.put_back()
        assert (away.status_code, away.json()["code"]) == (503, "unavailable")
        assert httpx.get(ready).json()["ready"] is True
        assert site.send().returncode == 0


@pytest.mark.long
def test_a_token_that_is_taken_away_costs_no_packet(site):
    """The ledger signs nothing and tells nobody that it accepted; with the token back the same bytes get a receipt."""
    with site.served() as gateway, connect(site.deployment.agencies[READER], patience=1.0) as reader:
        list(reader.follow(drain=True))
        site.hsm.take_away()
        try:
            refused = site.setu("send", "tip", site.folder / "tip.json", "--as", site.deployment.agencies[READER], "--to", SENDER, "--handling", site.folder / "handling.json", "--patience", "2")  # fmt: skip
        finally:
            site.hsm.put_back()
        assert refused.returncode != 0
        assert gateway.stop() != 0
    assert "token setu" in site.log.read_text()
    with site.served():
        done = site.setu("packet", "resend", "--as", site.deployment.agencies[READER], "--json")
        assert done.returncode == 0, done.stderr


def test_the_doctor_asks_every_token(site):
    gateway = ("--config", site.deployment.config)
    with site.served():
        agency = ("--as", site.profile)
        assert site.findings(*gateway)["hsm"]["found"] == "1 keys are in an HSM, which signs with each of them."
        assert site.findings(*agency)["hsm"]["state"] == "ok"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        pytest.param({"SETU_PKCS11_MODULE": "/usr/lib/none.so"}, "found none there", id="no-module"),
        pytest.param({"SOFTHSM2_CONF": "/dev/null"}, "token", id="no-token"),
        pytest.param({"CREDENTIALS_DIRECTORY": "/"}, "a PIN", id="no-pin"),
        pytest.param({"SETU_PIN_FD": "4711"}, "descriptor", id="no-descriptor"),
        pytest.param({"SETU_PIN_FD": "no-such-pin"}, "number of a file descriptor", id="the-pin-itself"),
    ],
)
def test_what_stands_in_the_way_is_named(site, env, said):
    found = site.findings("--as", site.profile, **env)["secrets"]
    assert (found["state"], said in found["found"]) == ("bad", True), found
    assert "no-such-pin" not in str(found)
    started = site.setu("serve", "--config", site.deployment.config, **env)
    assert started.returncode != 0
    assert said in started.stderr


def test_seeing_a_key_takes_its_token(site):
    keys = site.profile.parent / "keys"
    listed = site.setu("keys", "list", keys)
    assert "pkcs11:token=agency;object=sign-ed25519;id=" in listed.stdout
    shown = site.setu("keys", "show", keys / "sign-ed25519.key")
    assert "pkcs11:token=agency" in shown.stdout
    assert site.setu("keys", "show", keys / "sign-ed25519.key", SETU_PKCS11_MODULE="").returncode == 1


@contextmanager
def behind(secret):
    """A descriptor that gives this."""
    read, write = os.pipe()
    os.write(write, secret)
    os.close(write)
    yield read
    os.close(read)


def test_sealing_leaves_it_as_it_is(site, tmp_path):
    shutil.copytree(site.profile.parent / "keys", tmp_path / "keys")
    with behind(WORDS) as fd:
        done = site.setu("keys", "seal", tmp_path / "keys", "--passphrase-fd", fd, "--json", fds=(fd,))
    names = {each.rpartition("/")[2] for each in json.loads(done.stdout)["sealed"]}
    assert names == {"sign-mldsa65.key", "wrap.key"}


def test_an_enrolment_with_a_key_in_a_token_and_the_others_sealed(site, tmp_path):
    root, home = site.deployment.path / "directory" / "root.json", tmp_path / "us-tst"
    words = ("us-tst", home, "--name", "Test Service", "--root", root)
    with behind(WORDS) as fd:
        in_token = ("--pkcs11", "pkcs11:token=agency;object=us-tst", "--seal", "--passphrase-fd", fd)
        made = site.setu("enrol", "request", *words, *in_token, "--json", fds=(fd,))
    assert made.returncode == 0, made.stderr
    assert json.loads(site.setu("enrol", "show", home / "enrolment.json", "--json").stdout)["ok"]
    sealed = {path.name for path in [*(home / "keys").iterdir(), home / "tls.key"] if is_sealed(path.read_bytes())}
    assert sealed == {"sign-mldsa65.key", "wrap.key", "tls.key"}
    assert json.loads((home / "keys" / "sign-ed25519.key").read_bytes())["pkcs11"].startswith("pkcs11:token=agency;object=us-tst/".replace("/", "%2F"))  # fmt: skip


def test_a_rotation_stays_in_the_token_and_leaves_the_others_sealed(site, tmp_path):
    home = tmp_path / "agency"
    shutil.copytree(site.profile.parent, home)
    keys = home / "keys"
    with behind(WORDS) as fd:
        assert site.setu("keys", "seal", keys, "--passphrase-fd", fd, fds=(fd,)).returncode == 0
    words = ("--as", home / site.profile.name, "--out", tmp_path / "rotation.json", "--sign", "--wrap")
    with site.served(), behind(WORDS) as fd:
        made = site.setu("rotate", "request", *words, "--json", fds=(fd,), SETU_PASSPHRASE_FD=str(fd))
    assert made.returncode == 0, made.stderr
    new = keys / "sign-ed25519-2.key"
    assert json.loads(new.read_bytes())["pkcs11"].startswith("pkcs11:token=agency;object=sign-ed25519-2;id=")
    assert all(is_sealed((keys / name).read_bytes()) for name in ("sign-mldsa65-2.key", "wrap-2.key"))


def test_the_pin_comes_by_a_descriptor_and_is_read_once(site, tmp_path):
    """For two tokens of one process, and nothing of it is said."""
    site.hsm.token("third")
    made = site.setu("keys", "generate", tmp_path, "--for", "operator", "--pkcs11", "pkcs11:token=third")
    assert made.returncode == 0, made.stderr
    shutil.copyfile(site.profile.parent / "keys" / "sign-ed25519.key", tmp_path / "sign.key")
    (tmp_path / "sign.key").chmod(0o600)
    with behind(PIN.encode() + b"\n") as fd:
        done = site.setu("keys", "list", tmp_path, fds=(fd,), SETU_PIN_FD=str(fd), CREDENTIALS_DIRECTORY="")
    assert (done.returncode, done.stdout.count("in an HSM")) == (0, 3), done.stderr
    assert PIN not in done.stdout + done.stderr + "".join(map(str, done.args))
