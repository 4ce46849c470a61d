"""Makes and checks `schemas/spec/vectors`: good packets, and failing twins beside them.

    python -m tests.vectors            write them anew
    python -m tests.vectors --check    compare the committed ones

Keys, r, content key and iv are fixed, so header, commitment, ciphertext and digests of headers come out the same each
time and are compared. Encapsulations and signatures are random by nature: the committed ones are verified and opened.
"""

import argparse
import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from broker.crypto.keys import PrivateKey, PublicKey, SeedKey
from broker.crypto.suites import SUITES
from broker.envelope.acknowledge import check_acknowledgement_signatures, parse_acknowledgement
from broker.errors import PacketError
from schemas.canonical import b64u, unb64u
from schemas.directory import KeyUse
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.builders import Realm, key_row, private_key, uuid7
from tests.faults import ACKNOWLEDGEMENTS, BENT, CHANGED
from tests.forge import Forge, accept, acknowledged, padded, two_plaintexts, verified

FOLDER = Path(__file__).parent.parent / "schemas" / "spec" / "vectors"
PAYLOAD = b'{"note":"raid at 04:00"}'
# Bending these changes the header or what is encrypted, so the wraps have to be made anew.
_DEEP = {"fields", "plain", "commitment", "header", "cek", "to"}
_IN_BOTH = {"header with a space", "another realm", "wrong commitment", "padding that is not zero"}
_RANDOM = ("/ek", "/encrypted_key", "/signature", "/payload")

TWINS = [
    "zip",
    "another enc",
    "the JWE's typ on another kind of object",
    "JWE protected header in another order",
    "the other suite's key wrap",
    "a low-order point",
    "ek and encrypted_key boundary shifted",
    "ciphertext and tag boundary shifted",
    "ek one short",
    "ek one long",
    "ek padded",
    "ek in the other base64 alphabet",
    "a wrap's kid with spare bits set",
    *(
        f"{what} of {size} bytes"
        for what, n in (("iv", 12), ("tag", 16), ("encrypted key", 48))
        for size in (n - 1, n + 1)
    ),
    "a recipient twice among the wraps",
    "wraps in another order than to",
    "a wrap without its recipient in to",
    "a recipient in to without its wrap",
    "an agency twice in to",
    "ciphertext of a size that padding never has",
    "a manifest of another packet",
    "a manifest with a space",
    "header with a space",
    "header in another order",
    "header with a member twice",
    "header with a member added",
    "header with from spelt from_",
    "null for an absent member",
    "true for an integer",
    "2^53 + 1",
    "a commitment of 47 bytes",
    "a commitment of 49 bytes",
    "another realm",
    "another gateway",
    "alg none",
    "HS256 in the header",
    "an unknown crit",
    "b64 false",
    "an acknowledgement's typ",
    "embedded jwk",
    "jku",
    "kid is a path",
    "a protected header with a space",
    "a protected header with alg twice",
    "a member added to a protected header",
    "wrong commitment",
    "padding that is not zero",
    "a length one short",
    "a length one beyond the content",
    "padding to a larger size",
    "a wrap of another content key",
]
ACKNOWLEDGEMENT_TWINS = [
    "a packet's typ",
    "alg none",
    "signatures swapped",
    "one signature",
    "one signature twice",
    "a signature one short",
    "a body in another form",
    "a body with a member added",
    "null for an absent reason",
    "a reason without rejected",
    "rejected without a reason",
    "kids other than sig names",
    "by another agency",
]


def make(suite: SuiteName) -> dict[str, Any]:
    realm = Realm(suite)
    good = Forge(realm, to=("us-dea", "in-setu"), payload=PAYLOAD)
    packet = good.object()
    ack = json.loads(acknowledged(realm))
    return {
        "format": "setu1",
        "suite": suite.value,
        "realm": realm.realm,
        "gateway": realm.gateway,
        "keys": [_key(*each) for each in _keys(realm)],
        "refused_keys": _refused_keys(suite),
        "packets": [
            {
                "name": "open: the gateway is a reader",
                "random": {"r": b64u(good.r), "content_key": b64u(good.key), "iv": b64u(good.iv)},
                "payload": PAYLOAD.decode(),
                "plain": b64u(padded(good.r, PAYLOAD)),
                "header": json.loads(unb64u(packet["jwe"]["aad"])),
                "digest": verified(json.dumps(packet).encode(), realm).digest,
                "packet": packet,
                "failing": list(_failing(realm, good, packet)),
            }
        ],
        "acknowledgements": [
            {
                "name": "opened",
                "body": json.loads(unb64u(ack["payload"])),
                "acknowledgement": ack,
                "failing": [
                    _twin(name, ACKNOWLEDGEMENTS[name][0], ack, json.loads(acknowledged(realm, **hooks)))
                    for name in ACKNOWLEDGEMENT_TWINS
                    for hooks in [ACKNOWLEDGEMENTS[name][1]]
                ],
            }
        ],
    }


