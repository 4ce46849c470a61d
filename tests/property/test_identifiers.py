"""The validators that are our own, against their published algorithms, written here a second time and another way.

What each check digit promises is tested as such: which single changes it always sees, and which it cannot see.
"""

import base64
import hashlib
import string

from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.payloads.accounts import bitcoin, tron
from schemas.payloads.identifiers import air_waybill, dea_registration, onion_v3, s10

DIGITS = string.digits
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def with_digit(text: str, place: int, digit: str) -> str:
    return text[:place] + digit + text[place + 1 :]


# UPU S10-12: the weighted sum modulo 11 is taken from 11; 10 is written 0, 11 is written 5.
S10_WEIGHTS = [8, 6, 4, 2, 3, 5, 9, 7]
S10_DIGIT = {0: "5", 1: "0", 2: "9", 3: "8", 4: "7", 5: "6", 6: "5", 7: "4", 8: "3", 9: "2", 10: "1"}


def s10_remainder(serial: str) -> int:
    return sum(weight * DIGITS.index(digit) for weight, digit in zip(S10_WEIGHTS, serial, strict=True)) % 11


@given(st.text(DIGITS, min_size=8, max_size=8), st.sampled_from(DIGITS))
def test_s10(serial: str, digit: str) -> None:
    assert s10(f"RR{serial}{digit}IN") == (S10_DIGIT[s10_remainder(serial)] == digit)


@given(st.text(DIGITS, min_size=8, max_size=8), st.integers(0, 7), st.sampled_from(DIGITS))
def test_s10_sees_every_changed_digit_but_where_two_remainders_share_five(serial: str, place: int, other: str) -> None:
    assume(serial[place] != other)
    changed = with_digit(serial, place, other)
    blind = {s10_remainder(serial), s10_remainder(changed)} == {0, 6}
    assert s10(f"RR{changed}{S10_DIGIT[s10_remainder(serial)]}IN") == blind


def test_s10_as_the_standard_prints_it() -> None:
    assert s10("RR473124829IN")
    assert not s10("RR473124829XX")


# IATA Resolution 600a: the seven-digit serial number modulo 7.
@given(st.integers(0, 9_999_999), st.sampled_from(DIGITS))
def test_air_waybill(serial: int, digit: str) -> None:
    assert air_waybill(f"098-{serial:07}{digit}") == (digit == DIGITS[serial - serial // 7 * 7])


@given(st.integers(0, 9_999_999), st.integers(0, 6), st.sampled_from(DIGITS))
def test_an_air_waybill_sees_every_changed_digit_but_one_by_seven(serial: int, place: int, other: str) -> None:
    text = f"{serial:07}"
    assume(text[place] != other)
    blind = abs(int(text[place]) - int(other)) == 7
    assert air_waybill(f"098-{with_digit(text, place, other)}{serial % 7}") == blind


# 21 CFR part 1301: (d1 + d3 + d5) + 2 (d2 + d4 + d6) ends in d7.
def dea_digit(six: str) -> str:
    first = sum(int(six[place]) for place in (0, 2, 4))
    second = sum(int(six[place]) for place in (1, 3, 5))
    return str(first + second + second)[-1]


@given(st.text(DIGITS, min_size=6, max_size=6), st.sampled_from(DIGITS))
def test_dea_registration(six: str, digit: str) -> None:
    assert dea_registration(f"BB{six}{digit}") == (dea_digit(six) == digit)


@given(st.text(DIGITS, min_size=6, max_size=6), st.integers(0, 5), st.sampled_from(DIGITS))
def test_a_dea_registration_sees_every_changed_digit_but_a_doubled_one_by_five(
    six: str, place: int, other: str
) -> None:
    assume(six[place] != other)
    blind = place % 2 == 1 and abs(int(six[place]) - int(other)) == 5
    assert dea_registration(f"BB{with_digit(six, place, other)}{dea_digit(six)}") == blind


def test_dea_registrations_that_are_printed_as_examples() -> None:
    assert dea_registration("AP5836727")
    assert dea_registration("F91234563")
    assert not dea_registration("BB1388569")


# Tor rend-spec-v3, section 6: base32(key || SHA3-256(".onion checksum" || key || 03)[:2] || 03).
def onion_of(key: bytes, version: int = 3) -> str:
    digest = hashlib.new("sha3_256", b"".join([b".onion checksum", key, bytes([version])])).digest()
    bits = "".join(f"{byte:08b}" for byte in [*key, digest[0], digest[1], version])
    return "".join(BASE32[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5)) + ".onion"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 255))
def test_onion(key: bytes, version: int) -> None:
    assert len(onion_of(key)) == 62
    assert onion_v3(onion_of(key))
    assert onion_v3(onion_of(key, version)) == (version == 3)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 55), st.sampled_from(BASE32))
def test_an_onion_with_one_character_changed(key: bytes, place: int, other: str) -> None:
    address = onion_of(key)
    assume(address[place] != other)
    changed = with_digit(address, place, other)
    raw = base64.b32decode(changed[:56].upper())
    # two bytes of checksum miss one change in 65,536; whatever the change, the address is the one of its own key or none
    assert onion_v3(changed) == (onion_of(raw[:32]) == changed)


# base58check: the first four bytes of SHA-256 of SHA-256, in an alphabet without 0, O, I, l.
def base58check(payload: bytes) -> str:
    raw = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def decoded(text: str) -> bytes:
    number = 0
    for letter in text:
        number = number * 58 + BASE58.index(letter)
    ones = len(text) - len(text.lstrip("1"))
    return b"\0" * ones + number.to_bytes((number.bit_length() + 7) // 8, "big")


@given(st.binary(min_size=20, max_size=20), st.integers(0, 255))
def test_tron_is_one_prefix_of_base58check(body: bytes, prefix: int) -> None:
    address = base58check(bytes([prefix]) + body)
    assert tron(address) == (prefix == 0x41)
    assert bitcoin(address) == (prefix in (0x00, 0x05))


@given(st.binary(max_size=30))
def test_tron_is_twenty_one_bytes(body: bytes) -> None:
    assert tron(base58check(b"\x41" + body)) == (len(body) == 20)


@given(st.binary(min_size=20, max_size=20), st.integers(0, 33), st.sampled_from(BASE58 + "0OIl"))
def test_a_tron_address_with_one_character_changed(body: bytes, place: int, other: str) -> None:
    address = base58check(b"\x41" + body)
    assume(place < len(address) and address[place] != other)
    changed = with_digit(address, place, other)
    held = all(letter in BASE58 for letter in changed) and base58check(decoded(changed)[:-4]) == changed
    assert tron(changed) == (held and decoded(changed)[0] == 0x41 and len(decoded(changed)) == 25)


def test_addresses_that_exist() -> None:
    assert tron("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")
    assert onion_v3("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion")
    assert base58check(decoded("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")[:-4]) == "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
