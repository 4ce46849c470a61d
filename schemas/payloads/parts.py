"""The parts that several kinds share: substance, consignment, party, evaluation, case, terror nexus, evidence."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from schemas.act import Act
from schemas.base import AgencyId, Count, Digest, Line, Model, Reference, Sha256Hex, Text, Uuid7
from schemas.codes.substances import by_cas, by_inchikey, by_name
from schemas.payloads.identifiers import (
    NEEDS_COUNTRY,
    S10,
    SHAPES,
    AirWaybill,
    Cas,
    Container,
    DeaCode,
    ImoNumber,
    InchiKey,
    NdpsSchedule,
    TrackingNumber,
)
from schemas.payloads.shape import wrong
from schemas.payloads.values import (
    CountryCode,
    Currency,
    Decimal,
    FileName,
    Hs6,
    HsDeclared,
    Label,
    Latitude,
    LocalId,
    Longitude,
    MediaType,
    Mode,
    Percent,
    Positive,
    Subdivision,
    Unit,
    UnLocode,
)

Confidence = Literal["low", "moderate", "high"]
"""Analytic confidence, Intelligence Community Directive 203 (2015), annex: never a likelihood."""


Form = Literal["powder", "pill-tablet", "crystal-rock", "liquid", "plant-matter", "blotter"]
"""What a substance looks like when it is found."""


class Quantity(Model):
    """An amount above zero in a unit of UNECE Recommendation 20."""

    value: Positive
    unit: Unit


class Money(Model):
    """An amount in a currency of ISO 4217."""

    amount: Decimal
    currency: Currency


class Substance(Model):
    """A substance, by its international non-proprietary name (WHO) and as many codes as are known.

    Sources: schedules of the 1961 and 1971 Conventions and tables of the 1988 Convention (`un_list`), Harmonized
    System 2022, 21 CFR 1308 and 1310.02 (`dea_code`), NDPS Act 1985 and NDPS (Regulation of Controlled Substances)
    Order 2013 (`ndps_schedule`). Where two of name, CAS number and InChIKey are in `schemas/codes/substances.tsv`,
    they are the same substance's.
    """

    name: Label
    cas: Cas | None = None
    inchikey: InchiKey | None = None
    un_list: (
        Literal[
            "1961-I", "1961-II", "1961-III", "1961-IV", "1971-I", "1971-II", "1971-III", "1971-IV", "1988-I", "1988-II"
        ]
        | None
    ) = None
    hs6: Hs6 | None = None
    dea_code: DeaCode | None = None
    ndps_schedule: NdpsSchedule | None = None
    form: Form | None = None
    quantity: Quantity | None = None
    purity: Percent | None = None

    @model_validator(mode="after")
    def _one_substance(self) -> Self:
        named = by_name(self.name)
        numbered = by_cas(self.cas) if self.cas else None
        drawn = by_inchikey(self.inchikey) if self.inchikey else ()
        if named and numbered and named is not numbered:
            wrong("cas", "expected the CAS number of the substance that is named, found another listed substance's")
        for known in (named, numbered):
            if known and known.inchikey and drawn and known not in drawn:
                wrong("inchikey", "expected the InChIKey of the same substance, found another listed substance's")
        return self


class Place(Model):
    """A place as exactly as it is known: name, ISO 3166 codes, UN/LOCODE (UNECE Recommendation 16), WGS 84 degrees."""

    name: Label | None = None
    locality: Label | None = None
    subdivision: Subdivision | None = None
    country: CountryCode
    unlocode: UnLocode | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None

    @model_validator(mode="after")
    def _both_degrees(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            wrong("latitude" if self.latitude is None else "longitude", "expected both degrees or neither; add it")
        return self


class Address(Model):
    """A postal address: lines as written on an envelope, and where that is (ISO 3166)."""

    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=6)]
    locality: Label | None = None
    subdivision: Subdivision | None = None
    postcode: (
        Annotated[
            str,
            Field(
                pattern=r"^[A-Z0-9][A-Z0-9 -]{1,11}$",
                description="a postal code of capital letters, digits, spaces and hyphens, 2 to 12 characters",
            ),
        ]
        | None
    ) = None
    country: CountryCode


class Tracking(Model):
    """A carrier's own number. Postal items have an S10 number instead."""

    carrier: Label
    number: TrackingNumber


class Consignment(Model):
    """Goods on their way. Sources: UNECE Recommendations 19 (`mode`) and 16 (UN/LOCODE), UPU S10, IATA Resolution
    600a (air waybill), ISO 6346 (container), IMO ship number, Harmonized System, ISO 4217.
    """

    mode: Mode
    s10: S10 | None = None
    tracking: Tracking | None = None
    air_waybill: AirWaybill | None = None
    containers: Annotated[tuple[Container, ...], Field(max_length=50)] = ()
    vessel: ImoNumber | None = None
    origin: UnLocode | None = None
    departure: UnLocode | None = None
    transit: Annotated[tuple[UnLocode, ...], Field(max_length=20)] = ()
    destination: UnLocode | None = None
    declared_description: Line | None = None
    declared_hs: HsDeclared | None = None
    value: Money | None = None


class Name(Model):
    """A name, in any script, of the kinds FollowTheMoney has: name, alias, weakAlias, previousName."""

    full: Line
    type: Literal["name", "alias", "weak-alias", "previous-name"] = "name"
    first_name: Label | None = None
    last_name: Label | None = None
    father_name: Label | None = None


