"""Valid payloads of every kind, as objects of JSON types."""

import string
from typing import Any

import pycountry
from hypothesis import strategies as st

from schemas.codes.lists import MODES, UNITS
from schemas.codes.substances import SUBSTANCES

Document = dict[str, Any]

ALNUM = string.ascii_letters + string.digits
COUNTRIES = [each.alpha_3 for each in pycountry.countries]
WORDS = st.text(
    st.sampled_from(ALNUM + " .,;-'\u00e9\u00fc\u0926\u093f\u0932\u094d\u0940\u4f60\u597d\U0001f600"),
    min_size=1,
    max_size=30,
).map(lambda text: f"a{text}")
LINE = WORDS
TEXT = st.lists(WORDS, min_size=1, max_size=3).map("\n\t".join)
DECIMAL = st.decimals(min_value="0.01", max_value=10**9, places=2).map(str)
DATES = st.dates().map(lambda day: f"{day:%Y}".rjust(4, "0") + f"-{day:%m-%d}")
TIMES = st.datetimes().map(lambda t: f"{t.year:04}" + f"{t:-%m-%dT%H:%M:%SZ}")
COUNTRY = st.sampled_from(COUNTRIES)
REFERENCE = st.text(ALNUM + " ./:_#()-", max_size=20).map(lambda text: f"R{text}")
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
CONFIDENCE = st.sampled_from(["low", "moderate", "high"])


def record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(required, optional=optional or {})


QUANTITY = record({"value": DECIMAL, "unit": st.sampled_from(sorted(UNITS))})
LISTED = st.sampled_from(SUBSTANCES).map(lambda each: {"name": each.name, "cas": each.cas, "inchikey": each.inchikey})
DETAILS = record(
    {},
    {
        "hs6": st.text(string.digits, min_size=6, max_size=6),
        "dea_code": st.text(string.digits, min_size=4, max_size=4),
        "ndps_schedule": st.sampled_from(["A", "B", "C", "110Y"]),
        "form": st.sampled_from(["powder", "pill-tablet", "crystal-rock", "liquid", "plant-matter", "blotter"]),
        "quantity": QUANTITY,
        "purity": st.integers(0, 100).map(str),
    },
)


