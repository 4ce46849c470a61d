"""The formats around a payload, by name: what is published of them beside the kinds (`schemas/spec/schemas`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from schemas.act import Act
from schemas.directory import Directory
from schemas.enrolment import Answer, Challenge, Enrolment, EnrolmentBody
from schemas.evidence import AckBody, Acknowledgement, Entry, Page, Proof, Receipt, Timeline
from schemas.handling import Handling
from schemas.outcomes import Outcomes
from schemas.packet import Header, Packet
from schemas.problem import Problem
from schemas.rotation import Rotation, RotationBody
from schemas.watch import Watch
from schemas.wire import published
from schemas.wrap import WrapKeys


@dataclass(frozen=True, slots=True)
class Format:
    """about: what it is, in one line without a full stop; place: the document of `schemas/spec` that explains it."""

    model: Any
    about: str
    place: str


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "acknowledgement": Format(Acknowledgement, "A recipient's signed word on a packet", "packet.md"),
        "acknowledgement-body": Format(AckBody, "What a recipient signs", "packet.md"),
        "act": Format(Act, "What a packet does to an exchange, in its header", "packet.md"),
        "directory": Format(Directory, "Who takes part in a realm, with which keys and roles", "directory.md"),
        "enrolment": Format(Enrolment, "An agency's request to be enrolled, signed by its keys", "directory.md"),
        "enrolment-answer": Format(Answer, "What shows that an agency holds its wrap key", "directory.md"),
        "enrolment-body": Format(EnrolmentBody, "What a request to be enrolled says", "directory.md"),
        "enrolment-challenge": Format(Challenge, "A question to whoever holds a wrap key", "directory.md"),
        "entry": Format(Entry, "One entry of the ledger", "ledger.md"),
        "handling": Format(Handling, "How what a packet says may be used", "payloads.md"),
        "header": Format(Header, "The part of a packet that is signed and in clear", "packet.md"),
        "precursors": Format(Watch, "Notices against answers, arrivals, movements and diversions", "http.md"),
        "outcomes": Format(Outcomes, "What packets led to, counted from the log", "http.md"),
        "packet": Format(Packet, "A packet as it travels: encrypted content and two signatures", "packet.md"),
        "page": Format(Page, "Packets of a topic, in ledger order", "http.md"),
        "problem": Format(Problem, "Why something was refused", "http.md"),
        "proof": Format(Proof, "What proves an exchange offline", "ledger.md"),
        "receipt": Format(Receipt, "Proof that an entry is in the ledger", "ledger.md"),
        "rotation": Format(Rotation, "An agency's request to rotate keys, signed by those it has", "directory.md"),
        "rotation-body": Format(RotationBody, "What a request to rotate says", "directory.md"),
        "timeline": Format(Timeline, "What became of a packet", "http.md"),
        "wrap-keys": Format(WrapKeys, "The wrap keys of a gateway, which change each day", "directory.md"),
    }
)
"""All of them are of the wire format `setu1`."""


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a format, `$id` `urn:setu:format:<name>:setu1`; raises KeyError.

    It is a little wider than the model: what is signed or hashed, and rules between members, are not in it.
    """
    found = FORMATS[name]
    return published(found.model, identity=f"urn:setu:format:{name}:setu1", title=f"Setu {name}: {found.about}")
