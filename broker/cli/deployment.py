"""Makes a deployment folder: all that `setu serve` needs, and with `demo` what the agencies of a demonstration need."""

import ipaddress
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from broker import assembly
from broker.assembly.deny import deny_use, renew_lists
from broker.assembly.wrap import make_key
from broker.cli.keyring import (
    Made,
    Random,
    write_agency_keys,
    write_country_keys,
    write_deny_keys,
    write_log_keys,
    write_operator_keys,
    write_wrap_signers,
)
from broker.cli.realm import COUNTRIES, DEMO, GATEWAY, OPERATOR, Enrolled, Member, document
from broker.cli.sharing import Shared, agency_settings, further_settings, gateway_settings, write_guard
from broker.config import AgencySettings, GatewaySettings, load
from broker.crypto.certificates import Authority, directory_row
from broker.crypto.keys import PublicKey
from broker.directory.roles import WRAP
from broker.directory.share import make_share
from broker.errors import IntegrityError
from broker.merkle.note import LogSigner
from broker.policy.cases import default_cases
from broker.policy.load import default_rules
from schemas.deny import OPERATOR as DENY_OPERATOR
from schemas.directory import Channel, Directory, KeyUse, Log
from schemas.packet import SuiteName
from schemas.problem import Code
from schemas.realm import OPERATOR as OPERATOR_HOLDER

LOOPBACK = "127.0.0.1"
DRAFTS, OPERATOR_SHARE = "realm", "operator.share.json"
CERTIFICATE_DAYS = 397
KEY_DAYS = 731
BACKDATED = 300
"""Seconds before `now` from which keys and certificates are valid: clocks differ a little."""

