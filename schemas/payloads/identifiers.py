"""Identifiers and who validates them: python-stdnum, phonenumbers, and own code where no library knows the number.

One value has one spelling: separators that a library would drop are refused, so that two agencies' texts compare.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Protocol

import phonenumbers
from stdnum import bic, casrn, ean, iban, imei, imo, iso6346, lei
from stdnum.exceptions import ValidationError as StdnumError
from stdnum.in_ import aadhaar, epic, gstin, pan
from stdnum.us import ein, rtn, ssn

from schemas.codes.lists import country_letters
from schemas.payloads.shape import Shape


class _Module(Protocol):
    def validate(self, number: str, /) -> str: ...


def stdnum(module: _Module) -> Callable[[str], bool]:
    """A check by a python-stdnum module that also refuses every spelling but the module's own compact one."""

    def check(text: str) -> bool:
        try:
            return bool(module.validate(text) == text)
        except StdnumError:
            return False

    return check


# There are few substances and they are in nearly every payload. Never so for what names a person or an account.
_cas = lru_cache(maxsize=4096)(stdnum(casrn))


def _phone(text: str) -> bool:
    # possible, not valid: numbering plans change faster than the library's data, and a refused number is a lost lead
    try:
        reason = phonenumbers.is_possible_number_with_reason(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False
    return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)


