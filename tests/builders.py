"""What tests are built of: a realm of agencies with real keys, its directory, and packets sealed in it.

The same realm has the same keys each time. Random are only certificates, and the library's signing and encapsulation.
"""

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from broker.crypto.certificates import Authority, Issued, directory_row
from broker.crypto.keys import PrivateKey, PublicKey, SeedKey
from broker.crypto.suites import SUITES
from broker.directory.lookup import Snapshot
from broker.envelope.seal import Draft, Sealed, Signer, seal
from schemas.canonical import b64u, canonical
from schemas.directory import Agency, Agreement, Community, Directory, Key, KeyUse, Log, Rank, Role
from schemas.handling import Classification, Handling, Level, Purpose
from schemas.packet import Audience, SuiteName

NOW = 1_790_000_000
"""The tests' present, in seconds UTC (September 2026)."""

YEAR = 366 * 86_400
FROM, UNTIL = NOW - YEAR, NOW + 40 * YEAR
"""Dates of keys and certificates: good at `NOW` and by the clock on the wall, for tests over real TLS."""

RANKS = {
    "IN": {"UNCLASSIFIED": 0, "RESTRICTED": 1, "CONFIDENTIAL": 2, "SECRET": 3, "TOP SECRET": 4},
    "US": {"U": 0, "LES": 1, "LES-NF": 1, "SBU": 1, "C": 2, "S": 3, "TS": 4},
}
GATEWAY = "in-setu"
ORIGIN = "log.setu.example/in"
AGENCIES: dict[str, tuple[str, str, tuple[Role, ...]]] = {
    "in-ncb": ("Narcotics Control Bureau", "IND", (Role.AGENCY,)),
    "us-dea": ("Drug Enforcement Administration", "USA", (Role.AGENCY,)),
    "us-cbp": ("Customs and Border Protection", "USA", (Role.AGENCY,)),
    "in-setu": ("Setu gateway, India", "IND", (Role.GATEWAY, Role.OPERATOR)),
    "in-audit": ("Auditor, India", "IND", (Role.AUDITOR,)),
    "us-audit": ("Auditor, United States", "USA", (Role.AUDITOR,)),
}
HANDLING: dict[str, Any] = {
    "classification": {"system": "IN", "level": "RESTRICTED"},
    "tlp": "AMBER",
    "pap": "AMBER",
    "handling_code": "H1",
    "dissem": [],
    "releasable_to": ["IND", "USA"],
    "purpose": ["investigation"],
    "legal_basis": "UN1988-9",
    "permitted_actions": "internally-visible",
    "attribution": "must-not",
    "retention": {"review_on": "2027-01-01", "purge_on": "2030-01-01"},
    "flags": {"personal_data": True, "sanitised": True},
}


def handling(**over: Any) -> Handling:
    """A handling block that the default agreement lets through to both countries."""
    return Handling.from_object({**HANDLING, **over})


def uuid7(number: int, at: int = NOW) -> str:
    """A UUIDv7 made of a time and a number."""
    low = int.from_bytes(hashlib.sha256(f"id {number}".encode()).digest()[:8]) % 2**62
    return str(uuid.UUID(int=at * 1000 << 80 | 7 << 76 | (number % 2**12) << 64 | 2 << 62 | low))


@cache
def private_key(alg: str, label: str) -> PrivateKey:
    """The key of this label: always the same."""
    return SeedKey(alg, hashlib.sha256(f"setu test key {alg} {label}".encode()).digest())


def key_row(key: PrivateKey, use: KeyUse, **over: Any) -> Key:
    row = {"kid": key.public.kid, "use": use, "alg": key.alg, "public": b64u(key.public.raw)}
    return Key.from_object({**row, "not_before": FROM, "not_after": UNTIL, **over})


def vkey(name: str, kind: int, raw: bytes) -> str:
    """A note verifier key (C2SP signed-note): name, key id, type and key."""
    typed = bytes([kind]) + raw
    key_id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4].hex()
    return f"{name}+{key_id}+{base64.b64encode(typed).decode()}"


@dataclass
class Member:
    """An agency's secrets. `sign`: classical, post-quantum. `tls`: its client certificate and that key, PEM."""

    id: str
    sign: Signer
    wrap: PrivateKey
    tls: Issued = field(repr=False)

    @property
    def client(self) -> bytes:
        """The DER of its client certificate."""
        return self.tls.der

    @property
    def keys(self) -> dict[str, PrivateKey]:
        """What `open_packet` asks for."""
        return {self.wrap.public.kid: self.wrap}


