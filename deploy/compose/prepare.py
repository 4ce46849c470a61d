"""Makes everything that compose.yaml mounts: python deploy/compose/prepare.py FOLDER --host gateway.example

The realm with its keys and certificates, settings, Kafka's and the guard's certificates, the database's passwords; each
owned by the container's user that reads it. Run it once, as root, and move away what install.md says. A cluster
of several machines begins with the same folder.
"""

import argparse
import base64
import os
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from broker.assembly.topics import make_certificates
from broker.cli.deployment import CERTIFICATE_DAYS, Deployment, create
from broker.config import GatewaySettings, load
from broker.crypto.certificates import Authority

SETU, PROXY, POSTGRES = 65532, 65533, 999
NODES = [*(f"kafka-{n}" for n in (1, 2, 3)), *(f"controller-{n}" for n in (1, 2, 3)), "localhost"]
BOOTSTRAP = '["kafka-1:9094", "kafka-2:9094", "kafka-3:9094"]'

SETTINGS = """\
# A gateway of compose.yaml, and a relay. Both gateways read this file; each has a socket of its own in /run/setu.
gateway = "{gateway}"
store = "postgresql://setu@/setu?host=/run/postgresql&passfile=/etc/setu/passfile"

[listen]
hosts = ["{host}", "localhost"]
identity = "client-cert"
socket = "/run/setu/gateway.sock"
operations = "0.0.0.0:9443"

[guard]
url = "https://guard:8543"

[kafka]
bootstrap = {bootstrap}
cluster = "{cluster}"
"""
GUARD = """\
# The rollback guard of compose.yaml. Better on another machine, in other hands, with its address in setu.toml.
address = "0.0.0.0:8543"
operations = "0.0.0.0:9543"
origin = "{origin}"
vkeys = ["{ed25519}", "{mldsa44}"]
file = "/var/lib/setu-guard/head"
key = "/var/lib/setu-guard/witness.key"
"""
ADAPTER = """\
profile = "agency.toml"
source = "kafka"
state = "/var/lib/setu-adapter/state"

[filedrop]
folder = "/var/lib/setu-adapter/drop"
"""


