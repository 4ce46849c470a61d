"""What is wrong with a deployment is found, and named with what to do."""

import shutil
import sqlite3

import pytest

from broker.cli.checks import examine
from broker.cli.checks_around import EARLIEST
from broker.cli.deployment import create
from broker.cli.findings import State
from broker.cli.served import free_port
from broker.gateway.server import bind
from broker.store.sql import SqlStore

pytestmark = pytest.mark.sockets

YEAR = 366 * 86_400


@pytest.fixture
def own(tmp_path):
    return create(tmp_path / "d", port=free_port(), operations_port=free_port())


def states(deployment, now=None):
    settings = deployment.gateway()
    return [(each.name, each.state) for each in examine(settings, now or deployment.now) if each.state is not State.OK]


def test_a_new_deployment_is_well(setu, own):
    assert states(own) == []
    said = setu("doctor", "--config", own.config, "--json")
    assert said.status == 0
    assert said.json()["ok"] is True
    assert {each["name"] for each in said.json()["findings"]} == {
        "settings", "secrets", "keys", "certificates", "directory", "policies", "store", "guard", "listening", "clock",
        "disk", "tls", "repository",
    }  # fmt: skip
    assert "0 bad." in setu("doctor", "--config", own.config).out


def test_nothing_is_changed(own):
    before = {path: path.read_bytes() for path in own.path.rglob("*") if path.is_file()}
    states(own)
    assert {path: path.read_bytes() for path in own.path.rglob("*") if path.is_file()} == before


def readable_by_others(own):
    (own.path / "keys/log-ed25519.key").chmod(0o644)


def open_folder(own):
    own.path.chmod(0o755)


def another_gateways_log_keys(own):
    for path in create(own.path.parent / "other").path.glob("keys/log-*.key"):
        shutil.copy(path, own.path / "keys")


def another_gateways_wrap_key(own):
    shutil.rmtree(own.path / "wrap")
    shutil.copytree(create(own.path.parent / "other").path / "wrap", own.path / "wrap")


def no_certificate(own):
    (own.path / "tls/server.pem").unlink()


def no_pem(own):
    (own.path / "tls/server.pem").write_text("nothing")


def a_changed_directory(own):
    (document,) = (own.path / "directory/targets").glob("*.directory.json")
    document.write_bytes(document.read_bytes().replace(b"Setu", b"Uset"))


def a_rule_that_is_none(own):
    (own.path / "policies/9.cedar").write_text("permit")


def no_rules(own):
    shutil.rmtree(own.path / "policies")


def no_store_file(own):
    (own.path / "store/setu.db").write_bytes(b"nothing of the kind" * 100)


def another_logs_guard(own):
    (own.path / "guard/head").write_bytes(b"nothing")


def no_store_folder(own):
    shutil.rmtree(own.path / "store")


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        pytest.param(readable_by_others, {("secrets", "bad"), ("keys", "bad")}, id="a-key-others-can-read"),
        pytest.param(open_folder, {("secrets", "warning")}, id="an-open-folder"),
        pytest.param(another_gateways_log_keys, {("keys", "bad")}, id="another-gateways-log-keys"),
        pytest.param(another_gateways_wrap_key, {("keys", "bad")}, id="another-gateways-wrap-key"),
        pytest.param(no_certificate, {("certificates", "bad")}, id="no-certificate"),
        pytest.param(no_pem, {("certificates", "bad"), ("tls", "bad")}, id="no-pem"),
        pytest.param(a_changed_directory, {("directory", "bad")}, id="a-changed-directory"),
        pytest.param(a_rule_that_is_none, {("policies", "bad")}, id="a-rule-that-is-none"),
        pytest.param(no_rules, {("policies", "bad")}, id="no-rules"),
        pytest.param(no_store_file, {("store", "bad")}, id="no-database"),
        pytest.param(another_logs_guard, {("guard", "bad")}, id="a-guard-that-is-none"),
        pytest.param(no_store_folder, {("disk", "bad")}, id="no-store-folder"),
    ],
)
def test_what_is_wrong_is_named(setu, own, harm, expected):
    harm(own)
    assert set(states(own)) == expected
    said = setu("doctor", "--config", own.config, "--json")
    assert said.status == (1 if any(state == "bad" for _, state in expected) else 0)
    assert all(each["advice"] for each in said.json()["findings"] if each["state"] != "ok")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"signed": {}}', b'{"signed": {"expires": "soon"}}'])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "root"])
