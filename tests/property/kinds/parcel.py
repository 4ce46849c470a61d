"""Valid parcels, every status."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONFIDENCE,
    COUNTRY,
    DATES,
    DECIMAL,
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
from tests.property.kinds.trade import QUANTIFIED, impacts

DUE = st.integers(10**8, 4 * 10**9).map(lambda t: f"{datetime.fromtimestamp(t, UTC):%Y-%m-%dT%H:%M:%SZ}")
MONEY = record({"amount": DECIMAL, "currency": st.sampled_from(["INR", "USD"])})
WEIGHT = record({"value": DECIMAL, "unit": st.sampled_from(["KGM", "GRM"])})
PARTY = parties("sender").filter(bool).map(lambda found: found[0])
CONTENTS = record(
    {"description": LINE},
    {"quantity": QUANTITY, "net_weight": WEIGHT, "value": MONEY, "hs": st.just("300490"), "origin": COUNTRY},
)
DECLARATION = record(
    {
        "form": st.sampled_from(["CN22", "CN23"]),
        "category": st.sampled_from(["gift", "documents", "sale-of-goods", "other"]),
        "contents": st.lists(CONTENTS, min_size=1, max_size=2),
    },
    {"explanation": LINE, "total_weight": WEIGHT, "total_value": MONEY, "invoice_no": REFERENCE, "signed_on": DATES},
)
ITEM = st.one_of(
    st.just({"s10": "LX473124829IN"}),
    record({"tracking": record({"carrier": LINE, "number": st.just("1Z999AA10123456784")})}),
)
BASE = record(
    {"origin": PLACE, "destination": PLACE, "shipper_of_record": PARTY},
    {
        "declaration": DECLARATION,
        "real_sender": record({"party": PARTY, "confidence": CONFIDENCE, "basis": TEXT}),
        "drop_shipper": PARTY,
        "addressee": PARTY,
        "order_ref": REFERENCE,
        "platform": LINE,
    },
)
EVENTS = st.sampled_from(["EMA", "EMC", "EMD", "EME", "EXB", "EMI"])
ACTIONS = {
    "in-transit": ["none", "watch", "detain", "controlled-delivery"],
    "detained": ["none", "hold", "release"],
    "examined": ["none", "release"],
    "released": ["none", "report-delivery"],
}


@st.composite
def statuses(draw: st.DrawFn) -> Document:
    status = draw(st.sampled_from(sorted(ACTIONS)))
    times = sorted(draw(st.lists(DUE, min_size=4, max_size=4, unique=True)))
    action = draw(st.sampled_from(ACTIONS[status]))
    found = {
        "status": status,
        "events": [{"event": draw(EVENTS), "at": time} for time in times[:2]],
        "action_requested": action,
        **({"answer_by": times[3]} if action != "none" and draw(st.booleans()) else {}),
    }
    match status:
        case "detained":
            found |= {"detained_at": times[1], "review_by": times[2], "held_at": draw(PLACE), "detained_by": draw(LINE)}
            found |= {"ground": draw(st.sampled_from(["scan", "lookout", "other"])), "explanation": draw(TEXT)}
        case "examined":
            found |= {"examined_at": times[2], "examined_by": draw(LINE), "examined_place": draw(PLACE)}
            found |= {"power": "warrant", "power_ref": draw(REFERENCE), "narrative": draw(TEXT)}
            substances = draw(st.lists(QUANTIFIED, max_size=2))
            found |= {"finding": "controlled-substance" if substances else "nothing-illicit", "found": substances}
        case "released":
            found |= {"released_at": times[2], "released_by": draw(LINE), "released_to": "addressee"}
            found |= {"reason": "returned"}
            if draw(st.booleans()):
                found |= {"reason": "lawful-contents", "legitimate_trade_impact": draw(impacts(times[2]))}
    return found


PAYLOADS = joined(BASE, ITEM, statuses(), COMMON)