def s10(text: str) -> bool:
    """UPU standard S10: weights 8 6 4 2 3 5 9 7 over the serial number, 11 - sum mod 11, 10 is 0 and 11 is 5."""
    total = sum(int(digit) * weight for digit, weight in zip(text[2:10], (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    digit = {10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11)
    return int(text[10]) == digit and text[11:] in country_letters()


def air_waybill(text: str) -> bool:
    """IATA Resolution 600a: the last digit is the seven-digit serial number modulo 7."""
    return int(text[4:11]) % 7 == int(text[11])


def onion_v3(text: str) -> bool:
    """Tor rend-spec-v3, section 6: the checksum is SHA3-256(".onion checksum" || key || version), two bytes of it."""
    try:
        raw = base64.b32decode(text.removesuffix(".onion").upper())
    except binascii.Error:
        return False
    key, checksum, version = raw[:32], raw[32:34], raw[34:]
    return version == b"\x03" and hashlib.sha3_256(b".onion checksum" + key + version).digest()[:2] == checksum


def dea_registration(text: str) -> bool:
    """DEA registration number (21 CFR part 1301): d1+d3+d5 plus twice d2+d4+d6 ends in d7."""
    digits = [int(each) for each in text[2:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        # A pattern that was published grows by alternatives at its end (`schemas.compatible`).
        "cas": Shape(r"[1-9][0-9]{1,6}-[0-9]{2}-[0-9]", "a CAS number like 437-38-7", _cas),
        "imo": Shape(r"[0-9]{7}", "an IMO ship number of seven digits like 9319466", stdnum(imo)),
        "container": Shape(r"[A-Z]{3}[UJZ][0-9]{7}", "an ISO 6346 container number like CSQU3054383", stdnum(iso6346)),
        "iban": Shape(
            r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", "an IBAN without spaces like GB82WEST12345698765432", stdnum(iban)
        ),
        "bic": Shape(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", "a BIC (ISO 9362) like SBININBB104", stdnum(bic)),
        "lei": Shape(r"[A-Z0-9]{18}[0-9]{2}", "an LEI (ISO 17442) like 213800KUD8LAJWSQ9D15", stdnum(lei)),
        "imei": Shape(r"[0-9]{15}", "an IMEI of fifteen digits like 356868001435171", stdnum(imei)),
        "in-pan": Shape(r"[A-Z]{5}[0-9]{4}[A-Z]", "an Indian PAN like ACUPA7085R", stdnum(pan)),
        "in-gstin": Shape(r"[0-9]{2}[A-Z0-9]{13}", "an Indian GSTIN like 27AAPFU0939F1ZV", stdnum(gstin)),
        "in-epic": Shape(r"[A-Z]{3}[0-9]{7}", "an Indian voter's EPIC number like WKH1186253", stdnum(epic)),
        "in-aadhaar": Shape(r"[2-9][0-9]{11}", "an Aadhaar number of twelve digits, without spaces", stdnum(aadhaar)),
        # the Directorate General of Foreign Trade's code is the PAN since 2017; older ones are ten digits
        "in-iec": Shape(r"[A-Z]{5}[0-9]{4}[A-Z]|[0-9]{10}", "an Importer-Exporter Code: a PAN, or ten digits"),
        "in-ndps-urn": Shape(r"[A-Z0-9][A-Z0-9/-]{3,39}", "a unique registration number under the NDPS RCS Order 2013"),
        "us-ein": Shape(r"[0-9]{9}", "a US EIN of nine digits, without a hyphen", stdnum(ein)),
        "us-ssn": Shape(r"[0-9]{9}", "a US SSN of nine digits, without hyphens", stdnum(ssn)),
        "dea-registration": Shape(
            r"[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}", "a DEA registration number like BB1388568", dea_registration
        ),
        "phone": Shape(r"\+[1-9][0-9]{6,14}", "a telephone number as E.164 like +12025550143", _phone),
        "email": Shape(
            r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
            r"|[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
            r"[Xx][Nn]--[A-Za-z0-9-]{2,59}",
            "an e-mail address like desk@example.org, a domain in another script as its A-label",
        ),
        "passport": Shape(r"[A-Z0-9]{5,15}", "a passport number of capital letters and digits"),
        "national-id": Shape(r"[A-Z0-9][A-Z0-9./-]{2,29}", "a national identity number in capital letters and digits"),
        "company-number": Shape(r"[A-Z0-9][A-Z0-9./-]{2,29}", "a company register number in capitals and digits"),
        "vehicle": Shape(r"[A-Z0-9]{1,12}", "a vehicle's registration without spaces like DL3CAB1234"),
        "handle": Shape(
            r"[A-Za-z0-9@][A-Za-z0-9_.:@/#-]{0,99}|[!-~]{1,100}",
            "an account name on a platform, in ASCII without spaces",
        ),
        "onion": Shape(r"[a-z2-7]{56}\.onion", "a version 3 onion address, 56 characters and .onion", onion_v3),
        "pgp": Shape(r"[0-9A-F]{40}([0-9A-F]{24})?", "an OpenPGP fingerprint of 40 or 64 capital hexadecimal digits"),
    }
)
"""Scheme -> how an identifier of that scheme is written and checked."""

NEEDS_COUNTRY = frozenset({"passport", "national-id", "company-number", "vehicle"})
"""Schemes whose values mean nothing without the country that issued them."""

Cas = Annotated[str, SHAPES["cas"]]
"""CAS registry number, with its check digit."""

InchiKey = Annotated[str, Shape(r"[A-Z]{14}-[A-Z]{10}-[A-Z]", "an InChIKey like CSCPPACGZOOCGX-UHFFFAOYSA-N")]
"""IUPAC InChIKey, 27 characters."""

Container = Annotated[str, SHAPES["container"]]
"""Freight container, ISO 6346, with its check digit."""

ImoNumber = Annotated[str, SHAPES["imo"]]
"""IMO ship identification number, with its check digit."""

Gtin = Annotated[
    str,
    Shape(
        r"[0-9]{8}|[0-9]{12,14}", "a GTIN of 8, 12, 13 or 14 digits like 08901234567890, without spaces", stdnum(ean)
    ),
]
"""Global Trade Item Number (GS1 General Specifications, ISO/IEC 15459-6), with its check digit."""

Batch = Annotated[
    str,
    Shape(
        r'[A-Z0-9][A-Z0-9 ./_-]{0,19}|[!"%-?A-Z_a-z][!"%-?A-Z_a-z ]{0,19}',
        "a batch or lot number of at most 20 characters, as printed",
    ),
]
"""Batch or lot number as printed, GS1 application identifier 10: its 82 characters (General Specifications, figure
7.11-1), of which small letters are not the same as capitals.
"""

Iban = Annotated[str, SHAPES["iban"]]
"""ISO 13616."""

Bic = Annotated[str, SHAPES["bic"]]
"""ISO 9362."""

S10 = Annotated[
    str, Shape(r"[A-Z]{2}[0-9]{9}[A-Z]{2}", "a UPU S10 item identifier of 13 characters like RR473124829IN", s10)
]
"""Postal item, UPU standard S10, with its check digit."""

AirWaybill = Annotated[str, Shape(r"[0-9]{3}-[0-9]{8}", "an air waybill number like 098-12345675", air_waybill)]
"""IATA air waybill, with its check digit."""

TrackingNumber = Annotated[str, Shape(r"[A-Z0-9]{6,40}", "a carrier's tracking number of capital letters and digits")]

Ifsc = Annotated[str, Shape(r"[A-Z]{4}0[A-Z0-9]{6}", "an Indian Financial System Code like SBIN0000691")]
"""Branch of an Indian bank (Reserve Bank of India)."""

AbaRouting = Annotated[str, Shape(r"[0-9]{9}", "an ABA routing number of nine digits like 011103093", stdnum(rtn))]
"""US bank (American Bankers Association), with its check digit."""

DeaCode = Annotated[str, Shape(r"[0-9]{4}", "a DEA drug or chemical code of four digits like 9801")]
"""21 CFR 1308 and 1310.02."""

NdpsSchedule = Annotated[
    str, Shape(r"[ABC]|[0-9]{1,3}[A-Z]{0,2}", "a schedule of the NDPS RCS Order (A, B, C) or a serial number like 110Y")
]
"""India: schedule A, B or C, NDPS (Regulation of Controlled Substances) Order 2013, or the Act's serial number."""

IccsCode = Annotated[str, Shape(r"[0-9]{2}|[0-9]{4,6}", "an ICCS code of 2, 4, 5 or 6 digits like 0601")]
"""International Classification of Crime for Statistical Purposes (UNODC): 2, 4, 5 or 6 digits, by level."""
