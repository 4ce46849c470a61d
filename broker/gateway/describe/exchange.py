"""The routes by which agencies exchange packets: submit, look up, receive, acknowledge."""

from broker.gateway.describe.callers import ANSWERERS, OWNERS, PARTIES, RECIPIENTS, SENDERS
from broker.gateway.describe.operation import (
    BODY,
    JSON,
    READS,
    WRITES,
    Answer,
    Operation,
    Parameter,
    listed,
    reference,
    table,
)
from broker.gateway.heads import BATCH, EVENTS, LINES
from broker.gateway.limits import Limits
from broker.gateway.queries import CURSOR, DIGEST
from schemas.packet import MEDIA_TYPE
from schemas.problem import Code

LIMITS = Limits()
TOPIC = "A topic's name, `setu.<recipient>.<kind>`; the recipient is the caller."

PACKET = (
    Code.JSON_INVALID,
    Code.ENVELOPE_INVALID,
    Code.SCHEMA,
    Code.KIND_UNKNOWN,
    Code.SENDER_MISMATCH,
    Code.WRONG_AUDIENCE,
    Code.WRONG_SUITE,
    Code.SIGNATURE_INVALID,
    Code.KEY_UNKNOWN,
    Code.ID_CONFLICT,
    Code.CLOCK_SKEW,
    Code.EXPIRED,
    Code.LIFETIME,
    Code.RECIPIENT_UNKNOWN,
    Code.REFERENCE_UNKNOWN,
    Code.POLICY_DENIED,
    Code.NOT_FOR_ME,
    Code.WRAP_INVALID,
    Code.COMMITMENT_MISMATCH,
)
"""What may be wrong with a packet, step by step."""

_PACKET = {MEDIA_TYPE: reference("Packet"), JSON: reference("Packet")}
_RECEIPT = {
    201: Answer("Done now; the receipt of its entry.", schema=reference("Receipt")),
    200: Answer("Had been done before; the same receipt.", schema=reference("Receipt")),
}
_DIGEST = Parameter("digest", "path", "A packet's digest.", {"type": "string", "pattern": f"^(?:{DIGEST.pattern})$"})
_TOPIC = Parameter("topic", "path", TOPIC, {"type": "string"})
_CURSOR = {"type": "string", "pattern": f"^(?:{CURSOR.pattern})$"}

