"""deploy/compose, as far as it can be tried without a container engine: what is written, what is mounted, what starts."""

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from broker.assembly.guard import shared_guard
from broker.assembly.keys import keys_in, log_pairs_of
from broker.assembly.realm import local_directory
from broker.assembly.topics import ADMIN, RELAY, place_of
from broker.config import AgencySettings, GatewaySettings, GuardSettings, load
from tests.arch.tree import ROOT
from tests.docs.test_commands import missing

COMPOSE = ROOT / "deploy" / "compose"
OURS = re.compile(r"setu(-kafka|-proxy)?:[0-9.]+\Z")
EXACT = re.compile(r"[a-z]+:[0-9]+\.[0-9.]+-[a-z-]+\Z")
SECRET = re.compile(r"\.key$|^node-all\.pem$|^passfile$|-password$|^server\.pem$")


def module(name):
    found = importlib.util.spec_from_file_location(f"compose_{name}", COMPOSE / f"{name}.py")
    made = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """What prepare.py makes, with a demonstration's agencies; and what it says to put in .env."""
    folder = tmp_path_factory.mktemp("compose") / "home"
    lines = module("prepare").prepare(folder, "gateway.example", 8443, demo=True)
    return folder, dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def compose(home):
    """compose.yaml as Compose itself reads it, with everything filled in."""
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed (Debian: docker-compose)")
    done = subprocess.run(
        [program, "--profile", "demo", "-f", str(COMPOSE / "compose.yaml"), "config"],
        env={**os.environ, **home[1]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    # Compose writes YAML, for which its own Python has a reader.
    reader = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    read = subprocess.run(
        ["/usr/bin/python3", "-c", reader], input=done.stdout, capture_output=True, text=True, check=True
    )
    return json.loads(read.stdout)


class NoStore:
    """What a guard's client would ask, were it asked."""

    def has_head(self, size, root):
        raise AssertionError


def each_service(compose):
    return compose["services"].items()


def test_there_is_what_a_cluster_is_made_of(compose):
    found = set(compose["services"])
    brokers = {f"{name}-{n}" for name in ("kafka", "controller") for n in (1, 2, 3)}
    assert found == brokers | {
        *("proxy", "gateway-a", "gateway-b", "relay-a", "relay-b"),
        *("guard", "postgres", "upgrade", "topics", "adapter"),
    }


def test_every_image_is_pinned(compose):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, service in each_service(compose):
        image = service["image"]
        if OURS.match(image):
            assert image.endswith(f":{version}"), name
            assert service["build"]["target"] == image.partition(":")[0].removeprefix("setu-"), name
            assert EXACT.match(service["build"]["args"]["SETU_PYTHON_IMAGE"]), name
        else:
            assert EXACT.match(image), name


def test_every_base_image_is_one_that_pin_writes_a_digest_for(compose):
    named = module("pin").images((COMPOSE / "compose.yaml").read_text())
    bases = {service["image"] for _, service in each_service(compose) if "build" not in service}
    bases |= {
        service["build"]["args"]["SETU_PYTHON_IMAGE"] for _, service in each_service(compose) if "build" in service
    }
    assert set(named.values()) == bases
    dockerfile = (COMPOSE / "Dockerfile").read_text()
    assert set(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile, re.MULTILINE)) <= set(named.items())
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${SETU_PYTHON_IMAGE}"}


def test_a_digest_takes_the_place_of_a_tag(tmp_path, monkeypatch, capsys):
    """pin.py beside a docker that knows one digest; and one that knows none."""
    docker = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    docker.write_text(f'#!/bin/sh\necho "sha256:{"a" * 64}"\n')
    docker.chmod(0o755)
    module("pin").main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("=")[0] for line in lines] == ["SETU_POSTGRES_IMAGE", "SETU_PYTHON_IMAGE"]
    assert all(re.fullmatch(r"SETU_\w+_IMAGE=[a-z]+:[\w.-]+@sha256:a{64}", line) for line in lines)
    docker.write_text("#!/bin/sh\necho no such manifest >&2; exit 1\n")
    with pytest.raises(SystemExit, match="no such manifest"):
        module("pin").main()


def test_every_container_is_shut_in(compose):
    for name, service in each_service(compose):
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"cap_add", "privileged", "devices", "pid", "ipc"} & service.keys(), name
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", service["user"]), name
        assert all("noexec" in each and "size=" in each for each in service["tmpfs"]), name
        assert {"mem_limit", "cpus", "pids_limit"} <= service.keys(), name
        assert all(mount.get("source") != "/var/run/docker.sock" for mount in service["volumes"]), name


