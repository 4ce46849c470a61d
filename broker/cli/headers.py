"""A header that is asked about and never sent: what the policy looks at as a person wrote it, all else filled in."""

import hashlib
from typing import Any

from broker.cli.inputs import model_of
from broker.directory.lookup import Snapshot
from schemas import registry
from schemas.canonical import b64u
from schemas.packet import VERSION, Header

PLACE_HOLDER = "00000000-0000-7000-8000-000000000000"


def header_of(document: dict[str, Any], snapshot: Snapshot, gateway: str, at: int, what: str = "a header") -> Header:
    """`at`: when it is issued, unless it says so itself.

    Raises:
        MalformedError: code `schema`, with a pointer.
    """
    to = document.get("to")
    if isinstance(to, list):
        document = document | {"to": [_addressee(each) for each in to]}
    return model_of(Header, _defaults(document.get("kind"), snapshot, gateway, at) | document, what)


def _addressee(each: Any) -> Any:
    if isinstance(each, str):
        each = {"agency": each}
    if isinstance(each, dict) and isinstance(each.get("agency"), str):
        # The policy does not look at keys: any will do where none is named.
        return {"kid": b64u(hashlib.sha256(each["agency"].encode()).digest())} | each
    return each


def _defaults(kind: Any, snapshot: Snapshot, gateway: str, at: int) -> dict[str, Any]:
    known = isinstance(kind, str) and kind in registry.kinds()
    return {
        "v": VERSION,
        "id": PLACE_HOLDER,
        "aud": {"realm": snapshot.realm or b64u(bytes(48)), "gateway": gateway},
        "suite": snapshot.suite.value,
        "kind_version": registry.versions(kind)[-1] if known else 1,
        "precedence": "ROUTINE",
        "exercise": False,
        "thread": PLACE_HOLDER,
        "iat": at,
        "exp": at,
        "commitment": b64u(bytes(48)),
        "sig": [b64u(bytes(32)), b64u(bytes(32))],
    }
