"""What can be wrong with an agency's own set-up: its files first, then its gateway, then what the directory says of it.

A check that fails where the next ones would only fail for the same reason ends the examination.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from broker.assembly.agency import remote_directory, transport_of
from broker.assembly.keys import keys_in, pinned_root
from broker.assembly.own import check_both
from broker.cli.agency_keys import ENROL, ROTATE, OwnKeys, certificate_findings
from broker.cli.findings import RESTORE, Finding, State, certificate_in, dated
from broker.cli.hsm_checks import check_hsm
from broker.cli.reaching import reached
from broker.cli.weighing import expiry_of, foreign_root, is_past, pair_fault, stale_timestamp
from broker.config import AgencySettings
from broker.crypto.certificates import dates, fingerprint, pem_to_der, uri_of
from broker.crypto.keyfile import read_secret
from broker.directory.lookup import Snapshot
from broker.errors import PacketError, SetuError
from broker.sdk.http import Http
from broker.sdk.outbox import Outbox
from schemas.directory import Role


@dataclass(frozen=True, slots=True)
class Member:
    """The agency that is looked at."""

    settings: AgencySettings
    now: Callable[[], float]

    def at(self, place: Path) -> Path:
        return self.settings.at(place)


def examine_agency(settings: AgencySettings, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """All findings, in order; nothing is changed, here or at the gateway, but that it logs requests."""
    member = Member(settings, now)
    for name, check in (("secrets", _secrets), ("certificate", _certificate), ("gateway", _gateway), ("realm", _realm)):
        found = list(_of(name, check, member))
        yield from found
        if any(each.state is State.BAD for each in found):
            return


def _of(name: str, check: Callable[[Member], Iterator[Finding]], member: Member) -> Iterator[Finding]:
    try:
        yield from check(member)
    except SetuError as error:
        yield Finding(name, State.BAD, error.message, error.advice or RESTORE)
    except OSError as error:
        found = f"Expected to read {error.filename or 'a file'}, found: {error.strerror}."
        yield Finding(name, State.BAD, found, RESTORE)


def _secrets(member: Member) -> Iterator[Finding]:
    settings = member.settings
    files = [*sorted(member.at(settings.keys).glob("*.key")), member.at(settings.certificate_key)]
    for path in files:
        read_secret(path)
    keys = keys_in(member.at(settings.keys))
    check_both(keys)
    yield from check_hsm(keys)
    yield Finding("secrets", State.OK, f"{len(files)} private key files, each readable by its owner alone.")


def _certificate(member: Member) -> Iterator[Finding]:
    settings = member.settings
    certificate, key = member.at(settings.certificate), member.at(settings.certificate_key)
    der = certificate_in(certificate, certificate.read_bytes())
    if (wrong := pair_fault(certificate, key)) is not None:
        yield Finding(
            "certificate",
            State.BAD,
            f"Expected the key of the certificate {certificate.name} in {key.name}, found {wrong}.",
            "Name the certificate and the key that belong together.",
        )
        return
    named = uri_of(der).removeprefix("urn:setu:agency:").rpartition(":")[0]
    if named != settings.agency:
        yield Finding(
            "certificate",
            State.BAD,
            f"Expected a certificate of {settings.agency}, found one of {named}.",
            "Name the agency's own certificate, or correct `agency`.",
        )
        return
    begins, ends = dates(der)
    yield dated("certificate", "the certificate", begins, ends, member.now(), ROTATE)


def _gateway(member: Member) -> Iterator[Finding]:
    for url in member.settings.url:
        yield reached(member.settings, url)


def _realm(member: Member) -> Iterator[Finding]:
    settings = member.settings
    with transport_of(settings) as transport:
        http = Http(transport, gateways=settings.url)
        pinned, served = pinned_root(member.at(settings.root)), _served(http, "1.root.json")
        if pinned != served:
            yield foreign_root("directory", pinned, served)
            return
        expires = expiry_of(_served(http, "timestamp.json"), "the gateway's timestamp.json")
        if is_past(expires, member.now()):
            advice = "Tell the gateway's operator, who signs it; and look whether this machine's clock is right."
            yield stale_timestamp("directory", expires, advice)
            return
        snapshot = _snapshot(settings, transport, member.now)
    yield Finding("directory", State.OK, f"Version {snapshot.ref.version} verifies from the pinned root.")
    yield from _row(member, snapshot)
    yield from _policies(member)
    yield from _outbox(member)


def _served(http: Http, name: str) -> bytes:
    return http.request("GET", f"/v1/directory/metadata/{name}", accept="*/*").body


def _snapshot(settings: AgencySettings, transport: httpx.Client, now: Callable[[], float]) -> Snapshot:
    """Into a cache of its own, so that the agency's stays as it is."""
    with tempfile.TemporaryDirectory(prefix="setu-doctor-") as folder:
        apart = settings.model_copy(update={"cache": Path(folder)})
        return remote_directory(apart, transport, now=now).refresh()


def _row(member: Member, snapshot: Snapshot) -> Iterator[Finding]:
    settings, now = member.settings, int(member.now())
    try:
        snapshot.active(settings.gateway, Role.GATEWAY)
    except PacketError:
        there = ", ".join(each.id for each in snapshot.document.agencies if Role.GATEWAY in each.roles)
        yield Finding(
            "gateway",
            State.BAD,
            f"Expected `gateway` to be a gateway of this realm, found {settings.gateway}; there is {there}.",
            "Correct `gateway` in agency.toml.",
        )
        return
    row = snapshot.agency(settings.agency)
    if row is None:
        yield Finding("keys", State.BAD, f"Expected {settings.agency} in the directory, found no row.", ENROL)
        return
    yield from OwnKeys(keys_in(member.at(settings.keys)), snapshot, row, now).findings()
    sha256 = fingerprint(pem_to_der(member.at(settings.certificate).read_bytes()))
    yield from certificate_findings(row, sha256, now)


def _policies(member: Member) -> Iterator[Finding]:
    settings = member.settings
    if settings.policies is None:
        said = "No release rules are named: the gateway alone judges, and what it would refuse is sealed first."
        yield Finding("policies", State.WARNING, said, "Name the realm's rules as `policies` in agency.toml.")
        return
    # Imported where it is wanted: an agency that judges nothing itself needs no policy engine.
    from broker.assembly.policy import policy_in  # noqa: PLC0415

    try:
        policy = policy_in(member.at(settings.policies))
    except SetuError as error:
        yield Finding("policies", State.BAD, error.message, error.advice)
        return
    yield Finding("policies", State.OK, f"{len(policy.rules)} rules, version {policy.version[:16]}.")


def _outbox(member: Member) -> Iterator[Finding]:
    folder = member.at(member.settings.cache) / "outbox"
    waiting = sum(1 for _ in Outbox(folder, member.settings.agency).waiting()) if folder.is_dir() else 0
    if waiting:
        said = f"{waiting} packets in the outbox have no receipt: whether they were accepted is unknown."
        yield Finding("outbox", State.WARNING, said, "Run `setu packet resend`; the same bytes are always safe.")
    else:
        yield Finding("outbox", State.OK, "Every packet that was sent has its receipt.")
