"""What may stand in a log line: short text, numbers, names of things; never bytes, keys, payloads or a line's end."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any

MAX_TEXT = 500
MAX_ITEMS = 32
MAX_DEPTH = 4
MAX_FRAMES = 16
REDACTED = "[redacted]"

_SECRET = re.compile(
    r"secret|passw|passphrase|token|cookie|authoriz|seed|private|payload|plaintext|ciphertext|cek\b|body|client.cert"
    r"|(^|_|-)key$|(^|_|-)der$|(^|_|-)pem$",
    re.IGNORECASE,
)
_PEM = "-----BEGIN "


def redact(value: Any, depth: int = 0) -> Any:
    """`value` as JSON types that may be logged."""
    kind = type(value)
    if kind is int or (kind is str and len(value) <= MAX_TEXT and _PEM not in value):
        return value  # nearly all there is in a request's line
    match value:
        case str():
            return _text(str(value))
        case None | bool() | int() | float():
            return value
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case Mapping() if depth < MAX_DEPTH:
            return {_text(str(name)): redact_named(str(name), value[name], depth + 1) for name in _some(value)}
        case Sequence() | set() | frozenset() if depth < MAX_DEPTH:
            return [redact(each, depth + 1) for each in _some(value)]
        case _:
            return f"[{type(value).__name__}]"


def redact_named(name: str, value: Any, depth: int = 0) -> Any:
    """As `redact`, and nothing at all of a member whose name speaks of a secret."""
    return REDACTED if _speaks_of_secret(name) and not isinstance(value, bool | int) else redact(value, depth)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception by type and place. Not its message: a library's may quote what it was given."""
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < MAX_DEPTH:
        chain.append(type(seen).__name__)
        seen = seen.__cause__ or seen.__context__
    return {"error": chain, "frames": _frames(error.__traceback__)}


@lru_cache(maxsize=1024)
def _speaks_of_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        file = "/".join(code.co_filename.split("/")[-3:])
        frames.append(f"{file}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-MAX_FRAMES:]


def _text(text: str) -> str:
    if _PEM in text:
        return REDACTED
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}[{len(text) - MAX_TEXT} more]"


def _some(values: Any) -> list[Any]:
    return [each for each, _ in zip(values, range(MAX_ITEMS), strict=False)]
