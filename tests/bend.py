"""Hooks for `tests.forge.Forge`, and edits of finished packets: the ways tests make a packet wrong."""

import json

from schemas.canonical import b64u, unb64u


def replace(pointer, change):
    """A hook that replaces one string by what `change` makes of its decoded bytes."""

    def hook(value):
        value = json.loads(json.dumps(value))
        *path, last = pointer.strip("/").split("/")
        parent = value
        for step in path:
            parent = parent[int(step) if isinstance(parent, list) else step]
        parent[last] = change(parent[last])
        return value

    return hook


def in_bytes(change):
    return lambda text: b64u(change(unb64u(text)))


def with_fields(**over):
    return lambda fields: {**fields, **over}


def without(name):
    return lambda fields: {key: value for key, value in fields.items() if key != name}


def with_handling(**over):
    return lambda fields: {**fields, "handling": {**fields["handling"], **over}}


def with_protected(**over):
    return lambda _n, header: {**header, **over}


def hs256(n, header):
    return {**header, "alg": "HS256"} if n == 0 else header


def shift_wrap(jwe):
    """The last byte of ek moved to the front of encrypted_key: together they are the same bytes."""
    wrap = jwe["recipients"][0]
    ek, key = unb64u(wrap["header"]["ek"]), unb64u(wrap["encrypted_key"])
    moved = {"header": {**wrap["header"], "ek": b64u(ek[:-1])}, "encrypted_key": b64u(ek[-1:] + key)}
    return {**jwe, "recipients": [moved, *jwe["recipients"][1:]]}


def shift_tag(jwe):
    content, tag = unb64u(jwe["ciphertext"]), unb64u(jwe["tag"])
    return {**jwe, "ciphertext": b64u(content + tag[:1]), "tag": b64u(tag[1:])}


def repeat_wrap(jwe):
    return {**jwe, "recipients": [*jwe["recipients"], jwe["recipients"][0]]}


def spare_bits(text):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(text) % 4, "no spare bits"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


def low_order(text):
    ek = unb64u(text)
    # X25519: u = 0, which makes every shared secret zero. P-384: x = y = 0, which is not on the curve.
    return b64u(ek[:1088] + bytes(32)) if len(ek) == 1120 else b64u(ek[:1568] + b"\4" + bytes(96))


def odd_point(text):
    ek = unb64u(text)
    # The order-8 point with its spare bit set; a compressed point where an uncompressed one belongs.
    if len(ek) == 1120:
        point = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880")
        return b64u(ek[:1088] + point)
    return b64u(ek[:1568] + b"\2" + ek[1569:])


def parent_of(packet, pointer):
    *path, last = pointer.strip("/").split("/")
    for step in path:
        packet = packet[int(step) if isinstance(packet, list) else step]
    return packet, int(last) if isinstance(packet, list) else last


def edit(pointer, value):
    def hook(packet):
        packet = json.loads(json.dumps(packet))
        parent, last = parent_of(packet, pointer)
        parent[last] = value(parent[last]) if callable(value) else value
        return packet

    return hook


def drop(pointer):
    def hook(packet):
        packet = json.loads(json.dumps(packet))
        parent, last = parent_of(packet, pointer)
        del parent[last]
        return packet

    return hook


def last_byte(text):
    return b64u(unb64u(text)[:-1] + bytes([unb64u(text)[-1] ^ 1]))