def _keys(realm: Realm) -> Iterator[tuple[str, str, PrivateKey]]:
    for agency in ("in-ncb", "us-dea", "us-cbp", "in-setu"):
        member = realm.members[agency]
        for use, key in (("sign", member.sign.classical), ("sign", member.sign.post_quantum), ("wrap", member.wrap)):
            yield agency, use, key
    yield "in-ncb", "log", private_key(SUITES[realm.suite].classical, "a log's")


def _key(agency: str, use: str, key: PrivateKey) -> dict[str, str]:
    public = {"public": b64u(key.public.raw), "kid": key.public.kid}
    return {"agency": agency, "use": use, "alg": key.alg, "seed": b64u(key.seed()), **public}


def _refused_keys(suite: SuiteName) -> list[dict[str, str]]:
    wrap = private_key(SUITES[suite].wrap, "us-dea").public.raw
    if suite is SuiteName.HYBRID_768:
        faulty = [
            ("Ed25519", b"\1" + bytes(31), "the identity: one signature fits every message"),
            ("Ed25519", bytes(32), "a point of order 4"),
            ("Ed25519", b"\xee" + b"\xff" * 30 + b"\x7f", "the identity in another spelling"),
            ("Ed25519", b"\2" + bytes(31), "no point of the curve"),
            ("HPKE-9-KE", wrap[:-32] + bytes(32), "X25519 key of low order"),
        ]
    else:
        faulty = [
            ("ES384", b"\4" + bytes(96), "no point of the curve"),
            ("HPKE-10-KE", wrap[:-96] + bytes(96), "P-384 key that is no point of the curve"),
        ]
    faulty.append((SUITES[suite].wrap, b"\xff" * 384 + wrap[384:], "ML-KEM key with coefficients beyond the modulus"))
    return [{"alg": alg, "public": b64u(raw), "why": why} for alg, raw, why in faulty]


def _failing(realm: Realm, good: Forge, packet: dict[str, Any]) -> Iterator[dict[str, Any]]:
    def twin(name: str, code: Code, **hooks: Any) -> dict[str, Any]:
        # With the same content and wraps wherever these are not what is bent: a twin is a small change.
        jwe = None if hooks.keys() & _DEEP else copy.deepcopy(packet["jwe"])
        bent = Forge(realm, to=good.to, payload=PAYLOAD, reuse=jwe, **hooks).object()
        return _twin(name, code, packet, bent)

    for name in TWINS:
        code, hooks = BENT[name]
        # What is wrong with a header does not depend on the suite: most such twins stand in one file only.
        if realm.suite is SuiteName.HYBRID_768 or not hooks.keys() & _DEEP or name in _IN_BOTH:
            yield twin(name, code, **hooks)
    for name, (code, change) in CHANGED.items():
        yield _twin(name, code, packet, change(copy.deepcopy(packet)))
    collided = two_plaintexts(realm)
    collided.to, collided.payload = good.to, PAYLOAD
    yield _twin("two plaintexts in one ciphertext", Code.COMMITMENT_MISMATCH, packet, collided.object())
    other = Forge(realm, to=good.to, payload=PAYLOAD, r=b"R" * 32, fields=lambda fields: {**fields, "id": uuid7(3)})
    donor = other.object()["jwe"]
    yield twin(
        "the commitment of another packet",
        Code.COMMITMENT_MISMATCH,
        commitment=lambda _: unb64u(json.loads(unb64u(donor["aad"]))["commitment"]),
    )
    yield twin(
        "the wraps of another packet", Code.WRAP_INVALID, jwe=lambda jwe: {**jwe, "recipients": donor["recipients"]}
    )
    theirs = realm.members["us-cbp"].sign
    log = private_key(SUITES[realm.suite].classical, "a log's")
    ours = realm.members["in-ncb"].sign
    for name, signers in (
        ("signed by another agency", (theirs.classical, theirs.post_quantum)),
        ("one signature of another agency", (ours.classical, theirs.post_quantum)),
        ("signed with a key of the wrong use", (log, ours.post_quantum)),
    ):
        yield twin(name, Code.KEY_UNKNOWN, signers=signers, fields=lambda fields: fields)
    yield {**twin("signed with a revoked key", Code.KEY_UNKNOWN), "revoked": [ours.classical.public.kid]}


