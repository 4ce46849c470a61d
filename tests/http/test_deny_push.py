"""A deny list handed in over a real gateway: in force on open streams at once, and what may not come into force."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from broker.assembly.deny import deny_signers
from broker.assembly.realm import local_directory
from broker.cli.app import app
from broker.directory.deny import following
from broker.directory.tuf_signed import sign_target
from broker.flows.denying import MOST_BYTES
from schemas.canonical import b64u, canonical, parse
from schemas.deny import Denial, DenyList, SignedDenyList, genesis
from tests.http.live import Live

PATH = "/v1/directory/deny"
PATIENCE = 30
CERTIFICATE = "5f" * 32
OTHER = b64u(bytes(48))
"""A realm that is none."""


class Denied(Live):
    """A realm whose lists are signed here, as a country's job does."""

    @property
    def keys(self):
        settings = self.deployment.gateway()
        return settings.at(settings.paths.realm_keys)

    def snapshot_now(self):
        return local_directory(self.deployment.gateway()).current()

    def held(self, name):
        return next(each for each in self.snapshot_now().lists if each.name == name)

    def next(self, name, *denials):
        snapshot = self.snapshot_now()
        return following(self.held(name), snapshot.signed, snapshot.realm, name, denials)

    def signed(self, document, *, version=None, signers=None, by=None):
        version = self.held(document.list).version + 1 if version is None else version
        keys = deny_signers(self.keys, by or document.list)
        used = keys if signers is None else keys[:signers]
        made = sign_target(f"deny-{document.list}", document.canonical(), version, used, time.time())
        return SignedDenyList(metadata=parse(made.metadata), document=document).canonical()

    def post(self, agency, raw, media="application/json"):
        return self.http[agency].post(PATH, content=raw, headers={"content-type": media})

    def repository(self):
        folder = self.deployment.path / "directory"
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.json")}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Denied(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


def denial(agency, **over):
    return Denial(agency=agency, at=int(time.time()), **over)


def ended(live, opened):
    """A stream of us-cbp's, read to its end: its last comment, and when it came."""
    with live.http["us-cbp"].stream("GET", "/v1/topics/setu.us-cbp.tip/stream", timeout=PATIENCE) as stream:
        lines = []
        for line in stream.iter_lines():
            opened.set()
            lines.append(line)
    return lines[-2], time.monotonic()


def bare(name, **over):
    """A list that was not looked at before it was signed."""
    return lambda live: DenyList(**{"realm": live.realm, "list": name, "base": genesis(over.get("realm", live.realm), name)} | over)  # fmt: skip


REFUSED = [
    pytest.param("in-ncb", lambda live: live.signed(live.next("USA")), 403, "forbidden", id="another-countrys-caller"),
    pytest.param("in-audit", lambda live: live.signed(live.next("USA")), 403, "forbidden", id="another-countrys-auditor"),
    pytest.param("us-dea", lambda live: live.signed(live.next("operator")), 403, "forbidden", id="the-operators-by-an-agency"),
    pytest.param("zz-echo", lambda live: live.signed(live.next("USA")), 403, "forbidden", id="a-practice-partner"),
    pytest.param("us-dea", lambda live: live.signed(live.next("USA"), signers=1), 422, "deny-list-invalid", id="signed-by-one-key"),
    pytest.param("us-dea", lambda live: live.signed(live.next("USA"), signers=0), 422, "deny-list-invalid", id="signed-by-none"),
    pytest.param("us-dea", lambda live: live.signed(live.next("USA"), by="IND"), 422, "deny-list-invalid", id="signed-by-the-others-keys"),
    pytest.param("us-dea", lambda live: live.signed(live.next("USA"), version=1), 422, "deny-list-invalid", id="an-older-version"),
    pytest.param("us-dea", lambda live: live.signed(live.next("USA"), version=live.held("USA").version), 422, "deny-list-invalid", id="the-same-version-signed-anew"),
    pytest.param("us-dea", lambda live: live.signed(bare("USA", realm=OTHER)(live)), 422, "deny-list-invalid", id="another-realm"),
    pytest.param("us-dea", lambda live: live.signed(bare("USA", denials=(denial("in-ncb"),))(live)), 422, "deny-list-invalid", id="names-the-others-agency"),
    pytest.param("us-dea", lambda live: live.signed(bare("USA")(live)), 422, "deny-list-invalid", id="lacks-what-it-said"),
    pytest.param("us-dea", lambda live: changed(live, denials=[]), 422, "deny-list-invalid", id="changed-on-the-way"),
    pytest.param("us-dea", lambda live: canonical({**parse(live.signed(live.next("USA"))), "metadata": {"signed": 1}}), 422, "deny-list-invalid", id="no-metadata"),
    pytest.param("us-dea", lambda live: live.signed(live.next("USA")).replace(b'"metadata":{', b'"metadata":{"n":9007199254740993,'), 422, "deny-list-invalid", id="a-number-without-a-form"),
    pytest.param("us-dea", lambda live: live.signed(live.next("USA")) + b" " * MOST_BYTES, 413, "too-large", id="oversized"),
    pytest.param("us-dea", lambda _: b" " * (MOST_BYTES + 1), 413, "too-large", id="oversized-by-a-byte"),
    pytest.param("us-dea", lambda _: b"{", 400, "json-invalid", id="not-json"),
    pytest.param("us-dea", lambda _: b"[]", 422, "schema", id="a-list"),
    pytest.param("us-dea", lambda live: live.next("USA").canonical(), 422, "schema", id="the-document-alone"),
]  # fmt: skip


