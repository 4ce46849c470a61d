"""Faulty packets by name, each with the code it gets: one table for the tests and for the published vectors."""

import json
import re

from schemas.canonical import b64u, canonical
from schemas.problem import Code
from tests.bend import (
    drop,
    edit,
    hs256,
    in_bytes,
    last_byte,
    low_order,
    odd_point,
    repeat_wrap,
    replace,
    shift_tag,
    shift_wrap,
    spare_bits,
    with_fields,
    with_handling,
    with_protected,
    without,
)

ENVELOPE, SIGNATURE, KEY, SCHEMA = Code.ENVELOPE_INVALID, Code.SIGNATURE_INVALID, Code.KEY_UNKNOWN, Code.SCHEMA


def _swap(ack):
    return {**ack, "signatures": ack["signatures"][::-1]}


def _first(**over):
    return lambda ack: {**ack, "signatures": [{**ack["signatures"][0], **over}, ack["signatures"][1]]}


SIZES = {
    "iv": ("/iv", 12),
    "tag": ("/tag", 16),
    "encrypted key": ("/recipients/0/encrypted_key", 48),
    "kid of a wrap": ("/recipients/0/header/kid", 32),
}


# What a sender signs but may not: each is bent before the signatures are made. Keyword arguments of `Forge`.
BENT = {
    # shape of the JWE
    "zip": (
        ENVELOPE,
        {"jwe": replace("/protected", lambda _: b64u(b'{"enc":"A256GCM","typ":"setu1+jwe","zip":"DEF"}'))},
    ),
    "PBES2 counts": (
        ENVELOPE,
        {
            "jwe": replace(
                "/protected", lambda _: b64u(b'{"enc":"A256GCM","p2c":2147483647,"p2s":"AA","typ":"setu1+jwe"}')
            )
        },
    ),
    "another enc": (ENVELOPE, {"jwe": replace("/protected", lambda _: b64u(b'{"enc":"A128GCM","typ":"setu1+jwe"}'))}),
    "the JWE's typ on another kind of object": (
        ENVELOPE,
        {"jwe": replace("/protected", lambda _: b64u(b'{"enc":"A256GCM","typ":"setu1+jws"}'))},
    ),
    "JWE protected header in another order": (
        ENVELOPE,
        {"jwe": replace("/protected", lambda _: b64u(b'{"typ":"setu1+jwe","enc":"A256GCM"}'))},
    ),
    "JWE protected header with enc twice": (
        ENVELOPE,
        {"jwe": replace("/protected", lambda _: b64u(b'{"enc":"A256GCM","enc":"A256GCM","typ":"setu1+jwe"}'))},
    ),
    "another key wrap": (ENVELOPE, {"jwe": replace("/recipients/0/header/alg", lambda _: "HPKE-0-KE")}),
    "the other suite's key wrap": (
        ENVELOPE,
        {"jwe": replace("/recipients/0/header/alg", lambda alg: "HPKE-9-KE" if "10" in alg else "HPKE-10-KE")},
    ),
    "direct encryption": (ENVELOPE, {"jwe": replace("/recipients/0/header/alg", lambda _: "dir")}),
    "wrap's kid is a path": (ENVELOPE, {"jwe": replace("/recipients/0/header/kid", lambda _: "../../etc/passwd")}),
    "a low-order point": (ENVELOPE, {"jwe": replace("/recipients/0/header/ek", low_order)}),
    "a low-order point in another spelling": (ENVELOPE, {"jwe": replace("/recipients/0/header/ek", odd_point)}),
    "ek and encrypted_key boundary shifted": (ENVELOPE, {"jwe": shift_wrap}),
    "ciphertext and tag boundary shifted": (ENVELOPE, {"jwe": shift_tag}),
    "a recipient twice among the wraps": (ENVELOPE, {"jwe": repeat_wrap}),
    "wraps in another order than to": (
        ENVELOPE,
        {"jwe": lambda jwe: {**jwe, "recipients": jwe["recipients"][::-1]}},
    ),
    "a wrap without its recipient in to": (ENVELOPE, {"fields": lambda f: {**f, "to": f["to"][:-1]}}),
    "a recipient in to without its wrap": (ENVELOPE, {"jwe": lambda j: {**j, "recipients": j["recipients"][:-1]}}),
    "ek padded": (ENVELOPE, {"jwe": replace("/recipients/0/header/ek", lambda text: text + "=")}),
    "ek in the other base64 alphabet": (
        ENVELOPE,
        {"jwe": replace("/recipients/0/header/ek", lambda text: "+" + text[1:])},
    ),
    "a wrap's kid with spare bits set": (
        ENVELOPE,
        {"jwe": replace("/recipients/1/header/kid", spare_bits)},
    ),
    "ciphertext without the least size": (ENVELOPE, {"plain": lambda plain: plain[:1055]}),
    "ciphertext of a size that padding never has": (ENVELOPE, {"plain": lambda plain: plain + bytes(5)}),
    # the manifest
    "a manifest of another packet": (ENVELOPE, {"manifest": lambda man: man.replace(b'"jwe":"', b'"jwe":"A')}),
    "a manifest with a member added": (ENVELOPE, {"manifest": lambda man: man[:-1] + b',"x":1}'}),
    "a manifest with a space": (ENVELOPE, {"manifest": lambda man: man.replace(b":", b": ", 1)}),
    # the header
    "header with a space": (ENVELOPE, {"header": lambda hdr: hdr.replace(b'{"', b'{ "', 1)}),
    "header in another order": (
        ENVELOPE,
        {"header": lambda hdr: json.dumps(dict(reversed(json.loads(hdr).items())), separators=(",", ":")).encode()},
    ),
    "header with a member twice": (ENVELOPE, {"header": lambda hdr: hdr.replace(b'"kind":', b'"kind":"pen","kind":')}),
    "header with an escape too many": (ENVELOPE, {"header": lambda hdr: hdr.replace(b"in-ncb", b"in\\u002dncb")}),
    "header with a byte order mark": (ENVELOPE, {"header": lambda hdr: b"\xef\xbb\xbf" + hdr}),
    "header with a byte after it": (ENVELOPE, {"header": lambda hdr: hdr + b"\n"}),
    "header in UTF-16": (ENVELOPE, {"header": lambda hdr: hdr.decode().encode("utf-16-le")}),
    "a fraction for an integer": (
        SCHEMA,
        {"header": lambda hdr: re.sub(rb'"iat":(\d+)', rb'"iat":\1.0', hdr)},
    ),
    "header nested too deep": (ENVELOPE, {"header": lambda hdr: hdr[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}"}),
    "header with many unknown members": (
        ENVELOPE,
        {"header": lambda hdr: canonical({**json.loads(hdr), **{f"x{n}": n for n in range(2000)}})},
    ),
    "header that is a list": (SCHEMA, {"header": lambda _: b"[]"}),
    "header with a member added": (SCHEMA, {"fields": with_fields(mode="open")}),
    "header with from spelt from_": (SCHEMA, {"fields": lambda f: {**without("from")(f), "from_": f["from"]}}),
    "header with from and from_": (SCHEMA, {"fields": with_fields(from_="us-dea")}),
    "true for an integer": (SCHEMA, {"fields": with_fields(kind_version=True)}),
    "a string for an integer": (SCHEMA, {"fields": with_fields(kind_version="1")}),
    "null for an absent member": (
        SCHEMA,
        {"fields": with_fields(in_reply_to=None)},
    ),
    "null deep in the header": (SCHEMA, {"fields": with_handling(retention={"review_on": None})}),
    "2^53 + 1": (SCHEMA, {"header": lambda hdr: re.sub(rb'"iat":\d+', b'"iat":9007199254740993', hdr)}),
    "a negative time": (SCHEMA, {"fields": with_fields(iat=-1)}),
    "NUL in an id": (SCHEMA, {"fields": with_fields(kind="tip\0")}),
    "U+202E in an id": (SCHEMA, {"fields": with_fields(kind="\u202etip")}),
    "a Cyrillic letter in an id": (SCHEMA, {"fields": with_fields(**{"from": "in-n\u0441b"})}),
    "a line end after an id": (SCHEMA, {"fields": with_fields(**{"from": "in-ncb\n"})}),
    "an upper-case UUID": (SCHEMA, {"fields": lambda f: {**f, "id": f["id"].upper()}}),
    "a UUIDv4 for an id": (SCHEMA, {"fields": with_fields(id="5d1f2c1e-6d6a-4b3e-9a52-7f2b5c1d9e11")}),
    "another version of the format": (SCHEMA, {"fields": with_fields(v="setu2")}),
    "a suite that is none": (SCHEMA, {"fields": with_fields(suite="classical")}),
    "a date written as a number": (SCHEMA, {"fields": with_handling(retention={"purge_on": 1893456000})}),
    "a date with a time": (SCHEMA, {"fields": with_handling(retention={"purge_on": "2030-01-01T00:00:00"})}),
    "a commitment of 47 bytes": (SCHEMA, {"commitment": lambda value: value[:-1]}),
    "a commitment of 49 bytes": (SCHEMA, {"commitment": lambda value: value + b"\0"}),
    "no handling": (SCHEMA, {"fields": without("handling")}),
    "nobody in to": (SCHEMA, {"fields": with_fields(to=[])}),
    "an agency twice in to": (
        ENVELOPE,
        {"fields": lambda f: {**f, "to": [f["to"][0], {**f["to"][1], "agency": "us-dea"}, *f["to"][2:]]}},
    ),
    "only the gateway in to": (ENVELOPE, {"to": ("in-setu",)}),
    # audience
    "another realm": (Code.WRONG_AUDIENCE, {"fields": lambda f: {**f, "aud": {**f["aud"], "realm": b64u(bytes(48))}}}),
    "another gateway": (Code.WRONG_AUDIENCE, {"fields": lambda f: {**f, "aud": {**f["aud"], "gateway": "us-setu"}}}),
    # signatures
    "alg none": (SIGNATURE, {"protected": with_protected(alg="none")}),
    "alg None": (SIGNATURE, {"protected": with_protected(alg="None")}),
    "HS256 in the header": (SIGNATURE, {"protected": hs256}),
    "alg in lower case": (SIGNATURE, {"protected": lambda _n, h: {**h, "alg": h["alg"].lower()}}),
    "alg that is a number": (SIGNATURE, {"protected": with_protected(alg=5)}),
    "EdDSA for Ed25519": (SIGNATURE, {"protected": with_protected(alg="EdDSA")}),
    "crit": (SIGNATURE, {"protected": with_protected(crit=["exp"], exp=1)}),
    "an unknown crit": (SIGNATURE, {"protected": with_protected(crit=["x"], x=1)}),
    "b64 false": (SIGNATURE, {"protected": with_protected(b64=False, crit=["b64"])}),
    "b64 false without crit": (SIGNATURE, {"protected": with_protected(b64=False)}),
    "no alg": (ENVELOPE, {"protected": lambda _n, h: without("alg")(h)}),
    "no typ": (ENVELOPE, {"protected": lambda _n, h: without("typ")(h)}),
    "an acknowledgement's typ": (SIGNATURE, {"protected": with_protected(typ="setu1+ack")}),
    "the JWE's typ": (SIGNATURE, {"protected": with_protected(typ="setu1+jwe")}),
    "typ JWT": (SIGNATURE, {"protected": with_protected(typ="JWT")}),
    "a member added to a protected header": (ENVELOPE, {"protected": with_protected(cty="json")}),
    "a protected header with a space": (ENVELOPE, {"protected": lambda _n, h: canonical(h).replace(b":", b": ", 1)}),
    "a protected header with a newline after it": (ENVELOPE, {"protected": lambda _n, h: canonical(h) + b"\n"}),
    "a protected header in another order": (
        ENVELOPE,
        {"protected": lambda _n, h: json.dumps(dict(reversed(h.items())), separators=(",", ":")).encode()},
    ),
    "a protected header with alg twice": (
        ENVELOPE,
        {"protected": lambda _n, h: canonical(h).replace(b'{"alg"', b'{"alg":"none","alg"')},
    ),
    "a protected header with kid twice": (
        ENVELOPE,
        {"protected": lambda _n, h: canonical(h).replace(b'"kid"', b'"kid":"x","kid"')},
    ),
    "a protected header that is a list": (ENVELOPE, {"protected": lambda _n, _h: []}),
    "a protected header that is not JSON": (ENVELOPE, {"protected": lambda _n, _h: b"\xff"}),
    "a protected header that nests a thousand times": (ENVELOPE, {"protected": lambda _n, _h: b"[" * 1000}),
    # keys named in another way
    "kid is a path": (KEY, {"protected": with_protected(kid="../../keys/dea")}),
    "kid is SQL": (KEY, {"protected": with_protected(kid="' OR 1=1 --")}),
    "kid is a number": (KEY, {"protected": with_protected(kid=7)}),
    "no kid": (KEY, {"protected": lambda _n, h: without("kid")(h)}),
    "kid with a newline after it": (KEY, {"protected": lambda _n, h: {**h, "kid": h["kid"] + "\n"}}),
    "embedded jwk": (KEY, {"protected": with_protected(jwk={"kty": "OKP", "crv": "Ed25519", "x": "AA"})}),
    "jku": (KEY, {"protected": with_protected(jku="https://evil.example/keys")}),
    "x5u": (KEY, {"protected": with_protected(x5u="https://evil.example/cert")}),
    "x5c": (KEY, {"protected": with_protected(x5c=["AA"])}),
    "x5t": (KEY, {"protected": with_protected(x5t="AA")}),
    # commitment and padding
    "wrong commitment": (Code.COMMITMENT_MISMATCH, {"commitment": lambda value: bytes(len(value))}),
    "one bit of the commitment": (
        Code.COMMITMENT_MISMATCH,
        {"commitment": lambda value: value[:-1] + bytes([value[-1] ^ 1])},
    ),
    "padding that is not zero": (ENVELOPE, {"plain": lambda plain: plain[:-1] + b"\1"}),
    "a length beyond the content": (ENVELOPE, {"plain": lambda plain: plain[:32] + b"\xff\xff\xff\xff" + plain[36:]}),
    "a length one beyond the content": (
        ENVELOPE,
        {"plain": lambda plain: plain[:32] + (1021).to_bytes(4, "big") + plain[36:]},
    ),
    "a length one short": (ENVELOPE, {"plain": lambda plain: plain[:35] + bytes([plain[35] - 1]) + plain[36:]}),
    "padding to a larger size": (ENVELOPE, {"plain": lambda plain: plain + bytes(64)}),
    # a content key that is another's
    "a wrap of another content key": (Code.WRAP_INVALID, {"cek": lambda n, cek: bytes(32) if n == 0 else cek}),
}
BENT |= {
    f"{what} of {size + change} bytes": (ENVELOPE, {"jwe": replace(pointer, in_bytes(bend))})
    for what, (pointer, size) in SIZES.items()
    for change, bend in ((-1, lambda raw: raw[:-1]), (1, lambda raw: raw + b"\0"))
}
BENT |= {
    "ek one short": (ENVELOPE, {"jwe": replace("/recipients/0/header/ek", in_bytes(lambda raw: raw[1:]))}),
    "ek one long": (ENVELOPE, {"jwe": replace("/recipients/0/header/ek", in_bytes(lambda raw: b"\0" + raw))}),
    "an empty ciphertext": (ENVELOPE, {"jwe": replace("/ciphertext", lambda _: "")}),
}


# What somebody on the way changes after the signatures were made.
CHANGED = {
    "the classical signature dropped": (SIGNATURE, drop("/jws/signatures/0")),
    "the post-quantum signature dropped": (SIGNATURE, drop("/jws/signatures/1")),
    "all signatures dropped": (SIGNATURE, edit("/jws/signatures", [])),
    "signatures stripped": (SIGNATURE, drop("/jws/signatures")),
    "signatures that are no list": (SIGNATURE, edit("/jws/signatures", {})),
    "the signatures swapped": (SIGNATURE, edit("/jws/signatures", lambda both: both[::-1])),
    "the classical signature doubled": (SIGNATURE, edit("/jws/signatures", lambda both: [both[0], both[0]])),
    "the post-quantum signature doubled": (SIGNATURE, edit("/jws/signatures", lambda both: [both[1], both[1]])),
    "a third signature": (SIGNATURE, edit("/jws/signatures", lambda both: [*both, both[0]])),
    "the classical signature emptied": (SIGNATURE, edit("/jws/signatures/0/signature", "")),
    "the post-quantum signature emptied": (SIGNATURE, edit("/jws/signatures/1/signature", "")),
    "only the classical signature bad": (SIGNATURE, edit("/jws/signatures/0/signature", last_byte)),
    "only the post-quantum signature bad": (SIGNATURE, edit("/jws/signatures/1/signature", last_byte)),
    "the classical signature zero": (SIGNATURE, edit("/jws/signatures/0/signature", in_bytes(lambda s: bytes(len(s))))),
    "the post-quantum signature zero": (
        SIGNATURE,
        edit("/jws/signatures/1/signature", in_bytes(lambda s: bytes(len(s)))),
    ),
    "the classical signature one short": (ENVELOPE, edit("/jws/signatures/0/signature", in_bytes(lambda s: s[:-1]))),
    "the classical signature one long": (ENVELOPE, edit("/jws/signatures/0/signature", in_bytes(lambda s: s + b"\0"))),
    "the post-quantum signature one short": (ENVELOPE, edit("/jws/signatures/1/signature", in_bytes(lambda s: s[:-1]))),
    "the post-quantum signature one long": (
        ENVELOPE,
        edit("/jws/signatures/1/signature", in_bytes(lambda s: s + b"\0")),
    ),
    "a signature padded": (ENVELOPE, edit("/jws/signatures/0/signature", lambda text: text + "==")),
    "an unprotected header beside a signature": (
        ENVELOPE,
        edit("/jws/signatures/0", lambda each: {**each, "header": {"alg": "none"}}),
    ),
    "a signature that is a string": (ENVELOPE, edit("/jws/signatures/0", "x")),
    "a signature that is a number": (ENVELOPE, edit("/jws/signatures/0/signature", 5)),
    "a member added to the packet": (ENVELOPE, lambda packet: {**packet, "x": 1}),
    "a member added to the JWE": (ENVELOPE, edit("/jwe", lambda jwe: {**jwe, "unprotected": {"alg": "dir"}})),
    "a member added to the JWS": (ENVELOPE, edit("/jws", lambda jws: {**jws, "signature": "AA"})),
    "a member added to a recipient": (ENVELOPE, edit("/jwe/recipients/0", lambda each: {**each, "x": 1})),
    "a member added to a recipient's header": (
        ENVELOPE,
        edit("/jwe/recipients/0/header", lambda header: {**header, "apu": "AA"}),
    ),
    "a recipient added": (ENVELOPE, edit("/jwe/recipients", lambda all_: [*all_, all_[0]])),
    "a recipient removed": (ENVELOPE, drop("/jwe/recipients/1")),
    "the recipients swapped": (ENVELOPE, edit("/jwe/recipients", lambda all_: all_[::-1])),
    "no recipients": (ENVELOPE, edit("/jwe/recipients", [])),
    "recipients that are no list": (ENVELOPE, edit("/jwe/recipients", {})),
    "a wrap without its header": (ENVELOPE, drop("/jwe/recipients/0/header")),
    "no JWE": (ENVELOPE, drop("/jwe")),
    "no JWS": (ENVELOPE, drop("/jws")),
    "a compact JWE": (ENVELOPE, edit("/jwe", "a.b.c.d.e")),
    "a list for the packet": (ENVELOPE, lambda packet: [packet]),
    "a string for the packet": (ENVELOPE, lambda _: "packet"),
    "null for a string": (ENVELOPE, edit("/jwe/iv", None)),
}

# What a recipient signs but may not. Keyword arguments of `acknowledged`.
ACKNOWLEDGEMENTS = {
    "a packet's typ": (SIGNATURE, {"protected": lambda _n, h: {**h, "typ": "setu1+jws"}}),
    "no typ": (ENVELOPE, {"protected": lambda _n, h: {"alg": h["alg"], "kid": h["kid"]}}),
    "alg none": (SIGNATURE, {"protected": lambda _n, h: {**h, "alg": "none"}}),
    "HS256": (SIGNATURE, {"protected": lambda n, h: {**h, "alg": "HS256"} if n == 0 else h}),
    "crit": (SIGNATURE, {"protected": lambda _n, h: {**h, "crit": ["x"]}}),
    "b64 false": (SIGNATURE, {"protected": lambda _n, h: {**h, "b64": False}}),
    "jwk": (KEY, {"protected": lambda _n, h: {**h, "jwk": {}}}),
    "kid is a path": (KEY, {"protected": lambda _n, h: {**h, "kid": "../dea"}}),
    "a protected header with a space": (ENVELOPE, {"protected": lambda _n, h: canonical(h) + b" "}),
    "signatures swapped": (SIGNATURE, {"ack": _swap}),
    "one signature": (SIGNATURE, {"ack": lambda ack: {**ack, "signatures": ack["signatures"][:1]}}),
    "signatures stripped": (SIGNATURE, {"ack": lambda ack: {"payload": ack["payload"]}}),
    "one signature twice": (SIGNATURE, {"ack": lambda ack: {**ack, "signatures": ack["signatures"][:1] * 2}}),
    "one signature zero": (SIGNATURE, {"ack": _first(signature=b64u(bytes(64)))}),
    "a signature one short": (ENVELOPE, {"ack": _first(signature=b64u(bytes(63)))}),
    "a member added": (ENVELOPE, {"ack": lambda ack: {**ack, "header": {}}}),
    "a payload padded": (ENVELOPE, {"ack": lambda ack: {**ack, "payload": ack["payload"] + "="}}),
    "a body that is not JSON": (ENVELOPE, {"body": lambda _: b"opened"}),
    "a body with a member twice": (ENVELOPE, {"body": lambda body: body.replace(b'"at"', b'"at":1,"at"')}),
    "a body in another form": (ENVELOPE, {"body": lambda body: body.replace(b":", b": ", 1)}),
    "a body with a member added": (SCHEMA, {"fields": lambda f: {**f, "x": 1}}),
    "null for an absent reason": (SCHEMA, {"fields": lambda f: {**f, "reason": None}}),
    "from spelt from_": (
        SCHEMA,
        {
            "fields": lambda f: {
                **f,
                "packet": {"from_": "in-ncb", **{k: v for k, v in f["packet"].items() if k != "from"}},
            }
        },
    ),
    "an event that is none": (SCHEMA, {"fields": lambda f: {**f, "event": "read"}}),
    "a reason without rejected": (SCHEMA, {"fields": lambda f: {**f, "reason": "schema"}}),
    "rejected without a reason": (SCHEMA, {"fields": lambda f: {**f, "event": "rejected"}}),
    "true for an index": (SCHEMA, {"fields": lambda f: {**f, "packet": {**f["packet"], "index": True}}}),
    "kids other than sig names": (SIGNATURE, {"fields": lambda f: {**f, "sig": f["sig"][::-1]}}),
    "by another agency": (KEY, {"fields": lambda f: {**f, "by": "us-cbp"}}),
}
