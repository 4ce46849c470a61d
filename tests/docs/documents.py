"""The documents people read, and the commands they name."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.arch.tree import ROOT, files

DOCUMENTS = [path for path in files() if path.suffix == ".md" and path.parts[0] != "tests"]
SHELL = re.compile(r"^( *)```(?:sh|bash|console)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`((?:\.venv/bin/)?setu(?: [^`\n]+)?|make(?: [^`\n]+))`(?!`)")


def text_of(path: Path) -> str:
    return (ROOT / path).read_text("utf-8")


def shell_lines(text: str) -> Iterator[str]:
    """Each command of the shell blocks, continued lines joined, prompts and comments taken off."""
    for block in SHELL.finditer(text):
        for line in block[2].replace("\\\n", " ").splitlines():
            if command := line.strip().removeprefix("$ "):
                yield command


def commands(text: str) -> Iterator[list[str]]:
    """Words of every command named, in blocks and in running text."""
    for line in [*shell_lines(text), *(hit[1] for hit in INLINE.finditer(text))]:
        for part in re.split(r"&&|\|\||[|;]", line):
            if words := shlex.split(part, comments=True):
                yield words
