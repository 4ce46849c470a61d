"""Receipts: making one from a path and a signed head, and checking one with public keys alone."""

from collections.abc import Iterable
from functools import lru_cache

from pydantic import ValidationError

from broker.errors import IntegrityError
from broker.merkle.note import Checkpoint, verify_head
from broker.merkle.proof import verify_inclusion
from broker.merkle.tree import HASH_SIZE, leaf_hash
from schemas.canonical import MalformedBase64Error, b64u, unb64u
from schemas.directory import Log
from schemas.evidence import Entry, Receipt
from schemas.problem import Code


def make_receipt(entry: bytes, index: int, path: Iterable[bytes], note: str) -> Receipt:
    """The receipt of `entry`, from what was just computed or checked against the head in `note`."""
    return Receipt.model_construct(
        v="setu1.receipt", entry=b64u(entry), index=index, path=tuple(map(_text, path)), checkpoint=note
    )


def verify_receipt(receipt: Receipt, log: Log) -> Entry:
    """Check a receipt to the end: its head under both keys of a pair of the log's, and the path from the entry to it.

    `log`: the row of the newest directory that one has, which alone says until when a former pair counts.

    Raises:
        IntegrityError: RECEIPT_INVALID, naming what does not hold.
    """
    try:
        head = receipt_head(receipt.checkpoint, log)
        raw = unb64u(receipt.entry)
        path = [unb64u(each, HASH_SIZE) for each in receipt.path]
        verify_inclusion(leaf_hash(raw), receipt.index, head.size, path, head.root)
        return Entry.from_json(raw)
    except IntegrityError as error:
        raise IntegrityError(Code.RECEIPT_INVALID, error.message, advice=error.advice) from None
    except MalformedBase64Error as error:
        raise IntegrityError(Code.RECEIPT_INVALID, f"In the receipt: {error}.") from None
    except (ValidationError, ValueError):
        raise IntegrityError(Code.RECEIPT_INVALID, "Expected a ledger entry in the receipt, found none.") from None


# One head signs a whole batch: a page of 500 packets has far fewer heads than receipts.
@lru_cache(maxsize=256)
def receipt_head(note: str, log: Log) -> Checkpoint:
    """The head in a receipt; raises IntegrityError (LOG_INVALID)."""
    return verify_head(note.encode(), log)


# The upper nodes of a path are the same for all entries of a batch.
@lru_cache(maxsize=4096)
def _text(node: bytes) -> str:
    return b64u(node)
