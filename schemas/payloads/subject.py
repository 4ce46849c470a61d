"""Kind `subject`: one person, organisation or vessel of interest, why, and what is known."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Model, Reference, Text
from schemas.payloads.parts import Confidence, Evaluation, Party, Payload, Place, TerrorNexus
from schemas.payloads.shape import Shape, wrong
from schemas.payloads.values import CountryCode, Date, Time

PEOPLE = ("person", "account-holder")
SUSPECTED = ("suspect", "associate")


def _part_of_a_date(text: str) -> bool:
    try:
        date.fromisoformat(text + "-01-01"[len(text) - len("1987") :])
    except ValueError:
        return False
    return True


PartialDate = Annotated[
    str,
    Shape(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", "a date, month or year like 1987-04-03, 1987-04, 1987", _part_of_a_date),
]
"""ISO 8601-1, with reduced precision where no more is known: many people are known by a year of birth."""

NoticeColour = Annotated[
    Literal["red", "blue", "green", "yellow", "black", "orange", "purple", "silver", "un-special"],
    Field(
        description="INTERPOL's notices: red (wanted), blue (locate, identify), green (warning), yellow (missing), "
        "black (unidentified body), orange (imminent threat), purple (modus operandi), silver (assets), and the "
        "INTERPOL-United Nations Security Council Special Notice"
    ),
]


class InterpolNotice(Model):
    """An INTERPOL notice about the subject. I-24/7 stays the channel of record: `reference` is the notice's number
    there. A notice is no evidence and no warrant.
    """

    colour: NoticeColour
    reference: Reference
    published_on: Date | None = None


class SanctionsRef(Model):
    """An entry of a sanctions list. Lists: UN Security Council resolution 1267 (`UN1267`, ISIL and Al-Qaida), the rest
    of its consolidated list (`UNSC`), OFAC's Specially Designated Nationals, Kingpin Act included (`SDN`), the EU's
    and the UK's consolidated lists, India's UAPA 1967, fourth schedule (`UAPA`). `reference` as printed there.
    """

    list: Literal["UN1267", "UNSC", "SDN", "EU", "UK", "UAPA"]
    reference: Reference
    listed_on: Date | None = None


class Link(Model):
    """Somebody the subject is linked to, as FollowTheMoney sees it (Associate, Family, Employment, Ownership,
    Directorship), and how sure the analyst is (ICD 203). Being linked is no suspicion.
    """

    party: Party
    relation: Literal["associate", "family", "employee", "employer", "owner", "director", "agent", "controls", "other"]
    confidence: Confidence
    basis: Text | None = None


class SubjectV1(Payload):
    """A subject: who (`party`, whose aliases are names of type `alias`), in which part (`category`), and on what basis.

    Criminal intelligence about somebody is held and shared only on reasonable suspicion: 28 CFR 23.20(a) and (c).
    So `suspect` and `associate` need `reasonable_suspicion_basis`: the facts that give a trained officer a basis to
    believe it. A `victim` or `witness` is never described by one. What is shared has been evaluated
    (28 CFR 23.3(b)(3)): `evaluation`. Date of birth, nationality and gender are a natural person's.

    Sources: 28 CFR part 23; 1988 UN Convention, Article 9(1)(b)(i) (identity, whereabouts and activities of persons
    suspected); FollowTheMoney (Person, Organization, Vessel); INTERPOL notices.
    """

    party: Party
    category: Literal["suspect", "associate", "contact", "victim", "witness"]
    summary: Text
    reasonable_suspicion_basis: Text | None = None
    evaluation: Evaluation
    dob: PartialDate | None = None
    place_of_birth: Place | None = None
    nationalities: Annotated[tuple[CountryCode, ...], Field(max_length=5)] = ()
    gender: Literal["female", "male", "other"] | None = None
    last_seen_at: Time | None = None
    last_seen_place: Place | None = None
    interpol_notice: InterpolNotice | None = None
    sanctions_refs: Annotated[tuple[SanctionsRef, ...], Field(max_length=20)] = ()
    links: Annotated[tuple[Link, ...], Field(max_length=50)] = ()
    terror_nexus: Annotated[tuple[TerrorNexus, ...], Field(max_length=10)] = ()
    request: Text | None = None

    @model_validator(mode="after")
    def _on_what_basis(self) -> Self:
        if self.category in SUSPECTED and self.reasonable_suspicion_basis is None:
            wrong(
                "reasonable_suspicion_basis",
                "expected the facts that make this person or organisation reasonably suspected (28 CFR 23.20), found "
                "none; add them, or choose the category that fits",
            )
        if self.category in ("victim", "witness") and self.reasonable_suspicion_basis is not None:
            wrong("reasonable_suspicion_basis", "expected none for a victim or witness; remove it, or correct category")
        return self

    @model_validator(mode="after")
    def _of_a_person(self) -> Self:
        if self.party.kind in PEOPLE:
            return self
        for member in ("dob", "place_of_birth", "nationalities", "gender"):
            if getattr(self, member):
                wrong(member, "expected this only of a person; remove it, or correct the kind of party")
        return self

    @model_validator(mode="after")
    def _listed_once(self) -> Self:
        entries = [(each.list, each.reference) for each in self.sanctions_refs]
        if len(set(entries)) != len(entries):
            wrong("sanctions_refs", "expected each entry of a list once, found one twice; name it once")
        if len(set(self.nationalities)) != len(self.nationalities):
            wrong("nationalities", "expected each country once, found one twice; name it once")
        notice = self.interpol_notice
        if notice and notice.colour == "un-special" and not any(name.startswith("UN") for name, _ in entries):
            wrong("sanctions_refs", "expected the Security Council's entry that the special notice is about; add it")
        if self.last_seen_place is not None and self.last_seen_at is None:
            wrong("last_seen_at", "expected the time at which it was seen there; add it")
        return self

    def people(self) -> tuple[str, ...]:
        linked = tuple(f"/links/{place}/party" for place, link in enumerate(self.links) if link.party.kind in PEOPLE)
        return ("/party", *linked) if self.party.kind in PEOPLE else linked