class Identifier(Model):
    """A number that identifies, in a scheme of this list (FollowTheMoney: Identification). `country`, as ISO 3166,
    is who issued it; some schemes need it.
    """

    scheme: Annotated[str, Field(json_schema_extra={"enum": sorted(SHAPES)})]
    value: str
    country: CountryCode | None = None

    @model_validator(mode="after")
    def _of_its_scheme(self) -> Self:
        if self.scheme not in SHAPES:
            wrong("scheme", f"expected one of {', '.join(sorted(SHAPES))}; choose the one that fits")
        try:
            SHAPES[self.scheme].validate(self.value)
        except ValueError as error:
            wrong("value", str(error))
        if self.scheme in NEEDS_COUNTRY and self.country is None:
            wrong("country", "expected the country that issued it, found none; add it")
        return self


PartyRole = Literal[
    "supplier",
    "manufacturer",
    "exporter",
    "importer",
    "consignor",
    "consignee",
    "broker",
    "carrier",
    "courier",
    "drop-shipper",
    "vendor",
    "customer",
    "financier",
    "money-launderer",
    "organiser",
    "account-holder",
    "other",
]


class Party(Model):
    """Somebody, as FollowTheMoney sees people and organisations; known by a name, an identifier or an address.

    `ref` is a name other parts of this payload point by. Kinds `person` and `account-holder` are personal data.
    """

    ref: LocalId | None = None
    kind: Literal["person", "organisation", "vessel", "account-holder"]
    names: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    identifiers: Annotated[tuple[Identifier, ...], Field(max_length=40)] = ()
    addresses: Annotated[tuple[Address, ...], Field(max_length=10)] = ()
    roles: Annotated[tuple[PartyRole, ...], Field(max_length=8)] = ()

    @model_validator(mode="after")
    def _known_by_something(self) -> Self:
        if not self.names and not self.identifiers and not self.addresses:
            wrong("names", "expected a name, an identifier or an address, found none; add one")
        return self


class Admiralty(Model):
    """NATO (Admiralty) grading, STANAG 2511: source A to F, information 1 to 6."""

    scheme: Literal["admiralty"]
    source: Literal["A", "B", "C", "D", "E", "F"]
    information: Literal["1", "2", "3", "4", "5", "6"]


class Europol(Model):
    """Europol 4x4, Regulation (EU) 2016/794, Article 29: source A, B, C or X, information 1 to 4."""

    scheme: Literal["europol"]
    source: Literal["A", "B", "C", "X"]
    information: Literal["1", "2", "3", "4"]


class Uk352(Model):
    """UK 3x5x2 (College of Policing, 2016): source 1 to 3, information A to E, handling P or C."""

    scheme: Literal["uk352"]
    source: Literal["1", "2", "3"]
    information: Literal["A", "B", "C", "D", "E"]
    handling: Literal["P", "C"]


Evaluation = Annotated[Admiralty | Europol | Uk352, Field(discriminator="scheme")]
"""How far source and information are trusted, in the sender's own scheme; never converted into another."""


class CaseRef(Model):
    """A case in an agency's own files."""

    agency: AgencyId
    reference: Reference


class TerrorNexus(Model):
    """A link to a listed terrorist organisation. Lists: UN Security Council 1267 (ISIL and Al-Qaida), India's UAPA
    1967 first schedule, US Foreign Terrorist Organizations (8 USC 1189), OFAC's SDN. Confidence: ICD 203.
    """

    organisation: Line
    list: Literal["UN1267", "UAPA", "FTO", "SDN"]
    reference: Reference | None = None
    confidence: Confidence


class Evidence(Model):
    """A file that exists elsewhere or follows; its SHA-256 (FIPS 180-4) binds it to this packet."""

    name: FileName
    media_type: MediaType
    size: Count
    sha256: Sha256Hex
    lab_ref: Reference | None = None
    custody_ref: Reference | None = None


class PacketRef(Model):
    """An earlier packet of the same ledger: `id` is its sender's for it (UUIDv7, RFC 9562), `digest` the SHA-384
    (FIPS 180-4) of its manifest, which names it exactly.
    """

    id: Uuid7
    digest: Digest


class Payload(Model):
    """What every kind may carry beside its own members. `handling_text` is the text of Europol handling code H3.

    Absent members are left out; null is not a value.
    """

    case_refs: Annotated[tuple[CaseRef, ...], Field(max_length=10)] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=50)] = ()
    handling_text: Text | None = None

    def to_object(self) -> dict[str, Any]:
        """The object of JSON types, with the members that were given: what was read is written again exactly."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)

    def people(self) -> tuple[str, ...]:
        """JSON pointers of the parts that are about natural persons."""
        return ()

    def act(self, in_reply_to: str | None) -> Act | None:
        """What a packet with this payload does to an exchange: what its header's member `act` must say.

        in_reply_to: the header's; asked for only where `replies` says that there is one.
        """
        del in_reply_to
        return None

    def replies(self) -> bool:
        """Whether this makes sense only as an answer: the header's `in_reply_to` must then be there."""
        return False

    def sanitisation_due(self) -> str | None:
        """JSON pointer of the member that demands the handling flag `sanitised`, if there is one."""
        return None


def persons(member: str, parties: tuple[Party, ...]) -> tuple[str, ...]:
    """Pointers of the parties in `member` that are natural persons."""
    return tuple(
        f"/{member}/{position}" for position, party in enumerate(parties) if party.kind in ("person", "account-holder")
    )


def unique_refs(member: str, refs: Iterable[str | None]) -> None:
    """Refuse a local name that is given to two parts."""
    given = [ref for ref in refs if ref is not None]
    if len(set(given)) != len(given):
        wrong(member, "expected each local name once, found one twice; give each part its own")