@cache
def authority(country: str) -> Authority:
    """The private CA of a country, `in` or `us`."""
    return Authority.create({"in": "IND", "us": "USA"}[country], now=FROM, days=(UNTIL - FROM) // 86_400)


@cache
def client_certificate(agency: str, generation: int = 1) -> Issued:
    return authority(agency[:2]).issue_client(agency, generation, now=FROM, days=(UNTIL - FROM) // 86_400 - 1)


def member(agency: str, suite: SuiteName = SuiteName.HYBRID_768, label: str = "") -> Member:
    algorithms = SUITES[suite]
    return Member(
        agency,
        Signer(private_key(algorithms.classical, agency + label), private_key(algorithms.post_quantum, agency + label)),
        private_key(algorithms.wrap, agency + label),
        client_certificate(agency),
    )


def agency_row(who: Member, name: str, country: str, roles: Sequence[Role], **over: Any) -> Agency:
    """An agency's row of the directory; `over` replaces members by name, with objects of JSON types."""
    keys = [
        key_row(who.sign.classical, KeyUse.SIGN),
        key_row(who.sign.post_quantum, KeyUse.SIGN),
        key_row(who.wrap, KeyUse.WRAP),
    ]
    system, level = ("IN", "SECRET") if country == "IND" else ("US", "S")
    row = Agency(
        id=who.id,
        name=name,
        country=country,
        roles=tuple(roles),
        clearance=Classification(system=system, level=Level(level)),
        mandates=tuple(Purpose) if Role.AGENCY in roles else (),
        sealed_kinds=("tip",) if Role.AGENCY in roles else (),
        keys=tuple(keys),
        certificates=(directory_row(who.client),),
    )
    return Agency.from_object({**row.to_object(), **over})


def agreement(**over: Any) -> Agreement:
    ranks = tuple(
        Rank(classification=Classification(system=system, level=Level(level)), rank=rank)
        for system, levels in RANKS.items()
        for level, rank in levels.items()
    )
    bases = ("UN1988-7", "UN1988-9", "UN1988-11", "UN1988-12", "IN-US-MLAT-2001", "EGMONT", "DOMESTIC")
    made = Agreement(name="India and United States, exercise", ranks=ranks, ceiling=1, legal_bases=bases)
    return Agreement.from_object({**made.to_object(), **over})


class Realm:
    """A realm in memory. `agencies` overrides rows: {"us-dea": {"state": "suspended"}}; `document` members of the
    directory. Change it by making another: `realm.with_(...)` keeps the keys and raises the version.
    """

    def __init__(
        self,
        suite: SuiteName = SuiteName.HYBRID_768,
        *,
        version: int = 1,
        name: str = "test realm",
        agencies: Mapping[str, Mapping[str, Any]] | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        self.suite = suite
        self.name = name
        self.realm = b64u(hashlib.sha384(f"first root of {name}".encode()).digest())
        self.gateway = GATEWAY
        self.aud = Audience(realm=self.realm, gateway=self.gateway)
        self.members = {agency: member(agency, suite) for agency in AGENCIES}
        self.log_ed25519 = private_key("Ed25519", "log")
        self.log_mldsa44 = private_key("ML-DSA-44", "log")
        self._over = {agency: dict(row) for agency, row in (agencies or {}).items()}
        self._document = dict(document or {})
        self.directory = self._directory(version)
        self.snapshot = Snapshot(self.directory, raw=self.directory.canonical(), realm=self.realm)
        self._sealed = 0

    def with_(
        self, *, agencies: Mapping[str, Mapping[str, Any]] | None = None, document: Mapping[str, Any] | None = None
    ) -> "Realm":
        """The same realm with another directory, one version later."""
        rows = {each: {**self._over.get(each, {}), **(agencies or {}).get(each, {})} for each in AGENCIES}
        merged = {**self._document, **(document or {})}
        return Realm(self.suite, version=self.directory.version + 1, name=self.name, agencies=rows, document=merged)

    def _directory(self, version: int) -> Directory:
        rows = [
            agency_row(self.members[agency], name, country, roles, **self._over.get(agency, {}))
            for agency, (name, country, roles) in AGENCIES.items()
        ]
        log = Log(
            gateway=self.gateway,
            origin=ORIGIN,
            ed25519=vkey(ORIGIN, 1, self.log_ed25519.public.raw),
            mldsa44=vkey(ORIGIN, 6, self.log_mldsa44.public.raw),
        )
        made = Directory(
            v="setu1.directory",
            version=version,
            name=self.name,
            suite=self.suite,
            agreement=agreement(),
            agencies=tuple(rows),
            communities=(Community(id="narcotics", name="Counter-narcotics", members=("in-ncb", "us-dea", "us-cbp")),),
            logs=(log,),
        )
        return Directory.from_object({**made.to_object(), **self._document})

    def draft(self, sender: str, kind: str = "tip", **over: Any) -> Draft:
        self._sealed += 1
        made = {
            "id": uuid7(self._sealed),
            "aud": self.aud,
            "from_": sender,
            "kind": kind,
            "kind_version": 1,
            "handling": handling(),
            "thread": uuid7(2**20 + self._sealed),
            "iat": NOW,
            "exp": NOW + 86_400,
        }
        return Draft(**{**made, **over})

    def client(self, agency: str) -> bytes:
        """The DER of an agency's client certificate."""
        return self.members[agency].client

    def wrap_key(self, agency: str) -> PublicKey:
        return self.members[agency].wrap.public

    def signing_key(self, agency: str, at: int = NOW):
        """What `check_signatures` asks for: the directory's look-up for this agency."""

        def key(kid: str, _alg: str) -> PublicKey:
            return PublicKey.from_directory(self.snapshot.key(kid, agency=agency, use=KeyUse.SIGN, at=at))

        return key

    def sealed(
        self, sender: str, to: Sequence[str], kind: str = "tip", payload: Any = b'{"note":"x"}', **over: Any
    ) -> Sealed:
        """A packet from `sender` to the agencies `to`, in order; name the gateway among them for open mode.

        `payload`: bytes, or an object of JSON types. `over`: members of the `Draft`.
        """
        raw = payload if isinstance(payload, bytes) else canonical(payload)
        readers = [(agency, self.wrap_key(agency)) for agency in to]
        return seal(self.draft(sender, kind, **over), raw, readers, self.members[sender].sign, self.suite)
