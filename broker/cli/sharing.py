"""What several gateways of one deployment share, beside its folder: a store, a rollback guard and a Kafka."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from broker.crypto.certificates import Authority
from schemas.directory import Log

GUARD = "guard-service"
"""The folder that belongs on the guard's own machine."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Shared:
    """Where the parts of a cluster are; all on loopback, each port a free one.

    store: PostgreSQL's URL. guard, guard_operations, kafka: ports.
    further: (port, operations port) of each gateway after the first.
    readers: the agencies that read their topics from Kafka.
    """

    store: str
    guard: int
    guard_operations: int
    kafka: int
    further: tuple[tuple[int, int], ...]
    readers: frozenset[str]


def gateway_settings(text: str, shared: Shared) -> str:
    """The settings of a gateway of its own -> those of one that shares; `text` ends within its last table."""
    head, listen, rest = text.partition("\n[listen]")
    return (
        f'{head}store = "{shared.store}"\n{listen}{rest}\n[guard]\nurl = "https://localhost:{shared.guard}"\n\n'
        f'[kafka]\nbootstrap = ["localhost:{shared.kafka}"]\n'
    )


def further_settings(text: str, first: tuple[int, int], shared: Shared) -> Iterator[tuple[str, str]]:
    """(name, text) of the settings of each gateway after the first: the same but for where it listens."""
    for number, (port, operations) in enumerate(shared.further, 2):
        changed = text.replace(f':{first[0]}"', f':{port}"').replace(f':{first[1]}"', f':{operations}"')
        yield f"setu-{number}.toml", changed


def agency_settings(text: str, agency: str, shared: Shared) -> str:
    """An agency's settings, with Kafka where it reads there."""
    if agency not in shared.readers:
        return text
    return f'{text}\n[kafka]\nbootstrap = ["localhost:{shared.kafka}"]\n'


def write_guard(path: Path, shared: Shared, log: Log, authority: Authority, now: float, days: int) -> None:
    """The guard's own folder with its settings, and the certificate with which the gateways come to it."""
    folder = path / GUARD
    folder.mkdir(mode=0o700)
    hosts = ("localhost", LOOPBACK)
    server = authority.issue_server("guard.g1", hosts, now=now, days=days)
    server.save(folder / "server.pem", folder / "server.key")
    (folder / "clients-ca.pem").write_bytes(authority.issued.certificate)
    client = authority.issue_client(log.gateway, 1, now=now, unit="gateway", days=days)
    client.save(path / "guard" / "client.pem", path / "guard" / "client.key")
    (folder / "guard.toml").write_text(
        _GUARD.format(
            address=f"{LOOPBACK}:{shared.guard}",
            operations=f"{LOOPBACK}:{shared.guard_operations}",
            origin=log.origin,
            ed25519=log.ed25519,
            mldsa44=log.mldsa44,
        ),
        "utf-8",
    )


_GUARD = """\
# A rollback guard. Paths are relative to this file. Move this folder to another machine than the store's, then run
# it there with `setu guard`.
address = "{address}"
operations = "{operations}"
origin = "{origin}"
vkeys = ["{ed25519}", "{mldsa44}"]
"""
