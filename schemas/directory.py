"""The directory: who takes part in a realm, with which keys, certificates, roles, clearance and mandates.

One document, signed by the countries through TUF (target `directory.json`). Its identity, wherever one is needed,
is its `version` and the SHA-384 of its bytes.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import AgencyId, Count, Country, Digest, Kid, Kind, Line, Model, Seconds, Sha256Hex
from schemas.deny import DenyRef
from schemas.handling import Classification, LegalBasis, Purpose
from schemas.packet import B64u, SuiteName

TARGET = "directory.json"
MLAT = "IN-US-MLAT-2001"


class KeyUse(StrEnum):
    """One key, one algorithm, one use."""

    SIGN = "sign"
    WRAP = "wrap"
    LOG = "log"


class KeyState(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


class Role(StrEnum):
    """What an agency is in this realm. `agency` sends and receives; a row may hold several."""

    AGENCY = "agency"
    GATEWAY = "gateway"
    AUDITOR = "auditor"
    WITNESS = "witness"
    OPERATOR = "operator"


class AgencyState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Channel(StrEnum):
    HTTPS = "https"
    KAFKA = "kafka"


Algorithm = Literal["Ed25519", "ES384", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "HPKE-9-KE", "HPKE-10-KE"]


class Key(Model):
    """A public key. Valid from `not_before` until `not_after`, while `active` (sign, wrap) or `retired` (open only)."""

    kid: Kid
    use: KeyUse
    alg: Algorithm
    public: B64u
    not_before: Seconds
    not_after: Seconds
    state: KeyState = KeyState.ACTIVE
    compromised_since: Seconds | None = None


class Certificate(Model):
    """A TLS client (or server) certificate, bound by the SHA-256 of its DER and its one URI SAN."""

    sha256: Sha256Hex
    uri: Annotated[str, StringConstraints(pattern=r"^urn:setu:agency:[a-z0-9-]+:g[0-9]+$", max_length=80)]
    not_before: Seconds
    not_after: Seconds
    state: KeyState = KeyState.ACTIVE


class Agency(Model):
    id: AgencyId
    name: Line
    country: Country
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    state: AgencyState = AgencyState.ACTIVE
    clearance: Classification
    mandates: tuple[Purpose, ...] = ()
    clients: tuple[AgencyId, ...] = ()
    """Agencies registered as this one's clients (TLP AMBER)."""
    sealed_kinds: tuple[Kind, ...] = ()
    """Kinds this agency may send without the gateway as a reader."""
    channels: tuple[Channel, ...] = (Channel.HTTPS,)
    keys: tuple[Key, ...] = ()
    certificates: tuple[Certificate, ...] = ()


class Community(Model):
    """A named circle of agencies (TLP GREEN)."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
    name: Line
    members: tuple[AgencyId, ...]


class Rank(Model):
    """A marking's place in the agreement's order."""

    classification: Classification
    rank: Annotated[int, Field(ge=0, le=9)]


Days = Annotated[int, Field(ge=1, le=36_600)]


class Agreement(Model):
    """What two sides agreed on: the equivalence of their markings, the highest rank this realm carries, and how long
    personal data may be kept.

    legal_bases: those that information with personal data may rest on (rule 8).
    mlat_bases: those of mutual legal assistance, under which it may be used in court (rule 4); by default the treaty
        between India and the United States of 2001, whose Article 7 limits the use of what was obtained.
    review_days, purge_days: counted from a packet's `iat`, the last days on which a recipient reviews and purges
        personal data (rule 8); by default one year and five, a leap day or two included (28 CFR 23.20(h) has five).
    """

    name: Line
    ranks: Annotated[tuple[Rank, ...], Field(min_length=1)]
    ceiling: Annotated[int, Field(ge=0, le=9)]
    legal_bases: tuple[str, ...]
    mlat_bases: tuple[LegalBasis, ...] = (MLAT,)
    review_days: Days = 366
    purge_days: Days = 1827

    def rank(self, marking: Classification) -> int | None:
        """A marking's place in the order; None where it has none, or two that differ."""
        found = {row.rank for row in self.ranks if row.classification == marking}
        return found.pop() if len(found) == 1 else None


class LogPair(Model):
    """Two note verifier keys (C2SP signed-note) that belong together: a head counts under both, or not under these.

    size: heads of more entries count no more under these keys; absent: all do.
    """

    ed25519: str
    mldsa44: str
    size: Count | None = None


class Log(Model):
    """A gateway's ledger: where it is, and the pair of keys that signs its heads.

    former: pairs that did before, the latest first. They stay for ever, for so do receipts; without `size` both sign.
    """

    gateway: AgencyId
    origin: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$", max_length=120)]
    ed25519: str
    mldsa44: str
    former: Annotated[tuple[LogPair, ...], Field(min_length=1)] | None = None

    @property
    def pairs(self) -> tuple[LogPair, ...]:
        """The current pair, then the former ones, the latest first."""
        return (LogPair(ed25519=self.ed25519, mldsa44=self.mldsa44), *(self.former or ()))


class Directory(Model):
    v: Literal["setu1.directory"]
    version: Annotated[Count, Field(ge=1)]
    name: Line
    suite: SuiteName
    agreement: Agreement
    agencies: tuple[Agency, ...]
    communities: tuple[Community, ...] = ()
    logs: Annotated[tuple[Log, ...], Field(min_length=1)]
    lifted: tuple[DenyRef, ...] | None = None
    """How far this version took account of each deny list: what one says up to there is lifted, and what of it is to
    stay stands in this document itself.
    """

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [agency.id for agency in self.agencies]
        kids = [key.kid for agency in self.agencies for key in agency.keys]
        prints = [each.sha256 for agency in self.agencies for each in agency.certificates]
        lists = [each.list for each in self.lifted or ()]
        uniques = (("agency id", ids), ("kid", kids), ("certificate fingerprint", prints), ("lifted deny list", lists))
        for what, values in uniques:
            if len(set(values)) != len(values):
                raise ValueError(f"expected each {what} once in the directory, found one twice")
        return self


class DirectoryRef(Model):
    """Which directory a decision was made under."""

    version: Count
    hash: Digest
