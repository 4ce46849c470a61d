"""What is doubtful in a payload and refused by nobody: codes of a substance that the list knows otherwise.

A name and a CAS number of two listed substances are refused (`Substance`). Here is what may be a slip or may be new: a
name the list does not have for that number, a number it does not have for that name, another heading or schedule.
"""

from collections.abc import Iterator

from schemas.base import Model
from schemas.codes.substances import SUBSTANCES, Listed, by_cas, by_dea_code, by_hs, by_name
from schemas.explain import Fault, pointer_to
from schemas.payloads.parts import Substance

Path = tuple[str | int, ...]


def doubts(payload: Model) -> tuple[Fault, ...]:
    """Pointers and sentences, in the payload's order, for each substance anywhere in it. They say what the list has,
    and never quote the payload.
    """
    return tuple(
        Fault(pointer_to((*path, member)), sentence)
        for path, substance in _substances(payload, ())
        for member, sentence in _of(substance)
    )


def _substances(value: object, path: Path) -> Iterator[tuple[Path, Substance]]:
    if isinstance(value, Substance):
        yield path, value
    elif isinstance(value, Model):
        for name, field in type(value).model_fields.items():
            yield from _substances(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, tuple):
        for position, each in enumerate(value):
            yield from _substances(each, (*path, position))


def _of(substance: Substance) -> Iterator[tuple[str, str]]:
    named = by_name(substance.name)
    numbered = by_cas(substance.cas) if substance.cas else None
    drawn = next((each for each in SUBSTANCES if each.inchikey == substance.inchikey), None)
    known = numbered or named or drawn
    if known is not None:
        yield from _against(known, substance, named=named is not None, numbered=numbered is not None)
    if substance.hs6 and any(each.residual for each in by_hs(substance.hs6)):
        yield "hs6", "this is a residual heading, which also holds other substances; do not judge goods by it alone"
    if substance.dea_code and not (known and known.dea_code):
        others = by_dea_code(substance.dea_code)
        if others and known not in others:
            yield "dea_code", f"expected the code of this substance, found that of {others[0].name}; compare the two"


def _against(known: Listed, substance: Substance, *, named: bool, numbered: bool) -> Iterator[tuple[str, str]]:
    if not named:
        by = "CAS number" if numbered else "InChIKey"
        yield "name", f"expected {_names(known)} with this {by}, found a name the list does not have; compare the two"
    if substance.cas and not numbered:
        yield "cas", f"expected {known.cas} with this name or InChIKey, found another; a salt or isomer has its own"
    if substance.inchikey and not _drawn(known.inchikey, substance.inchikey):
        yield "inchikey", f"expected {known.inchikey}, found another structure or stereoisomer; compare the two"
    if substance.un_list and substance.un_list not in known.un_lists:
        listed = " or ".join(known.un_lists) or "none, for the list knows no UN schedule or table of it"
        yield "un_list", f"expected {listed}, found another; compare it with the schedules"
    if substance.hs6 and known.hs6 and substance.hs6 != known.hs6:
        yield "hs6", f"expected {known.hs6} (HS 2022), found another; compare it with the tariff"
    if substance.dea_code and known.dea_code and substance.dea_code != known.dea_code:
        yield "dea_code", f"expected {known.dea_code}, found another; compare it with 21 CFR 1308 and 1310"


def _drawn(listed: str, found: str) -> bool:
    """One structure; where the list's InChIKey says nothing of stereochemistry, whatever the other says of it."""
    skeleton, rest = listed[:14], listed[15:]
    return found[:14] == skeleton and (rest.startswith(_FLAT) or found[15:] == rest)


_FLAT = "UHFFFAOYSA"
"""The second block of an InChIKey without stereochemistry, isotopes or fixed hydrogens."""


def _names(known: Listed) -> str:
    return known.name if not known.synonyms else f"{known.name} or a synonym of it"
