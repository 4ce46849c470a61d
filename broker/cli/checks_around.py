"""Checks of what is around a gateway: its listeners and TLS, the repository it serves, Kafka, the machine."""

import fcntl
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from broker.assembly.keystore import keystore
from broker.assembly.store import look_at_store
from broker.cli.directory import expiries
from broker.cli.findings import Finding, Patient, State
from broker.cli.weighing import foreign_root, is_past, pair_fault, stale_timestamp
from broker.config import split_address
from broker.crypto.certificates import hosts_of, pem_to_der
from broker.gateway.server import bind

CLOCK_SKEW = 300
EARLIEST = 1_767_225_600
"""2026-01-01T00:00:00Z: this program did not exist before."""

LITTLE_SPACE, NO_SPACE = 2**30, 100 * 2**20


def check_tls(patient: Patient) -> Iterator[Finding]:
    """Whether the server's certificate is of its key, and has the names that the gateway answers to."""
    listen, paths = patient.settings.listen, patient.settings.paths
    if listen.identity != "tls":
        return
    certificate, key = patient.at(paths.certificate), patient.at(paths.certificate_key)
    if not (certificate.exists() and keystore().find(key).exists()):
        return  # told by the checks of secrets and certificates
    if (wrong := pair_fault(certificate, key)) is not None:
        yield Finding(
            "tls",
            State.BAD,
            f"Expected the key of the certificate {certificate.name} in {key.name}, found {wrong}.",
            "Name the two files that were issued together, or issue both anew.",
        )
        return
    named = hosts_of(pem_to_der(certificate.read_bytes()))
    missing = [host for host in listen.hosts if not covers(named, host)]
    if missing:
        yield Finding(
            "tls",
            State.BAD,
            f"Expected the host name {missing[0]} in the server's certificate, found {', '.join(named) or 'none'}.",
            "Issue a certificate with every name in `listen.hosts`, or take the name out there: agencies that use it "
            "refuse the connection.",
        )
        return
    yield Finding("tls", State.OK, f"The certificate is of its key, for {', '.join(named)}.")


def covers(names: Sequence[str], host: str) -> bool:
    """Whether a certificate with these names is good for a host (RFC 9525, section 6.3: one label may be `*`)."""
    return host in names or f"*.{host.partition('.')[2]}" in names


def check_repository(patient: Patient) -> Iterator[Finding]:
    """Whether the pinned root is the repository's, and whether its timestamp is fresh."""
    paths = patient.settings.paths
    folder = patient.at(paths.directory)
    pinned, served = patient.at(paths.root).read_bytes(), (folder / "metadata" / "1.root.json").read_bytes()
    if pinned != served:
        yield foreign_root("repository", pinned, served)
        return
    expires = expiries(folder)["timestamp"]
    if is_past(expires, patient.now()):
        yield stale_timestamp(
            "repository",
            expires,
            "Run `setu directory renew` where the operator's keys are; a gateway that has them does so each hour.",
        )
        return
    yield Finding("repository", State.OK, "The pinned root is the repository's first; its timestamp is fresh.")


def check_kafka(patient: Patient) -> Iterator[Finding]:
    """What Kafka has against what the directory calls for, where there is a Kafka."""
    settings = patient.settings
    if settings.kafka is None:
        return
    try:
        # Imported where it is wanted: who uses no Kafka has none of its clients.
        from broker.assembly.topics import topics_of  # noqa: PLC0415

        topics = (patient.topics or topics_of)(settings)
    except ModuleNotFoundError:
        yield Finding(
            "kafka",
            State.BAD,
            "Expected what Kafka needs to be installed, found that it is not.",
            "Install the extra: pip install 'setu-broker[kafka]'; or take [kafka] out of the settings.",
        )
        return
    found = topics.plan(patient.snapshot())
    for count, what, which in (
        (len(found.create), "topics", next(iter(sorted(found.create)), "")),
        (len(found.give), "ACLs", next((f"{each.principal} on {each.prefix}" for each in sorted(found.give)), "")),
    ):
        if count:
            yield Finding(
                "kafka",
                State.BAD,
                f"Expected the topics and ACLs that the directory calls for, found {count} {what} missing: {which}"
                + (", ..." if count > 1 else "."),
                "Run `setu topics plan`, then `setu topics apply`.",
            )
    if found.take:
        yield Finding(
            "kafka",
            State.WARNING,
            f"Kafka lets others read or write than the directory says: {len(found.take)} ACLs too many.",
            "Run `setu topics plan`, then `setu topics apply --remove`.",
        )
    for name, odd in sorted(found.odd.items()):
        yield Finding("kafka", State.BAD, f"The topic {name} has {odd}", "Make it anew, as the runbook of Kafka says.")
    if found.none and not found.odd:
        yield Finding("kafka", State.OK, "Topics and ACLs are those that the directory calls for.")


def check_listening(patient: Patient) -> Iterator[Finding]:
    listen = patient.settings.listen
    if _served(patient):
        url = f"http://{listen.operations}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=3):
                yield Finding("listening", State.OK, "A gateway is serving this deployment, and is ready.")
        except (OSError, urllib.error.URLError):
            yield Finding(
                "listening",
                State.BAD,
                "A process holds this ledger and does not say that it is ready.",
                f"Look at its log, and at {url}.",
            )
        return
    addresses = [listen.operations] if listen.socket is not None else [listen.address, listen.operations]
    for address in addresses:
        host, port = split_address(address)
        bind(host, port).close()
    yield Finding("listening", State.OK, f"No gateway is running; {' and '.join(addresses)} are free.")


def check_clock(patient: Patient) -> Iterator[Finding]:
    now = patient.now()
    seen = look_at_store(patient.settings)
    shown = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S}Z"
    last = datetime.fromisoformat(seen.time).timestamp() if seen is not None and seen.time else 0.0
    if now < EARLIEST or now < last - CLOCK_SKEW:
        yield Finding(
            "clock",
            State.BAD,
            f"Expected a clock at or after what was logged last, found {shown}.",
            "Set the machine's clock, and keep it set with NTP.",
        )
    else:
        yield Finding("clock", State.OK, f"{shown}, after all that was logged.")


def check_disk(patient: Patient) -> Iterator[Finding]:
    if not patient.settings.embedded:
        yield Finding("disk", State.OK, "Nothing grows on this machine: store and guard are elsewhere.")
        return
    for name, path in (("store", patient.settings.paths.store), ("guard", patient.settings.paths.guard)):
        free = patient.free(patient.at(path).parent)
        state = State.BAD if free < NO_SPACE else State.WARNING if free < LITTLE_SPACE else State.OK
        yield Finding(
            "disk",
            state,
            f"{free / 2**30:.1f} GiB free where the {name} is.",
            "" if state is State.OK else "Make room: a full disk stops acceptance (nothing is lost).",
        )


def _served(patient: Patient) -> bool:
    """Whether a process holds the guard's lock, or, where that is another machine's, answers the operator."""
    if not patient.settings.embedded:
        try:
            socket.create_connection(split_address(patient.settings.listen.operations), 3).close()
        except OSError:
            return False
        return True
    path = patient.at(patient.settings.paths.guard)
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
