"""Files that programs read while they are replaced: whoever reads finds the old one or the new one, whole."""

import json
import os
import re
import secrets
import shutil
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from broker.crypto.keyfile import sync, write_at_once, write_secret
from broker.errors import IntegrityError, MalformedError
from schemas.problem import Code

_TABLE = re.compile(r"(?m)^[ \t]*\[")


def put(path: Path, content: bytes, *, secret: bool = False) -> None:
    """A new file, there at once; the same content again is no change. `secret`: for its owner alone.

    Raises:
        IntegrityError: code `config-invalid`; there is another file.
    """
    if path.exists():
        if not secret and path.read_bytes() == content:
            return
        raise IntegrityError(Code.CONFIG_INVALID, f"Expected no file at {path}, found one.", advice="Move it away.")
    write_at_once(path, content, 0o600 if secret else 0o644)


def in_place(path: Path, content: bytes) -> None:
    """Replace a file, of the same mode and owner; where it is a link, what it links to."""
    path = path.resolve()
    beside = _beside(path)
    write_secret(beside, content)
    shutil.copymode(path, beside)
    status = path.stat()
    with suppress(PermissionError):
        os.chown(beside, status.st_uid, status.st_gid)
    beside.replace(path)
    sync(path.parent)


def renamed(text: str, members: Mapping[str, str]) -> str:
    """TOML with other values for these members of its top level; comments and all else stay.

    Raises:
        MalformedError: code `bad-request`; that cannot be done here without changing more.
    """
    wanted = {**tomllib.loads(text), **members}
    for name, value in members.items():
        text = _renamed(text, name, json.dumps(value))
    try:
        if tomllib.loads(text) == wanted:
            return text
    except tomllib.TOMLDecodeError:
        pass
    raise MalformedError(
        Code.BAD_REQUEST,
        "Expected settings in which a line each can be replaced, found others.",
        advice="Write into them: " + "; ".join(f"{name} = {json.dumps(value)}" for name, value in members.items()),
    )


def _renamed(text: str, name: str, value: str) -> str:
    table = _TABLE.search(text)
    end = table.start() if table is not None else len(text)
    head, rest = text[:end], text[end:]
    line = re.compile(rf"(?m)^([ \t]*{name}[ \t]*=[ \t]*)(\"[^\"\n]*\"|'[^'\n]*')")
    if line.search(head):
        return line.sub(lambda found: found[1] + value, head, count=1) + rest
    joined = head if not head or head.endswith("\n") else head + "\n"
    return f"{joined}{name} = {value}\n{rest}"


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
