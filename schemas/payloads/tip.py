"""Kind `tip`: what an agency saw, heard or worked out, before anybody has asked."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Line, Text
from schemas.payloads.identifiers import IccsCode
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import (
    Consignment,
    Evaluation,
    Party,
    Payload,
    Place,
    Substance,
    TerrorNexus,
    persons,
    unique_refs,
)
from schemas.payloads.shape import wrong
from schemas.payloads.values import Time


class TipV1(Payload):
    """Spontaneous information, given without a request.

    Sources: 1988 UN Convention, Article 9(1)(a) (channels of communication between competent agencies, rapid
    exchange of information); UNODC ICCS 1.0 (`offence`); intelligence disciplines as in US Joint Publication 2-0.
    """

    title: Line
    narrative: Text
    discipline: Literal["HUMINT", "OSINT", "FININT", "SIGINT", "IMINT", "MASINT"]
    evaluation: Evaluation
    observed_at: Time
    observed_until: Time | None = None
    offence: IccsCode | None = None
    substances: Annotated[tuple[Substance, ...], Field(max_length=50)] = ()
    parties: Annotated[tuple[Party, ...], Field(max_length=100)] = ()
    places: Annotated[tuple[Place, ...], Field(max_length=50)] = ()
    consignments: Annotated[tuple[Consignment, ...], Field(max_length=50)] = ()
    terror_nexus: Annotated[tuple[TerrorNexus, ...], Field(max_length=10)] = ()
    collection_requirement: Text | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.observed_until is not None and self.observed_until < self.observed_at:
            wrong("observed_until", "expected a time at or after observed_at; exchange or correct the two")
        unique_refs("parties", [party.ref for party in self.parties])
        return self

    def people(self) -> tuple[str, ...]:
        return persons("parties", self.parties)

    def sanitisation_due(self) -> str | None:
        return "/discipline" if self.discipline == "HUMINT" else None


KIND = PayloadKind("tip", "Spontaneous information, given without a request", {1: TipV1})
