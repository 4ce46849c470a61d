"""Valid pre-export notifications, every stage."""

from datetime import date

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    ADDRESS,
    COMMON,
    CONSIGNMENT,
    COUNTRY,
    DATES,
    LINE,
    LISTED,
    PLACE,
    QUANTITY,
    REFERENCE,
    TEXT,
    Document,
    joined,
    record,
)

DUE = st.dates(date(1970, 1, 1), date(9998, 12, 31))
TRADER = record({"name": LINE, "address": ADDRESS}, {"licence": REFERENCE})


@st.composite
def notices(draw: st.DrawFn) -> Document:
    home, abroad = draw(st.lists(COUNTRY, min_size=2, max_size=2, unique=True))
    days = [f"{day}" for day in sorted(draw(st.lists(DUE, min_size=4, max_size=4)))]
    exporter, importer, entry = draw(TRADER), draw(TRADER), draw(PLACE)
    exporter["address"]["country"] = home
    importer["address"]["country"] = entry["country"] = abroad
    substance = draw(LISTED) | {"quantity": draw(QUANTITY), "un_list": draw(st.sampled_from(["1988-I", "1988-II"]))}
    return {
        "stage": "notify",
        "issued_on": days[0],
        "response_due": days[1],
        "dispatch_date": days[2],
        "arrival_by": days[3],
        "exporter": exporter,
        "importer": importer,
        "substance": substance,
        "point_of_entry": entry,
        "end_use": draw(LINE),
        **draw(record({}, {"permit_no": REFERENCE, "iec": st.just("AAACE1234F"), "consignment": CONSIGNMENT})),
    }


@st.composite
def goods(draw: st.DrawFn) -> Document:
    amount = {"kinds": ["quantity-short", "seal-broken"], "quantity": draw(QUANTITY), "explanation": draw(TEXT)}
    other = {"kinds": ["documents-differ"], "explanation": draw(TEXT)}
    found = draw(st.sampled_from([{}, {"discrepancy": amount}, {"discrepancy": other}]))
    return {"substance": draw(LISTED) | {"quantity": draw(QUANTITY)}, **found}


@st.composite
def movements(draw: st.DrawFn) -> Document:
    consignor, consignee = draw(TRADER), draw(TRADER)
    consignee["address"]["country"] = consignor["address"]["country"]
    days = sorted(draw(st.lists(DATES, min_size=2, max_size=2)))
    moved = {"stage": "moved", "moved_on": days[0], "received_on": days[1], "consignment_note": draw(REFERENCE)}
    return {**moved, "consignor": consignor, "consignee": consignee, **draw(record({}, {"form": st.just("F")}))}


MOVED = joined(movements(), goods())
ARRIVED = joined(
    record({"stage": st.just("arrived"), "arrived_on": DATES, "place": PLACE}, {"consignment": CONSIGNMENT}), goods()
)
GROUND = st.sampled_from(["importer-unknown", "end-use-unverified", "suspected-diversion", "other"])
ANSWERS = st.one_of(
    record({"stage": st.just("acknowledge"), "received_on": DATES}),
    record({"stage": st.just("object"), "decided_on": DATES, "ground": GROUND, "explanation": TEXT}),
    record({"stage": st.just("no-objection"), "decided_on": DATES}, {"quantity": QUANTITY, "conditions": TEXT}),
    st.tuples(DATES, DATES, GROUND, TEXT).map(
        lambda found: {
            "stage": "suspend",
            "decided_on": min(found[:2]),
            "review_on": max(found[:2]),
            "ground": found[2],
            "explanation": found[3],
        }
    ),
    record(
        {"stage": st.just("cleared"), "decided_on": DATES, "lifts": st.sampled_from(["object", "suspend"]), "explanation": TEXT}
    ),
)  # fmt: skip
PAYLOADS = joined(
    record({"pen_ref": REFERENCE, "authority": LINE}, {"remarks": TEXT}), notices() | ANSWERS | ARRIVED | MOVED, COMMON
)
