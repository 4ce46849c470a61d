"""Valid subjects of every category."""

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONFIDENCE,
    COUNTRY,
    DATES,
    EVALUATION,
    NEXUS,
    PLACE,
    REFERENCE,
    TEXT,
    TIMES,
    Document,
    joined,
    parties,
    record,
)

RELATION = st.sampled_from(["associate", "family", "owner", "other"])
NOTICE = record(
    {"colour": st.sampled_from(["red", "blue", "green", "purple"]), "reference": REFERENCE}, {"published_on": DATES}
)


@st.composite
def subjects(draw: st.DrawFn) -> Document:
    party, *linked = draw(parties().filter(bool))
    category = draw(st.sampled_from(["suspect", "associate", "contact", "victim", "witness"]))
    person = record(
        {},
        {
            "dob": DATES | st.sampled_from(["1987", "1987-04", "2000-02-29"]),
            "place_of_birth": PLACE,
            "nationalities": st.lists(COUNTRY, max_size=2, unique=True),
            "gender": st.sampled_from(["female", "male", "other"]),
        },
    )
    return {
        "party": party,
        "category": category,
        "summary": draw(TEXT),
        "evaluation": draw(EVALUATION),
        "links": [{"party": each, "relation": draw(RELATION), "confidence": draw(CONFIDENCE)} for each in linked],
        **({"reasonable_suspicion_basis": draw(TEXT)} if category in ("suspect", "associate") else {}),
        **(draw(person) if party["kind"] in ("person", "account-holder") else {}),
        **draw(st.sampled_from([{}, {"last_seen_at": "2026-02-10T13:40:00Z"}])),
    }


SANCTIONS = st.lists(
    record({"list": st.sampled_from(["UN1267", "UNSC", "SDN", "EU", "UK", "UAPA"]), "reference": REFERENCE}),
    max_size=2,
    unique_by=lambda each: (each["list"], each["reference"]),
)
SEEN = record({"last_seen_at": TIMES}, {"last_seen_place": PLACE})
PAYLOADS = joined(
    subjects(),
    record(
        {},
        {
            "interpol_notice": NOTICE,
            "sanctions_refs": SANCTIONS,
            "terror_nexus": st.lists(NEXUS, max_size=1),
            "request": TEXT,
        },
    ),
    st.just({}) | SEEN,
    COMMON,
)
