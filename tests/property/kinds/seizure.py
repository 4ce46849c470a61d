"""Valid seizures."""

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONSIGNMENT,
    COUNTRY,
    DATES,
    EVALUATION,
    LINE,
    PLACE,
    REFERENCE,
    TEXT,
    Document,
    joined,
    parties,
    record,
)
from tests.property.kinds.trade import QUANTIFIED

ROUTES = st.sampled_from(
    [
        ["origin", "destination"],
        ["departure", "transit", "seizure", "transit", "destination"],
        ["origin", "departure", "seizure"],
        [],
    ]
)
CONCEALMENT = record({"method": st.sampled_from(["vehicle", "mail-item", "other"]), "description": TEXT})
CONVEYANCE = st.sampled_from(
    [{"scheme": "vehicle", "value": "DL3CAB1234", "country": "IND"}, {"scheme": "container", "value": "CSQU3054383"}]
)


@st.composite
def seizures(draw: st.DrawFn) -> Document:
    days = sorted(draw(st.lists(DATES, min_size=6, max_size=6)))
    exhibits = [
        {
            "exhibit_id": f"E{place}",
            "substance": each,
            "analysis": "laboratory",
            "lab_ref": draw(REFERENCE),
            "analysed_on": days[-1],
            "packages": draw(st.integers(1, 10**6)),
        }
        for place, each in enumerate(draw(st.lists(QUANTIFIED, min_size=1, max_size=3)))
    ]
    route = [{"role": role, "place": draw(PLACE), "on": day} for role, day in zip(draw(ROUTES), days[1:], strict=False)]
    nationalities = [
        {"country": country, "persons": draw(st.integers(1, 9))}
        for country in draw(st.lists(COUNTRY, max_size=3, unique=True))
    ]
    return {
        "seized_on": days[0],
        "exhibits": exhibits,
        "route": route,
        "nationalities": nationalities,
        "persons_arrested": sum(each["persons"] for each in nationalities) + draw(st.integers(0, 3)),
    }


PAYLOADS = joined(
    record(
        {"seizure_ref": REFERENCE, "authority": LINE, "place": PLACE, "summary": TEXT},
        {
            "offence": st.sampled_from(["06", "0601"]),
            "consignment": CONSIGNMENT,
            "conveyance": CONVEYANCE,
            "concealment": st.lists(CONCEALMENT, max_size=2),
            "parties": parties(),
            "evaluation": EVALUATION,
        },
    ),
    seizures(),
    COMMON,
)
