"""Valid payment trails."""

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONFIDENCE,
    DECIMAL,
    LINE,
    REFERENCE,
    TEXT,
    TIMES,
    Document,
    joined,
    parties,
    record,
)

HASH = st.text("0123456789abcdef", min_size=64, max_size=64)
ACCOUNTS: dict[str, tuple[Document, str]] = {
    "bitcoin": (
        {
            "scheme": "caip10",
            "account": "bip122:000000000019d6689c085ae165831e93:bc1p7mxsvjvmw8qcns2h92rj3d09up9870zxwjdpxumwlsemakv6vmzquucjfz",
        },
        "bip122:000000000019d6689c085ae165831e93/slip44:0",
    ),
    "tron": (
        {"scheme": "caip10", "account": "tron:0x2b6653dc:TKMApvjMZNkXWuF77727LGsqYyiWvmLuhV"},
        "tron:0x2b6653dc/trc20:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    ),
    "iban": ({"scheme": "iban", "number": "GB82WEST12345698765432"}, "EUR"),
    "ifsc": ({"scheme": "ifsc", "branch": "SBIN0000691", "number": "00000012345678901"}, "INR"),
    "aba": ({"scheme": "aba", "routing": "021000021", "number": "000123456789"}, "USD"),
    "upi": ({"scheme": "upi", "vpa": "some.body@okbank"}, "INR"),
}


@st.composite
def trails(draw: st.DrawFn) -> Document:
    people = draw(parties())
    attribution = record({"confidence": CONFIDENCE, "basis": TEXT}, {"entity": LINE})
    used = draw(st.lists(st.sampled_from(sorted(ACCOUNTS)), min_size=1, max_size=4))
    roles = st.sampled_from(["customer", "vendor", "mixer", "vasp", "otc", "cash-out"])
    accounts = [{"id": f"account-{place}", "role": draw(roles), **ACCOUNTS[each][0]} for place, each in enumerate(used)]
    for account in accounts:
        if draw(st.booleans()):
            account["attribution"] = draw(attribution)
            if people:
                account["attribution"]["party"] = draw(st.sampled_from(people))["ref"]
    transactions = []
    for place in draw(st.lists(st.integers(0, len(used) - 1), max_size=3)):
        on_chain = "caip10" in ACCOUNTS[used[place]][0].values()
        transactions.append(
            {
                "account": accounts[place]["id"],
                "direction": draw(st.sampled_from(["in", "out"])),
                "asset": ACCOUNTS[used[place]][1],
                "amount": draw(DECIMAL),
                "time": draw(TIMES),
                **({"tx_hash": draw(HASH)} if on_chain else {"reference": draw(REFERENCE)}),
            }
        )
    freeze = draw(st.booleans())
    return {
        "summary": draw(TEXT),
        "accounts": accounts,
        "transactions": transactions,
        "parties": people,
        "freeze_requested": freeze,
        **({"freeze_accounts": [accounts[0]["id"]], "freeze_ground": draw(TEXT)} if freeze else {}),
        **draw(st.sampled_from([{}, {"report_type": "STR", "report_ref": "R1"}, {"report_type": "SAR", "sar_key_term": "FENTANYL"}])),
    }  # fmt: skip


PAYLOADS = joined(trails(), COMMON)
