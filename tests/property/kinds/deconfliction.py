"""Valid deconfliction checks and their answers, every stage."""

from hypothesis import strategies as st

from schemas.canonical import b64u
from tests.property.kinds.parts import COMMON, DEADLINES, REFERENCE, TEXT, TIMES, Document, joined, record

EVENT = st.sampled_from(["undercover", "surveillance", "warrant", "buy-bust", "controlled-delivery"])
TOKENS = st.lists(st.binary(min_size=16, max_size=16).map(b64u), min_size=1, max_size=3, unique=True).map(sorted)
CONTACT = st.fixed_dictionaries({"office": st.just("Duty desk"), "phone": st.just("+12025550143")}) | record(
    {"office": st.just("Duty desk"), "email": st.just("desk@example.org")}
)
AREA = record(
    {
        "latitude": st.just("28.6289"),
        "longitude": st.just("-177.2330"),
        "radius": record({"value": st.integers(1, 100_000).map(str), "unit": st.just("MTR")}),
    }
)
MATCH = record(
    {"scheme": st.just("hmac-sha-256"), "key": st.binary(min_size=32, max_size=32).map(b64u), "tokens": TOKENS}
)


@st.composite
def checks(draw: st.DrawFn) -> Document:
    start, answer, end = sorted(draw(st.lists(DEADLINES, min_size=3, max_size=3, unique=True)))
    where = draw(st.sampled_from([("area",), ("match",), ("area", "match")]))
    return {
        "stage": "check",
        "event_type": draw(EVENT),
        "window": {"start": start, "end": end},
        "answer_by": answer,
        "duty_contact": draw(CONTACT),
        **{member: draw({"area": AREA, "match": MATCH}[member]) for member in where},
    }


ANSWERS = st.one_of(
    st.lists(TIMES, min_size=2, max_size=2)
    .map(sorted)
    .map(lambda found: {"stage": "no-hit", "checked_at": found[0], "valid_until": found[1]}),
    record({"stage": st.just("no-hit"), "checked_at": TIMES}),
    record(
        {
            "stage": st.just("conflict"),
            "checked_at": TIMES,
            "on": st.sampled_from(["target", "both"]),
            "matched": TOKENS,
            "hold_requested": st.booleans(),
            "duty_contact": CONTACT,
        },
        {"event_type": EVENT},
    ),
    record(
        {
            "stage": st.just("conflict"),
            "checked_at": TIMES,
            "on": st.just("place-and-time"),
            "hold_requested": st.booleans(),
            "duty_contact": CONTACT,
        }
    ),
    record(
        {
            "stage": st.just("resolved"),
            "resolution": st.sampled_from(["joint", "handed-over"]),
            "lead": st.just("in-ncb"),
            "agreed_at": TIMES,
            "arrangement": TEXT,
        }
    ),
    record(
        {
            "stage": st.just("resolved"),
            "resolution": st.sampled_from(["proceed", "postponed", "stand-down", "no-conflict"]),
            "agreed_at": TIMES,
            "arrangement": TEXT,
        }
    ),
)
PAYLOADS = joined(record({"check_ref": REFERENCE}, {"remarks": TEXT}), checks() | ANSWERS, COMMON)
