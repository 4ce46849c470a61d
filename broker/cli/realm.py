"""The realm that `setu init` founds: who takes part, what each may receive, and the directory document that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broker.crypto.keys import PublicKey
from schemas.canonical import b64u
from schemas.directory import (
    Agency,
    Agreement,
    Certificate,
    Channel,
    Community,
    Directory,
    Key,
    KeyUse,
    Log,
    Rank,
    Role,
)
from schemas.handling import Classification, Level, Purpose
from schemas.packet import SuiteName

GATEWAY = "in-setu"
COUNTRIES: Mapping[str, str] = {"in": "IND", "us": "USA"}
"""ISO 3166-1 alpha-2 (lower case, as agency ids begin) -> alpha-3."""

PRACTICE = "zz"
"""Practice partners: programs under the codes `zz` and ZZZ, which ISO 3166-1 leaves to users."""
_PRACTICE_COUNTRY = "ZZZ"

_IN_RESTRICTED = Classification(system="IN", level=Level.IN_RESTRICTED)
_US_LES = Classification(system="US", level=Level.US_LES)
_CLEARANCE = {"in": _IN_RESTRICTED, "us": _US_LES, PRACTICE: _IN_RESTRICTED}


@dataclass(frozen=True, slots=True)
class Member:
    """An agency before it has keys. `mandates`: what it may use information for; `channels`: where it reads."""

    id: str
    name: str
    roles: tuple[Role, ...] = (Role.AGENCY,)
    mandates: tuple[Purpose, ...] = ()
    sealed_kinds: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = (Channel.HTTPS,)

    @property
    def country(self) -> str:
        return self.id.split("-")[0]

    @property
    def authority(self) -> str:
        """The country whose CA issues its certificate; for a practice partner the operator's, which runs it."""
        return OPERATOR.country if self.country == PRACTICE else self.country


OPERATOR = Member(GATEWAY, "Setu gateway, New Delhi", roles=(Role.GATEWAY, Role.OPERATOR))

DEMO: tuple[Member, ...] = (
    Member(
        "in-ncb",
        "Narcotics Control Bureau",
        mandates=(
            Purpose.PREVENTION,
            Purpose.INVESTIGATION,
            Purpose.PROSECUTION,
            Purpose.REGULATORY,
            Purpose.FINANCIAL,
            Purpose.OFFICER_SAFETY,
        ),
        sealed_kinds=("tip",),
    ),
    Member(
        "in-nia",
        "National Investigation Agency",
        mandates=(Purpose.INVESTIGATION, Purpose.PROSECUTION, Purpose.FINANCIAL, Purpose.OFFICER_SAFETY),
        sealed_kinds=("tip",),
    ),
    Member(
        "us-dea",
        "Drug Enforcement Administration",
        mandates=(
            Purpose.PREVENTION,
            Purpose.INVESTIGATION,
            Purpose.PROSECUTION,
            Purpose.REGULATORY,
            Purpose.FINANCIAL,
            Purpose.OFFICER_SAFETY,
        ),
        sealed_kinds=("tip",),
    ),
    Member(
        "us-cbp",
        "Customs and Border Protection",
        mandates=(Purpose.PREVENTION, Purpose.REGULATORY, Purpose.BORDER, Purpose.OFFICER_SAFETY),
    ),
    Member(
        "us-hsi",
        "Homeland Security Investigations",
        mandates=(Purpose.INVESTIGATION, Purpose.PROSECUTION, Purpose.BORDER, Purpose.OFFICER_SAFETY),
    ),
    Member("us-fincen", "Financial Crimes Enforcement Network", mandates=(Purpose.FINANCIAL, Purpose.REGULATORY)),
    Member("in-audit", "Auditor of the Indian side", roles=(Role.AUDITOR,)),
    Member("us-audit", "Auditor of the United States side", roles=(Role.AUDITOR,)),
    # Every mandate, so that whatever an agency sends can be practised with it; exercises alone, by release rule 12.
    Member("zz-echo", "Practice partner: a program that answers exercises", mandates=tuple(Purpose)),
)
"""The India-US counter-narcotics pair, two auditors and a practice partner. Mandates are invented to demonstrate."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A member with its public keys by use, and its client certificate."""

    member: Member
    keys: Sequence[tuple[KeyUse, PublicKey]]
    certificate: Certificate | None


def document(
    enrolled: Sequence[Enrolled], log: Log, *, suite: SuiteName, version: int, valid: tuple[int, int]
) -> Directory:
    """The directory document; `valid`: from and until when its keys are, seconds UTC."""
    recipients = tuple(each.member.id for each in enrolled if Role.AGENCY in each.member.roles)
    return Directory(
        v="setu1.directory",
        version=version,
        name="India and the United States, counter-narcotics",
        suite=suite,
        agreement=_agreement(),
        agencies=tuple(_agency(each, valid) for each in enrolled),
        communities=(
            Community(id="counter-narcotics", name="Counter-narcotics working group", members=(*recipients, GATEWAY)),
        ),
        logs=(log,),
    )


def _agency(enrolled: Enrolled, valid: tuple[int, int]) -> Agency:
    member = enrolled.member
    return Agency(
        id=member.id,
        name=member.name,
        country=COUNTRIES.get(member.country, _PRACTICE_COUNTRY),
        roles=member.roles,
        clearance=_CLEARANCE[member.country],
        mandates=member.mandates,
        # so that a packet marked TLP AMBER can be sent open: the operator serves its sender as a registered client
        clients=(GATEWAY,) if Role.AGENCY in member.roles else (),
        sealed_kinds=member.sealed_kinds,
        channels=member.channels,
        keys=tuple(_key(use, key, valid) for use, key in enrolled.keys),
        certificates=(enrolled.certificate,) if enrolled.certificate is not None else (),
    )


def _key(use: KeyUse, key: PublicKey, valid: tuple[int, int]) -> Key:
    return Key.from_object(
        {
            "kid": key.kid,
            "use": use,
            "alg": key.alg,
            "public": b64u(key.raw),
            "not_before": valid[0],
            "not_after": valid[1],
        }
    )


def _agreement() -> Agreement:
    # The real equivalence is set by agreements that are not public: this one is configuration, not a claim.
    ranks = [
        ("IN", Level.IN_UNCLASSIFIED, 0),
        ("IN", Level.IN_RESTRICTED, 1),
        ("IN", Level.IN_CONFIDENTIAL, 2),
        ("IN", Level.IN_SECRET, 3),
        ("IN", Level.IN_TOP_SECRET, 4),
        ("US", Level.US_U, 0),
        ("US", Level.US_SBU, 1),
        ("US", Level.US_LES, 1),
        ("US", Level.US_LES_NF, 1),
        ("US", Level.US_C, 2),
        ("US", Level.US_S, 3),
        ("US", Level.US_TS, 4),
    ]
    return Agreement(
        name="Markings of India and the United States, demonstration equivalence",
        ranks=tuple(
            Rank.from_object({"classification": {"system": system, "level": level}, "rank": rank})
            for system, level, rank in ranks
        ),
        ceiling=1,
        legal_bases=("UN1988-7", "UN1988-9", "UN1988-11", "UN1988-12", "IN-US-MLAT-2001", "EGMONT", "DOMESTIC"),
    )
