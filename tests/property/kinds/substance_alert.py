"""Valid alerts: psychoactive substances, precursors, and what is both."""

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    COUNTRY,
    DATES,
    LINE,
    PLACE,
    REFERENCE,
    TEXT,
    Document,
    joined,
    record,
)

SUBSTANCE = st.sampled_from(
    [
        {"name": "Isotonitazene", "cas": "14188-81-9", "inchikey": "OIOQREYBGDAYGT-UHFFFAOYSA-N", "un_list": "1961-I"},
        {"name": "something new", "inchikey": "AAAAAAAAAAAAAA-UHFFFAOYSA-N"},
    ]
)
GROUPS = record(
    {
        "substance_group": st.sampled_from(["opioids", "cathinones", "plants-extracts", "others"]),
        "effect_group": st.sampled_from(["stimulants", "synthetic-opioids", "not-yet-assigned"]),
    }
)
MADE_INTO = record({"precursor_of": st.just([{"name": "Fentanyl", "cas": "437-38-7"}])})
CONTROL = st.lists(COUNTRY, max_size=3, unique=True).map(
    lambda found: [
        {"country": each, "status": "not-controlled"} if place else {"country": each, "status": "listed", "instrument": "an order"}
        for place, each in enumerate(found)
    ]
)  # fmt: skip
ANALYSES = st.lists(
    record({"reference": REFERENCE, "techniques": st.just(["gc", "ms"])}, {"analysed_on": DATES}),
    min_size=1,
    max_size=2,
)


@st.composite
def alerts(draw: st.DrawFn) -> Document:
    seen, reported = sorted(draw(st.lists(DATES, min_size=2, max_size=2)))
    harm = record(
        {
            "event": st.sampled_from(["death", "acute-intoxication", "other"]),
            "cases": st.integers(1, 10**6),
            "exposure": st.sampled_from(["confirmed", "probable", "suspected"]),
            "country": COUNTRY,
            "since": st.just(seen),
        },
        {"until": st.just(reported), "remarks": TEXT},
    )
    return {
        "substance": draw(SUBSTANCE),
        "systematic_name": draw(LINE),
        "first_seen": seen,
        "reported_on": reported,
        "first_seen_place": draw(PLACE),
        "harms": draw(st.lists(harm, max_size=2)),
        "narrative": draw(TEXT),
        **draw(GROUPS | MADE_INTO | joined(GROUPS, MADE_INTO)),
        **draw(st.just({}) | record({"analytical_ref": ANALYSES}, {"confirmed_by": LINE})),
    }


PAYLOADS = joined(
    alerts(),
    record(
        {},
        {
            "synonyms": st.lists(LINE, max_size=2, unique_by=str.casefold),
            "forms": st.lists(st.sampled_from(["powder", "liquid", "blotter"]), max_size=3, unique=True),
            "sold_as": st.lists(LINE, max_size=2),
            "control": CONTROL,
            "advice": TEXT,
        },
    ),
    COMMON,
)
