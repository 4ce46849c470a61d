"""Parts that valid payloads are made of, as objects of JSON types."""

import string
from datetime import datetime
from typing import Any

import pycountry
from hypothesis import strategies as st

from schemas.canonical import b64u
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
DEADLINES = st.datetimes(min_value=datetime(1970, 1, 1)).map(lambda t: f"{t:%Y-%m-%dT%H:%M:%SZ}")  # noqa: DTZ001
COUNTRY = st.sampled_from(COUNTRIES)
REFERENCE = st.text(ALNUM + " ./:_#()-", max_size=20).map(lambda text: f"R{text}")
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
DIGEST = st.binary(min_size=48, max_size=48).map(b64u)
UUID7 = st.uuids(version=4).map(lambda made: str(made)[:14] + "7" + str(made)[15:])
CONFIDENCE = st.sampled_from(["low", "moderate", "high"])


def record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(required, optional=optional or {})


PACKET_REF = record({"id": UUID7, "digest": DIGEST})
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
