import pytest

from schemas.payloads import accounts, identifiers, values
from schemas.payloads.identifiers import SHAPES
from schemas.payloads.shape import Shape

BTC, ETH, TRX = accounts.BITCOIN, "eip155:1", "tron:0x2b6653dc"
P2TR = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"  # BIP 86, test vector
P2WPKH = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP 173, test vector
P2WSH = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"
P2PKH = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
P2SH = "3P14159f73E4gFr7JterCCQh9QjiTjiZrG"
EIP55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55, test vector
USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"

EXTRA: dict[str, Shape] = {
    "s10": Shape(r"[A-Z]{2}[0-9]{9}[A-Z]{2}", "an S10 number", identifiers.s10),
    "air-waybill": Shape(r"[0-9]{3}-[0-9]{8}", "an air waybill", identifiers.air_waybill),
}


def shape(name: str) -> Shape:
    found = {**SHAPES, **EXTRA}.get(name)
    if found:
        return found
    kind = next(found for each in (accounts, identifiers, values) if (found := getattr(each, name, None)))
    return next(each for each in kind.__metadata__ if isinstance(each, Shape))


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("cas", "437-38-7"),
        ("cas", "2167189-50-4"),
        ("imo", "9319466"),
        ("container", "CSQU3054383"),
        ("iban", "GB82WEST12345698765432"),
        ("bic", "SBININBB104"),
        ("lei", "213800KUD8LAJWSQ9D15"),
        ("imei", "356868001435171"),
        ("in-pan", "ACUPA7085R"),
        ("in-gstin", "27AAPFU0939F1ZV"),
        ("in-epic", "WKH1186253"),
        ("in-aadhaar", "234123412346"),
        ("in-iec", "AAACE1234F"),
        ("in-iec", "0388012345"),
        ("us-ein", "911144442"),
        ("us-ssn", "536904399"),
        ("dea-registration", "BB1388568"),
        ("phone", "+12025550143"),
        ("phone", "+919876543210"),
        ("email", "desk@example.org"),
        ("onion", "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"),
        ("pgp", "0123456789ABCDEF0123456789ABCDEF01234567"),
        ("s10", "RR473124829IN"),
        ("air-waybill", "098-12345675"),
        ("Batch", "TPX26/0014"),
        ("Batch", "l2305a+"),
        ("email", "desk@xn--e1afmkfd.xn--p1ai"),
        ("vehicle", "A1"),
        ("handle", "_dealer_"),
        ("handle", "$mr.pink!"),
        ("HsDeclared", "293942000"),
        ("HsDeclared", "293942000000"),
        ("UnLocode", "XZDEM"),
        ("Asset", "HRK"),
        ("CountryCode", "XZZ"),
        ("CountryCode", "XXA"),
        ("Gtin", "08901234567890"),
        ("Gtin", "5901234123457"),
        ("Gtin", "036000291452"),
        ("Gtin", "73513537"),
        ("Ifsc", "SBIN0000691"),
        ("AbaRouting", "021000021"),
        ("Vpa", "some.body@okbank"),
        ("InchiKey", "CSCPPACGZOOCGX-UHFFFAOYSA-N"),
        ("NdpsSchedule", "110Y"),
        ("IccsCode", "060121"),
        ("Caip10", f"{BTC}:{P2PKH}"),
        ("Caip10", f"{BTC}:{P2SH}"),
        ("Caip10", f"{BTC}:{P2WPKH}"),
        ("Caip10", f"{BTC}:{P2WSH}"),
        ("Caip10", f"{BTC}:{P2TR}"),
        ("Caip10", f"{ETH}:{EIP55}"),
        ("Caip10", f"{ETH}:{EIP55.lower()}"),
        ("Caip10", f"{TRX}:{USDT}"),
        ("Caip10", "bip122:12a765e31ffd4059bada1e25190f6e98:LbTjMGN7gELw4KbeyQf6cTCq859hD18guE"),
        ("Asset", "INR"),
        ("Asset", f"{BTC}/slip44:0"),
        ("Asset", f"{TRX}/trc20:{USDT}"),
        ("Asset", f"{ETH}/erc20:{EIP55}"),
    ],
)
def test_is_taken(scheme: str, value: str) -> None:
    assert shape(scheme).validate(value) == value


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        pytest.param("cas", "437-38-8", id="cas-check-digit"),
        pytest.param("cas", "437387", id="cas-without-hyphens"),
        pytest.param("cas", "0437-38-7", id="cas-leading-zero"),
        pytest.param("imo", "9319467", id="imo-check-digit"),
        pytest.param("imo", "IMO9319466", id="imo-with-prefix"),
        pytest.param("container", "CSQU3054384", id="container-check-digit"),
        pytest.param("iban", "GB82WEST12345698765433", id="iban-check-digits"),
        pytest.param("iban", "GB82 WEST 1234 5698 7654 32", id="iban-with-spaces"),
        pytest.param("lei", "213800KUD8LAJWSQ9D16", id="lei-check-digits"),
        pytest.param("imei", "356868001435172", id="imei-check-digit"),
        pytest.param("in-pan", "ACUXA7085R", id="pan-holder-type"),
        pytest.param("in-gstin", "27AAPFU0939F1ZX", id="gstin-check-character"),
        pytest.param("in-epic", "WKH1186254", id="epic-check-digit"),
        pytest.param("in-aadhaar", "234123412347", id="aadhaar-check-digit"),
        pytest.param("us-ein", "071144442", id="ein-prefix"),
        pytest.param("us-ssn", "078051120", id="ssn-never-issued"),
        pytest.param("us-ssn", "536-90-4399", id="ssn-with-hyphens"),
        pytest.param("dea-registration", "BB1388569", id="dea-check-digit"),
        pytest.param("phone", "+13035550", id="phone-too-short-for-its-country"),
        pytest.param("phone", "+999123456789", id="phone-of-no-country"),
        pytest.param("phone", "2025550199", id="phone-without-country"),
        pytest.param("onion", "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryc.onion", id="onion-version"),
        pytest.param("onion", "ag6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", id="onion-checksum"),
        pytest.param("s10", "RR473124828IN", id="s10-check-digit"),
        pytest.param("s10", "RR473124829XX", id="s10-country"),
        pytest.param("air-waybill", "098-12345676", id="air-waybill-check-digit"),
        pytest.param("Batch", "TPX26 0014 OF THE BOX", id="batch-of-21-characters"),
        pytest.param("Batch", " TPX26", id="batch-with-a-space-before"),
        pytest.param("Gtin", "08901234567891", id="gtin-check-digit"),
        pytest.param("Gtin", "5901234123458", id="ean-13-check-digit"),
        pytest.param("Gtin", "590-1234-123457", id="gtin-with-hyphens"),
        pytest.param("Gtin", "735135370", id="gtin-of-nine-digits"),
        pytest.param("AbaRouting", "021000022", id="routing-check-digit"),
        pytest.param("Ifsc", "SBIN1000691", id="ifsc-fifth-is-zero"),
        pytest.param("IccsCode", "066", id="iccs-of-three-digits"),
        pytest.param("Caip10", P2PKH, id="caip10-without-chain"),
        pytest.param("Caip10", f"{BTC}:{P2PKH[:-1]}b", id="bitcoin-checksum"),
        pytest.param("Caip10", f"{BTC}:{P2TR[:-1]}q", id="taproot-checksum"),
        pytest.param("Caip10", f"{BTC}:{P2WPKH.upper()}", id="segwit-upper-case"),
        pytest.param("Caip10", f"{BTC}:{P2WPKH[:10]}{P2WPKH[10:].upper()}", id="segwit-mixed-case"),
        pytest.param("Caip10", f"{BTC}:tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", id="segwit-of-the-test-network"),
        pytest.param("Caip10", f"{BTC}:mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", id="base58-of-the-test-network"),
        pytest.param(
            "Caip10", f"{BTC}:bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", id="taproot-as-bech32"
        ),
        pytest.param("Caip10", f"{BTC}:{USDT}", id="tron-address-on-bitcoin"),
        pytest.param("Caip10", f"{TRX}:{P2PKH}", id="bitcoin-address-on-tron"),
        pytest.param("Caip10", f"{TRX}:{USDT[:-1]}v", id="tron-checksum"),
        pytest.param("Caip10", f"{ETH}:{EIP55.replace('aA', 'AA')}", id="eip-55-checksum"),
        pytest.param("Caip10", f"{ETH}:{EIP55[:-1]}", id="ethereum-39-digits"),
        pytest.param("Asset", "XXQ", id="currency-that-does-not-exist"),
        pytest.param("Asset", f"{ETH}/erc20:{EIP55.replace('aA', 'AA')}", id="token-checksum"),
    ],
)
def test_is_refused(scheme: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        shape(scheme).validate(value)
    assert value not in str(caught.value)


CYRILLIC = {
    "A": "\u0410",
    "B": "\u0412",
    "C": "\u0421",
    "E": "\u0415",
    "a": "\u0430",
    "e": "\u0435",
    "o": "\u043e",
    "c": "\u0441",
}


@pytest.mark.parametrize(
    ("scheme", "value"),
    [("iban", "GB82WEST12345698765432"), ("in-pan", "ACUPA7085R"), ("Caip10", f"{BTC}:{P2WPKH}"), ("container", "CSQU3054383"),
     ("handle", "@bridge_meds_24"), ("email", "desk@example.org"), ("Caip10", f"{ETH}:{EIP55}")],
)  # fmt: skip
def test_a_letter_of_another_script_is_refused(scheme: str, value: str) -> None:
    letter = next(each for each in value if each in CYRILLIC)
    with pytest.raises(ValueError, match="outside ASCII"):
        shape(scheme).validate(value.replace(letter, CYRILLIC[letter], 1))


@pytest.mark.parametrize("scheme", sorted(SHAPES))
@pytest.mark.parametrize("extra", ["\n", " ", "\u00a0", "\u0000", "\u0661", "\uff11"])
def test_nothing_may_follow(scheme: str, extra: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        SHAPES[scheme].validate("1234567" + extra)
