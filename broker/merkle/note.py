"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature): the log's two signatures.

A log has one pair of keys at a time and may have had others before. A head counts under both keys of one pair.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Protocol

from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.signatures import sign, verify
from broker.errors import IntegrityError, SetuError
from broker.merkle.tree import HASH_SIZE
from schemas.directory import Log, LogPair
from schemas.problem import Code

ED25519 = 0x01
COSIGNATURE = 0x04
MLDSA44 = 0x06
MAX_NOTE = 65_535
MAX_SIGNATURES = 32

_ALGORITHMS = {ED25519: "Ed25519", MLDSA44: "ML-DSA-44"}
_KEY_ID_SIZE = 4
_TIMESTAMP_SIZE = 8
_NO_TIME = bytes(_TIMESTAMP_SIZE)
_DASH = "\u2014 "
_SIZE = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_VKEY = re.compile(r"(?P<name>[^\s+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+={0,2})\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: which log, how many leaves, their root."""

    origin: str
    size: int
    root: bytes

    def body(self) -> bytes:
        """The note's text (C2SP tlog-checkpoint), without extension lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A note verifier key: `name+hex(keyid)+base64(type || key)`."""

    name: str
    type: int
    public: PublicKey

    @property
    def key_id(self) -> bytes:
        """A hint to find the signature line, no more: four bytes."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public.raw).digest()[:_KEY_ID_SIZE]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_b64(bytes([self.type]) + self.public.raw)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a verifier key.

        Raises:
            IntegrityError: LOG_INVALID; not a verifier key of a type that is used here.
        """
        match = _VKEY.match(text)
        raw = _unb64(match["key"]) if match else b""
        if match is None or not raw or raw[0] not in _ALGORITHMS:
            raise IntegrityError(
                Code.LOG_INVALID,
                "Expected a note verifier key of type 01 or 06, found another text.",
            )
        key = cls(match["name"], raw[0], PublicKey(_ALGORITHMS[raw[0]], raw[1:]))
        if key.key_id.hex() != match["id"]:
            raise IntegrityError(Code.LOG_INVALID, "Expected a verifier key whose id is its hash, found another id.")
        return key


class HeadSigner(Protocol):
    """Signs the heads of the log `origin`, with one pair of its keys or with several."""

    @property
    def origin(self) -> str: ...

    def sign(self, size: int, root: bytes) -> bytes:
        """The signed note over a tree head; raises UnavailableError where it must not sign now."""
        ...

    def recognise(self, note: bytes) -> Checkpoint:
        """Check that a note kept by this log itself is its own, under whatever pair; raises as `verify_checkpoint`."""
        ...


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The log's own name and the two private keys of one pair."""

    origin: str
    ed25519: PrivateKey
    mldsa44: PrivateKey

    @property
    def vkeys(self) -> tuple[str, str]:
        """The verifier keys for the directory: Ed25519, ML-DSA-44."""
        return str(self._keys[0]), str(self._keys[1])

    @property
    def pair(self) -> LogPair:
        """The same as a row of the directory has them."""
        ed25519, mldsa44 = self.vkeys
        return LogPair(ed25519=ed25519, mldsa44=mldsa44)

    def sign(self, size: int, root: bytes) -> bytes:
        """The signed note over a tree head."""
        checkpoint = Checkpoint(self.origin, size, root)
        return checkpoint.body() + b"\n" + self.lines(checkpoint)

    def lines(self, checkpoint: Checkpoint) -> bytes:
        """The two signature lines."""
        classical, post_quantum = self._keys
        cosigned = cosigned_message(self.origin, checkpoint, _NO_TIME)
        return _line(classical, sign(self.ed25519, checkpoint.body())) + _line(
            post_quantum, _NO_TIME + sign(self.mldsa44, cosigned)
        )

    def recognise(self, note: bytes) -> Checkpoint:
        """See `HeadSigner`."""
        return verify_checkpoint(note, self.origin, (self.pair,))

    @property
    def _keys(self) -> tuple[VerifierKey, VerifierKey]:
        return (
            VerifierKey(self.origin, ED25519, self.ed25519.public),
            VerifierKey(self.origin, MLDSA44, self.mldsa44.public),
        )


def cosigned_message(cosigner: str, checkpoint: Checkpoint, timestamp: bytes) -> bytes:
    """What an ML-DSA-44 cosignature signs: `cosigned_message` of C2SP tlog-cosignature, for the tree from leaf 0."""
    return b"".join(
        (
            b"subtree/v1\n\0",
            _short(cosigner),
            timestamp,
            _short(checkpoint.origin),
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def cosignature_line(name: str, key: PrivateKey, checkpoint: Checkpoint, time: int) -> bytes:
    """A witness's signature line: `cosignature/v1` of C2SP tlog-cosignature, with an Ed25519 key, at unix seconds."""
    witness = VerifierKey(name, COSIGNATURE, key.public)
    signature = sign(key, b"cosignature/v1\ntime %d\n" % time + checkpoint.body())
    return _line(witness, time.to_bytes(_TIMESTAMP_SIZE, "big") + signature)


def parse_size(text: str) -> int | None:
    """A tree size in decimal, without leading zeros; None for all else."""
    return int(text) if _SIZE.match(text) else None


def parse_checkpoint(note: bytes) -> Checkpoint:
    """What a note says, with no signature checked; for a note whose signatures were checked before."""
    return parse_note(note)[0]


class Judged(NamedTuple):
    """What a note says, and the places in the list of pairs of those under which it counts."""

    checkpoint: Checkpoint
    pairs: tuple[int, ...]


def verify_head(note: bytes, log: Log) -> Checkpoint:
    """Check that a note is a head of this log, by its row in the directory; raises as `verify_checkpoint`."""
    return judged(note, log.origin, log.pairs).checkpoint


def verify_remembered(note: bytes, log: Log) -> Checkpoint:
    """As `verify_head`, for a head that one has kept oneself since it counted: under a former pair at any size. What
    it is good for is to be held against a head that counts now.
    """
    return verify_checkpoint(note, log.origin, [each.model_copy(update={"size": None}) for each in log.pairs])


def verify_checkpoint(note: bytes, origin: str, pairs: Sequence[LogPair]) -> Checkpoint:
    """Check that a note is this log's head: both keys of one of these pairs have signed it.

    Raises:
        IntegrityError: LOG_INVALID, naming what does not hold.
    """
    return judged(note, origin, pairs).checkpoint


def judged(note: bytes, origin: str, pairs: Sequence[LogPair]) -> Judged:
    """As `verify_checkpoint`, and says under which pairs it counts:

    1. The note is of this origin.
    2. A key of any pair signed it at most once, and every signature by one verifies (C2SP signed-note: one that does
       not makes the note invalid, whatever the others say).
    3. Both keys of one pair signed it, a pair without `size` or with one that is not below the checkpoint's.
    """
    keys = [_keys_of(each, origin) for each in pairs]
    checkpoint, lines = parse_note(note)
    if checkpoint.origin != origin:  # 1
        raise IntegrityError(Code.LOG_INVALID, "Expected a checkpoint of the directory's log, found another origin.")
    signed = [[_signed(checkpoint, lines, key) for key in both] for both in keys]  # 2
    whole = [place for place, both in enumerate(signed) if all(both)]
    counting = tuple(place for place in whole if _within(checkpoint.size, pairs[place]))
    if counting:  # 3
        return Judged(checkpoint, counting)
    if whole:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected a head of at most {pairs[whole[0]].size} entries under a former pair of the log's keys, "
            f"found one of {checkpoint.size}.",
            advice="That pair signs no more, so another may have its keys: keep this checkpoint, ask for one under "
            "the pair that the directory names, and tell the log's operator and the auditors.",
        )
    if len(keys) > 1 and any(map(any, signed)):
        raise IntegrityError(Code.LOG_INVALID, "Expected both signatures of one pair of the log's keys, found no pair.")
    missing = keys[0][signed[0].index(False)]
    raise IntegrityError(Code.LOG_INVALID, f"Expected one {missing.public.alg} signature of the log, found 0.")


def check_pair(pair: LogPair, origin: str) -> None:
    """Raises IntegrityError (LOG_INVALID) where these are not two verifier keys, one of each kind, of this origin."""
    _keys_of(pair, origin)


def _within(size: int, pair: LogPair) -> bool:
    return pair.size is None or size <= pair.size


@lru_cache(maxsize=64)
def _keys_of(pair: LogPair, origin: str) -> tuple[VerifierKey, VerifierKey]:
    classical, post_quantum = VerifierKey.parse(pair.ed25519), VerifierKey.parse(pair.mldsa44)
    if (classical.type, post_quantum.type) != (ED25519, MLDSA44) or {classical.name, post_quantum.name} != {origin}:
        raise IntegrityError(
            Code.LOG_INVALID,
            "Expected the log's two keys under the name of its origin, found others.",
        )
    return classical, post_quantum


def _signed(checkpoint: Checkpoint, lines: list[tuple[str, bytes]], key: VerifierKey) -> bool:
    """Whether this key signed; raises IntegrityError where it did twice, or its signature does not verify."""
    mine = [data[_KEY_ID_SIZE:] for name, data in lines if name == key.name and data[:_KEY_ID_SIZE] == key.key_id]
    if len(mine) > 1:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected one {key.public.alg} signature of the log, found {len(mine)}.",
        )
    for signature in mine:
        try:
            _check_signature(checkpoint, key, signature)
        except IntegrityError:
            raise
        except SetuError:
            raise IntegrityError(
                Code.LOG_INVALID,
                f"Expected the log's {key.public.alg} signature to verify, found that it does not.",
                advice="Do not trust this checkpoint; keep it, and tell the log's operator and the auditors.",
            ) from None
    return bool(mine)


def _check_signature(checkpoint: Checkpoint, key: VerifierKey, signature: bytes) -> None:
    if key.type == ED25519:
        verify(key.public, checkpoint.body(), signature)
        return
    if signature[:_TIMESTAMP_SIZE] != _NO_TIME:
        raise IntegrityError(Code.LOG_INVALID, "Expected a cosignature with timestamp 0, found another time.")
    verify(key.public, cosigned_message(key.name, checkpoint, _NO_TIME), signature[_TIMESTAMP_SIZE:])


def parse_note(note: bytes) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """What a note says, and its signature lines as (name, key id and signature); no signature is checked.

    Raises:
        IntegrityError: LOG_INVALID, naming what is not of the form.
    """
    if len(note) > MAX_NOTE:
        raise _malformed(f"at most {MAX_NOTE} bytes")
    try:
        text = note.decode()
    except UnicodeDecodeError:
        raise _malformed("UTF-8") from None
    body, separator, signatures = text.rpartition("\n\n")
    lines = body.split("\n")
    if not separator or len(lines) != 3:  # noqa: PLR2004 - origin, size, root
        raise _malformed("three lines, an empty line and signatures")
    origin, size, encoded = lines
    root = _unb64(encoded)
    if not origin or not origin.isprintable() or " " in origin or "+" in origin:
        raise _malformed("an origin without spaces in the first line")
    number = parse_size(size)
    if number is None:
        raise _malformed("a decimal size in the second line")
    if len(root) != HASH_SIZE:
        raise _malformed(f"{HASH_SIZE} bytes of base64 in the third line")
    if not signatures.endswith("\n"):
        raise _malformed("a line feed at the end")
    found = [_parse_line(line) for line in signatures[:-1].split("\n")]
    if len(found) > MAX_SIGNATURES:
        raise _malformed(f"at most {MAX_SIGNATURES} signatures")
    return Checkpoint(origin, number, root), found


def _parse_line(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    data = _unb64(encoded)
    if not line.startswith(_DASH) or not name or not space or len(data) <= _KEY_ID_SIZE:
        raise _malformed("signature lines of a dash, a name and base64")
    return name, data


def _malformed(expected: str) -> IntegrityError:
    return IntegrityError(Code.LOG_INVALID, f"Expected a checkpoint with {expected}, found another form.")


def _line(key: VerifierKey, signature: bytes) -> bytes:
    return f"{_DASH}{key.name} {_b64(key.key_id + signature)}\n".encode()


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes([len(raw)]) + raw


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    """Canonical standard base64 (RFC 4648, section 4); empty for anything else, which no caller accepts."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _b64(data) == text else b""
