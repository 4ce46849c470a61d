"""Kind `payment-trail`: accounts, what moved between them, and who is thought to stand behind them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Model, Reference, Text
from schemas.payloads.accounts import AnyAccount, Asset, TxHash, transaction_hash
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Evaluation, Party, Payload, TerrorNexus, persons, unique_refs
from schemas.payloads.shape import Shape, wrong
from schemas.payloads.values import Label, LocalId, Positive, Time

KeyTerm = Annotated[
    str, Shape(r"[A-Z0-9][A-Z0-9 -]{2,58}[A-Z0-9]", "a FinCEN key term in capitals like FENTANYL FIN-2024-A002")
]


class Transaction(Model):
    """One movement, seen from `account`: `in` to it or `out` of it. `account` and `counterparty` are the `id`s of two
    accounts. `amount` is in whole units of `asset` (an ISO 4217 currency, or CAIP-19).

    On a blockchain it has a `tx_hash` as the chain's explorers write it (Bitcoin, TRON: 64 lower-case hexadecimal
    digits; eip155: those behind `0x`) and an asset of the account's own chain; elsewhere a `reference`, a currency and
    no hash.
    """

    account: LocalId
    counterparty: LocalId | None = None
    direction: Literal["in", "out"]
    asset: Asset
    symbol: Label | None = None
    amount: Positive
    time: Time
    tx_hash: TxHash | None = None
    reference: Reference | None = None


class PaymentTrailV1(Payload):
    """A trail of payments for drugs, precursors or the terror they pay for.

    Sources: 1988 UN Convention, Articles 5(4)(b) and 9; FATF Recommendations 15, 29 and 40; CAIP-10 and CAIP-19;
    ISO 13616, 9362 and 4217; confidence as in ICD 203; reports of India's PMLA 2002, section 12 (STR, CTR), and of
    31 CFR 1020.320 (SAR) and 1010.311 (CTR); key terms of FinCEN's advisories. A report itself and the fact that one
    was filed stay confidential (31 USC 5318(g)(2)): `report_ref` is what the two intelligence units agreed on.
    """

    summary: Text
    evaluation: Evaluation | None = None
    accounts: Annotated[tuple[AnyAccount, ...], Field(min_length=1, max_length=200)]
    transactions: Annotated[tuple[Transaction, ...], Field(max_length=1000)] = ()
    parties: Annotated[tuple[Party, ...], Field(max_length=100)] = ()
    terror_nexus: Annotated[tuple[TerrorNexus, ...], Field(max_length=10)] = ()
    report_type: Literal["STR", "SAR", "CTR"] | None = None
    report_ref: Reference | None = None
    sar_key_term: KeyTerm | None = None
    freeze_requested: bool
    freeze_accounts: Annotated[tuple[LocalId, ...], Field(max_length=200)] = ()
    freeze_ground: Text | None = None

    @model_validator(mode="after")
    def _points_inside(self) -> Self:
        unique_refs("accounts", [account.id for account in self.accounts])
        unique_refs("parties", [party.ref for party in self.parties])
        accounts = {account.id for account in self.accounts}
        parties = {party.ref for party in self.parties}
        for place, account in enumerate(self.accounts):
            named = account.attribution.party if account.attribution else None
            if named is not None and named not in parties:
                wrong(f"accounts/{place}/attribution/party", "expected the ref of one of the parties; correct it")
        for place, transaction in enumerate(self.transactions):
            for member in ("account", "counterparty"):
                named = getattr(transaction, member)
                if named is not None and named not in accounts:
                    wrong(f"transactions/{place}/{member}", "expected the id of one of the accounts; correct it")
            if transaction.account == transaction.counterparty:
                wrong(f"transactions/{place}/counterparty", "expected another account than the transaction's own")
        for place, named in enumerate(self.freeze_accounts):
            if named not in accounts:
                wrong(f"freeze_accounts/{place}", "expected the id of one of the accounts; correct it")
        return self

    @model_validator(mode="after")
    def _of_its_chain(self) -> Self:
        chains = {account.id: account.chain() for account in self.accounts}
        for place, transaction in enumerate(self.transactions):
            chain, at = chains.get(transaction.account), f"transactions/{place}"
            if chain is None:
                if transaction.reference is None or transaction.tx_hash is not None:
                    wrong(
                        f"{at}/reference", "expected a bank's reference and no hash: this account is on no blockchain"
                    )
                if "/" in transaction.asset:
                    wrong(f"{at}/asset", "expected a currency (ISO 4217): no blockchain's account")
                continue
            if transaction.tx_hash is None or not transaction_hash(chain, transaction.tx_hash):
                wrong(f"{at}/tx_hash", "expected the transaction's hash as this account's chain writes it; correct it")
            if not transaction.asset.startswith(f"{chain}/"):
                wrong(f"{at}/asset", "expected an asset (CAIP-19) of this account's chain; correct it")
        return self

    @model_validator(mode="after")
    def _reports_and_freezing(self) -> Self:
        if self.report_ref is not None and self.report_type is None:
            wrong("report_type", "expected the type of the report that is referred to; add it")
        if self.sar_key_term is not None and self.report_type != "SAR":
            wrong("report_type", "expected SAR: a key term is of a SAR; add it, or leave the key term out")
        if self.freeze_requested and not (self.freeze_accounts and self.freeze_ground):
            absent = "freeze_ground" if self.freeze_accounts else "freeze_accounts"
            wrong(absent, "expected which accounts to freeze and on what ground; add it")
        if not self.freeze_requested and (self.freeze_accounts or self.freeze_ground):
            wrong("freeze_requested", "expected true where accounts or a ground are named; correct it or remove them")
        return self

    def people(self) -> tuple[str, ...]:
        return persons("parties", self.parties)


KIND = PayloadKind(
    "payment-trail", "Accounts, what moved between them, and who is thought to stand behind them", {1: PaymentTrailV1}
)
