"""Parts of lawful trade, as objects of JSON types; no kind of its own."""

from datetime import datetime, timedelta

from hypothesis import strategies as st

from tests.property.kinds.parts import ADDRESS, DATES, LINE, LISTED, QUANTITY, REFERENCE, TEXT, Document, record

BUSINESS = st.sampled_from(["manufacturer", "distributor", "pharmacy", "practitioner", "carrier", "other"])
LICENCES = st.lists(
    st.sampled_from(
        [
            {"scheme": "dea-registration", "value": "BB1388568"},
            {"scheme": "in-ndps-urn", "value": "RCS/DL/2026/0412"},
        ]
    ),
    min_size=1,
    max_size=2,
)
REGISTRANT = record(
    {
        "kind": st.sampled_from(["organisation", "person"]),
        "name": LINE,
        "address": ADDRESS,
        "business": BUSINESS,
        "licences": LICENCES,
    },
    {"licence_ref": REFERENCE},
)
TRADER = record({"name": LINE, "address": ADDRESS}, {"licence": REFERENCE})
PRODUCT = record(
    {"name": LINE, "active": st.lists(LISTED, min_size=1, max_size=2)},
    {"manufacturer": LINE, "gtin": st.sampled_from(["08901234567890", "73513537", "036000291452"])},
)
AMOUNTS = st.tuples(st.integers(1, 10**9), st.integers(1, 10**9), st.sampled_from(["KGM", "U2", "LTR"]))


@st.composite
def lots(draw: st.DrawFn, *, missing: bool, whole: bool = True) -> Document:
    """Goods, with a quantity (`whole`) and one that is missing of it (`missing`)."""
    one, other, unit = draw(AMOUNTS)
    made, expires = sorted(draw(st.lists(DATES, min_size=2, max_size=2, unique=True)))
    return {
        **draw(record({"substance": LISTED}) | record({"product": PRODUCT})),
        **draw(st.sampled_from([{}, {"batch": "TRM-26/014"}, {"made_on": made, "expires_on": expires}])),
        **({"quantity": {"value": str(max(one, other)), "unit": unit}} if whole else {}),
        **({"quantity_missing": {"value": str(min(one, other)), "unit": unit}} if missing else {}),
    }


AFFECTED = record({"business": BUSINESS}, {"name": LINE, "effect": TEXT})


@st.composite
def impacts(draw: st.DrawFn, released_at: str | None = None) -> Document:
    """What holding goods cost; those that are let go at `released_at` were held for as long as it says."""
    affected = draw(st.lists(AFFECTED, min_size=1, max_size=2))
    held = draw(st.integers(0, 10**7))
    end = released_at or "2026-03-01T12:00:00Z"
    start = f"{datetime.fromisoformat(end) - timedelta(seconds=held):%Y-%m-%dT%H:%M:%SZ}"
    released = {"released_at": end} if released_at or draw(st.booleans()) else {}
    return {"held_from": start, "delay_hours": held // 3600, "parties_affected": affected, **released}


QUANTIFIED = st.tuples(LISTED, QUANTITY).map(lambda found: found[0] | {"quantity": found[1]})
"""A substance with its quantity."""
