"""A small realm and questions about it, for the policy's tests."""

from typing import Any

from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from broker.policy.port import Question, Via
from broker.policy.request import stranger
from schemas.directory import Directory, DirectoryRef
from schemas.packet import Header
from tests.builders import NOW

MARKINGS = [
    ("IN", "UNCLASSIFIED", 0),
    ("IN", "RESTRICTED", 1),
    ("IN", "CONFIDENTIAL", 2),
    ("IN", "SECRET", 3),
    ("US", "U", 0),
    ("US", "LES", 1),
    ("US", "LES-NF", 1),
    ("US", "SBU", 1),
    ("US", "C", 2),
    ("US", "S", 3),
]
EVERY = ["prevention", "investigation", "prosecution", "regulatory", "financial", "border"]


def agency(name: str, **over: Any) -> dict[str, Any]:
    india = name.startswith("in-")
    row = {
        "id": name,
        "name": name,
        "country": "IND" if india else "USA",
        "roles": ["agency"],
        "clearance": {"system": "IN", "level": "SECRET"} if india else {"system": "US", "level": "S"},
        "mandates": EVERY,
    }
    return row | over


def directory(*, version: int = 1, ceiling: int = 2, **over: Any) -> Directory:
    document = {
        "v": "setu1.directory",
        "version": version,
        "name": "test realm",
        "suite": "hybrid-768",
        "agreement": {
            "name": "test",
            "ranks": [{"classification": {"system": s, "level": lv}, "rank": r} for s, lv, r in MARKINGS],
            "ceiling": ceiling,
            "legal_bases": ["UN1988-9"],
        },
        "agencies": [
            agency("in-ncb", clients=["in-lab"]),
            agency("in-lab"),
            agency("in-nia"),
            agency("us-dea", clients=["us-cbp"]),
            agency("us-cbp", clearance={"system": "US", "level": "LES"}, mandates=["border"]),
            agency("us-odd", clearance={"system": "US", "level": "TS"}),
            agency("us-out", state="suspended"),
            agency("in-setu", roles=["gateway", "operator"], mandates=[]),
            agency("in-old", roles=["gateway"], state="suspended"),
            agency("in-audit", roles=["auditor"]),
        ],
        "communities": [
            {"id": "cn", "name": "counter-narcotics", "members": ["in-ncb", "us-dea", "in-setu"]},
            {"id": "border", "name": "border", "members": ["us-cbp", "us-dea"]},
        ],
        "logs": [{"gateway": "in-setu", "origin": "log.example", "ed25519": "e", "mldsa44": "m"}],
    }
    return Directory.from_object(document | over)


def reference(version: int = 1) -> DirectoryRef:
    return DirectoryRef(version=version, hash=str(version % 10) * 63 + "A")


def handling(**over: Any) -> dict[str, Any]:
    block = {
        "classification": {"system": "IN", "level": "RESTRICTED"},
        "tlp": "CLEAR",
        "pap": "AMBER",
        "handling_code": "H0",
        "dissem": [],
        "releasable_to": ["IND", "USA"],
        "purpose": ["investigation"],
        "legal_basis": "UN1988-9",
        "permitted_actions": "internally-visible",
        "attribution": "may",
        "retention": {},
        "flags": {"personal_data": False, "sanitised": True},
    }
    return block | over


def header(
    sender: str = "in-ncb", to: tuple[str, ...] = ("us-dea",), *, sources: tuple[str, ...] | None = None, **over: Any
) -> Header:
    return Header.from_object(
        {
            **({} if sources is None else {"sources": list(sources)}),
            "v": "setu1",
            "id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "aud": {"realm": "A" * 64, "gateway": "in-setu"},
            "from": sender,
            "to": [{"agency": each, "kid": "A" * 43} for each in to],
            "suite": "hybrid-768",
            "kind": "tip",
            "kind_version": 1,
            "handling": handling(**over),
            "precedence": "ROUTINE",
            "exercise": False,
            "thread": "01890a5d-ac96-774b-bcce-b302099a8057",
            "iat": NOW,
            "exp": NOW + 86_400,
            "commitment": "A" * 64,
            "sig": ["A" * 43, "A" * 43],
        }
    )


def question(
    recipient: str = "us-dea",
    *,
    sender: str = "in-ncb",
    to: tuple[str, ...] | None = None,
    via: Via = "https",
    realm: Directory | None = None,
    at: int = NOW,
    unreleased: tuple[str, ...] = (),
    sources: tuple[str, ...] | None = None,
    **over: Any,
) -> Question:
    realm = realm or directory()
    rows = {each.id: each for each in realm.agencies}
    return Question(
        header=header(sender, to or (recipient,), sources=sources or (("B" * 64,) if unreleased else None), **over),
        sender=rows.get(sender) or stranger(sender),
        recipient=rows.get(recipient) or stranger(recipient),
        directory=realm,
        ref=reference(realm.version),
        at=at,
        via=via,
        unreleased=frozenset(unreleased),
        controlling=frozenset(unreleased),
    )


def policy(**options: Any) -> CedarPolicy:
    files = default_rules()
    return CedarPolicy(files.rules, files.schema, **options)
