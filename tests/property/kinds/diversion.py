"""Valid diversions, every type."""

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONSIGNMENT,
    DATES,
    EVALUATION,
    LINE,
    LISTED,
    PLACE,
    REFERENCE,
    TEXT,
    Document,
    joined,
    parties,
    record,
)
from tests.property.kinds.trade import REGISTRANT, TRADER, impacts, lots

POINT = st.sampled_from(["manufacture", "storage", "export", "retail", "dispensing", "illicit-site"])
METHOD = st.sampled_from(["forged-licence", "front-company", "over-ordering", "other"])
ACTIVITIES = st.lists(st.sampled_from(["synthesis", "tableting", "storage"]), min_size=1, max_size=3, unique=True)
INDICATORS = st.lists(
    st.sampled_from(["unusual-size", "unknown-customer", "other"]), min_size=1, max_size=3, unique=True
)
BASE = record(
    {"authority": LINE, "summary": TEXT, "place": PLACE},
    {
        "parties": parties(),
        "evaluation": EVALUATION,
        "channel_refs": st.lists(record({"channel": st.sampled_from(["PICS", "IONICS"]), "reference": REFERENCE}), max_size=2),
    },
)  # fmt: skip


@st.composite
def incidents(draw: st.DrawFn) -> Document:
    kind = draw(st.sampled_from(sorted(MEMBERS)))
    missing = kind in ("diversion", "theft")
    days = sorted(draw(st.lists(DATES, min_size=4, max_size=4)))
    found = {
        "type": kind,
        "occurred_on": days[0],
        "detected_on": days[1],
        "detected_point": "illicit-site" if kind == "illicit-lab" else draw(POINT),
        "lots": draw(st.lists(lots(missing=missing, whole=not missing or draw(st.booleans())), min_size=1, max_size=2)),
        **draw(MEMBERS[kind]),
    }
    match kind:
        case "stopped-shipment":
            found |= {"stopped_on": days[2], "review_on": days[3], "legitimate_trade_impact": draw(impacts())}
        case "suspicious-order":
            found |= {"ordered_on": days[0], "disposition": draw(st.sampled_from(["refused", "filled"]))}
            if draw(st.booleans()):
                found |= {"disposition": "held", "legitimate_trade_impact": draw(impacts())}
    return found


MEMBERS: dict[str, st.SearchStrategy[Document]] = {
    "seizure": record({}, {"seizure_ref": REFERENCE, "suspected_origin": PLACE, "consignment": CONSIGNMENT}),
    "stopped-shipment": record(
        {
            "ground": st.sampled_from(["suspected-diversion", "end-use-unverified"]),
            "exporter": TRADER,
            "importer": TRADER,
            "consignment": CONSIGNMENT,
        },
        {"pen_ref": REFERENCE},
    ),
    "attempted-diversion": record({"method": METHOD, "holder": REGISTRANT, "how_noticed": TEXT}),
    "diversion": record({"method": METHOD, "holder": REGISTRANT}, {"found_at": PLACE}),
    "theft": record(
        {"loss": st.sampled_from(["break-in", "hijacking", "lost-in-transit"]), "holder": REGISTRANT, "carrier": LINE},
        {"police_ref": REFERENCE},
    ),
    "illicit-lab": record(
        {"activities": ACTIVITIES},
        {"made": st.lists(LISTED, max_size=2), "equipment": st.lists(LINE, max_size=2), "hazards": TEXT},
    ),
    "suspicious-order": record(
        {"supplier": REGISTRANT, "customer": TRADER, "indicators": INDICATORS}, {"order_ref": REFERENCE}
    ),
}
PAYLOADS = joined(BASE, incidents(), COMMON)
