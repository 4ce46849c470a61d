"""What the flows write into the ledger: entries as objects of JSON types, metadata only."""

import json
from datetime import UTC, datetime, time
from typing import Any

from broker.errors import SetuError
from broker.flows.inforce import View
from broker.ledger.port import StoredPacket
from schemas.base import Model
from schemas.canonical import canonical, unb64u
from schemas.evidence import EntryType
from schemas.packet import Audience, Header
from schemas.problem import Code

DAY = 86_400


def entry(
    kind: EntryType,
    *,
    actor: str,
    audience: Audience,
    view: View,
    packet: dict[str, Any] | None = None,
    **members: Any,
) -> dict[str, Any]:
    """An entry without its time, which the committer adds. Members that are None are left out."""
    found: dict[str, Any] = {
        "v": "setu1.entry",
        "type": kind,
        "actor": actor,
        "aud": audience.to_object(),
        "directory": view.snapshot.ref.to_object(),
        "policy": view.policy.version,
    }
    if packet is not None:
        found["packet"] = packet
    for name, value in members.items():
        if value is not None:
            found[name] = value.to_object() if isinstance(value, Model) else value
    return found


def packet_ref(header: Header, digest: str) -> dict[str, Any]:
    return {
        "from": header.from_,
        "id": header.id,
        "digest": digest,
        "kind": header.kind,
        "kind_version": header.kind_version,
        "to": [each.agency for each in header.to],
        "exercise": header.exercise,
    }


def handling_summary(header: Header) -> dict[str, Any]:
    handling = header.handling
    return {
        "classification": handling.classification.to_object(),
        "tlp": handling.tlp,
        "releasable_to": list(handling.releasable_to),
        "purpose": list(handling.purpose),
    }


def decided(outcome: str, rules: tuple[str, ...]) -> dict[str, Any]:
    return {"outcome": outcome, "rules": list(rules)}


def stored_header(raw: bytes) -> Header:
    """The header of a packet that was accepted, and so checked, before."""
    return Header.model_validate_json(unb64u(json.loads(raw)["jwe"]["aad"]))


def purge_time(header: Header) -> int | None:
    """Unix seconds at which the day of `purge_on` is over, UTC; None where the header names none."""
    day = header.handling.retention.purge_on
    if day is None:
        return None
    return int(datetime.combine(day, time(), UTC).timestamp()) + DAY


def header_of(packet: StoredPacket) -> Header:
    """As `stored_header`, also of a packet that was purged."""
    return stored_header(evidence_of(packet))


def evidence_of(packet: StoredPacket) -> bytes:
    """A packet's JSON, or what stayed of it when it was purged: header (`jwe.aad`), manifest and signatures (`jws`)."""
    found = packet.raw if packet.raw is not None else packet.kept
    if found is None:
        raise SetuError(Code.INTERNAL, "Expected a packet or what stays of one, found neither.")
    return found


def what_stays(raw: bytes) -> bytes:
    """A packet without ciphertext and wraps: what its sender signed, and what the digest is of, can still be proven."""
    found = json.loads(raw)
    return canonical({"jwe": {"aad": found["jwe"]["aad"]}, "jws": found["jws"]})
