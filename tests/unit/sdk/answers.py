"""What a simulated gateway writes: problem documents, and how an entry names a packet."""

import json
from typing import Any

import httpx

from broker.errors import ConflictError, NotFoundError, PolicyError, RequestError, SetuError, UnavailableError
from schemas.packet import Header

STATUS = {
    PolicyError: 403,
    ConflictError: 409,
    NotFoundError: 404,
    RequestError: 400,
    UnavailableError: 503,
}


def ref(header: Header, digest: str) -> dict[str, Any]:
    return {
        "from": header.from_,
        "id": header.id,
        "digest": digest,
        "kind": header.kind,
        "kind_version": header.kind_version,
        "to": [each.agency for each in header.to],
        "exercise": header.exercise,
    }


def problem(error: SetuError, *, status: int | None = None, retry_after: str | None = None) -> httpx.Response:
    """The problem document for an error, as the gateway writes it."""
    found: dict[str, Any] = {
        "type": f"urn:setu:problem:{error.code}",
        "title": error.code.value,
        "status": status or STATUS.get(type(error), 422),
        "code": error.code.value,
        "detail": str(error),
    }
    if error.pointer is not None:
        found["pointer"] = error.pointer
    if isinstance(error, PolicyError):
        found["rules"] = [hit.to_object() for hit in error.rules]
    headers = {"content-type": "application/problem+json"}
    if retry_after is not None:
        headers["retry-after"] = retry_after
    return httpx.Response(found["status"], content=json.dumps(found).encode(), headers=headers)