Progress = Callable[[str], None]

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment folder.

    config: its `setu.toml`. url: where agencies reach the gateway; operations: its operator's listener, also a URL.
    further: the same three of each further gateway that shares this one's ledger.
    agencies: agency id -> its `agency.toml`, for those that have their home here. now: the clock it was made by.
    """

    path: Path
    config: Path
    url: str
    operations: str
    agencies: Mapping[str, Path]
    now: Callable[[], float]
    further: tuple[tuple[Path, str, str], ...] = ()

    def gateway(self) -> GatewaySettings:
        return load(GatewaySettings, self.config)

    def agency(self, agency: str) -> AgencySettings:
        return load(AgencySettings, self.agencies[agency])


def create(
    path: Path,
    *,
    demo: bool = False,
    ceremony: bool = False,
    host: str = LOOPBACK,
    port: int = 8443,
    operations_port: int = 9443,
    suite: SuiteName = SuiteName.HYBRID_768,
    limits: Mapping[str, float] | None = None,
    shared: Shared | None = None,
    now: Callable[[], float] = time.time,
    random: Random = os.urandom,
    progress: Progress = lambda _: None,
) -> Deployment:
    """Make a deployment in `path`, which does not exist or is empty. What a failure leaves behind is removed.

    Args:
        path: the folder.
        demo: also make eight agencies and a practice partner, with keys and certificates, in `agencies/`.
        ceremony: make no country's keys and no realm; leave a draft of the directory and the operator's share for one.
        host: the name or IPv4 address under which agencies reach the gateway; for loopback it listens there alone.
        port: where agencies reach it.
        operations_port: where its operator does, on loopback.
        suite: the realm's.
        limits: members of `broker.config.Limits` to write into the settings.
        shared: what several gateways share, for a cluster instead of one gateway with an embedded ledger.
        now: unix seconds.
        random: where the seeds of keys come from; certificates take the system's own.
        progress: is told each step before it is done.

    Raises:
        IntegrityError: code `config-invalid`; there is something in `path`, or `host` is no name or address.
    """
    if not _HOST.match(host):
        raise IntegrityError(
            Code.CONFIG_INVALID, "Expected a lower-case host name or an IPv4 address, found something else."
        )
    existed = path.exists()
    if existed and (not path.is_dir() or any(path.iterdir())):
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected no folder or an empty one at {path}, found something in it.",
            advice="Name another folder; a deployment is never overwritten.",
        )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    members = DEMO if demo else ()
    try:
        _Making(path, host, port, operations_port, suite, limits or {}, shared, now, random, progress).make(
            members, ceremony
        )
    except BaseException:
        for each in path.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        if not existed:
            path.rmdir()
        raise
    return Deployment(
        path=path,
        config=path / "setu.toml",
        url=f"https://{host}:{port}",
        operations=f"http://{LOOPBACK}:{operations_port}",
        agencies={member.id: path / "agencies" / member.id / "agency.toml" for member in members},
        now=now,
        further=tuple(
            (path / f"setu-{number}.toml", f"https://{host}:{other}", f"http://{LOOPBACK}:{others_operations}")
            for number, (other, others_operations) in enumerate(shared.further if shared else (), 2)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Making:
    path: Path
    host: str
    port: int
    operations_port: int
    suite: SuiteName
    limits: Mapping[str, float]
    shared: Shared | None
    now: Callable[[], float]
    random: Random
    progress: Progress

    def make(self, members: Sequence[Member], ceremony: bool) -> None:
        self.progress("certificate authorities, one per country")
        authorities = {country: self._authority(country) for country in COUNTRIES}
        self.progress("the gateway's keys and certificate")
        operator, log = self._gateway(authorities[OPERATOR.country])
        if self.shared is not None:
            write_guard(self.path, self.shared, log, authorities[OPERATOR.country], self.now(), CERTIFICATE_DAYS)
        enrolled = [operator]
        for member in members:
            self.progress(f"keys and certificate of {member.id}")
            enrolled.append(self._agency(member, authorities[member.authority]))
        if ceremony:
            self.progress("a draft of the directory, for both countries to sign")
            self._draft(enrolled, log)
        else:
            self.progress("the directory, signed by both countries")
            root = self._directory(enrolled, log)
            for home in (self.path / "directory", *(self._home(member) for member in members)):
                (home / "root.json").write_bytes(root)
        self.progress("policies and settings")
        self._policies()
        self._settings()
        if not ceremony:
            self.progress("the gateway's first wrap key")
            make_key(load(GatewaySettings, self.path / "setu.toml"), now=self.now, random=self.random)

    def _authority(self, country: str) -> Authority:
        folder = self._folder(f"ca/{country}")
        authority = Authority.create(COUNTRIES[country], now=self.now())
        authority.issued.save(folder / "ca.pem", folder / "ca.key")
        return authority

    def _gateway(self, authority: Authority) -> tuple[Enrolled, Log]:
        keys = self._folder("keys")
        own = write_agency_keys(keys, self.suite, self.random, wrap=False)
        logs = write_log_keys(keys, self.random)
        tls = self._folder("tls")
        hosts = tuple(dict.fromkeys((self.host, "localhost", LOOPBACK)))
        issued = authority.issue_server(f"{GATEWAY}.g1", hosts, now=self.now(), days=CERTIFICATE_DAYS)
        issued.save(tls / "server.pem", tls / "server.key")
        bundle = b"".join((self.path / "ca" / country / "ca.pem").read_bytes() for country in COUNTRIES)
        (tls / "clients-ca.pem").write_bytes(bundle)
        for place in ("store", "guard", "wrap"):
            self._folder(place)
        (_, _, ed25519), (_, _, mldsa44) = logs
        origin = f"{self.host}:{self.port}/log"
        vkeys = LogSigner(origin, ed25519, mldsa44).vkeys
        log = Log(gateway=GATEWAY, origin=origin, ed25519=vkeys[0], mldsa44=vkeys[1])
        return Enrolled(OPERATOR, _public([*own, *logs]), None), log

    def _agency(self, member: Member, authority: Authority) -> Enrolled:
        home = self._folder(f"agencies/{member.id}")
        keys = self._folder(f"agencies/{member.id}/keys")
        made = write_agency_keys(keys, self.suite, self.random)
        issued = authority.issue_client(member.id, 1, now=self.now(), days=CERTIFICATE_DAYS)
        issued.save(home / "tls.pem", home / "tls.key")
        shutil.copyfile(self.path / "ca" / OPERATOR.country / "ca.pem", home / "gateway-ca.pem")
        shared = self.shared
        urls = [f"https://{self.host}:{port}" for port in (self.port, *(each for each, _ in self._further()))]
        text = _AGENCY.format(agency=member.id, url=json.dumps(urls if len(urls) > 1 else urls[0]), gateway=GATEWAY)
        if shared is not None:
            text = agency_settings(text, member.id, shared)
            if member.id in shared.readers:
                member = replace(member, channels=(Channel.HTTPS, Channel.KAFKA))
        (home / "agency.toml").write_text(text, "utf-8")
        return Enrolled(member, _public(made), directory_row(issued.der))

    def _further(self) -> tuple[tuple[int, int], ...]:
        return self.shared.further if self.shared is not None else ()

    def _policies(self) -> None:
        folder = self._folder("policies")
        for name, text in default_rules().rules.items():
            (folder / name).write_text(text, "utf-8")
        cases = self._folder("policies/cases")
        for name, text in default_cases().items():
            (cases / name).write_text(text, "utf-8")

    def _settings(self) -> None:
        text = _GATEWAY.format(
            gateway=GATEWAY,
            address=f"{_listening(self.host)}:{self.port}",
            hosts=json.dumps(list(dict.fromkeys((self.host, "localhost", LOOPBACK)))),
            operations=f"{LOOPBACK}:{self.operations_port}",
        )
        if self.limits:
            text += "\n[limits]\n" + "".join(f"{name} = {value}\n" for name, value in self.limits.items())
        if self.shared is not None:
            text = gateway_settings(text, self.shared)
            for name, other in further_settings(text, (self.port, self.operations_port), self.shared):
                (self.path / name).write_text(other, "utf-8")
        (self.path / "setu.toml").write_text(text, "utf-8")

    def _directory(self, enrolled: Sequence[Enrolled], log: Log) -> bytes:
        folder = self._folder("realm/keys")
        countries = {COUNTRIES[country]: write_country_keys(folder, country, self.random) for country in COUNTRIES}
        operator = write_operator_keys(folder, self.random)
        made = self._document(enrolled, log)
        lists = (*COUNTRIES.values(), DENY_OPERATOR)
        delegates = {deny_use(name): write_deny_keys(folder, name, self.random) for name in lists}
        delegates[WRAP + GATEWAY] = write_wrap_signers(folder, GATEWAY, self.random)
        root = assembly.found_realm(
            self._folder("directory"), made, countries, operator, delegates=delegates, now=self.now
        )
        renew_lists(self.path / "directory", root, folder, operator, now=self.now)
        return root

    def _draft(self, enrolled: Sequence[Enrolled], log: Log) -> None:
        self._folder("directory")
        folder = self._folder("realm/keys")
        snapshot, timestamp = write_operator_keys(folder, self.random)
        (deny,) = write_deny_keys(folder, DENY_OPERATOR, self.random)
        own = [("snapshot", snapshot), ("timestamp", timestamp), (deny_use(DENY_OPERATOR), deny)]
        own += [(WRAP + GATEWAY, key) for key in write_wrap_signers(folder, GATEWAY, self.random)]
        share = make_share(OPERATOR_HOLDER, own)
        document = self._document(enrolled, log).to_object()
        for name, members in ((OPERATOR_SHARE, share.to_object()), ("directory.json", document)):
            (self.path / DRAFTS / name).write_text(json.dumps(members, indent=1) + "\n", "utf-8")

    def _document(self, enrolled: Sequence[Enrolled], log: Log) -> Directory:
        begins = int(self.now()) - BACKDATED
        return document(enrolled, log, suite=self.suite, version=1, valid=(begins, begins + KEY_DAYS * 86_400))

    def _home(self, member: Member) -> Path:
        return self.path / "agencies" / member.id

    def _folder(self, name: str) -> Path:
        folder = self.path
        for part in Path(name).parts:
            folder /= part
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder


def _public(made: Sequence[Made]) -> list[tuple[KeyUse, PublicKey]]:
    return [(use, key.public) for _, use, key in made]


def _listening(host: str) -> str:
    """Loopback for its names; a machine's own address for an address; everywhere for another name."""
    if host == "localhost":
        return LOOPBACK
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - a name may stand for any of the machine's addresses
    return host


_GATEWAY = """\
# A Setu gateway. Paths are relative to this file; what is left out has its default (broker/config.py).
# Check it with `setu doctor`, run it with `setu serve --config` and this file.
gateway = "{gateway}"

[listen]
address = "{address}"
hosts = {hosts}
operations = "{operations}"
"""

_AGENCY = """\
# One agency's own program. Paths are relative to this file; what is left out has its default (broker/config.py).
agency = "{agency}"
url = {url}
gateway = "{gateway}"
# The gateway's operator may read what this agency sends, so that it can check the content (open mode).
trust_gateway = true
# With the realm's release rules the gateway is judged as a reader before anything is sealed for it.
policies = "../../policies"
"""
