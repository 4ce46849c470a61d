import pytest
from stdnum import casrn

from schemas.codes.lists import MODES, UNITS
from schemas.codes.substances import SUBSTANCES, by_cas, by_hs, by_inchikey, by_name


@pytest.mark.parametrize("listed", SUBSTANCES, ids=lambda each: each.name)
def test_a_row_belongs_together(listed) -> None:
    assert casrn.validate(listed.cas) == listed.cas
    assert by_cas(listed.cas) is listed
    assert by_name(listed.name.upper()) is listed
    for synonym in listed.synonyms:
        assert by_name(synonym) is listed
    assert listed in by_inchikey(listed.inchikey)
    assert not listed.hs6 or listed in by_hs(listed.hs6)


def test_the_tables_of_1988_are_complete() -> None:
    # tables I and II as of December 2024
    assert len([each for each in SUBSTANCES if each.control == "1988-I"]) == 28
    assert len([each for each in SUBSTANCES if each.control == "1988-II"]) == 8
    assert len(SUBSTANCES) == 42


def test_no_number_and_no_name_is_given_twice() -> None:
    for values in (
        [each.cas for each in SUBSTANCES],
        [each.inchikey for each in SUBSTANCES],
        [name.casefold() for each in SUBSTANCES for name in (each.name, *each.synonyms)],
    ):
        assert len(set(values)) == len(values)


def test_the_two_that_public_lists_get_wrong() -> None:
    norfentanyl, mapa = by_cas("1609-66-1"), by_name("methyl alpha-phenylacetoacetate")
    assert norfentanyl is not None
    assert (norfentanyl.name, norfentanyl.inchikey) == ("Norfentanyl", "PMCBDBWCQQBSRJ-UHFFFAOYSA-N")
    assert mapa is not None
    assert (mapa.name, mapa.cas, mapa.inchikey) == ("MAPA", "16648-44-5", "CYSACHQWYQYLIG-UHFFFAOYSA-N")


def test_one_skeleton_may_be_two_substances() -> None:
    assert [each.name for each in by_inchikey("KWGRBVOPPLSCSI-WPRPVWTQSA-N")] == ["Ephedrine", "Pseudoephedrine"]


def test_what_is_from_memory_says_so() -> None:
    assert {each.name for each in SUBSTANCES if each.control_basis == "memory"} == {
        "Fentanyl",
        "Carfentanil",
        "Isotonitazene",
    }


def test_headings_that_hold_others_are_marked() -> None:
    piperidines = by_hs("293339")
    assert {each.name for each in piperidines} >= {"4-AP", "Norfentanyl", "4-Piperidone"}
    assert all(each.residual for each in piperidines)
    assert by_hs("000000") == ()


def test_unknown_substances_are_no_error() -> None:
    assert by_name("something new") is None
    assert by_cas("64-17-5") is None
    assert by_inchikey("AAAAAAAAAAAAAA-UHFFFAOYSA-N") == ()


def test_short_lists() -> None:
    assert UNITS["KGM"] == "kilogram"
    assert MODES["5"] == "mail"
    assert sorted(MODES) == [str(each) for each in range(1, 9)]
