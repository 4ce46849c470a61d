import pytest
from stdnum import casrn

from schemas.codes.lists import MODES, UNITS
from schemas.codes.substances import SUBSTANCES, by_cas, by_dea_code, by_hs, by_inchikey, by_name, look_up


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
        "Isotonitazene",
    }


def test_a_substance_may_be_in_two_schedules() -> None:
    carfentanil, tramadol = by_name("carfentanil"), by_name("tramadol")
    assert carfentanil is not None
    assert carfentanil.un_lists == ("1961-I", "1961-IV")
    assert tramadol is not None
    assert tramadol.un_lists == ()


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        pytest.param("Fentanyl", ["Fentanyl"], id="name"),
        pytest.param(" pmk ", ["3,4-MDP-2-P"], id="synonym"),
        pytest.param("437-38-7", ["Fentanyl"], id="cas"),
        pytest.param("KWGRBVOPPLSCSI-WPRPVWTQSA-N", ["Ephedrine", "Pseudoephedrine"], id="inchikey"),
        pytest.param("kwgrbvopplscsi-wprpvwtqsa-n", ["Ephedrine", "Pseudoephedrine"], id="inchikey-lower-case"),
        pytest.param("293333", ["Fentanyl", "Carfentanil"], id="hs"),
        pytest.param("2933.33", ["Fentanyl", "Carfentanil"], id="hs-with-its-dot"),
        pytest.param("9801", ["Fentanyl"], id="dea"),
        pytest.param("1609-66-7", [], id="cas-check-digit"),
        pytest.param("", [], id="nothing"),
        pytest.param("2933", [], id="a-heading-of-four-digits"),
        pytest.param("64-17-5", [], id="unlisted"),
    ],
)
def test_look_up_by_any_of_them(asked: str, names: list[str]) -> None:
    assert [each.name for each in look_up(asked)] == names


@pytest.mark.parametrize("listed", SUBSTANCES, ids=lambda each: each.name)
def test_look_up_finds_every_row_by_all_it_has(listed) -> None:
    for asked in (listed.name, *listed.synonyms, listed.cas):
        assert look_up(asked) == (listed,)
    for asked in (listed.inchikey, listed.hs6, listed.dea_code):
        assert not asked or listed in look_up(asked)
    assert listed.dea_code == "" or by_dea_code(listed.dea_code) == (listed,)


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