def test_every_container_that_stays_has_a_health_check_without_a_shell(compose):
    for name, service in each_service(compose):
        check = service["healthcheck"]
        if name == "upgrade":
            assert check == {"test": ["NONE"]}
            continue
        assert check["test"][0] == "CMD", name
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys(), name


def test_only_the_proxys_port_is_open_and_networks_keep_apart(compose):
    assert [name for name, service in each_service(compose) if "ports" in service] == ["proxy"]
    assert [name for name, network in compose["networks"].items() if not network.get("internal")] == ["agencies"]
    joined = {name: set(service.get("networks", ())) for name, service in each_service(compose)}
    assert joined["postgres"] == joined["upgrade"] == set()
    assert compose["services"]["postgres"]["network_mode"] == "none"
    assert {name for name, networks in joined.items() if "agencies" in networks} == {"proxy", "adapter"}
    assert {name for name, networks in joined.items() if {"agencies", "ledger"} <= networks} == set()
    assert {"gateway-a", "gateway-b", "guard", "proxy"} & {
        name for name, each in joined.items() if "kafka" in each
    } == set()


def test_no_secret_is_in_the_environment_or_on_a_command_line(compose, home):
    folder, _ = home
    secrets = [(folder / "secrets" / name).read_text() for name in ("postgres-password", "setu-password")]
    assert all(len(each) > 30 for each in secrets)
    told = json.dumps(compose)
    assert [each for each in secrets if each in told] == []
    for name, service in each_service(compose):
        named = [key for key in service.get("environment", {}) if re.search(r"PASSWORD|SECRET|TOKEN|KEY", key)]
        assert [key for key in named if not key.endswith("_FILE")] == [], name


def test_what_is_mounted_is_there_and_belongs_to_who_reads_it(compose):
    for name, service in each_service(compose):
        for mount in service["volumes"]:
            if mount["type"] == "volume":
                assert mount["source"] in compose["volumes"], name
                continue
            assert Path(mount["source"]).exists(), (name, mount["source"])
            inside = mount["source"].startswith(str(ROOT))
            assert (
                inside or os.geteuid() or Path(mount["source"]).stat().st_uid == int(service["user"].partition(":")[0])
            )
            writable = {"/etc/setu/directory", "/etc/setu/wrap", "/var/lib/setu-guard", "/var/lib/setu-adapter"}
            assert mount.get("read_only") or mount["target"] in writable, name
    for name, secret in compose["secrets"].items():
        assert Path(secret["file"]).exists(), name


def test_every_command_of_ours_exists(compose):
    lost = {}
    for name, service in each_service(compose):
        if service["image"].startswith("setu:") and "entrypoint" not in service:
            lost[name] = missing(["setu", *service["command"]])
        check = service["healthcheck"].get("test", [""])
        if check[1:2] == ["setu"]:
            lost[f"{name}'s check"] = missing(check[1:])
    assert len(lost) == 8
    assert {name: each for name, each in lost.items() if each} == {}


