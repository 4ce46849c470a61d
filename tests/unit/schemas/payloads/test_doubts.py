"""What a sender is told of a valid payload whose substances the list knows otherwise."""

from typing import Any

import pytest

from schemas import registry
from schemas.payloads.doubts import doubts
from schemas.payloads.parts import Substance
from tests.unit.schemas.refusals import MARKER, fault

FENTANYL = {"name": "Fentanyl", "cas": "437-38-7", "un_list": "1961-I", "hs6": "293333", "dea_code": "9801"}
MAPA = {"name": "MAPA", "cas": "16648-44-5", "inchikey": "CYSACHQWYQYLIG-UHFFFAOYSA-N", "un_list": "1988-I"}
NORFENTANYL = {"name": "Norfentanyl", "cas": "1609-66-1", "inchikey": "PMCBDBWCQQBSRJ-UHFFFAOYSA-N"}
FOUR_NAMES = (
    "methyl alpha-phenylacetoacetate",
    "methyl alpha-acetylphenylacetate",
    "methyl 3-oxo-2-phenylbutanoate",
    "methyl 2-phenylacetoacetate",
)


def told(**members: Any) -> list[tuple[str, str]]:
    return [(each.pointer, each.sentence) for each in doubts(Substance.from_object(members))]


@pytest.mark.parametrize(
    ("members", "at", "sentence"),
    [
        pytest.param(FENTANYL | {"name": MARKER}, "/name", "expected Fentanyl with this CAS number", id="name"),
        pytest.param(MAPA | {"name": MARKER}, "/name", "MAPA or a synonym", id="name-of-many"),
        pytest.param(
            {"name": MARKER, "inchikey": NORFENTANYL["inchikey"]}, "/name", "Norfentanyl", id="name-by-inchikey"
        ),
        pytest.param(FENTANYL | {"cas": "64-17-5"}, "/cas", "expected 437-38-7", id="cas"),
        pytest.param(
            {"name": "Ephedrine", "inchikey": "KWGRBVOPPLSCSI-WCBMZHEXSA-N"}, "/inchikey", "stereoisomer", id="inchikey"
        ),
        pytest.param(
            FENTANYL | {"inchikey": "AAAAAAAAAAAAAA-UHFFFAOYSA-N"}, "/inchikey", "another structure", id="structure"
        ),
        pytest.param(FENTANYL | {"un_list": "1971-II"}, "/un_list", "expected 1961-I", id="un-list"),
        pytest.param({"name": "Carfentanil", "un_list": "1961-II"}, "/un_list", "1961-I or 1961-IV", id="two-lists"),
        pytest.param({"name": "Tramadol", "un_list": "1971-IV"}, "/un_list", "knows no UN schedule", id="no-un-list"),
        pytest.param(FENTANYL | {"hs6": "293332"}, "/hs6", "expected 293333", id="hs"),
        pytest.param({"name": "4-AP", "hs6": "293339"}, "/hs6", "residual heading", id="residual"),
        pytest.param({"name": MARKER, "hs6": "293339"}, "/hs6", "residual heading", id="residual-unlisted"),
        pytest.param(FENTANYL | {"dea_code": "9752"}, "/dea_code", "expected 9801", id="dea-code"),
        pytest.param({"name": MARKER, "dea_code": "9801"}, "/dea_code", "that of Fentanyl", id="dea-code-of-another"),
        pytest.param({"name": "Acetone", "dea_code": "9801"}, "/dea_code", "that of Fentanyl", id="dea-code-of-a-drug"),
    ],
)
def test_is_told(members: dict[str, Any], at: str, sentence: str) -> None:
    ((pointer, said),) = told(**members)
    assert pointer == at
    assert sentence in said
    assert MARKER not in said


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(FENTANYL, id="all-as-listed"),
        pytest.param(FENTANYL | {"name": "FENTANYL"}, id="capitals"),
        pytest.param(MAPA, id="mapa"),
        pytest.param(NORFENTANYL, id="norfentanyl"),
        pytest.param({"name": MARKER, "cas": "64-17-5", "un_list": "1961-I", "hs6": "220710"}, id="nothing-listed"),
        pytest.param({"name": "Carfentanil", "un_list": "1961-IV"}, id="the-second-list"),
        pytest.param({"name": "Norephedrine", "inchikey": "DLNKOYKMWOXYQA-CBAPKCEASA-N"}, id="stereo-not-listed"),
        pytest.param({"name": "Carfentanil", "dea_code": "9743"}, id="no-dea-code-listed"),
        pytest.param({"name": "Isotonitazene", "hs6": "293399"}, id="no-heading-listed"),
        *(pytest.param(MAPA | {"name": name}, id=name) for name in FOUR_NAMES),
    ],
)
def test_nothing_to_tell(members: dict[str, Any]) -> None:
    found = told(**members)
    if members.get("hs6") == "293399":
        found = [each for each in found if "residual" not in each[1]]
    assert found == []


def test_several_doubts_stand_in_order() -> None:
    found = told(name=MARKER, cas="437-38-7", un_list="1971-I", hs6="293339", dea_code="7285")
    assert [pointer for pointer, _ in found] == ["/name", "/un_list", "/hs6", "/dea_code", "/hs6"]


def test_norfentanyl_with_the_check_digit_of_a_public_list_is_refused() -> None:
    tip = registry.samples("tip")["drop-shipper"]
    for digit in "023456789":
        tip["substances"] = [NORFENTANYL | {"cas": f"1609-66-{digit}"}]
        found = fault("tip", tip)
        assert found.pointer == "/substances/0/cas"
        assert "does not exist" in found.sentence


@pytest.mark.parametrize(
    ("kind", "sample", "path", "pointer"),
    [
        pytest.param("tip", "bengali-market", ("substances", 2), "/substances/2/name", id="list"),
        pytest.param("pen", "notify", ("substance",), "/substance/name", id="member"),
        pytest.param("darkweb", "onion-market", ("offers", 0, "substance"), "/offers/0/substance/name", id="deep"),
        pytest.param("substance-alert", "precursor", ("precursor_of", 1), "/precursor_of/1/name", id="second-member"),
    ],
)
def test_substances_are_found_wherever_they_stand(kind: str, sample: str, path: tuple[Any, ...], pointer: str) -> None:
    document = registry.samples(kind)[sample]
    here: Any = document
    for step in path:
        here = here[step]
    here["name"] = "a street name"
    here["cas"] = "437-38-7"
    here.pop("un_list", None)
    here.pop("hs6", None)
    payload = registry.check(kind, 1, document)
    assert [each.pointer for each in registry.warnings(payload)] == [pointer]


def test_at_most_sixteen_are_told() -> None:
    tip = registry.samples("tip")["drop-shipper"]
    tip["substances"] = [FENTANYL | {"name": "x"}] * 30
    assert len(registry.warnings(registry.check("tip", 1, tip))) == 16


@pytest.mark.parametrize("kind", registry.kinds())
def test_a_sample_is_doubtful_in_nothing_but_a_residual_heading(kind: str) -> None:
    for sample in registry.samples(kind).values():
        for each in registry.warnings(registry.check(kind, 1, sample)):
            assert "residual heading" in each.sentence
