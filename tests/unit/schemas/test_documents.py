"""Packet, directory, evidence, problem: what each refuses, as one table of changes to a good document."""

import copy
import json
from typing import Any

import pytest
from pydantic import ValidationError

from schemas import registry
from schemas.base import Model
from schemas.directory import Directory
from schemas.evidence import AckBody, Entry, EntryType, Page, Proof, Receipt
from schemas.packet import Header, Packet
from schemas.problem import Code, Problem

DIGEST, KID, KID2, UUID7 = "A" * 64, "A" * 43, "A" * 42 + "E", "0190b8a5-0000-7000-8000-000000000000"
AUD = {"realm": DIGEST, "gateway": "in-setu"}
SIGNATURES = [{"protected": "e30", "signature": "AA"}] * 2
RECEIPT = {"v": "setu1.receipt", "entry": "e30", "index": 0, "path": [], "checkpoint": "x"}
PACKET = {
    "jwe": {
        "protected": "e30",
        "aad": "e30",
        "iv": "AA",
        "ciphertext": "AA",
        "tag": "AA",
        "recipients": [{"header": {"alg": "HPKE-9-KE", "kid": KID, "ek": "AA"}, "encrypted_key": "AA"}],
    },
    "jws": {"payload": "e30", "signatures": SIGNATURES},
}
CERTIFICATE = {"sha256": "0" * 64, "uri": "urn:setu:agency:in-ncb:g1", "not_before": 0, "not_after": 1}
KEY = {"kid": KID, "use": "sign", "alg": "Ed25519", "public": "AA", "not_before": 0, "not_after": 1}
DOCUMENTS: dict[str, tuple[type[Model], dict[str, Any]]] = {
    "header": (
        Header,
        {
            "v": "setu1",
            "id": UUID7,
            "aud": AUD,
            "from": "in-ncb",
            "to": [{"agency": "us-dea", "kid": KID}, {"agency": "in-setu", "kid": KID2}],
            "suite": "hybrid-768",
            "kind": "tip",
            "kind_version": 1,
            "handling": registry.sample_handling(),
            "precedence": "ROUTINE",
            "exercise": False,
            "thread": UUID7,
            "iat": 1,
            "exp": 2,
            "commitment": DIGEST,
            "sig": [KID, KID2],
        },
    ),
    "packet": (Packet, PACKET),
    "directory": (
        Directory,
        {
            "v": "setu1.directory",
            "version": 1,
            "name": "Realm",
            "suite": "hybrid-768",
            "agreement": {
                "name": "Agreement",
                "ranks": [{"classification": {"system": "US", "level": "U"}, "rank": 0}],
                "ceiling": 1,
                "legal_bases": [],
            },
            "agencies": [
                {
                    "id": "in-ncb",
                    "name": "NCB",
                    "country": "IND",
                    "roles": ["agency"],
                    "clearance": {"system": "IN", "level": "RESTRICTED"},
                    "keys": [KEY],
                    "certificates": [CERTIFICATE],
                },
                {
                    "id": "us-dea",
                    "name": "DEA",
                    "country": "USA",
                    "roles": ["agency"],
                    "clearance": {"system": "US", "level": "LES"},
                    "keys": [KEY | {"kid": KID2}],
                },
            ],
            "logs": [{"gateway": "in-setu", "origin": "setu.example/log", "ed25519": "x", "mldsa44": "y"}],
        },
    ),
    "entry": (
        Entry,
        {
            "v": "setu1.entry",
            "type": "accepted",
            "time": "2026-01-31T12:00:00.000000Z",
            "actor": "in-ncb",
            "aud": AUD,
            "packet": {"from": "in-ncb", "id": UUID7, "digest": DIGEST, "kind": "tip", "kind_version": 1, "to": []},
            "directory": {"version": 1, "hash": DIGEST},
            "policy": "0" * 64,
        },
    ),
    "receipt": (Receipt, RECEIPT),
    "acknowledgement": (
        AckBody,
        {
            "v": "setu1.ack",
            "aud": AUD,
            "by": "us-dea",
            "event": "opened",
            "at": 1,
            "packet": {"from": "in-ncb", "id": UUID7, "digest": DIGEST, "index": 0},
            "sig": [KID, KID2],
        },
    ),
    "page": (
        Page,
        {
            "topic": "setu.us-dea.tip",
            "items": [
                {"index": 0, "digest": DIGEST, "packet": PACKET, "receipt": RECEIPT},
                {"index": 1, "digest": DIGEST, "gone": "purged"},
            ],
            "cursor": "c",
        },
    ),
    "proof": (
        Proof,
        {
            "v": "setu1.proof",
            "digest": DIGEST,
            "aad": "e30",
            "manifest": "e30",
            "signatures": SIGNATURES,
            "acknowledgements": [{"payload": "e30", "signatures": SIGNATURES}],
            "receipts": [RECEIPT],
        },
    ),
    "problem": (
        Problem,
        {"type": "about:blank", "title": "No", "status": 422, "code": "schema", "detail": "expected", "pointer": "/a"},
    ),
}


