"""The only place that spells a record: key, CloudEvents 1.0 headers in binary mode, and Setu's own."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from broker.transport.port import Kept, Record
from schemas.base import instant
from schemas.canonical import MAX_SAFE_INTEGER, MalformedJsonError, b64u, parse, unb64u
from schemas.evidence import Receipt
from schemas.packet import MEDIA_TYPE, Header

RECEIPT, INDEX, PREVIOUS = "setu-receipt", "setu-index", "setu-previous"
FIRST = -1
"""What stands in `setu-previous` where no place of the topic comes before."""

_DIGEST_LENGTH = 64


def record(header: Header, digest: str, raw: bytes, receipt: Receipt, *, previous: int) -> Record:
    """The record of a packet. `previous`: the ledger index of the place before it in its topic, or `FIRST`."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": digest,
        "ce_source": f"urn:setu:agency:{header.from_}",
        "ce_type": f"setu.{header.kind}.v{header.kind_version}",
        "ce_time": instant(datetime.fromtimestamp(header.iat, UTC)),
        "content-type": MEDIA_TYPE,
        INDEX: str(receipt.index),
        PREVIOUS: str(previous),
    }
    trace = _trace(receipt)
    if trace is not None:
        span = hashlib.sha256(f"{digest} {receipt.index}".encode()).hexdigest()[:16]
        headers["traceparent"] = f"00-{trace}-{span}-01"
    made = [(name, value.encode()) for name, value in headers.items()]
    return Record(f"{header.from_}/{header.thread}".encode(), raw, [*made, (RECEIPT, receipt.canonical())])


def index_of(kept: Kept) -> int | None:
    """What a record says of its ledger index; None where it says nothing that could be one."""
    return _number(kept.header(INDEX), 0)


def previous_of(kept: Kept) -> int | None:
    """What it says of the place before it."""
    return _number(kept.header(PREVIOUS), FIRST)


def digest_of(kept: Kept) -> str | None:
    """What it says of the packet's digest."""
    text = kept.header("ce_id") or b""
    try:
        return text.decode("ascii") if len(text) == _DIGEST_LENGTH and unb64u(text.decode("ascii"), 48) else None
    except ValueError:
        return None


def receipt_of(kept: Kept) -> Any:
    """Its receipt as an object of JSON types, unverified; None where there is none that could be read."""
    try:
        return parse(kept.header(RECEIPT) or b"")
    except MalformedJsonError:
        return None


def name_of(kept: Kept) -> str:
    """A digest to call a record by that says none itself."""
    return b64u(hashlib.sha384(kept.value).digest())


def _number(text: bytes | None, least: int) -> int | None:
    try:
        found = int(text or b"", 10)
    except ValueError:
        return None
    return found if least <= found <= MAX_SAFE_INTEGER and str(found).encode() == text else None


def _trace(receipt: Receipt) -> str | None:
    found = parse(unb64u(receipt.entry))
    trace = found.get("trace") if isinstance(found, dict) else None
    return trace if isinstance(trace, str) else None
