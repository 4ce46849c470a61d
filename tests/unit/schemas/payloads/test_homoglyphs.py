"""A letter or digit of another script that looks the same is refused in every identifier, wherever it stands."""

import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas import base
from schemas.payloads import accounts, darkweb, identifiers, values
from schemas.payloads.identifiers import SHAPES

LOOKALIKES = {
    **dict(zip("ABCEHIJKMOPSTXYaceijopsxy", "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425\u04ae\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443", strict=True)),
    **dict(zip("NZv", "\u039d\u0396\u03bd", strict=True)),
    **{str(digit): chr(0xFF10 + digit) for digit in range(10)},
    "-": "\u2010",
    ".": "\u2024",
    "@": "\uff20",
}  # fmt: skip
"""ASCII -> a Cyrillic, Greek, fullwidth or punctuation character that many fonts draw alike."""

VALUES = {
    "cas": "437-38-7",
    "imo": "9319466",
    "container": "CSQU3054383",
    "iban": "GB82WEST12345698765432",
    "bic": "SBININBB104",
    "lei": "213800KUD8LAJWSQ9D15",
    "imei": "356868001435171",
    "in-pan": "ACUPA7085R",
    "in-gstin": "27AAPFU0939F1ZV",
    "in-epic": "WKH1186253",
    "in-aadhaar": "234123412346",
    "in-iec": "AAACE1234F",
    "in-ndps-urn": "A/MH/2024/0317",
    "us-ein": "911144442",
    "us-ssn": "536904399",
    "dea-registration": "BB1388568",
    "phone": "+12025550143",
    "email": "desk@example.org",
    "passport": "Z1234567",
    "national-id": "AB-12.34",
    "company-number": "U24110MH2009",
    "vehicle": "DL3CAB1234",
    "handle": "@bridge_meds_24",
    "onion": "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
    "pgp": "0123456789ABCDEF0123456789ABCDEF01234567",
}

TYPES = [
    (identifiers.S10, "RR473124829IN"),
    (identifiers.AirWaybill, "098-12345675"),
    (identifiers.TrackingNumber, "1Z999AA10123456784"),
    (identifiers.InchiKey, "CSCPPACGZOOCGX-UHFFFAOYSA-N"),
    (identifiers.Ifsc, "SBIN0000691"),
    (identifiers.AbaRouting, "021000021"),
    (identifiers.DeaCode, "9801"),
    (identifiers.NdpsSchedule, "110Y"),
    (accounts.Caip10, "tron:0x2b6653dc:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
    (accounts.Caip10, "eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    (accounts.Asset, "INR"),
    (accounts.Vpa, "some.body@okbank"),
    (darkweb.Site, "shop.example.org"),
    (values.CountryCode, "IND"),
    (values.Subdivision, "IN-DL"),
    (values.UnLocode, "INNSA"),
    (values.Unit, "KGM"),
    (values.Date, "2026-01-31"),
    (values.Hs6, "293339"),
    (base.AgencyId, "in-ncb"),
    (base.Reference, "NCB/DZU/CR-17/2026"),
]


def spoofed(text: str) -> Iterator[str]:
    for place, letter in enumerate(text):
        if letter in LOOKALIKES:
            yield text[:place] + LOOKALIKES[letter] + text[place + 1 :]


def test_every_scheme_is_tried() -> None:
    assert set(VALUES) == set(SHAPES)
    assert all(list(spoofed(value)) for value in VALUES.values())


@pytest.mark.parametrize("scheme", sorted(VALUES))
def test_an_identifier_of_a_party(scheme: str) -> None:
    shape = SHAPES[scheme]
    assert shape.validate(VALUES[scheme]) == VALUES[scheme]
    for text in spoofed(VALUES[scheme]):
        with pytest.raises(ValueError, match="outside ASCII") as caught:
            shape.validate(text)
        assert text not in str(caught.value)


@pytest.mark.parametrize(("kind", "value"), TYPES, ids=[value for _, value in TYPES])
def test_a_code_or_number_of_any_other_type(kind: Any, value: str) -> None:
    adapter = TypeAdapter[Any](kind)
    assert adapter.validate_python(value) == value
    for text in spoofed(value):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


def test_the_table_has_what_it_says() -> None:
    for plain, other in LOOKALIKES.items():
        assert plain.isascii()
        assert not other.isascii()
        name = unicodedata.name(other)
        assert name.split()[0] in ("CYRILLIC", "GREEK", "FULLWIDTH") or other in "\u2010\u2024"
