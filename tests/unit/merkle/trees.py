"""The tree as RFC 6962, section 2.1 writes it: slow, recursive, and what the fast one is held against."""

from collections.abc import Sequence

from broker.merkle.tree import EMPTY_ROOT, Nodes, leaf_hash, node_hash


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % number) for number in range(count)]


def split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def mth(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return node_hash(mth(hashes[:k]), mth(hashes[k:]))


def path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    if len(hashes) == 1:
        return []
    k = split(len(hashes))
    if index < k:
        return [*path(index, hashes[:k]), mth(hashes[k:])]
    return [*path(index - k, hashes[k:]), mth(hashes[:k])]


def proof(old: int, hashes: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    if old == len(hashes):
        return [] if whole else [mth(hashes)]
    k = split(len(hashes))
    if old <= k:
        return [*proof(old, hashes[:k], whole=whole), mth(hashes[k:])]
    return [*proof(old - k, hashes[k:], whole=False), mth(hashes[:k])]


def nodes(hashes: Sequence[bytes]) -> Nodes:
    return lambda level, index: mth(hashes[index << level : (index + 1) << level])