def joined(*parts: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
    return st.tuples(*parts).map(lambda found: {name: value for each in found for name, value in each.items()})


SUBSTANCE = joined(LISTED, DETAILS)
ADDRESS = record({"lines": st.lists(LINE, min_size=1, max_size=3), "country": COUNTRY}, {"locality": LINE})
PLACE = record(
    {"country": COUNTRY}, {"name": LINE, "locality": LINE, "unlocode": st.just("INDEL")}
) | st.fixed_dictionaries({"country": COUNTRY, "latitude": st.just("-28.6289"), "longitude": st.just("177.2330")})
IDENTIFIER = st.sampled_from(
    [
        {"scheme": "phone", "value": "+12025550143"},
        {"scheme": "lei", "value": "213800KUD8LAJWSQ9D15"},
        {"scheme": "passport", "value": "Z1234567", "country": "IND"},
        {"scheme": "dea-registration", "value": "BB1388568"},
    ]
)
NAME = record({"full": LINE}, {"type": st.sampled_from(["name", "alias", "weak-alias"]), "last_name": LINE})


def parties(prefix: str = "party") -> st.SearchStrategy[list[Document]]:
    one = record(
        {"kind": st.sampled_from(["person", "organisation", "vessel", "account-holder"])},
        {"names": st.lists(NAME, min_size=1, max_size=2), "addresses": st.lists(ADDRESS, max_size=1)},
    )
    several = st.lists(st.tuples(one, IDENTIFIER), max_size=3)
    return several.map(
        lambda found: [
            {**each, "ref": f"{prefix}-{place}", "identifiers": [identifier]}
            for place, (each, identifier) in enumerate(found)
        ]
    )


EVALUATION = st.one_of(
    record({"scheme": st.just("admiralty"), "source": st.sampled_from("ABCDEF"), "information": st.sampled_from("123456")}),
    record({"scheme": st.just("europol"), "source": st.sampled_from("ABCX"), "information": st.sampled_from("1234")}),
    record(
        {
            "scheme": st.just("uk352"),
            "source": st.sampled_from("123"),
            "information": st.sampled_from("ABCDE"),
            "handling": st.sampled_from("PC"),
        }
    ),
)  # fmt: skip
CONSIGNMENT = record(
    {"mode": st.sampled_from(sorted(MODES))},
    {
        "s10": st.just("RR473124829IN"),
        "air_waybill": st.just("098-12345675"),
        "containers": st.lists(st.just("CSQU3054383"), max_size=2),
        "declared_description": LINE,
        "value": record({"amount": DECIMAL, "currency": st.sampled_from(["INR", "USD", "EUR"])}),
    },
)
NEXUS = record(
    {"organisation": LINE, "list": st.sampled_from(["UN1267", "UAPA", "FTO", "SDN"]), "confidence": CONFIDENCE},
    {"reference": REFERENCE},
)
COMMON = record(
    {},
    {
        "case_refs": st.lists(record({"agency": st.sampled_from(["in-ncb", "us-dea"]), "reference": REFERENCE}), max_size=2),
        "evidence": st.lists(
            record({"name": st.just("a.pdf"), "media_type": st.just("application/pdf"), "size": st.integers(0, 2**53 - 1), "sha256": SHA256}),
            max_size=2,
        ),
        "handling_text": TEXT,
    },
)  # fmt: skip

TIP = joined(
    record(
        {
            "title": LINE,
            "narrative": TEXT,
            "discipline": st.sampled_from(["HUMINT", "OSINT", "FININT", "SIGINT", "IMINT", "MASINT"]),
            "evaluation": EVALUATION,
            "observed_at": TIMES,
        },
        {
            "offence": st.sampled_from(["06", "0601", "060121"]),
            "substances": st.lists(SUBSTANCE, max_size=2),
            "parties": parties(),
            "places": st.lists(PLACE, max_size=2),
            "consignments": st.lists(CONSIGNMENT, max_size=2),
            "terror_nexus": st.lists(NEXUS, max_size=1),
            "collection_requirement": TEXT,
        },
    ),
    COMMON,
)


@st.composite
def notices(draw: st.DrawFn) -> Document:
    home, abroad = draw(st.lists(COUNTRY, min_size=2, max_size=2, unique=True))
    days = sorted(draw(st.lists(DATES, min_size=4, max_size=4)))
    trader = record({"name": LINE, "address": ADDRESS}, {"licence": REFERENCE})
    exporter, importer, entry = draw(trader), draw(trader), draw(PLACE)
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
PEN = joined(record({"pen_ref": REFERENCE, "authority": LINE}, {"remarks": TEXT}), notices() | ANSWERS, COMMON)

HASH = st.text("0123456789abcdef", min_size=64, max_size=64)
ACCOUNTS: dict[str, tuple[Document, str]] = {
    "bitcoin": (
        {
            "scheme": "caip10",
            "account": "bip122:000000000019d6689c085ae165831e93:bc1p7mxsvjvmw8qcns2h92rj3d09up9870zxwjdpxumwlsemakv6vmzquucjfz",
        },
        "bip122:000000000019d6689c085ae165831e93/slip44:0",
    ),
    "tron": (
        {"scheme": "caip10", "account": "tron:0x2b6653dc:TKMApvjMZNkXWuF77727LGsqYyiWvmLuhV"},
        "tron:0x2b6653dc/trc20:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    ),
    "iban": ({"scheme": "iban", "number": "GB82WEST12345698765432"}, "EUR"),
    "ifsc": ({"scheme": "ifsc", "branch": "SBIN0000691", "number": "00000012345678901"}, "INR"),
    "aba": ({"scheme": "aba", "routing": "021000021", "number": "000123456789"}, "USD"),
    "upi": ({"scheme": "upi", "vpa": "some.body@okbank"}, "INR"),
}


@st.composite
def trails(draw: st.DrawFn) -> Document:
    people = draw(parties())
    attribution = record({"confidence": CONFIDENCE, "basis": TEXT}, {"entity": LINE})
    used = draw(st.lists(st.sampled_from(sorted(ACCOUNTS)), min_size=1, max_size=4))
    roles = st.sampled_from(["customer", "vendor", "mixer", "vasp", "otc", "cash-out"])
    accounts = [{"id": f"account-{place}", "role": draw(roles), **ACCOUNTS[each][0]} for place, each in enumerate(used)]
    for account in accounts:
        if draw(st.booleans()):
            account["attribution"] = draw(attribution)
            if people:
                account["attribution"]["party"] = draw(st.sampled_from(people))["ref"]
    transactions = []
    for place in draw(st.lists(st.integers(0, len(used) - 1), max_size=3)):
        on_chain = "caip10" in ACCOUNTS[used[place]][0].values()
        transactions.append(
            {
                "account": accounts[place]["id"],
                "direction": draw(st.sampled_from(["in", "out"])),
                "asset": ACCOUNTS[used[place]][1],
                "amount": draw(DECIMAL),
                "time": draw(TIMES),
                **({"tx_hash": draw(HASH)} if on_chain else {"reference": draw(REFERENCE)}),
            }
        )
    freeze = draw(st.booleans())
    return {
        "summary": draw(TEXT),
        "accounts": accounts,
        "transactions": transactions,
        "parties": people,
        "freeze_requested": freeze,
        **({"freeze_accounts": [accounts[0]["id"]], "freeze_ground": draw(TEXT)} if freeze else {}),
        **draw(st.sampled_from([{}, {"report_type": "STR", "report_ref": "R1"}, {"report_type": "SAR", "sar_key_term": "FENTANYL"}])),
    }  # fmt: skip


PAYMENT_TRAIL = joined(trails(), COMMON)

BY_KIND: dict[str, st.SearchStrategy[Document]] = {"tip": TIP, "pen": PEN, "payment-trail": PAYMENT_TRAIL}
PAYLOADS = st.sampled_from(sorted(BY_KIND)).flatmap(lambda kind: st.tuples(st.just(kind), BY_KIND[kind]))
