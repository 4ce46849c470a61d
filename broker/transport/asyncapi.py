"""The topics in Kafka as an AsyncAPI 3.0 document: one channel for every agency and kind, one message."""

from typing import Any

from broker.transport import records
from broker.transport.topics import prefix, topic
from schemas import registry
from schemas.evidence import Receipt
from schemas.packet import MEDIA_TYPE, Packet
from schemas.wire import components

PLACE = "#/components/schemas/"
RETENTION_MS = 7 * 24 * 3600 * 1000
"""What a topic has where the operator has set nothing else."""

_BINDINGS = "0.5.0"
_NUMBER = "(0|[1-9][0-9]{0,15})"
ABOUT = """\
An agency may read its packets from Kafka beside or instead of the HTTPS topics; it sends and acknowledges over HTTPS.
`schemas/spec/kafka.md` says more: what a reader verifies, how it notices a gap. Headers are hints, but for the receipt,
which is verified. What a packet says is encrypted; `schemas/spec/schemas` has the schemas of that, by kind and version.
"""


def document() -> dict[str, Any]:
    """The whole document, as an object of JSON types."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:setu:topics",
        "info": {
            "title": "Setu topics",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "Apache License 2.0"},
        },
        "defaultContentType": MEDIA_TYPE,
        "servers": {
            "kafka": {
                "host": "{kafka}",
                "protocol": "kafka-secure",
                "description": "Kafka of a realm's gateway, mutual TLS 1.3.",
                "variables": {"kafka": {"default": "kafka.example:9094", "description": "Host and port."}},
                "security": [{"$ref": "#/components/securitySchemes/certificate"}],
            }
        },
        "channels": {"packets": _channel()},
        "operations": {
            "receivePackets": {
                "action": "receive",
                "channel": {"$ref": "#/channels/packets"},
                "summary": "Read the packets that were sent to one's own agency.",
                "messages": [{"$ref": "#/channels/packets/messages/packet"}],
                "bindings": {
                    "kafka": {
                        "groupId": {
                            "type": "string",
                            "description": f"Begins with `{prefix('<agency>')}`, for one's own agency.",
                            "pattern": rf"^{prefix('[a-z]{2}-[a-z0-9-]{1,29}').replace('.', chr(92) + '.')}.+$",
                        },
                        "bindingVersion": _BINDINGS,
                    }
                },
            }
        },
        "components": {
            "messages": {"packet": _message()},
            "schemas": {**components((Packet, Receipt), PLACE), "Headers": _headers()},
            "securitySchemes": {
                "certificate": {"type": "X509", "description": "The client certificate that the directory lists."}
            },
        },
    }


def _channel() -> dict[str, Any]:
    return {
        "address": topic("{agency}", "{kind}"),
        "title": "Packets of one kind to one agency, in the ledger's order",
        "servers": [{"$ref": "#/servers/kafka"}],
        "parameters": {
            "agency": {"description": "The recipient: the reader's own agency id.", "examples": ["us-dea"]},
            "kind": {"description": "A kind of payload.", "enum": list(registry.kinds())},
        },
        "messages": {"packet": {"$ref": "#/components/messages/packet"}},
        "bindings": {
            "kafka": {
                "partitions": 1,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": RETENTION_MS},
                "bindingVersion": _BINDINGS,
            }
        },
    }


def _message() -> dict[str, Any]:
    return {
        "name": "packet",
        "title": "A packet as it was accepted",
        "contentType": MEDIA_TYPE,
        "headers": {"$ref": f"{PLACE}Headers"},
        "payload": {"$ref": f"{PLACE}Packet"},
        "bindings": {
            "kafka": {
                "key": {
                    "type": "string",
                    "description": "`<sender>/<thread>`: packets of one conversation share it.",
                    "pattern": "^[a-z]{2}-[a-z0-9-]{1,29}/[0-9a-f-]{36}$",
                },
                "bindingVersion": _BINDINGS,
            }
        },
        "examples": [{"name": "headers", "headers": _example()}],
    }


def _headers() -> dict[str, Any]:
    """CloudEvents 1.0, Kafka protocol binding, binary content mode, and Setu's own."""

    def text(about: str, pattern: str) -> dict[str, Any]:
        return {"type": "string", "description": about, "pattern": f"^(?:{pattern})$"}

    required = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": text("The packet's digest.", "[A-Za-z0-9_-]{64}"),
        "ce_source": text("The sender.", "urn:setu:agency:[a-z]{2}-[a-z0-9-]{1,29}"),
        "ce_type": text("Kind and version.", r"setu\.[a-z-]{1,32}\.v[1-9][0-9]{0,2}"),
        "ce_time": text("When the packet was made (`iat`), UTC.", r"[0-9T:.-]{26}Z"),
        "content-type": {"const": MEDIA_TYPE},
        records.INDEX: text("The ledger index of the packet's `accepted` entry.", _NUMBER),
        records.PREVIOUS: text("That of the place before it in this topic.", rf"{records.FIRST}|{_NUMBER}"),
        records.RECEIPT: {
            "type": "string",
            "description": "The receipt in canonical JSON, the same bytes that the sender was given.",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": f"{PLACE}Receipt"},
        },
    }
    trace = text("W3C Trace Context, where the entry has a trace id.", "00-[0-9a-f]{32}-[0-9a-f]{16}-01")
    return {"type": "object", "properties": {**required, "traceparent": trace}, "required": list(required)}


def _example() -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_id": "q1" * 32,
        "ce_source": "urn:setu:agency:in-ncb",
        "ce_type": "setu.tip.v1",
        "ce_time": "2026-02-12T09:15:00.000000Z",
        "content-type": MEDIA_TYPE,
        records.INDEX: "4711",
        records.PREVIOUS: "4690",
        records.RECEIPT: '{"checkpoint":"...","entry":"...","index":4711,"path":[],"v":"setu1.receipt"}',
    }
