"""Valid offers of every platform."""

import hashlib

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    COUNTRY,
    DECIMAL,
    EVALUATION,
    LINE,
    QUANTITY,
    REFERENCE,
    SUBSTANCE,
    TEXT,
    Document,
    joined,
    record,
)

ONION = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"
HANDLE = st.sampled_from(["bridge_meds_24", "@bridge_meds_24", "7012345678"])
PLATFORM = st.one_of(
    record({"platform": st.just("onion-market"), "market": LINE, "onion": st.just(ONION), "vendor_handle": HANDLE}),
    record({"platform": st.just("web-market"), "market": LINE, "site": st.just("shop.example"), "vendor_handle": HANDLE}),
    record({"platform": st.sampled_from(["messenger", "social"]), "service": LINE, "account_id": HANDLE}, {"topic": LINE}),
)  # fmt: skip
PRICE = record(
    {"amount": DECIMAL, "asset": st.sampled_from(["USD", "bip122:000000000019d6689c085ae165831e93/slip44:0"])},
    {"per": QUANTITY},
)


@st.composite
def offers(draw: st.DrawFn) -> Document:
    text, day = draw(TEXT), draw(st.dates())
    captured = f"{day:%Y}".rjust(4, "0") + f"-{day:%m-%d}"
    shipped = draw(st.lists(COUNTRY, max_size=3, unique=True))
    one = record({"substance": SUBSTANCE}, {"advertised_as": LINE, "prices": st.lists(PRICE, max_size=2)})
    return {
        "captured_at": f"{captured}T12:00:00Z",
        "listed_since": captured,
        "listing": {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest(), **draw(record({}, {"title": LINE}))},
        "offers": draw(st.lists(one, min_size=1, max_size=2)),
        "ships_from": draw(st.lists(COUNTRY, max_size=2, unique=True)),
        **({"ships_to": shipped} if shipped else {"ships_worldwide": draw(st.booleans())}),
    }  # fmt: skip


PAYLOADS = joined(
    PLATFORM,
    offers(),
    record(
        {},
        {
            "pgp_fingerprint": st.text("0123456789ABCDEF", min_size=40, max_size=40),
            "listing_ref": REFERENCE,
            "payment_accounts": st.just(["tron:0x2b6653dc:TKMApvjMZNkXWuF77727LGsqYyiWvmLuhV"]),
            "evaluation": EVALUATION,
            "assessment": TEXT,
        },
    ),
    COMMON,
)
