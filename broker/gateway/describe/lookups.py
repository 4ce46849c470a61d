"""The routes by which agencies and auditors look things up: directory, forms, the exchange log; and the operator's."""

from typing import Any

from broker.gateway.describe.callers import DENIERS, EVERYONE, HEAD_READERS, LOG_READERS, MACHINE, SEARCHERS, WATCHERS
from broker.gateway.describe.exchange import LIMITS
from broker.gateway.describe.operation import (
    BODY,
    JSON,
    READS,
    WRITES,
    Answer,
    Operation,
    Parameter,
    Schema,
    listed,
    reference,
    table,
)
from broker.gateway.heads import NOTE, OCTETS
from broker.gateway.queries import DIGEST
from schemas import registry
from schemas.canonical import MAX_SAFE_INTEGER
from schemas.evidence import EntryType
from schemas.packet import MEDIA_TYPE
from schemas.problem import Code

_FILE = Parameter("name", "path", "A file's name, as the repository's metadata spells it.", {"type": "string"})
_OBJECT: Schema = {"type": "object"}
_NOTHING: dict[str, Any] = {"notices": [], "substances": [], "routes": [], "clusters": [], "unread": []}
_TIME: Schema = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{6}Z$",
}
_VERSIONS = table({"kind": {"type": "string"}, "versions": listed({"type": "integer", "minimum": 1})})
_INDEX: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_SAFE_INTEGER}


def _query(name: str, about: str, schema: Schema, *, repeats: bool = False) -> Parameter:
    return Parameter(name, "query", about, schema, repeats)


