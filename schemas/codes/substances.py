"""The substances this project knows by name, CAS number and HS heading: `substances.tsv`.

The list helps people to write codes that belong together. A substance that is not in it is no error: novel ones
are the point of this exchange.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.codes.lists import rows


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the list.

    control: `1988-I`, `1988-II`, `1961-I`, several with `; ` between, or a national control in words; control_basis:
    `list` (read in a source) or `memory`; hs6: HS 2022 without dots, empty where the list's sources give none;
    residual: the heading also holds other substances; sources: letters explained in the file's head; note: what else
    the row covers.
    """

    name: str
    synonyms: tuple[str, ...]
    cas: str
    inchikey: str
    control: str
    control_basis: str
    hs6: str
    residual: bool
    dea_code: str
    sources: str
    note: str

    @property
    def un_lists(self) -> tuple[str, ...]:
        """The schedules and tables of the UN Conventions that it is in; empty: not known to be in one."""
        return tuple(each for each in self.control.split("; ") if each.startswith("19"))


def _read() -> Iterable[Listed]:
    for row in rows("substances"):
        yield Listed(
            name=row["name"],
            synonyms=tuple(each for each in row["synonyms"].split("; ") if each),
            cas=row["cas"],
            inchikey=row["inchikey"],
            control=row["control"],
            control_basis=row["control_basis"],
            hs6=row["hs2022"],
            residual=row["hs_note"] == "residual",
            dea_code=row["dea_code"],
            sources=row["sources"],
            note=row["note"],
        )


SUBSTANCES: tuple[Listed, ...] = tuple(_read())

_CAS: Mapping[str, Listed] = MappingProxyType({each.cas: each for each in SUBSTANCES})
_NAMES: Mapping[str, Listed] = MappingProxyType(
    {name.casefold(): each for each in SUBSTANCES for name in (each.name, *each.synonyms)}
)


def by_cas(cas: str) -> Listed | None:
    """The substance with this CAS number."""
    return _CAS.get(cas)


def by_name(name: str) -> Listed | None:
    """The substance with this name or synonym, upper and lower case alike."""
    return _NAMES.get(name.casefold())


def by_inchikey(inchikey: str) -> tuple[Listed, ...]:
    """The substances whose InChIKey has this one's first block: one skeleton, several where stereochemistry differs
    (ephedrine and pseudoephedrine).
    """
    return tuple(each for each in SUBSTANCES if each.inchikey and each.inchikey[:14] == inchikey[:14])


def by_hs(hs6: str) -> tuple[Listed, ...]:
    """The substances under this HS 2022 subheading of six digits; residual headings hold others besides."""
    return tuple(each for each in SUBSTANCES if each.hs6 and each.hs6 == hs6)


def by_dea_code(code: str) -> tuple[Listed, ...]:
    """The substances with this DEA drug or chemical code (21 CFR 1308, 1310.02)."""
    return tuple(each for each in SUBSTANCES if each.dea_code and each.dea_code == code)


def look_up(text: str) -> tuple[Listed, ...]:
    """The substances that a name, synonym, CAS number, InChIKey, HS 2022 subheading (with or without its dot) or DEA
    code means; several for a skeleton or a subheading, none where the list does not know it.
    """
    asked = text.strip()
    exact = by_cas(asked) or by_name(asked)
    if exact is not None:
        return (exact,)
    if _INCHIKEY.fullmatch(asked.upper()):
        return by_inchikey(asked.upper())
    return by_hs(asked.replace(".", "", 1)) or by_dea_code(asked)


_INCHIKEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
