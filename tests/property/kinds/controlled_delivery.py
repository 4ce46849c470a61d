"""Valid controlled deliveries, every stage."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONSIGNMENT,
    COUNTRY,
    DATES,
    LINE,
    PLACE,
    QUANTITY,
    REFERENCE,
    TEXT,
    Document,
    joined,
    parties,
    record,
)
from tests.property.kinds.trade import QUANTIFIED

AGENCY = st.sampled_from(["in-ncb", "us-dea", "us-cbp", "au-afp"])
CRITERIA = st.lists(
    record(
        {
            "event": st.sampled_from(["risk-to-life", "route-deviation", "loss-of-surveillance"]),
            "action": st.sampled_from(["seize", "hold-and-ask"]),
        },
        {"explanation": TEXT},
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda each: str(each["event"]),
)
EVIDENCE_PLAN = record(
    {
        "custodian": AGENCY,
        "recording": st.lists(st.sampled_from(["video", "seals", "weighing"]), min_size=1, max_size=3, unique=True),
        "transfer": TEXT,
    },
    {"laboratory": LINE},
)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBSTANCES = st.lists(QUANTIFIED, min_size=1, max_size=3, unique_by=lambda each: str(each["name"]))


def at(hours: int) -> str:
    return f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


@st.composite
def ways(draw: st.DrawFn) -> list[Document]:
    places = draw(st.lists(PLACE, min_size=2, max_size=4))
    hours = sorted(draw(st.lists(st.integers(1, 500), min_size=len(places), max_size=len(places), unique=True)))
    return [
        {
            "responsible": draw(AGENCY),
            "start": places[leg],
            "end": places[leg + 1],
            "starts_at": at(hours[leg]),
            "ends_at": at(hours[leg + 1]),
            **draw(record({}, {"mode": st.sampled_from("1345"), "duty_desk": LINE})),
        }
        for leg in range(len(places) - 1)
    ]


def removed(found: list[Document]) -> Document:
    return {
        "extent": "total",
        "replacements": [{"substance": each["name"], "removed": each["quantity"], "by": "sugar"} for each in found],
    }


@st.composite
def requests(draw: st.DrawFn) -> Document:
    found = draw(SUBSTANCES)
    return {
        "stage": "request",
        "answer_by": at(draw(st.integers(-100, 0))),
        "substances": found,
        "legs": draw(ways()),
        "substitution": draw(st.sampled_from([{"extent": "none"}, removed(found)])),
        **draw(
            record(
                {
                    "ground": TEXT,
                    "consignment": CONSIGNMENT,
                    "abort_criteria": CRITERIA,
                    "evidence_plan": EVIDENCE_PLAN,
                },
                {"jurisdiction": TEXT, "costs": TEXT, "parties": parties()},
            )
        ),
    }


AUTHORISATION = record(
    {
        "authority": LINE,
        "reference": REFERENCE,
        "authorised_on": st.sampled_from(["2026-02-20", "2026-03-01"]),
        "valid_until": st.sampled_from(["2026-04-01", "2027-01-01"]),
    },
    {"provision": LINE},
)
AUTHORISE = record(
    {
        "stage": st.just("authorise"),
        "authorisation": AUTHORISATION,
        "legs": ways(),
        "substitution_agreed": st.sampled_from(["none", "partial", "total"]),
    },
    {"abort_criteria": CRITERIA, "conditions": TEXT},
)
REFUSE = record(
    {
        "stage": st.just("refuse"),
        "decided_on": DATES,
        "ground": st.sampled_from(["no-legal-basis", "other"]),
        "explanation": TEXT,
    }
)
HANDOVER = joined(
    record(
        {
            "stage": st.just("handover"),
            "authorisation": AUTHORISATION,
            "handed_over_at": st.integers(1, 600).map(at),
            "place": PLACE,
            "from_agency": st.just("in-ncb"),
            "to_agency": st.sampled_from(["us-dea", "us-cbp"]),
            "leg": st.integers(1, 30),
            "consignment": CONSIGNMENT,
            "custody_ref": REFERENCE,
        },
        {"gross_weight": QUANTITY, "seals": st.lists(REFERENCE, max_size=2)},
    ),
    st.one_of(
        st.just({"condition": "intact"}),
        record({"condition": st.sampled_from(["opened", "damaged"]), "explanation": TEXT}),
        record({"condition": st.just("substituted"), "substitution": SUBSTANCES.map(removed)}),
    ),
)
TERMINATE = record(
    {
        "stage": st.just("terminate"),
        "terminated_at": st.integers(10, 600).map(at),
        "ordered_by": AGENCY,
        "event": st.sampled_from(["compromise", "time-exceeded", "other"]),
        "explanation": TEXT,
        "consignment_status": st.sampled_from(["seized", "lost", "returned"]),
        "last_seen_at": st.integers(0, 10).map(at),
        "place": PLACE,
    }
)
RESULT = record(
    {
        "stage": st.just("result"),
        "concluded_on": DATES,
        "outcome": st.sampled_from(["seized-at-delivery", "stopped", "lost"]),
        "seized": SUBSTANCES,
        "unaccounted": SUBSTANCES,
        "narrative": TEXT,
    },
    {
        "arrests": st.lists(
            record({"country": COUNTRY, "persons": st.integers(1, 9)}),
            max_size=2,
            unique_by=lambda each: str(each["country"]),
        ),
        "seizure_refs": st.lists(REFERENCE, max_size=2),
        "evidence_transfer": TEXT,
    },
)
PAYLOADS = joined(
    record({"operation_ref": REFERENCE, "authority": LINE}, {"remarks": TEXT}),
    st.one_of(requests(), AUTHORISE, REFUSE, HANDOVER, TERMINATE, RESULT),
    COMMON,
)
