"""Quantities made comparable."""

from decimal import Decimal
from fractions import Fraction

import pytest

from schemas.codes.lists import UNITS
from schemas.quantities import FACTORS, normalised, total, written


@pytest.mark.parametrize(
    ("value", "unit", "base", "amount"),
    [
        pytest.param("1", "KGM", "KGM", "1", id="kilogram"),
        pytest.param("250", "GRM", "KGM", "0.25", id="gram"),
        pytest.param("5", "MGM", "KGM", "0.000005", id="milligram"),
        pytest.param("1", "MC", "KGM", "0.000000001", id="microgram"),
        pytest.param("2.5", "TNE", "KGM", "2500", id="tonne"),
        pytest.param("1", "LBR", "KGM", "0.45359237", id="pound"),
        pytest.param("16", "ONZ", "KGM", "0.45359237", id="sixteen-ounces"),
        pytest.param("750", "MLT", "LTR", "0.75", id="millilitre"),
        pytest.param("1", "MTQ", "LTR", "1000", id="cubic-metre"),
        pytest.param("1", "GLL", "LTR", "3.785411784", id="gallon"),
        pytest.param("40", "U2", "U2", "40", id="tablets"),
    ],
)
def test_normalised(value: str, unit: str, base: str, amount: str) -> None:
    found = normalised(value, unit)
    assert (found[0], written(found[1])) == (base, amount)


@pytest.mark.parametrize("unit", sorted(UNITS))
@pytest.mark.parametrize("value", ["9" * 18, "9" * 18 + "." + "9" * 18, "0." + "0" * 17 + "1"])
def test_every_amount_a_payload_may_hold_can_be_written(value: str, unit: str) -> None:
    """One that could not would keep everybody who reads the packet from all they watch."""
    factor = FACTORS.get(unit, (unit, Decimal(1)))[1]
    exact = Fraction(value) * Fraction(factor)
    found = Fraction(written(total([normalised(value, unit)[1]] * 3)))
    assert abs(found - 3 * exact) <= Fraction(1, 10**9)


def test_every_factor_is_of_a_unit_that_payloads_use() -> None:
    assert set(FACTORS) < set(UNITS)


@pytest.mark.parametrize(("amount", "text"), [("0", "0"), ("1200", "1200"), ("1E+3", "1000"), ("0.100", "0.1")])
def test_written(amount: str, text: str) -> None:
    assert written(Decimal(amount)) == text