def test_metadata_that_are_none_are_a_finding(own, role, content):
    for path in (own.path / "directory/metadata").glob(f"*{role}.json"):
        path.write_bytes(content)
    assert {("directory", "bad")} <= set(states(own))


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        pytest.param(0.5 * 86_400, set(), id="half-a-day-on"),
        pytest.param(
            2 * 86_400,
            {("repository", "bad"), ("directory", "bad")},
            id="the-operator-was-away-for-two-days",
        ),
        pytest.param(
            398 * 86_400,
            {("certificates", "bad"), ("repository", "bad"), ("directory", "bad")},
            id="nobody-came-for-a-year",
        ),
    ],
)
def test_what_time_does(own, moved, expected):
    assert set(states(own, lambda: own.now() + moved)) == expected


def test_behind_a_proxy_on_its_machine_a_gateway_needs_no_tls_key(own):
    for each in ("server.pem", "server.key"):
        (own.path / "tls" / each).unlink()
    assert {name for name, _ in states(own)} == {"secrets", "certificates"}
    text = own.config.read_text()
    own.config.write_text(text.replace("[listen]", '[listen]\nidentity = "client-cert"\nsocket = "gateway.sock"'))
    assert states(own) == []


def test_what_ends_soon_is_a_warning(own):
    soon = [each for each in examine(own.gateway(), lambda: own.now() + 380 * 86_400) if each.name == "certificates"]
    assert soon[0].state is State.WARNING
    assert "ends on" in soon[0].found


def test_a_clock_before_this_program_is_bad(tmp_path):
    past = create(tmp_path / "d", port=free_port(), operations_port=free_port(), now=lambda: EARLIEST - YEAR)
    assert states(past, lambda: EARLIEST - YEAR) == [("clock", State.BAD)]


def test_a_port_in_use_is_named(own):
    port = int(own.gateway().listen.address.rpartition(":")[2])
    with bind("127.0.0.1", port) as taken:
        taken.listen()
        assert states(own) == [("listening", State.BAD)]


def test_a_store_of_this_program_is_well(own):
    SqlStore(f"sqlite:///{own.path / 'store/setu.db'}").close()
    assert states(own) == []


def test_a_store_from_the_future_is_bad(own):
    SqlStore(f"sqlite:///{own.path / 'store/setu.db'}").close()
    with sqlite3.connect(own.path / "store/setu.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert states(own) == [("store", State.BAD)]


@pytest.mark.parametrize("text", ["gateway = 3", "gateway", 'gateway = "in-setu"\nmood = "good"'])
def test_settings_that_are_none(setu, own, text):
    own.config.write_text(text)
    said = setu("doctor", "--config", own.config, "--json")
    assert said.status == 1
    assert [each["name"] for each in said.json()["findings"]] == ["settings"]


def test_settings_that_are_not_there(setu, tmp_path):
    said = setu("doctor", "--config", tmp_path / "setu.toml")
    assert said.status == 1
    assert "setu init" in said.out


def told(setu, config):
    return [(each["name"], each["found"]) for each in setu("doctor", "--config", config, "--json").json()["findings"]]


def test_a_reason_for_which_several_things_cannot_be_looked_at_is_told_once(setu, own):
    (own.path / "directory/root.json").unlink()
    found = [said for _, said in told(setu, own.config) if said.startswith("Expected the pinned root of the realm")]
    assert len(found) == 1


@pytest.mark.parametrize("name", ["server.pem", "clients-ca.pem"])
def test_a_certificate_that_is_none_is_named_by_its_file(setu, own, name):
    (own.path / "tls" / name).write_text("none")
    assert ("certificates", f"Expected a PEM certificate in {own.path / 'tls' / name}, found something else.") in told(
        setu, own.config
    )


WRONG = [
    pytest.param('mood = "good"\n', "Expected no setting `mood`, found it", id="a-setting-there-is-none-of"),
    pytest.param(
        "workers = 2\n", "members that do not fit together: expected `workers` of 1", id="two-that-do-not-fit"
    ),
    pytest.param("workers = 0\n", "found at `workers`: Input should be", id="a-value"),
]


@pytest.mark.parametrize(("line", "words"), WRONG)
def test_settings_are_refused_in_words(setu, own, line, words):
    own.config.write_text(line + own.config.read_text())
    ((name, said),) = told(setu, own.config)
    assert (name, words in said, "Value error" in said) == ("settings", True, False), said


def test_a_realm_that_is_not_founded_says_what_comes_first(setu, tmp_path):
    made = create(tmp_path / "unfounded", ceremony=True, port=free_port(), operations_port=free_port())
    assert "Its realm is not founded yet" in setu("init", tmp_path / "other", "--ceremony").out
    done = setu("serve", "--config", made.config)
    assert done.status == 1
    assert "Found the realm first: `setu realm new`" in done.err
    findings = setu("doctor", "--config", made.config, "--json").json()["findings"]
    assert "`setu realm publish`" in next(each["advice"] for each in findings if each["name"] == "directory")
