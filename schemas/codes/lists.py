"""Short code lists: UN/CEFACT Recommendation 20 (units, a subset) and Recommendation 19 (modes of transport).

Currencies (ISO 4217), countries and subdivisions (ISO 3166): pycountry's, and what ISO does not have or has no more.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import pycountry


def rows(name: str) -> list[dict[str, str]]:
    """The rows of `schemas/codes/<name>.tsv`, by column; a line starting with `#` is a comment."""
    lines = [
        line
        for line in files("schemas.codes").joinpath(f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]


def _names(name: str) -> Mapping[str, str]:
    return MappingProxyType({row["code"]: row["name"] for row in rows(name)})


UNITS: Mapping[str, str] = _names("units")
"""Code -> name, UNECE Recommendation 20: what substances are weighed, measured and counted in."""

MODES: Mapping[str, str] = _names("modes")
"""Code -> name, UNECE Recommendation 19."""


NO_COUNTRY: Mapping[str, str] = _names("no_country")
"""Code -> name, for what ISO 3166-1 has no country for: of the codes that it leaves to its users."""

WITHDRAWN = frozenset(
    {
        "ANG",
        "BGN",
        "BYR",
        "CUC",
        "EEK",
        "GHC",
        "HRK",
        "LTL",
        "LVL",
        "MRO",
        "SKK",
        "SLL",
        "STD",
        "TMM",
        "VEF",
        "ZMK",
        "ZWL",
    }
)
"""Currencies withdrawn since 2007 (ISO 4217, list three): what moved before still moved."""


@cache
def countries() -> frozenset[str]:
    """ISO 3166-1 alpha-3."""
    return frozenset(each.alpha_3 for each in pycountry.countries)


@cache
def country_letters() -> frozenset[str]:
    """ISO 3166-1 alpha-2."""
    return frozenset(each.alpha_2 for each in pycountry.countries)


def country_of(agency: str) -> str | None:
    """ISO 3166-1 alpha-3 of the country an agency's id begins with; None where there is no such country."""
    found = pycountry.countries.get(alpha_2=agency[:2].upper())
    return None if found is None else str(found.alpha_3)


@cache
def subdivisions() -> frozenset[str]:
    """ISO 3166-2."""
    return frozenset(each.code for each in pycountry.subdivisions)


@cache
def currencies() -> frozenset[str]:
    """ISO 4217, alphabetic, with `WITHDRAWN`."""
    return WITHDRAWN | {each.alpha_3 for each in pycountry.currencies}
