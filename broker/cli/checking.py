"""What `setu audit verify` is given, told apart and checked."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.cli.doubting import Doubts
from broker.cli.evidence import Proven, verify_proof, verify_receipt_file
from broker.cli.inputs import model_of, read_json
from broker.cli.signed_by import of_head
from broker.cli.trust import Trust
from broker.directory.disputed import Doubt
from broker.errors import MalformedError
from broker.ledger.fetch import Fetch
from broker.ledger.fsck import check_log
from broker.ledger.mirror import files_in
from broker.merkle.note import verify_remembered
from schemas.evidence import Entry, Proof, Receipt
from schemas.problem import Code

Moved = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """Something that holds. `entries`: {"index", "entry", "disputed"} of those it proves, where it names any."""

    what: str
    facts: dict[str, Any]
    entries: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        found = {"what": self.what, **self.facts}
        if self.entries:
            found["entries"] = [{**each, "entry": each["entry"].to_object()} for each in self.entries]
        return found


def items_of(proven: Proven) -> list[dict[str, Any]]:
    """The entries that a proof proves."""
    return [
        _item(index, entry, Doubt.DISPUTED if index in proven.disputed else None) for index, entry in proven.entries
    ]


def check_target(target: Path | Fetch, trust: Trust, known: Path | None, moved: Moved) -> Checked:
    """Check a log (a mirror's folder, or a live one's files), a receipt file or a proof file.

    Raises:
        IntegrityError: code `log-invalid` or `receipt-invalid`; names what does not hold.
        MalformedError: the file is none of these.
    """
    if isinstance(target, Path) and not target.is_dir():
        return _check_file(target, trust)
    return _check_log(files_in(target) if isinstance(target, Path) else target, trust, known, moved)


def _check_log(fetch: Fetch, trust: Trust, known: Path | None, moved: Moved) -> Checked:
    log = trust.log
    before = verify_remembered(known.read_bytes(), log) if known is not None else None
    begun = time.monotonic()
    found = check_log(fetch, log, known=before, progress=moved)
    facts: dict[str, Any] = {
        "ok": True,
        "origin": log.origin,
        "size": found.size,
        "root": found.root.hex(),
        "seconds": round(time.monotonic() - begun, 3),
    }
    facts |= of_head(found.note.decode(), trust)
    if before is not None:
        facts["continues"] = before.size
    if trust.directory is not None:
        facts |= Doubts(trust.directory).in_log(fetch)
    return Checked("log", facts)


def _item(index: int, entry: Entry, doubt: Doubt | None) -> dict[str, Any]:
    return {"index": index, "entry": entry} | ({} if doubt is None else {"disputed": doubt.value})


def _check_file(path: Path, trust: Trust) -> Checked:
    document = read_json(path)
    if isinstance(document, dict) and "receipt" in document:
        document = document["receipt"]
    version = document.get("v") if isinstance(document, dict) else None
    if version == "setu1.receipt":
        receipt = model_of(Receipt, document, "a receipt")
        entry = verify_receipt_file(receipt, trust)
        doubt = None if trust.directory is None else Doubts(trust.directory).of(receipt.index, entry)
        facts: dict[str, Any] = {"ok": True, "index": receipt.index, **of_head(receipt.checkpoint, trust)}
        return Checked("receipt", facts, [_item(receipt.index, entry, doubt)])
    if version == "setu1.proof":
        proof = model_of(Proof, document, "a proof bundle")
        proven = verify_proof(proof, trust)
        entries = items_of(proven)
        facts = {"ok": True, "digest": document["digest"], "from": proven.header.from_, "kind": proven.header.kind}
        facts |= of_head(proof.receipts[0].checkpoint, trust)
        return Checked("proof", facts | {"unchecked": list(proven.unchecked)}, entries)
    raise MalformedError(
        Code.SCHEMA,
        f"Expected a mirror's folder, a receipt or a proof at {path}, found something else.",
        advice="Receipts have `v` setu1.receipt, proofs setu1.proof; packets are for `setu packet verify`.",
    )