def changed(live, **over):
    found = parse(live.signed(live.next("USA", denial("us-atf"))))
    return canonical({**found, "document": {**found["document"], **over}})


def test_it_is_in_force_on_an_open_stream_within_a_second(live):
    opened = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(ended, live, opened)
        assert opened.wait(PATIENCE)
        begun = time.monotonic()
        answer = live.post("us-dea", live.signed(live.next("USA", denial("us-cbp"))))
        took = time.monotonic() - begun
        last, at = stream.result(PATIENCE)
    assert answer.status_code == 201, answer.text
    assert last == ": agency-suspended"
    assert at - begun - took < 1.0
    found = answer.json()
    held = live.held("USA")
    assert (found["version"], found["serial"], found["hash"]) == (held.version, 1, held.places[-1].hash)
    # The answer itself comes when the gateway goes by it: nothing is let through after it.
    assert live.http["us-cbp"].get("/v1/topics").json()["code"] == "agency-suspended"


def test_the_same_bytes_again_are_answered_as_before_by_whoever_of_that_country(live):
    raw = live.signed(live.next("USA"))
    first = live.post("us-dea", raw)
    before = live.repository()
    again = [live.post(agency, raw) for agency in ("us-dea", "us-audit")]
    assert (first.status_code, [each.status_code for each in again]) == (201, [200, 200])
    assert {each.content for each in again} == {first.content}
    assert live.repository() == before


@pytest.mark.parametrize(("agency", "make", "status", "code"), REFUSED)
def test_what_is_refused_changes_nothing(live, agency, make, status, code):
    raw = make(live)
    before = live.repository()
    answer = live.post(agency, raw)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert live.repository() == before


def test_who_is_suspended_hands_in_nothing(live):
    answer = live.post("us-cbp", live.signed(live.next("USA")))
    assert (answer.status_code, answer.json()["code"]) == (403, "agency-suspended")


@pytest.mark.parametrize("media", ["text/plain", "application/x-ndjson"])
def test_as_another_media_type(live, media):
    assert live.post("us-dea", live.signed(live.next("USA")), media).json()["code"] == "media-type"


def test_where_the_operators_keys_are_elsewhere_it_says_whom_to_give_it_to(live):
    raw = live.signed(live.next("USA"))
    key = live.keys / "timestamp.key"
    away = key.rename(live.keys / "timestamp.away")
    try:
        answer = live.post("us-dea", raw)
    finally:
        away.rename(key)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "setu deny publish" in answer.json()["detail"]
    assert "retry-after" in answer.headers
    assert live.post("us-dea", raw).status_code == 201


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    return done.exit_code, done.stdout, done.stderr


def test_one_command_signs_and_hands_it_over(live, tmp_path):
    before = live.held("IND").version
    words = ("--keys", live.keys, "--as", live.deployment.agencies["in-ncb"], "--push")
    status, out, err = run("deny", "renew", "IND", *words, "--json")
    assert status == 0, err
    assert (json.loads(out)["published"], json.loads(out)["version"]) == (True, before + 1)
    assert live.held("IND").version == before + 1
    file = tmp_path / "IND.json"
    status, out, err = run("deny", "add", "IND", "--agency", "in-nia", "--note", "lost", *words, "--out", file)
    assert (status, "was put in force; good until" in out) == (0, True), err
    assert SignedDenyList.from_json(file.read_bytes()).document.denials[-1].agency == "in-nia"
    assert live.snapshot_now().agency("in-nia").state == "suspended"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("USA", "--as", "in-ncb"), "Expected an agency or an auditor", id="another-country"),
        pytest.param(("IND", "--config", ""), "expected --as with --push", id="no-agency"),
    ],
)
def test_a_command_that_hands_in_nothing(live, words, said):
    name, option, agency = words
    place = live.deployment.agencies.get(agency, live.deployment.config)
    status, out, err = run("deny", "renew", name, "--keys", live.keys, option, place, "--push")
    assert (status != 0, said in err, out) == (True, True, "")