OPERATIONS = (
    *(
        Operation(
            "GET",
            f"/v1/directory/{folder}/{{name}}",
            name,
            "directory",
            f"A {what} of the TUF repository that carries the directory.",
            EVERYONE,
            {200: Answer("The file, byte for byte.", schema=_OBJECT)},
            (Code.NOT_FOUND,),
            (_FILE,),
        )
        for folder, name, what in (("metadata", "getMetadata", "metadata file"), ("targets", "getTarget", "target"))
    ),
    Operation(
        "POST",
        "/v1/directory/deny",
        "putDenyList",
        "directory",
        "Hand in a deny list that its keys have signed, so that it comes into force.",
        DENIERS,
        {
            201: Answer("It is in force at this gateway.", schema=reference("DenyStanding")),
            200: Answer("That very version was in force before.", schema=reference("DenyStanding")),
        },
        (*BODY, Code.JSON_INVALID, Code.SCHEMA, Code.DENY_LIST_INVALID),
        body=dict.fromkeys((JSON, MEDIA_TYPE), reference("SignedDenyList")),
        body_about="The file that `setu deny renew` and `setu deny add` write.",
    ),
    Operation(
        "GET",
        "/v1/schemas",
        "listSchemas",
        "forms",
        "The kinds of payload, with their versions.",
        EVERYONE,
        {
            200: Answer(
                "The kinds.",
                schema=table({"schemas": listed(_VERSIONS)}),
                example={"schemas": [{"kind": "tip", "versions": [1]}]},
            )
        },
    ),
    Operation(
        "GET",
        "/v1/schemas/{kind}/{version}",
        "getSchema",
        "forms",
        "The JSON Schema (draft 2020-12) of one version of a kind.",
        EVERYONE,
        {200: Answer("The schema.", schema=_OBJECT)},
        (Code.NOT_FOUND,),
        (
            Parameter("kind", "path", "A kind of payload.", {"type": "string", "examples": list(registry.kinds())}),
            Parameter("version", "path", "Its version.", {"type": "integer", "minimum": 1, "maximum": 999}),
        ),
    ),
    *(
        Operation(
            "GET", f"/v1/{name}.json", f"get{said}", "forms", about, EVERYONE, {200: Answer("It.", schema=_OBJECT)}
        )
        for name, said, about in (
            ("openapi", "OpenApi", "This document."),
            ("asyncapi", "AsyncApi", "The topics in Kafka, as AsyncAPI 3.0."),
        )
    ),
    Operation(
        "GET",
        "/v1/audit/entries",
        "searchEntries",
        "audit",
        "Entries of the exchange log that fit every parameter, by index. Each search is itself an entry.",
        SEARCHERS,
        {
            200: Answer(
                "The entries; `next`, the `after` to go on with, where there may be more.",
                schema=table({"entries": listed(reference("TimelineItem"))}, {"next": _INDEX}),
                example={"entries": []},
            )
        },
        (Code.BAD_QUERY, *WRITES),
        (
            _query("since", "From this time on.", _TIME),
            _query("until", "Before this time.", _TIME),
            _query("party", "An agency that sent, acted or is named.", {"type": "string"}),
            _query("kind", "The packet's kind.", {"type": "string"}),
            _query("packet", "The packet's digest.", {"type": "string", "pattern": f"^(?:{DIGEST.pattern})$"}),
            _query(
                "type", "The entry's type; one of several.", {"enum": [each.value for each in EntryType]}, repeats=True
            ),
            _query("code", "The problem code of a refusal.", {"enum": [each.value for each in Code]}),
            _query("exercise", "Whether the packet was an exercise.", {"enum": ["true", "false"]}),
            _query("after", "Behind this index.", _INDEX),
            _query("limit", "Entries at most.", {"type": "integer", "minimum": 1, "maximum": LIMITS.page}),
        ),
    ),
    Operation(
        "GET",
        "/v1/audit/outcomes",
        "countOutcomes",
        "audit",
        "What the packets of a period led to, by agency and kind. Each question is itself an entry.",
        SEARCHERS,
        {200: Answer("The figures.", schema=reference("Outcomes"), example={"entries": 0, "rows": []})},
        (Code.BAD_QUERY, *WRITES),
        (
            _query("since", "From this time on.", _TIME),
            _query("until", "Before this time.", _TIME),
            _query("agency", "The packets' sender.", {"type": "string"}),
            _query("kind", "The packets' kind.", {"type": "string"}),
            _query("exercise", "Exercises alone, or none.", {"enum": ["true", "false"]}),
        ),
    ),
    Operation(
        "GET",
        "/v1/watch/precursors",
        "watchPrecursors",
        "audit",
        "Notices of exports of precursors against answers, arrivals, movements and diversions. Each question is itself "
        "an entry.",
        WATCHERS,
        {200: Answer("The picture.", schema=reference("Watch"), example=_NOTHING)},
        (Code.BAD_QUERY, *WRITES),
        (
            _query("since", "From this time on.", _TIME),
            _query("until", "Before this time.", _TIME),
            _query("facts", "With the facts that it is made from.", {"enum": ["true", "false"]}),
        ),
    ),
    Operation(
        "GET",
        "/log/checkpoint",
        "getCheckpoint",
        "log",
        "The newest published checkpoint, a signed note (C2SP tlog-checkpoint).",
        HEAD_READERS,
        {200: Answer("The note.", NOTE, {"type": "string"})},
        READS,
    ),
    Operation(
        "GET",
        "/log/{path}",
        "getTile",
        "log",
        "A tile of the log or a bundle of its entries (C2SP tlog-tiles), immutable.",
        LOG_READERS,
        {200: Answer("The tile.", OCTETS, {"type": "string", "format": "binary"})},
        (Code.NOT_FOUND, *READS),
        (
            Parameter(
                "path",
                "path",
                "`tile/<level>/<n>`, `tile/entries/<n>`, with `.p/<width>` behind a partial one; slashes are slashes.",
                {"type": "string", "examples": ["tile/0/000", "tile/entries/x001/067.p/5"]},
            ),
        ),
    ),
)

OPERATOR = (
    Operation(
        "GET",
        "/healthz",
        "isAlive",
        "operator",
        "Whether the process is alive.",
        MACHINE,
        {200: Answer("It is.", schema=table({"alive": {"const": True}}), example={"alive": True})},
    ),
    Operation(
        "GET",
        "/readyz",
        "isReady",
        "operator",
        "Whether a packet could be accepted now.",
        MACHINE,
        {
            200: Answer("It could.", schema=_OBJECT, example={"ready": True}),
            503: Answer("It could not; `code` says why.", schema=_OBJECT, example={"ready": False, "code": "stopping"}),
        },
    ),
    Operation(
        "GET",
        "/metrics",
        "getMetrics",
        "operator",
        "Figures in Prometheus' text format.",
        MACHINE,
        {200: Answer("The figures.", NOTE, {"type": "string"})},
    ),
)
"""Of the second listener: plain HTTP, loopback by default, no problem documents."""