def _twin(name: str, code: Code, good: Any, bent: Any) -> dict[str, Any]:
    return {"name": name, "code": code.value, "patch": diff(good, bent)}


def diff(good: Any, bent: Any, pointer: str = "") -> list[dict[str, Any]]:
    """A JSON Patch (RFC 6902) of add, remove and replace that turns one into the other."""
    if good == bent:
        return []
    if isinstance(good, dict) and isinstance(bent, dict):
        patch = [{"op": "remove", "path": f"{pointer}/{name}"} for name in good if name not in bent]
        for name, value in bent.items():
            if name in good:
                patch += diff(good[name], value, f"{pointer}/{name}")
            else:
                patch.append({"op": "add", "path": f"{pointer}/{name}", "value": value})
        return patch
    if isinstance(good, list) and isinstance(bent, list) and len(good) == len(bent):
        return [step for n, pair in enumerate(zip(good, bent, strict=True)) for step in diff(*pair, f"{pointer}/{n}")]
    return [{"op": "replace", "path": pointer, "value": bent}]


def apply(document: Any, patch: list[dict[str, Any]]) -> Any:
    document = {"": copy.deepcopy(document)}
    for step in patch:
        *path, last = ["", *step["path"].split("/")[1:]]
        parent: Any = document
        for name in path:
            parent = parent[int(name) if isinstance(parent, list) else name]
        last = int(last) if isinstance(parent, list) else last
        if step["op"] == "remove":
            del parent[last]
        else:
            parent[last] = step["value"]
    return document[""]


def realm_of(vectors: dict[str, Any], revoked: tuple[str, ...] = ()) -> Realm:
    """The realm whose directory holds exactly the vectors' keys."""
    rows: dict[str, dict[str, Any]] = {}
    for key in vectors["keys"]:
        private = SeedKey(key["alg"], unb64u(key["seed"]))
        assert (b64u(private.public.raw), private.public.kid) == (key["public"], key["kid"])
        state = "revoked" if key["kid"] in revoked else "active"
        row = key_row(private, KeyUse(key["use"]), state=state).to_object()
        rows.setdefault(key["agency"], {"keys": []})["keys"].append(row)
    return Realm(SuiteName(vectors["suite"]), agencies=rows)


def judge(vectors: dict[str, Any], packet: Any, revoked: tuple[str, ...] = ()) -> str:
    """`accepted`, or the code it is refused with."""
    try:
        accept(json.dumps(packet).encode(), realm_of(vectors, revoked))
    except PacketError as error:
        return error.code
    return "accepted"


def judge_acknowledgement(vectors: dict[str, Any], acknowledgement: Any) -> str:
    realm = realm_of(vectors)
    try:
        parsed = parse_acknowledgement(json.dumps(acknowledgement).encode())
        check_acknowledgement_signatures(parsed, realm.suite, realm.signing_key(parsed.body.by))
    except PacketError as error:
        return error.code
    return "accepted"


def judge_key(key: dict[str, str]) -> str:
    try:
        PublicKey(key["alg"], unb64u(key["public"]))
    except PacketError as error:
        return error.code
    return "accepted"


def masked(value: Any, pointer: str = "") -> Any:
    """The value with what is random by nature replaced by its length; `digest` follows from it."""
    if isinstance(value, dict):
        path = str(value.get("path", ""))
        return {
            name: masked(inner, path if name == "value" else f"{pointer}/{name}")
            for name, inner in value.items()
            if (pointer, name) != ("/packets", "digest")
        }
    if isinstance(value, list):
        return [masked(inner, pointer) for inner in value]
    return len(value) if isinstance(value, str) and pointer.endswith(_RANDOM) else value


def path_of(suite: SuiteName, folder: Path = FOLDER) -> Path:
    return folder / f"{suite.value}.json"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.vectors")
    parser.add_argument("--check", action="store_true", help="compare the committed vectors instead of writing them")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    asked = parser.parse_args(arguments)
    stale = []
    for suite in SuiteName:
        path = path_of(suite, asked.folder)
        if not asked.check:
            path.write_text(json.dumps(make(suite), indent=1) + "\n")
        elif masked(json.loads(path.read_text())) != masked(make(suite)):
            stale.append(path.name)
    if stale:
        print(f"Expected the vectors that the code makes, found others in {', '.join(stale)}: run without --check.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
