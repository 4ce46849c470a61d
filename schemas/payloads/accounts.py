"""Where money is: blockchain accounts (CAIP-10), banks (IBAN, IFSC, ABA) and UPI, each checked by its own rules."""

import re
from typing import Annotated, Literal

from embit import base58, bech32
from embit.base import EmbitError
from pydantic import Field

from schemas.base import Model, Text
from schemas.codes.lists import currencies
from schemas.payloads.identifiers import AbaRouting, Bic, Iban, Ifsc
from schemas.payloads.parts import Confidence
from schemas.payloads.shape import Shape
from schemas.payloads.values import Label, LocalId

BITCOIN = "bip122:000000000019d6689c085ae165831e93"
"""Bitcoin's main network (CAIP-4): the first 32 hexadecimal digits of the genesis block's hash."""

_BASE58 = "[1-9A-HJ-NP-Za-km-z]"
_LOWER_OR_UPPER = re.compile(r"0x([0-9a-f]{40}|[0-9A-F]{40})")
_SEGWIT = {(0, 20), (0, 32), (1, 32)}  # P2WPKH, P2WSH, P2TR: version and size of the witness programme
_P2PKH, _P2SH, _TRON = 0x00, 0x05, 0x41


def _base58check(text: str, *prefixes: int) -> bool:
    if not re.fullmatch(f"{_BASE58}{{25,36}}", text):
        return False
    try:
        raw = base58.decode_check(text)
    except (EmbitError, ValueError):
        return False
    return len(raw) == 21 and raw[0] in prefixes  # noqa: PLR2004 - a prefix byte and a 20-byte hash


def bitcoin(address: str) -> bool:
    """P2PKH, P2SH (base58check), P2WPKH, P2WSH (BIP 173) and P2TR (BIP 350), main network, lower case."""
    if not address.startswith("bc1"):
        return _base58check(address, _P2PKH, _P2SH)
    if address != address.lower():
        return False
    version, programme = bech32.decode("bc", address)
    return programme is not None and (version, len(programme)) in _SEGWIT


def ethereum(address: str) -> bool:
    """EIP-55: an address in mixed case carries a checksum; one in a single case carries none."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", address):
        return False
    if _LOWER_OR_UPPER.fullmatch(address):
        return True
    from eth_utils.address import is_checksum_address  # noqa: PLC0415 - a quarter of a second that few programs need

    return is_checksum_address(address)


def tron(address: str) -> bool:
    """TRON: base58check of 21 bytes, the first 0x41."""
    return _base58check(address, _TRON)


def _on_chain(chain: str, address: str) -> bool:
    if chain == BITCOIN:
        return bitcoin(address)
    match chain.split(":", 1)[0]:
        case "eip155":
            return ethereum(address)
        case "tron":
            return tron(address)
    return True


def _caip10(text: str) -> bool:
    chain, address = text.rsplit(":", 1)
    return _on_chain(chain, address)


def _caip19(text: str) -> bool:
    chain, asset = text.split("/", 1)
    namespace, reference = asset.split(":", 1)
    return namespace not in ("erc20", "trc20") or _on_chain(chain, reference)


def _asset(text: str) -> bool:
    return _caip19(text) if "/" in text else text in currencies()


def transaction_hash(chain: str, text: str) -> bool:
    """A transaction's hash as its chain's explorers write it; on chains this module does not know, any `TxHash`."""
    if chain == BITCOIN or chain.startswith("tron:"):
        return re.fullmatch(r"[0-9a-f]{64}", text) is not None
    if chain.startswith("eip155:"):
        return re.fullmatch(r"0x[0-9a-f]{64}", text) is not None
    return True


_CHAIN = r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}"

Caip10 = Annotated[
    str,
    Shape(
        _CHAIN + r":[-.%a-zA-Z0-9]{1,128}",
        "a blockchain account as CAIP-10 like eip155:1:0xab16a96d359ec26a11e2c2b3d8f8b8942d5bfcdb",
        _caip10,
    ),
]
"""CAIP-10: chain (CAIP-2), a colon, address. Bitcoin, Ethereum's family and TRON addresses are checked."""

Asset = Annotated[
    str,
    Shape(
        r"[A-Z]{3}|" + _CHAIN + r"/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}",
        "a currency as ISO 4217 like INR, or an asset as CAIP-19 like eip155:1/slip44:60",
        _asset,
    ),
]
"""ISO 4217, or CAIP-19 (slip44, erc20, trc20, ...)."""

TxHash = Annotated[str, Shape(r"(0x)?[A-Za-z0-9]{32,128}", "a transaction hash as its chain's explorers write it")]

AccountNumber = Annotated[str, Shape(r"[A-Z0-9]{4,34}", "an account number of capital letters and digits")]

Vpa = Annotated[
    str, Shape(r"[a-z0-9][a-z0-9._-]{1,254}@[a-z][a-z0-9]{1,63}", "a UPI address like name@bank, in lower case")
]
"""Virtual payment address of India's Unified Payments Interface (NPCI)."""

PaymentRole = Literal["customer", "vendor", "mixer", "vasp", "otc", "cash-out"]
"""What an account does in the trail. vasp: virtual asset service provider (FATF Recommendation 15)."""


class Attribution(Model):
    """Who is thought to control an account, and how sure the analyst is (ICD 203: low, moderate, high)."""

    party: LocalId | None = None
    entity: Label | None = None
    confidence: Confidence
    basis: Text


class Account(Model):
    """What every account has: a name inside this payload, its role, and who is thought to control it."""

    id: LocalId
    role: PaymentRole
    held_at: Label | None = None
    attribution: Attribution | None = None

    def chain(self) -> str | None:
        """The CAIP-2 chain, None for a bank's account."""
        return None


class ChainAccount(Account):
    """An account on a blockchain, CAIP-10. Checked are addresses of Bitcoin's main network
    (`bip122:000000000019d6689c085ae165831e93`: P2PKH, P2SH, P2WPKH, P2WSH and P2TR, segwit in lower case), of `eip155`
    (the EIP-55 checksum, in mixed case) and of `tron` (base58check, 21 bytes, the first 0x41); of other chains only
    the form.
    """

    scheme: Literal["caip10"]
    account: Caip10

    def chain(self) -> str | None:
        return self.account.rsplit(":", 1)[0]


class IbanAccount(Account):
    """A bank account by IBAN (ISO 13616), and the bank's BIC (ISO 9362)."""

    scheme: Literal["iban"]
    number: Iban
    bic: Bic | None = None


class IfscAccount(Account):
    """An account in an Indian bank, which has no IBAN: the branch's IFSC (Reserve Bank of India) and the number."""

    scheme: Literal["ifsc"]
    branch: Ifsc
    number: AccountNumber


class AbaAccount(Account):
    """An account in a US bank, which has no IBAN: routing number (American Bankers Association) and account number."""

    scheme: Literal["aba"]
    routing: AbaRouting
    number: AccountNumber


class UpiAccount(Account):
    """A virtual payment address of India's Unified Payments Interface."""

    scheme: Literal["upi"]
    vpa: Vpa


AnyAccount = Annotated[
    ChainAccount | IbanAccount | IfscAccount | AbaAccount | UpiAccount, Field(discriminator="scheme")
]