OPERATIONS = (
    Operation(
        "POST",
        "/v1/packets",
        "submitPacket",
        "packets",
        "Submit a packet. A repeat of the same bytes gets the receipt of the first.",
        SENDERS,
        _RECEIPT,
        (*BODY, *PACKET, *WRITES),
        body=_PACKET,
        body_about="A packet (`schemas/spec/packet.md`).",
    ),
    Operation(
        "POST",
        BATCH,
        "submitBatch",
        "packets",
        "Submit many packets, one on each line, each judged and answered for itself.",
        SENDERS,
        {
            200: Answer(
                "A line of JSON (`BatchAnswer`) for each line of the body, in order, and one that counts them.",
                LINES,
                {"type": "string"},
                '{"problem":{"code":"json-invalid","detail":"Expected strict JSON.","status":400,"title":"Not strict"'
                ',"type":"urn:setu:problem:json-invalid"},"status":400}\n{"done":1}\n',
            )
        },
        BODY,
        body={LINES: {"type": "string"}},
        body_about=f"A packet on each line, at most {LIMITS.batch_lines} lines and {LIMITS.batch_bytes} bytes.",
        in_lines=(
            *(
                Code.AGENCY_SUSPENDED,
                Code.UNKNOWN_AGENCY,
                Code.TOO_LARGE,
                Code.TIMEOUT,
                Code.INTERNAL,
                Code.UNAVAILABLE,
            ),
            *PACKET,
            *WRITES,
        ),
    ),
    Operation(
        "POST",
        "/v1/packets:check",
        "checkPacket",
        "packets",
        "All checks of a submission, and no commit.",
        SENDERS,
        {
            200: Answer(
                "It would be accepted; the ids of the rules that permit it.",
                schema=table({"outcome": {"const": "permit"}, "rules": listed({"type": "string"})}),
                example={"outcome": "permit", "rules": ["1.release"]},
            )
        },
        (*BODY, *PACKET, *READS),
        body=_PACKET,
        body_about="A packet (`schemas/spec/packet.md`).",
    ),
    Operation(
        "GET",
        "/v1/packets/{digest}",
        "getTimeline",
        "packets",
        "What became of a packet: its entries that the caller may see, and each recipient's state.",
        PARTIES,
        {200: Answer("The timeline.", schema=reference("Timeline"))},
        (Code.NOT_FOUND, *READS),
        (_DIGEST,),
    ),
    Operation(
        "GET",
        "/v1/packets/{digest}/proof",
        "getProof",
        "packets",
        "A proof bundle of the packet's entries that the caller may see, to be verified offline.",
        PARTIES,
        {200: Answer("The bundle.", schema=reference("Proof"))},
        (Code.NOT_FOUND, *READS),
        (_DIGEST,),
    ),
    Operation(
        "GET",
        "/v1/topics",
        "listTopics",
        "topics",
        "The caller's topics, and how many packets wait in each.",
        OWNERS,
        {
            200: Answer(
                "The topics.",
                schema=table({"topics": listed(reference("TopicInfo"))}),
                example={"topics": [{"topic": "setu.us-dea.tip", "packets": 2, "unacknowledged": 1, "overdue": 0}]},
            )
        },
        READS,
    ),
    Operation(
        "GET",
        "/v1/clocks",
        "listClocks",
        "topics",
        "What is due to the caller and from it, overdue first, then by time.",
        OWNERS,
        {
            200: Answer(
                "The clocks; `more` where there are others behind these.",
                schema=reference("OpenClocks"),
                example={"clocks": [], "more": False},
            )
        },
        (Code.BAD_QUERY, *READS),
        (Parameter("limit", "query", "Clocks at most.", {"type": "integer", "minimum": 1, "maximum": LIMITS.page}),),
    ),
    Operation(
        "GET",
        "/v1/topics/{topic}/packets",
        "getPage",
        "topics",
        "Packets of a topic, in ledger order, after a cursor.",
        RECIPIENTS,
        {200: Answer("A page; `cursor` also where it has no item.", schema=reference("Page"))},
        (Code.NOT_FOUND, Code.BAD_QUERY, Code.BAD_CURSOR, *WRITES),
        (
            _TOPIC,
            Parameter("cursor", "query", "Where to go on; from the start without.", _CURSOR),
            Parameter("limit", "query", "Items at most.", {"type": "integer", "minimum": 1, "maximum": LIMITS.page}),
            Parameter(
                "wait",
                "query",
                "Seconds to wait for the first item, at most three decimals.",
                {"type": "number", "minimum": 0, "maximum": int(LIMITS.wait)},
            ),
        ),
    ),
    Operation(
        "GET",
        "/v1/topics/{topic}/stream",
        "streamTopic",
        "topics",
        "Packets of a topic as server-sent events: `id` the cursor, `event` packet or tombstone, `data` the item.",
        RECIPIENTS,
        {
            200: Answer(
                "Events until the caller hangs up, its standing ends or the gateway stops; a comment may say the code.",
                EVENTS,
                {"type": "string"},
            )
        },
        (Code.NOT_FOUND, Code.BAD_QUERY, Code.BAD_CURSOR, *WRITES),
        (_TOPIC, Parameter("Last-Event-ID", "header", "The id of the last event that was stored.", _CURSOR)),
    ),
    Operation(
        "POST",
        "/v1/acknowledgements",
        "acknowledge",
        "acknowledgements",
        "A recipient's signed word that it received, opened or rejected a packet.",
        ANSWERERS,
        _RECEIPT,
        (
            *BODY,
            *(Code.JSON_INVALID, Code.ENVELOPE_INVALID, Code.SCHEMA, Code.SENDER_MISMATCH, Code.WRONG_AUDIENCE),
            *(Code.WRONG_SUITE, Code.SIGNATURE_INVALID, Code.KEY_UNKNOWN, Code.CLOCK_SKEW, Code.NOT_FOUND),
            *WRITES,
        ),
        body={JSON: reference("Acknowledgement"), MEDIA_TYPE: reference("Acknowledgement")},
        body_about="An acknowledgement (`schemas/spec/packet.md`, section 11), at most 64 KiB.",
    ),
)
