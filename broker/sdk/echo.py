"""A practice partner: acknowledges each exercise packet as opened and answers it, so that an agency can try its ways.

An answer is an exercise too. To the questions of an `rfi` it is a reply without a hit, to everything else `feedback`.
What is itself an answer gets none: neither this program's own nor another one's, so two never go on between themselves.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from broker.errors import ConflictError, PacketError, PolicyError, SetuError
from broker.sdk.client import Client
from broker.sdk.posting import Sent
from broker.sdk.received import Received
from schemas.act import Asks, Outcome
from schemas.base import Model
from schemas.directory import Agency
from schemas.evidence import AckEvent
from schemas.handling import Purpose
from schemas.packet import Header
from schemas.payloads.rfi import RfiRequestV1
from schemas.problem import Code

NO_ANSWER = ("feedback", "lifecycle")
"""Kinds that answer or change something, whatever their header says."""
LIFETIME = 86_400
LABEL = b"setu1.echo"
REMARK = "An exercise, answered by a program. Nobody read the packet, and nothing in this answer is true."


@dataclass(frozen=True, slots=True)
class Echoed:
    """What became of one packet. why: why there is no answer; empty where `sent` is it."""

    packet: Received
    sent: Sent | None
    why: str = ""


class Echo:
    """Args:
    client: the practice partner's own.
    now: unix seconds.
    """

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now

    def take(self, packet: Received) -> Echoed:
        """Acknowledge one packet, and answer it where it wants an answer.

        The answer comes first: what was interrupted between the two comes again, and its answer has the same id.

        Raises:
            UnavailableError, CallerError, IntegrityError: as `Client.send`; the packet comes again.
        """
        if not packet.header.exercise:
            packet.acknowledge(AckEvent.REJECTED, Code.POLICY_DENIED)
            return Echoed(packet, None, "it is no exercise, and was rejected")
        sent, why = self._answered(packet)
        packet.acknowledge(AckEvent.OPENED)
        return Echoed(packet, sent, why)

    def _answered(self, packet: Received) -> tuple[Sent | None, str]:
        header = packet.header
        sender = self._client.directory.current().agency(header.from_)
        if header.from_ == self._client.agency or sender is None or not wants_answer(header):
            return None, "it is an answer itself"
        kind, payload = answer_to(packet.digest, header, packet.payload, self._now())
        try:
            sent = self._client.send(
                kind,
                to=header.from_,
                payload=payload,
                handling=handling_for(header, sender, self._client.gateway),
                exercise=True,
                thread=header.thread,
                in_reply_to=packet.digest,
                lifetime=LIFETIME,
                id=id_of(packet.digest, header.iat),
            )
        except ConflictError:
            return None, "it was answered before"
        except (PolicyError, PacketError) as error:
            return None, _said(error)
        return sent, ""


def wants_answer(header: Header) -> bool:
    """Whether a packet begins something: it answers nothing, and does nothing to an earlier packet."""
    begins = header.act is None or isinstance(header.act, Asks)
    return header.exercise and begins and header.in_reply_to is None and header.kind not in NO_ANSWER


def answer_to(
    digest: str, header: Header, payload: Model | Mapping[str, Any], now: float
) -> tuple[str, dict[str, Any]]:
    """Kind and payload of the answer to a packet.

    Args:
        digest: the packet's name.
        header: its header.
        payload: the registry's model, or an object of a kind that this program does not know.
        now: unix seconds.
    """
    if isinstance(payload, RfiRequestV1):
        return "rfi", {
            "stage": "reply",
            "request_ref": payload.request_ref,
            "answered_at": f"{datetime.fromtimestamp(int(now), UTC):%Y-%m-%dT%H:%M:%SZ}",
            "status": "no-hit",
            "answers": [{"question": each.id, "status": "no-hit", "text": REMARK} for each in payload.questions],
        }
    return "feedback", {
        "target": {"id": header.id, "digest": digest},
        "outcome": Outcome.NO_TRACE.value,
        "usefulness": 1,
        "public_credit": False,
        "remarks": REMARK,
    }


def handling_for(header: Header, sender: Agency, gateway: str) -> dict[str, Any]:
    """The lowest marking that there is, releasable to the sender (and the gateway, which checks the content), for a
    purpose that the sender has the mandate for.
    """
    usable = tuple(each for each in sender.mandates if each is not Purpose.PROSECUTION) or sender.mandates
    purposes = tuple(each for each in header.handling.purpose if each in usable) or usable[:1]
    return {
        "classification": {"system": "IN", "level": "UNCLASSIFIED"},
        "tlp": "CLEAR",
        "pap": "CLEAR",
        "handling_code": "H0",
        "releasable_to": [header.from_, gateway],
        "purpose": [each.value for each in purposes],
        "legal_basis": header.handling.legal_basis,
        "permitted_actions": "none",
        "attribution": "must-not",
        "retention": {},
        "flags": {"personal_data": False, "sanitised": True},
    }


def id_of(digest: str, issued: int) -> str:
    """The answer's UUIDv7 (RFC 9562, section 5.7), the same for the same packet: it is answered once, however often it
    comes.
    """
    tail = int.from_bytes(hashlib.sha256(LABEL + digest.encode("ascii")).digest()[:10], "big")
    value = (
        (issued * 1000 & (2**48 - 1)) << 80 | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64 | 0b10 << 62 | tail & (2**62 - 1)
    )
    return str(uuid.UUID(int=value))


def _said(error: SetuError) -> str:
    return f"its sender could not be answered, {error.code}: {error}"
