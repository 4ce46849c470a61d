"""Numbers, dates, times and codes as payloads write them: text of one spelling, never a float."""

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from schemas.base import Line
from schemas.codes.lists import MODES, NO_COUNTRY, UNITS, countries, country_letters, currencies, subdivisions
from schemas.payloads.shape import Shape


def _date_exists(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _time_exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_DECIMAL = r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?"

Decimal = Annotated[str, Shape(_DECIMAL, "a decimal number like 12.50, without sign or exponent")]
"""A decimal number as text: no sign, no exponent, no leading zero; at most 18 digits on either side."""

Positive = Annotated[
    str,
    Shape(_DECIMAL, "a decimal number above zero like 12.50, without sign or exponent", lambda t: t.strip("0.") != ""),
]
"""A `Decimal` above zero."""

Percent = Annotated[
    str, Shape(r"(100(\.0{1,6})?|[1-9]?[0-9](\.[0-9]{1,6})?)", "a percentage from 0 to 100 like 94.5, as text")
]

Date = Annotated[str, Shape(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a date like 2026-01-31", _date_exists)]
"""A calendar date (ISO 8601), at the place the packet speaks of."""

Time = Annotated[
    str,
    Shape(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z",
        "a UTC time like 2026-01-31T12:00:00Z",
        _time_exists,
    ),
]
"""An instant in UTC with whole seconds (RFC 3339)."""

Due = Annotated[
    str,
    Shape(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z",
        "a UTC time like 2026-01-31T12:00:00Z, from 1970 on",
        lambda t: t >= "1970" and _time_exists(t),
    ),
]
"""A `Time` by which an answer is due: the header says it in seconds since 1970, so it is not before."""

Latitude = Annotated[
    str,
    Shape(r"-?(90(\.0{1,7})?|[1-8]?[0-9](\.[0-9]{1,7})?)", "a WGS 84 latitude in degrees like 28.6289, -90 to 90"),
]
Longitude = Annotated[
    str,
    Shape(
        r"-?(180(\.0{1,7})?|(1[0-7][0-9]|[1-9]?[0-9])(\.[0-9]{1,7})?)",
        "a WGS 84 longitude in degrees like 77.2330, -180 to 180",
    ),
]

CountryCode = Annotated[
    str,
    Shape(
        r"[A-Z]{3}",
        "a country as ISO 3166-1 alpha-3 like IND",
        lambda t: t in countries() or t in NO_COUNTRY,
    ),
]
"""ISO 3166-1 alpha-3, of a country that is assigned; where there is none, a code of `NO_COUNTRY`."""

Subdivision = Annotated[
    str,
    Shape(
        r"[A-Z]{2}-[A-Z0-9]{1,3}",
        "a state or province as ISO 3166-2 like IN-DL",
        lambda t: t in subdivisions(),
    ),
]
"""ISO 3166-2."""

Currency = Annotated[
    str,
    Shape(r"[A-Z]{3}", "a currency as ISO 4217 like INR", lambda t: t in currencies()),
]
"""ISO 4217, alphabetic."""

UnLocode = Annotated[
    str,
    Shape(
        r"[A-Z]{2}[A-Z2-9]{3}",
        "a UN/LOCODE like INNSA, without a space",
        lambda t: t[:2] in country_letters() or t[:2] == "XZ",
    ),
]
"""UN/LOCODE (UNECE Recommendation 16): form and country are checked, not the place. XZ: international waters."""

Unit = Annotated[str, Shape(r"[A-Z0-9]{2,3}", "a unit of UN/CEFACT Recommendation 20 like KGM", lambda t: t in UNITS)]
"""A unit of measure: the part of UNECE Recommendation 20 that is in `schemas/codes/units.tsv`."""

Mode = Annotated[str, Shape(r"[0-9]", "a mode of transport of UN Recommendation 19: 1 to 8", lambda t: t in MODES)]
"""A mode of transport: UNECE Recommendation 19, `schemas/codes/modes.tsv`."""

Hs6 = Annotated[str, Shape(r"[0-9]{6}", "an HS 2022 subheading of six digits like 293942, without a dot")]
"""Harmonized System 2022 (World Customs Organization), six digits."""

HsDeclared = Annotated[
    str,
    Shape(
        r"[0-9]{4}([0-9]{2}){0,3}|[0-9]{9}|[0-9]{11,13}",
        "an HS code as declared, 4 to 13 digits like 29394200, without dots",
    ),
]

LocalId = Annotated[str, Shape(r"[a-z][a-z0-9-]{0,31}", "a name used inside this payload like exporter-1")]
"""A name by which one part of a payload points at another; it means nothing outside."""

FileName = Annotated[
    str, Shape(r"[A-Za-z0-9][A-Za-z0-9 ._()-]{0,119}", "a file name of letters, digits and ` ._()-`, without folders")
]
MediaType = Annotated[
    str, Shape(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,79}", "a media type like application/pdf, without parameters")
]
"""RFC 6838."""

Label = Annotated[Line, Field(max_length=80)]
"""A `Line` of at most 80 characters."""


def seconds(time: str) -> int:
    """A `Time` as whole seconds since 1970-01-01T00:00:00Z; below zero before."""
    return int(datetime.fromisoformat(time).timestamp())


def surely_after(day: str, time: str) -> bool:
    """Whether a `Date` lies after a `Time` wherever on earth: a date is the place's, a time is UTC's, and the two may
    be a day apart.
    """
    return date.fromisoformat(day).toordinal() > date.fromisoformat(time[:10]).toordinal() + 1


def surely_before(day: str, time: str) -> bool:
    """Whether a `Date` lies before a `Time` wherever on earth."""
    return date.fromisoformat(day).toordinal() < date.fromisoformat(time[:10]).toordinal() - 1
