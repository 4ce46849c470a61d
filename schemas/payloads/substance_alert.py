"""Kind `substance-alert`: a substance that is new somewhere, or newly dangerous: what it is, and how that is known."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Line, Model, Reference, Text
from schemas.codes.substances import by_name
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Form, Payload, Place, Substance
from schemas.payloads.shape import wrong
from schemas.payloads.values import CountryCode, Date, Label

SubstanceGroup = Annotated[
    Literal[
        "aminoindanes",
        "arylalkylamines",
        "arylcyclohexylamines",
        "benzodiazepines",
        "cannabinoids",
        "cathinones",
        "opioids",
        "phenethylamines",
        "piperazines",
        "piperidines-pyrrolidines",
        "plants-extracts",
        "tryptamines",
        "others",
    ],
    Field(
        description="chemical groups of the EU Early Warning System. The UNODC Early Warning Advisory's are the same "
        "under these names: its phencyclidine-type substances are arylcyclohexylamines, its plant-based substances "
        "plants-extracts, its synthetic cannabinoids and cathinones cannabinoids and cathinones; what it counts as "
        "other substances is here under opioids, benzodiazepines, arylalkylamines or piperidines-pyrrolidines where "
        "it belongs to one of these"
    ),
]

EffectGroup = Annotated[
    Literal[
        "stimulants",
        "synthetic-opioids",
        "synthetic-cannabinoid-receptor-agonists",
        "dissociatives",
        "classic-hallucinogens",
        "sedatives-hypnotics",
        "not-yet-assigned",
    ],
    Field(description="the six effect groups of the UNODC Early Warning Advisory, and what nobody has assigned yet"),
]

CATEGORY_A = ("ir", "ms", "nmr", "raman", "xrd")
Technique = Annotated[
    Literal[
        "ir",
        "ms",
        "nmr",
        "raman",
        "xrd",
        "ce",
        "gc",
        "ims",
        "lc",
        "microcrystalline",
        "sfc",
        "tlc",
        "uv-vis",
        "colour-test",
        "fluorescence",
        "immunoassay",
        "melting-point",
    ],
    Field(
        description="analytical techniques of the SWGDRUG Recommendations, part III B: the first five are category A "
        "(structure), ce to uv-vis category B, the rest category C. A hyphenated one is two: GC-MS is gc and ms"
    ),
]


class Analysis(Model):
    """How a laboratory told what it is (SWGDRUG Recommendations, part III B), and its own reference."""

    reference: Reference
    techniques: Annotated[tuple[Technique, ...], Field(min_length=1, max_length=17)]
    analysed_on: Date | None = None

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.techniques)) != len(self.techniques):
            wrong("techniques", "expected each technique once, found one twice; name it once")
        return self


class Harm(Model):
    """Harm seen, as the EU Early Warning System asks for it (Regulation (EU) 2023/1322): what happened to how many,
    where and when, and whether the substance was found in them.
    """

    event: Literal["death", "acute-intoxication", "impaired-driving", "dependence", "other"]
    cases: Annotated[int, Field(ge=1, le=1_000_000)]
    exposure: Literal["confirmed", "probable", "suspected"]
    country: CountryCode
    since: Date
    until: Date | None = None
    remarks: Text | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until is not None and self.until < self.since:
            wrong("until", "expected a date on or after since; exchange or correct the two")
        return self


class Control(Model):
    """Whether one country controls the substance, as the UNODC Early Warning Advisory's legal pages tell it: by name
    (`listed`), by a definition of a group (`generic`), as an analogue, for a time, or not.
    """

    country: CountryCode
    status: Literal["listed", "generic", "analogue", "temporary", "under-review", "not-controlled"]
    instrument: Line | None = None
    since: Date | None = None

    @model_validator(mode="after")
    def _by_what(self) -> Self:
        if self.status in ("listed", "generic", "analogue", "temporary"):
            if self.instrument is None:
                wrong("instrument", "expected the law or order that controls it, found none; add it")
        elif self.since is not None:
            wrong("since", "expected no date where nothing is in force; remove it, or correct status")
        return self


class SubstanceAlertV1(Payload):
    """An alert about a substance, between laboratories, early warning systems and those who look for it.

    `substance` is the thing itself: its usual name, its CAS number where there is one, and the InChIKey, by which it is
    told apart from its isomers before anybody has numbered it; no form, quantity or purity. A plant or extract is no
    one structure and needs none. `systematic_name` is by IUPAC's rules, a plant's its botanical name.
    A psychoactive substance has a group and an effect group; a chemical that is
    made into one says of what in `precursor_of`; some are both. `confirmed_by` names the laboratory that stands behind
    the identification, which by the SWGDRUG Recommendations (part III B, 3.1) rests on two techniques at least, one of
    them of category A. `first_seen` is where and when it was first found, not when it was reported.

    Sources: EU Early Warning System (Regulation (EU) 2023/1322), UNODC Early Warning Advisory, 1988 UN Convention,
    Article 12(2) and (9)(a) (substances that may need to be in its tables, cooperation to detect).
    """

    substance: Substance
    systematic_name: Line
    synonyms: Annotated[tuple[Label, ...], Field(max_length=30)] = ()
    substance_group: SubstanceGroup | None = None
    effect_group: EffectGroup | None = None
    precursor_of: Annotated[tuple[Substance, ...], Field(max_length=20)] = ()
    first_seen: Date
    first_seen_place: Place
    reported_on: Date
    forms: Annotated[tuple[Form, ...], Field(max_length=6)] = ()
    sold_as: Annotated[tuple[Label, ...], Field(max_length=30)] = ()
    harms: Annotated[tuple[Harm, ...], Field(max_length=50)] = ()
    analytical_ref: Annotated[tuple[Analysis, ...], Field(max_length=20)] = ()
    confirmed_by: Line | None = None
    control: Annotated[tuple[Control, ...], Field(max_length=250)] = ()
    narrative: Text
    advice: Text | None = None

    @model_validator(mode="after")
    def _which_substance(self) -> Self:
        if self.substance.inchikey is None and self.substance_group != "plants-extracts":
            wrong("substance/inchikey", "expected the InChIKey of the substance, found none; add it")
        for member in ("form", "quantity", "purity"):
            if getattr(self.substance, member) is not None:
                wrong(
                    f"substance/{member}", "expected the substance itself, without form, quantity or purity; remove it"
                )
        if self.substance_group is None and not self.precursor_of:
            wrong("substance_group", "expected a group, or in precursor_of what it is made into; add one")
        if (self.substance_group is None) != (self.effect_group is None):
            absent = "substance_group" if self.substance_group is None else "effect_group"
            wrong(absent, "expected substance_group and effect_group together or neither; add it, or remove the other")
        for place, product in enumerate(self.precursor_of):
            if _same(product, self.substance):
                wrong(f"precursor_of/{place}", "expected another substance than the one this alert is about")
        return self

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.reported_on < self.first_seen:
            wrong("reported_on", "expected a date on or after first_seen; exchange or correct the two")
        return self

    @model_validator(mode="after")
    def _confirmed(self) -> Self:
        used = [each for analysis in self.analytical_ref for each in analysis.techniques]
        if self.confirmed_by is not None and (len(set(used)) < 2 or not set(used) & set(CATEGORY_A)):  # noqa: PLR2004
            wrong(
                "analytical_ref",
                "expected two techniques at least, one of them ir, ms, nmr, raman or xrd, behind a confirmation; add "
                "what was used, or leave confirmed_by out",
            )
        return self

    @model_validator(mode="after")
    def _once(self) -> Self:
        for member, given in (
            ("forms", self.forms),
            ("control", [each.country for each in self.control]),
            ("synonyms", [each.casefold() for each in self.synonyms]),
        ):
            if len(set(given)) != len(given):
                wrong(member, "expected each once, found one twice; keep the one that holds")
        return self


def _same(one: Substance, other: Substance) -> bool:
    listed = by_name(one.name)
    return (
        one.name.casefold() == other.name.casefold()
        or (listed is not None and listed is by_name(other.name))
        or (one.cas is not None and one.cas == other.cas)
        or (one.inchikey is not None and one.inchikey == other.inchikey)
    )


KIND = PayloadKind(
    "substance-alert",
    "A substance that is new or newly dangerous: what it is, and how that is known",
    {1: SubstanceAlertV1},
)