def test_every_secret_file_is_its_owners_alone(home):
    folder, _ = home
    secret = [path for path in folder.rglob("*") if path.is_file() and SECRET.search(path.name)]
    secret = [path for path in secret if path.name != "server.pem" or path.parent.name == "proxy"]
    assert len(secret) > 20
    assert [str(path) for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    assert not (folder / "deployment" / "tls" / "server.key").exists(), "behind the proxy a gateway needs no TLS key"


def test_the_settings_are_those_of_the_containers(home, compose):
    folder, env = home
    settings = load(GatewaySettings, folder / "deployment" / "setu.toml")
    assert (settings.listen.identity, settings.embedded) == ("client-cert", False)
    assert settings.kafka.cluster == env["SETU_KAFKA_CLUSTER"]
    for service in ("gateway-a", "gateway-b"):
        targets = {mount["target"] for mount in compose["services"][service]["volumes"]}
        assert str(settings.listen.socket.parent) in targets
        assert "/run/postgresql" in targets
    log = local_directory(settings).current().log(settings.gateway)
    guard = load(GuardSettings, folder / "guard" / "guard.toml")
    assert (guard.origin, set(guard.vkeys)) == (log.origin, {log.ed25519, log.mldsa44})
    assert {str(guard.file.parent), str(guard.key.parent)} == {"/var/lib/setu-guard"}
    for name in (RELAY, ADMIN):
        assert place_of(settings, name).bootstrap == ("kafka-1:9094", "kafka-2:9094", "kafka-3:9094")
    (signer,) = log_pairs_of(keys_in(folder / "deployment" / "keys"), log)
    shared_guard(settings, signer, NoStore()).close()
    agency = load(AgencySettings, folder / "adapter" / "agency.toml")
    assert (agency.url, agency.cache.as_posix()) == (("https://gateway.example:8443",), "/var/lib/setu-adapter/cache")
    aliases = compose["services"]["proxy"]["networks"]["agencies"]["aliases"]
    assert aliases == ["gateway.example"]


def test_the_proxy_reads_what_was_made_for_it(home, compose, tmp_path):
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("HAProxy is not installed (Debian: haproxy)")
    folder, _ = home
    environment = {
        **os.environ,
        **compose["services"]["proxy"]["environment"],
        "SETU_PROXY_CERTIFICATE": str(folder / "proxy" / "server.pem"),
        "SETU_PROXY_CLIENTS_CA": str(folder / "proxy" / "clients-ca.pem"),
        "SETU_PROXY_ADMIN": str(tmp_path / "admin.sock"),
    }
    config = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
    done = subprocess.run(
        [program, "-c", "-f", str(config)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sockets = {mount["target"] for mount in compose["services"]["proxy"]["volumes"]}
    assert set(re.findall(r"unix@(/run/[\w-]+)/", config.read_text())) <= sockets


@pytest.mark.parametrize("role", ["broker", "controller"])
def test_kafkas_own_tool_takes_the_properties_of_a_node(home, tmp_path, role):
    folder, env = home
    settings = tmp_path / "server.properties"
    where = {
        "--data": tmp_path / "data",
        "--settings": settings,
        "--keystore": folder / "kafka" / "node-all.pem",
        "--ca": folder / "kafka" / "ca.pem",
    }
    options = [str(each) for option in where.items() for each in option]
    done = subprocess.run(
        [sys.executable, str(COMPOSE / "kafka" / "node.py"), role, "2", "--only-format", "--heap", "128m", *options],
        env={**os.environ, **env, "SETU_KAFKA_DEPLOY": str(ROOT / "deploy" / "kafka")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    meta = (tmp_path / "data" / "meta.properties").read_text()
    assert f"cluster.id={env['SETU_KAFKA_CLUSTER']}" in meta
    assert f"node.id={12 if role == 'broker' else 2}" in meta


def test_nodes_are_told_apart_and_hold_three_copies():
    node = module("kafka/node")
    texts = {
        (role, n): node.properties(role, n, data="/d", keystore="/k", ca="/c")
        for role in ("broker", "controller")
        for n in (1, 2, 3)
    }
    ids = [re.search(r"^node\.id=(\d+)$", text, re.MULTILINE)[1] for text in texts.values()]
    assert len(set(ids)) == 6
    voters = re.search(r"voters=(.+)$", texts["broker", 1], re.MULTILINE)[1]
    assert voters == "1@controller-1:9093,2@controller-2:9093,3@controller-3:9093"
    for text in texts.values():
        assert "default.replication.factor=3" in text
        assert "min.insync.replicas=2" in text
        assert not re.search(r"[{]\D|[{]$", text)


def test_the_dockerfile_copies_what_there_is_and_runs_as_nobody():
    text = (COMPOSE / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    for stage in stages:
        name = re.match(r"\S+ AS (\w+)", stage)[1]
        if name in ("packages", "jars"):
            continue
        assert re.search(r"^USER 6553[23]:65532$", stage, re.MULTILINE), name
        assert re.search(r'^ENTRYPOINT \["', stage, re.MULTILINE), name
    copied = [path for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for path in line.split()]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    installs = re.findall(r'^RUN \[".*/pip", "install", (.*)\]$', text, re.MULTILINE)
    assert all('"--require-hashes"' in line or '"--no-deps"' in line for line in installs)
    assert len(installs) == 4
    assert not re.search(r"^RUN (?!\[)", text, re.MULTILINE), "no command goes through a shell"
    context = (ROOT / ".dockerignore").read_text().splitlines()
    assert context[0] == "*"
    assert {f"!{path.split('/')[0]}" for path in copied if path != "."} <= set(context)


@pytest.mark.parametrize(
    ("what", "status"),
    [
        pytest.param("unix", 0, id="a-socket"),
        pytest.param("nowhere", 1, id="no-socket"),
        pytest.param("127.0.0.1:1", 1, id="no-port"),
        pytest.param("http://127.0.0.1:1/readyz", 1, id="no-page"),
    ],
)
def test_the_health_check_tells_what_lives(tmp_path, what, status):
    import socket  # noqa: PLC0415 - of this test alone

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "unix"))
        listening.listen()
        asked = str(tmp_path / what) if ":" not in what else what
        done = subprocess.run([sys.executable, str(COMPOSE / "healthy.py"), asked], check=False, timeout=20)
    assert done.returncode == status