def put(document: Any, pointer: str, value: Any) -> Any:
    document = copy.deepcopy(document)
    *path, last = pointer.split("/")[1:]
    here = document
    for step in path:
        here = here[int(step) if isinstance(here, list) else step]
    here[int(last) if isinstance(here, list) else last] = value
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_is_taken(name: str) -> None:
    model, document = DOCUMENTS[name]
    read = model.from_object(document)
    assert model.from_object(read.to_object()) == read
    written = read.to_object()
    for member, value in document.items():
        assert member in written, member
        assert isinstance(value, (dict, list)) or written[member] == value


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_extra_member_is_refused(name: str) -> None:
    model, document = DOCUMENTS[name]
    with pytest.raises(ValidationError):
        model.from_object(document | {"extra": 1})


@pytest.mark.parametrize(
    ("name", "pointer", "value"),
    [
        pytest.param("header", "/v", "setu2", id="header-version"),
        pytest.param("header", "/from_", "in-ncb", id="header-python-name"),
        pytest.param("header", "/id", "0190b8a5-0000-4000-8000-000000000000", id="header-uuid4"),
        pytest.param("header", "/aud/realm", "A" * 63, id="header-realm"),
        pytest.param("header", "/to", [], id="header-nobody"),
        pytest.param("header", "/to", [{"agency": "us-dea", "kid": KID}] * 66, id="header-sixty-six-readers"),
        pytest.param("header", "/to/0", {"agency": "us-dea"}, id="header-reader-without-kid"),
        pytest.param("header", "/suite", "none", id="header-suite"),
        pytest.param("header", "/kind", "../tip", id="header-kind"),
        pytest.param("header", "/kind_version", True, id="header-true-for-an-integer"),
        pytest.param("header", "/kind_version", 0, id="header-version-0"),
        pytest.param("header", "/precedence", "ASAP", id="header-precedence"),
        pytest.param("header", "/exercise", 1, id="header-integer-for-a-boolean"),
        pytest.param("header", "/iat", 2**53, id="header-2^53"),
        pytest.param("header", "/iat", -1, id="header-iat-before-1970"),
        pytest.param("header", "/iat", "1", id="header-iat-as-text"),
        pytest.param("header", "/sig", [KID], id="header-one-signer"),
        pytest.param("header", "/sig", [KID, KID, KID], id="header-three-signers"),
        pytest.param("header", "/in_reply_to", "x", id="header-in-reply-to"),
        pytest.param("header", "/handling/note", "text", id="header-free-text-in-handling"),
        pytest.param("header", "/act", {"does": "nothing"}, id="header-act-unknown"),
        pytest.param("header", "/act", {"does": "answers"}, id="header-act-of-nothing"),
        pytest.param("header", "/act", {"does": "asks", "due": 1, "of": DIGEST}, id="header-act-member"),
        pytest.param("header", "/sources", [], id="header-no-source"),
        pytest.param("header", "/sources", [DIGEST, DIGEST], id="header-source-twice"),
        pytest.param("header", "/sources", ["A" * 63 + c for c in "ABCDEFGHIJKLMNOPQ"], id="header-17-sources"),
        pytest.param("packet", "/jwe/unprotected", {}, id="packet-unprotected-header"),
        pytest.param("packet", "/jwe/recipients", [], id="packet-no-recipients"),
        pytest.param("packet", "/jwe/recipients/0/header/epk", {}, id="packet-epk"),
        pytest.param("packet", "/jwe/iv", "A=", id="packet-padding"),
        pytest.param("packet", "/jwe/iv", "", id="packet-empty"),
        pytest.param("packet", "/jws/signatures", SIGNATURES[:1], id="packet-one-signature"),
        pytest.param("packet", "/jws/signatures", [*SIGNATURES, SIGNATURES[0]], id="packet-three-signatures"),
        pytest.param("packet", "/jws/signatures/0/header", {}, id="packet-unprotected-signature-header"),
        pytest.param("directory", "/agencies/1/id", "in-ncb", id="directory-agency-twice"),
        pytest.param("directory", "/agencies/1/keys/0/kid", KID, id="directory-kid-twice"),
        pytest.param("directory", "/agencies/1/certificates", [CERTIFICATE], id="directory-certificate-twice"),
        pytest.param("directory", "/agencies/0/keys/0/alg", "RS256", id="directory-algorithm"),
        pytest.param("directory", "/agencies/0/certificates/0/uri", "urn:setu:agency:IN:g1", id="directory-uri"),
        pytest.param("directory", "/agencies/0/roles", [], id="directory-no-role"),
        pytest.param("directory", "/logs", [], id="directory-no-log"),
        pytest.param("directory", "/logs/0/origin", "https://setu.example", id="directory-origin-with-scheme"),
        pytest.param("directory", "/version", 0, id="directory-version-0"),
        pytest.param("entry", "/type", "deleted", id="entry-type"),
        pytest.param("entry", "/time", "2026-01-31T12:00:00Z", id="entry-time"),
        pytest.param("entry", "/trace", "x", id="entry-trace"),
        pytest.param("entry", "/note", "a\nb", id="entry-note-of-two-lines"),
        pytest.param("entry", "/code", "no-such-code", id="entry-code"),
        pytest.param("receipt", "/index", -1, id="receipt-index"),
        pytest.param("receipt", "/entry", "+", id="receipt-plain-base64"),
        pytest.param("acknowledgement", "/event", "read", id="acknowledgement-event"),
        pytest.param("acknowledgement", "/at", 1.5, id="acknowledgement-fraction-of-a-second"),
        pytest.param("page", "/items/1/gone", "lost", id="page-tombstone"),
        pytest.param("problem", "/code", "teapot", id="problem-code"),
        pytest.param("problem", "/status", 200, id="problem-status"),
    ],
)
def test_is_refused(name: str, pointer: str, value: Any) -> None:
    model, document = DOCUMENTS[name]
    with pytest.raises(ValidationError):
        model.from_json(json.dumps(put(document, pointer, value)).encode())


def test_a_header_knows_its_recipients_and_its_mode() -> None:
    header = Header.from_object(DOCUMENTS["header"][1])
    assert header.open
    assert [each.agency for each in header.recipients()] == ["us-dea"]
    sealed = Header.from_object(put(DOCUMENTS["header"][1], "/to", [{"agency": "us-dea", "kid": KID}]))
    assert not sealed.open
    assert len(sealed.recipients()) == 1


def test_names_of_codes_and_entry_types_are_one_word() -> None:
    assert all(each.value == each.name.lower().replace("_", "-") for each in Code)
    assert all(each.value == each.name.lower() for each in EntryType)
