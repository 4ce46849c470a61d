"""Quantities of one dimension made comparable: mass in kilograms, volume in litres, pieces as pieces."""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from types import MappingProxyType

FACTORS: Mapping[str, tuple[str, Decimal]] = MappingProxyType(
    {
        "KGM": ("KGM", Decimal(1)),
        "GRM": ("KGM", Decimal("1e-3")),
        "MGM": ("KGM", Decimal("1e-6")),
        "MC": ("KGM", Decimal("1e-9")),
        "TNE": ("KGM", Decimal(1000)),
        "LBR": ("KGM", Decimal("0.45359237")),
        "ONZ": ("KGM", Decimal("0.028349523125")),
        "LTR": ("LTR", Decimal(1)),
        "MLT": ("LTR", Decimal("1e-3")),
        "MTQ": ("LTR", Decimal(1000)),
        "GLL": ("LTR", Decimal("3.785411784")),
    }
)
"""Unit of UNECE Recommendation 20 -> (unit of its dimension, factor), by the conversion factors of its annexes. A unit
that is not here is compared with itself alone.
"""


_EXACT = Context(prec=100)
"""Of what a payload may hold (36 digits), in any unit and any number: nothing is rounded but when it is written."""


def normalised(value: str, unit: str) -> tuple[str, Decimal]:
    """(unit, amount): kilograms of any mass, litres of any volume, else the unit itself."""
    base, factor = FACTORS.get(unit, (unit, Decimal(1)))
    return base, _EXACT.multiply(Decimal(value), factor)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts of one unit."""
    found = Decimal(0)
    for each in amounts:
        found = _EXACT.add(found, each)
    return found


def written(amount: Decimal) -> str:
    """Without exponent and without trailing zeros, at most nine places: `1250.5`."""
    text = f"{amount.quantize(Decimal('1e-9'), context=_EXACT):f}"
    return text.rstrip("0").rstrip(".") or "0"