def prepare(folder: Path, host: str, port: int, *, demo: bool, also: Sequence[str] = ()) -> list[str]:
    """Make it all; returns the lines that .env must have. also: more names of the guard's and Kafka's machines."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    made = create(folder / "deployment", demo=demo, host=host, port=port, progress=print)
    for name in ("guard", "guard-state", "proxy", "kafka", "secrets", "adapter-state"):
        (folder / name).mkdir(mode=0o700)
    for name in ("drop", "state", "cache"):
        (folder / "adapter-state" / name).mkdir(mode=0o700)
    cluster = _cluster()
    settings = _settings(made, host, cluster)
    authority = Authority.load(made.path / "ca" / "in" / "ca.pem", made.path / "ca" / "in" / "ca.key")
    _guard(folder / "guard", made, settings, authority, also)
    _kafka(folder / "kafka", made, settings, also)
    _proxy(folder / "proxy", made)
    _passwords(folder / "secrets", made)
    if demo:
        _adapter(folder / "adapter", made, cluster)
    for each in folder.iterdir():
        _give(each, {"proxy": PROXY, "secrets": POSTGRES}.get(each.name, SETU))
    return [f"SETU_HOME={folder.resolve()}", f"SETU_HOST={host}", f"SETU_PORT={port}", f"SETU_KAFKA_CLUSTER={cluster}"]


def _settings(made: Deployment, host: str, cluster: str) -> GatewaySettings:
    gateway = made.gateway().gateway
    text = SETTINGS.format(gateway=gateway, host=host, bootstrap=BOOTSTRAP, cluster=cluster)
    made.config.write_text(text, "utf-8")
    (made.path / "store").rmdir()
    return load(GatewaySettings, made.config)


def _guard(
    folder: Path, made: Deployment, settings: GatewaySettings, authority: Authority, also: Sequence[str]
) -> None:
    from broker.assembly.realm import local_directory  # noqa: PLC0415 - reads the realm that was just made

    log = local_directory(settings).current().log(settings.gateway)
    text = GUARD.format(origin=log.origin, ed25519=log.ed25519, mldsa44=log.mldsa44)
    (folder / "guard.toml").write_text(text, "utf-8")
    server = authority.issue_server("guard.g1", ["guard", "localhost", *also], now=time.time(), days=CERTIFICATE_DAYS)
    server.save(folder / "server.pem", folder / "server.key")
    shutil.copy(made.path / "ca" / "in" / "ca.pem", folder / "clients-ca.pem")
    client = authority.issue_client(settings.gateway, 1, now=time.time(), unit="gateway", days=CERTIFICATE_DAYS)
    client.save(made.path / "guard" / "client.pem", made.path / "guard" / "client.key")


def _kafka(folder: Path, made: Deployment, settings: GatewaySettings, also: Sequence[str]) -> None:
    make_certificates(settings, (*NODES, *also))
    own = made.path / "kafka"
    _secret(folder / "node-all.pem", (own / "node.key").read_bytes() + (own / "node.pem").read_bytes())
    shutil.copy(own / "ca.pem", folder / "ca.pem")
    for each in ("node.key", "node.pem"):
        (own / each).unlink()


def _proxy(folder: Path, made: Deployment) -> None:
    """The key that agencies see is the proxy's alone: gateways behind it end no TLS."""
    tls = made.path / "tls"
    _secret(folder / "server.pem", (tls / "server.pem").read_bytes() + (tls / "server.key").read_bytes())
    shutil.copy(tls / "clients-ca.pem", folder / "clients-ca.pem")
    (tls / "server.key").unlink()


def _passwords(folder: Path, made: Deployment) -> None:
    own, superuser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    _secret(folder / "setu-password", own.encode())
    _secret(folder / "postgres-password", superuser.encode())
    _secret(made.path / "passfile", f"*:*:setu:setu:{own}\n".encode())


def _adapter(folder: Path, made: Deployment, cluster: str) -> None:
    """Of one demonstration agency; a real one runs on that agency's machine."""
    shutil.copytree(made.agencies["us-cbp"].parent, folder)
    profile = folder / "agency.toml"
    text = profile.read_text("utf-8").replace('policies = "../../policies"\n', "")
    text += f'\n[kafka]\nbootstrap = {BOOTSTRAP}\ncluster = "{cluster}"\n'
    profile.write_text(text.replace("\n[kafka]", 'cache = "/var/lib/setu-adapter/cache"\n\n[kafka]'), "utf-8")
    (folder / "adapter.toml").write_text(ADAPTER, "utf-8")


def _cluster() -> str:
    """A new id, as Kafka's own tool makes them."""
    while (found := base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return found


def _secret(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _give(folder: Path, owner: int) -> None:
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make everything that compose.yaml mounts.")
    parser.add_argument("folder", type=Path, help="new or empty; SETU_HOME of compose.yaml")
    parser.add_argument("--host", required=True, help="the name by which agencies reach the proxy; for good")
    parser.add_argument("--port", type=int, default=8443, help="the port at which they do")
    parser.add_argument(
        "--demo", action="store_true", help="also make eight agencies and a practice partner, and an adapter of one"
    )
    parser.add_argument("--also", action="append", default=[], help="a name of the guard's or a Kafka node's machine")
    asked = parser.parse_args()
    lines = prepare(asked.folder, asked.host, asked.port, demo=asked.demo, also=asked.also)
    if os.geteuid() != 0:
        print("Not run as root: give each folder to the user that compose.yaml names for it.", file=sys.stderr)
    print("\nAppend to deploy/compose/.env:", *lines, sep="\n")


if __name__ == "__main__":
    main()
