from typing import Any

import pytest

from schemas import registry
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

SAMPLE = "bengali-market"
ETHER = "eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize(
    ("pointer", "value", "at", "sentence"),
    [
        pytest.param("/summary", GONE, "/summary", "found none", id="no-summary"),
        pytest.param("/accounts", [], "/accounts", "at least 1", id="no-account"),
        pytest.param("/accounts/0/scheme", MARKER, "/accounts/0/scheme", "'caip10'", id="unknown-scheme"),
        pytest.param("/accounts/0/scheme", "iban", "/accounts/0/number", "found none", id="chain-account-as-iban"),
        pytest.param("/accounts/0/account", "tron:0x2b6653dc:TKMApvjMZNkXWuF77727LGsqYyiWvmLuhW", "/accounts/0/account", "CAIP-10", id="tron-checksum"),
        pytest.param("/accounts/0/account", ETHER.replace("aA", "AA"), "/accounts/0/account", "CAIP-10", id="eip-55"),
        pytest.param("/accounts/0/role", "banker", "/accounts/0/role", "'vasp'", id="unknown-role"),
        pytest.param("/accounts/0/role", GONE, "/accounts/0/role", "found none", id="no-role"),
        pytest.param("/accounts/1/id", "vendor-usdt", "/accounts", "each local name once", id="account-named-twice"),
        pytest.param("/accounts/0/attribution/confidence", "certain", "/accounts/0/attribution/confidence", "'low', 'moderate' or 'high'", id="confidence"),
        pytest.param("/accounts/0/attribution/basis", GONE, "/accounts/0/attribution/basis", "found none", id="attribution-without-basis"),
        pytest.param("/accounts/0/attribution/party", "nobody", "/accounts/0/attribution/party", "one of the parties", id="attributed-to-nobody"),
        pytest.param("/accounts/4/branch", "EXMP1000691", "/accounts/4/branch", "Financial System Code", id="ifsc"),
        pytest.param("/transactions/0/account", "nowhere", "/transactions/0/account", "one of the accounts", id="from-nowhere"),
        pytest.param("/transactions/0/counterparty", "nowhere", "/transactions/0/counterparty", "one of the accounts", id="to-nowhere"),
        pytest.param("/transactions/0/counterparty", "vendor-usdt", "/transactions/0/counterparty", "another account", id="to-itself"),
        pytest.param("/transactions/0/direction", "both", "/transactions/0/direction", "'in' or 'out'", id="direction"),
        pytest.param("/transactions/0/amount", "0", "/transactions/0/amount", "above zero", id="nothing-moved"),
        pytest.param("/transactions/0/amount", "14,250", "/transactions/0/amount", "decimal", id="thousands-comma"),
        pytest.param("/transactions/0/time", "2026-02-06", "/transactions/0/time", "a UTC time", id="time"),
        pytest.param("/transactions/0/tx_hash", GONE, "/transactions/0/tx_hash", "hash", id="chain-without-hash"),
        pytest.param("/transactions/0/tx_hash", "0x" + "0" * 64, "/transactions/0/tx_hash", "as this account's chain", id="hash-of-another-chain"),
        pytest.param("/transactions/0/tx_hash", "4" * 63, "/transactions/0/tx_hash", "as this account's chain", id="hash-too-short"),
        pytest.param("/transactions/0/asset", "bip122:000000000019d6689c085ae165831e93/slip44:0", "/transactions/0/asset", "this account's chain", id="asset-of-another-chain"),
        pytest.param("/transactions/0/asset", "USD", "/transactions/0/asset", "CAIP-19", id="currency-on-a-chain"),
        pytest.param("/transactions/0/asset", "USDT", "/transactions/0/asset", "CAIP-19", id="ticker-for-an-asset"),
        pytest.param("/transactions/2/reference", GONE, "/transactions/2/reference", "bank's reference", id="bank-without-reference"),
        pytest.param("/transactions/2/tx_hash", "4" * 64, "/transactions/2/reference", "no hash", id="hash-in-a-bank"),
        pytest.param("/transactions/2/asset", "eip155:1/slip44:60", "/transactions/2/asset", "ISO 4217", id="ether-in-a-bank"),
        pytest.param("/report_type", "CTR2", "/report_type", "'STR', 'SAR' or 'CTR'", id="report-type"),
        pytest.param("/report_type", GONE, "/report_type", "type of the report", id="reference-of-no-report"),
        pytest.param("/sar_key_term", "FENTANYL FIN-2024-A002", "/report_type", "expected SAR", id="key-term-of-an-str"),
        pytest.param("/freeze_requested", GONE, "/freeze_requested", "found none", id="freeze-not-said"),
        pytest.param("/freeze_requested", "yes", "/freeze_requested", "true or false", id="freeze-as-text"),
        pytest.param("/freeze_requested", False, "/freeze_requested", "expected true", id="accounts-but-no-freeze"),
        pytest.param("/freeze_accounts", GONE, "/freeze_accounts", "which accounts", id="freeze-of-nothing"),
        pytest.param("/freeze_ground", GONE, "/freeze_ground", "what ground", id="freeze-without-ground"),
        pytest.param("/freeze_accounts/0", "nowhere", "/freeze_accounts/0", "one of the accounts", id="freeze-nowhere"),
        pytest.param("/parties/1/ref", "vendor-1", "/parties", "each local name once", id="party-named-twice"),
        pytest.param("/terror_nexus", [{"organisation": "x", "list": "EU", "confidence": "low"}], "/terror_nexus/0/list", "'UN1267'", id="unknown-list"),
    ],
)  # fmt: skip
def test_is_refused(pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("payment-trail", changed("payment-trail", SAMPLE, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    "account",
    [
        pytest.param({"scheme": "iban", "number": "GB82WEST12345698765432", "bic": "WESTGB2L"}, id="iban"),
        pytest.param({"scheme": "ifsc", "branch": "SBIN0000691", "number": "00000012345678901"}, id="ifsc"),
        pytest.param({"scheme": "aba", "routing": "021000021", "number": "000123456789"}, id="aba"),
        pytest.param({"scheme": "upi", "vpa": "some.body@okbank"}, id="upi"),
    ],
)
def test_an_account_that_is_no_blockchains(account: dict[str, str]) -> None:
    document = {
        "summary": "One account.",
        "accounts": [{"id": "one", "role": "customer", **account}],
        "transactions": [
            {"account": "one", "direction": "in", "asset": "USD", "amount": "1.00", "time": "2026-01-01T00:00:00Z", "reference": "R1"}
        ],
        "freeze_requested": False,
    }  # fmt: skip
    assert registry.check("payment-trail", 1, document).to_object() == document


def test_an_ethereum_trail() -> None:
    document = {
        "summary": "One transfer.",
        "accounts": [{"id": "one", "role": "mixer", "scheme": "caip10", "account": ETHER}],
        "transactions": [
            {
                "account": "one",
                "direction": "out",
                "asset": "eip155:1/slip44:60",
                "amount": "0.5",
                "time": "2026-01-01T00:00:00Z",
                "tx_hash": "0x" + "ab" * 32,
            }
        ],
        "freeze_requested": False,
    }
    assert registry.check("payment-trail", 1, document).to_object() == document
