"""Kind `seizure`: what was seized, where, how it was hidden, on which way it was, and who was arrested."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Count, Line, Model, Reference, Text
from schemas.payloads.identifiers import IccsCode
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import (
    Consignment,
    Evaluation,
    Identifier,
    Party,
    Payload,
    Place,
    Substance,
    persons,
    unique_refs,
)
from schemas.payloads.shape import wrong
from schemas.payloads.values import CountryCode, Date

CONVEYANCES = ("container", "imo", "vehicle")

Concealed = Annotated[
    Literal[
        "none",
        "on-person",
        "in-body",
        "baggage",
        "mail-item",
        "cargo",
        "container-structure",
        "vehicle",
        "vessel",
        "aircraft",
        "premises",
        "in-product",
        "other",
    ],
    Field(description="Where it was hidden; in-product: inside or as goods of another kind, as in a counterfeit pack"),
]


class Exhibit(Model):
    """One seized thing: its number, what it is, how much, and how sure that is. `analysis` `laboratory` names the
    laboratory's reference.

    Sources: 1988 Convention, Articles 5(2) and 12(9)(b) (seizure); India's NDPS Act 1985, section 52A (inventory and
    samples); UNECE Recommendation 20 for units.
    """

    exhibit_id: Reference
    substance: Substance
    packages: Annotated[Count, Field(ge=1)] | None = None
    analysis: Literal["visual", "field-test", "laboratory"]
    lab_ref: Reference | None = None
    analysed_on: Date | None = None

    @model_validator(mode="after")
    def _weighed_and_tested(self) -> Self:
        if self.substance.quantity is None:
            wrong("substance/quantity", "expected how much was seized, with its unit, found none; add it")
        if self.analysis == "laboratory" and self.lab_ref is None:
            wrong("lab_ref", "expected the laboratory's reference, found none; add it, or say field-test")
        return self


class RoutePoint(Model):
    """A point of the way the goods took or were to take, in order. Places as ISO 3166 and UNECE Recommendation 16."""

    role: Literal["origin", "departure", "transit", "seizure", "destination"]
    place: Place
    on: Date | None = None


class Concealment(Model):
    """How it was hidden: a code, and in words. Source: 1988 Convention, Article 9(1)(b)(iii) (the movement of drugs,
    on which parties tell each other what they know).
    """

    method: Concealed
    description: Text | None = None

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.method == "other" and self.description is None:
            wrong("description", "expected the method in words where it is other, found none; add it")
        return self


class PersonsByCountry(Model):
    """How many persons of a country (ISO 3166-1 alpha-3): a count, so no personal data."""

    country: CountryCode
    persons: Annotated[Count, Field(ge=1)]


_RANKS = {"origin": 0, "departure": 1, "transit": 2, "seizure": 2, "destination": 3}


class SeizureV1(Payload):
    """A seizure. Nationalities are counted, not listed with names: persons who matter are `parties`, or packets of
    kind `subject`. `conveyance` is a vehicle, container or ship by its number.

    Sources: 1988 UN Convention, Articles 5(2) and 9(1)(a); the questions of UNODC's reports on individual drug
    seizures (date, place, drug, amount, origin, transit, destination, transport, concealment, arrests, nationality).
    """

    seizure_ref: Reference
    authority: Line
    seized_on: Date
    place: Place
    summary: Text
    exhibits: Annotated[tuple[Exhibit, ...], Field(min_length=1, max_length=200)]
    offence: IccsCode | None = None
    consignment: Consignment | None = None
    conveyance: Identifier | None = None
    route: Annotated[tuple[RoutePoint, ...], Field(max_length=20)] = ()
    concealment: Annotated[tuple[Concealment, ...], Field(max_length=10)] = ()
    persons_arrested: Count
    nationalities: Annotated[tuple[PersonsByCountry, ...], Field(max_length=50)] = ()
    parties: Annotated[tuple[Party, ...], Field(max_length=100)] = ()
    evaluation: Evaluation | None = None

    @model_validator(mode="after")
    def _exhibits_and_dates(self) -> Self:
        numbers = [exhibit.exhibit_id for exhibit in self.exhibits]
        if len(set(numbers)) != len(numbers):
            wrong("exhibits", "expected each exhibit_id once, found one twice; give each exhibit its own")
        for place, exhibit in enumerate(self.exhibits):
            if exhibit.analysed_on is not None and exhibit.analysed_on < self.seized_on:
                wrong(f"exhibits/{place}/analysed_on", "expected a date on or after seized_on; correct it")
        if self.conveyance is not None and self.conveyance.scheme not in CONVEYANCES:
            wrong("conveyance/scheme", f"expected one of {', '.join(CONVEYANCES)}; correct it")
        unique_refs("parties", [party.ref for party in self.parties])
        return self

    @model_validator(mode="after")
    def _a_way(self) -> Self:
        for place, (one, other) in enumerate(pairwise(self.route), start=1):
            if _RANKS[one.role] > _RANKS[other.role] or (one.role == other.role and other.role != "transit"):
                wrong(f"route/{place}/role", "expected origin, departure, transit or seizure, destination, in order")
        dates = [(place, point.on) for place, point in enumerate(self.route) if point.on is not None]
        for (_, one_on), (place, other_on) in pairwise(dates):
            if other_on < one_on:
                wrong(f"route/{place}/on", "expected a date on or after that of the points before; correct it")
        return self

    @model_validator(mode="after")
    def _counted_once(self) -> Self:
        countries = [each.country for each in self.nationalities]
        if len(set(countries)) != len(countries):
            wrong("nationalities", "expected each country once, found one twice; add the two up")
        if sum(each.persons for each in self.nationalities) > self.persons_arrested:
            wrong("persons_arrested", "expected at least as many persons as nationalities counts; correct it")
        return self

    def people(self) -> tuple[str, ...]:
        return persons("parties", self.parties)


KIND = PayloadKind("seizure", "What was seized, where and how it was hidden, and on which way it was", {1: SeizureV1})
