"""Ids and names that people could take for each other, and such as they could not."""

import pytest

from broker.directory.alike import ids_alike, mixes_alphabets, names_alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("us-dea", "us-d3a", id="a-digit-for-a-letter"),
        pytest.param("us-fincen", "us-f1ncen", id="one-for-i"),
        pytest.param("us-fincen", "us-flncen", id="l-for-i"),
        pytest.param("in-ncb", "in-nc8", id="eight-for-b"),
        pytest.param("in-ma", "in-rna", id="rn-for-m"),
        pytest.param("us-wsi", "us-vvsi", id="vv-for-w"),
        pytest.param("us-dea", "us-clea", id="cl-for-d"),
        pytest.param("us-dea", "us-dae", id="neighbours-swapped"),
        pytest.param("us-dea", "us-d-e-a", id="hyphens"),
        pytest.param("us-fincen", "us-finsen", id="a-letter-replaced"),
        pytest.param("us-fincen", "us-finncen", id="a-letter-doubled"),
        pytest.param("us-fincen", "us-fncen", id="a-letter-left-out"),
    ],
)
def test_ids_that_look_alike(one, other):
    assert ids_alike(one, other)
    assert ids_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("us-dea", "in-dea", id="two-countries"),
        pytest.param("in-nia", "in-nca", id="acronyms"),
        pytest.param("us-cia", "us-da", id="ci-is-no-d"),
        pytest.param("us-zone1", "us-zone2", id="numbers"),
        pytest.param("us-zone1", "us-zone12", id="numbers-of-two-lengths"),
        pytest.param("us-cbp", "us-hsi", id="nothing-alike"),
        pytest.param("us-abcd", "us-dcba", id="the-same-letters"),
    ],
)
def test_ids_that_do_not(one, other):
    assert not ids_alike(one, other)
    assert not ids_alike(other, one)


BUREAU = "Narcotics Control Bureau"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(BUREAU, id="the-same"),
        pytest.param("NARCOTICS  CONTROL BUREAU", id="case-and-spaces"),
        pytest.param("N\u0430rcotics C\u043entrol Bureau", id="cyrillic-letters"),
        pytest.param("Narc\u03bftics Control Bureau", id="a-greek-letter"),
        pytest.param("\uff2e\uff41rcotics Control Bureau", id="wide-letters"),
        pytest.param("N\u00e1rcotics Control Bureau", id="an-accent"),
        pytest.param("Narcotics Contro1 Bureau", id="one-for-l"),
        pytest.param("Narcotics Control Bureu", id="a-letter-left-out"),
        pytest.param("Narcotics-Control Bureau.", id="punctuation"),
        pytest.param("Narcot\u0131cs Control Bureu", id="a-letter-without-its-dot"),
    ],
)
def test_names_that_look_alike(other):
    assert names_alike(BUREAU, other)
    assert names_alike(other, BUREAU)


@pytest.mark.parametrize(
    "other",
    [
        "Narcotics Control Bureau, Thailand",
        "Central Bureau of Narcotics",
        "\u0938\u094d\u0935\u093e\u092a\u0915 \u0928\u093f\u092f\u0902\u0924\u094d\u0930\u0923 \u092c\u094d\u092f\u0942\u0930\u094b",
    ],
)
def test_names_that_do_not(other):
    assert not names_alike(BUREAU, other)


@pytest.mark.parametrize(
    ("name", "mixed"),
    [
        pytest.param("N\u0430rcotics", True, id="latin-and-cyrillic"),
        pytest.param("\u0391gency", True, id="greek-and-latin"),
        pytest.param("\u0274\u1d04\u0299", True, id="small-capitals"),
        pytest.param("N\u0251rcotics Bure\u0251u", True, id="phonetic-letters"),
        pytest.param("\u0190\u028be Agency, \u0186", False, id="letters-of-ewe"),
        pytest.param("\u0411\u044e\u0440\u043e FBI", False, id="words-of-two-alphabets"),
        pytest.param("Zo\u00eb 7-Up", False, id="accents-and-digits"),
        pytest.param("\u8b66\u5bdf\u5e81 NPA", False, id="han-and-latin"),
    ],
)
def test_a_word_of_two_alphabets(name, mixed):
    assert mixes_alphabets(name) is mixed
