"""`setu schema new`: a further kind in a source tree, with its sample, strategy and test; the checks pass at once."""

import json
import keyword
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.cli import templates
from broker.cli.output import JsonOption, emit
from broker.cli.tree import source_tree
from broker.errors import SetuError
from schemas.problem import Code

LONGEST = 32
TAKEN = frozenset({"handling"})
"""`setu schema sample handling` is no kind's sample."""

_NAME = re.compile(r"[a-z]+(-[a-z]+)*")
_SAID = re.compile(r"[A-Za-z0-9][ !#-\[\]-~]{8,98}[A-Za-z0-9)]")


def new(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Lower-case words joined by hyphens.")],
    about: Annotated[str, typer.Option(help="What it is for: one line, without a full stop.")],
    source: Annotated[str, typer.Option(help="The convention, law or standard it rests on, with article or section.")],
    _json: JsonOption = False,
) -> None:
    """Add a kind to this source tree: module, sample, strategy, test, schema and page."""
    root = source_tree()
    _check(root, kind, about, source)
    files = {root / name: text for name, text in templates.files(kind, about, source).items()}
    present = next((path for path in files if path.exists()), None)
    if present is not None:
        raise _refused(
            f"Expected a kind that is not there, found {present.relative_to(root)}.",
            "Choose another name, or change what is there.",
        )
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    published = _publish(root)
    made = [str(path.relative_to(root)) for path in files]
    steps = templates.next_steps(kind)

    def show(console: Console) -> None:
        for name in [*made, *published]:
            console.print(f"written: {name}")
        console.print("What to do next:", style="bold")
        for number, step in enumerate(steps, 1):
            console.print(f"  {number}. {step}")

    emit(ctx, {"kind": kind, "files": made, "published": published, "next": steps}, show)


def _check(root: Path, kind: str, about: str, source: str) -> None:
    if not _NAME.fullmatch(kind) or len(kind) > LONGEST:
        raise _refused(
            f"Expected lower-case words joined by hyphens, at most {LONGEST} characters, found another form.",
            "Name the kind as the header's `kind` will say it, for example vessel-movement.",
        )
    module = templates.module_of(kind)
    if kind in TAKEN or keyword.iskeyword(module) or (root / "schemas" / "payloads" / f"{module}.py").exists():
        raise _refused("Expected a name that is free, found one that a kind or module has.", "Choose another name.")
    for option, text in (("--about", about), ("--source", source)):
        if not _SAID.fullmatch(text):
            raise _refused(
                f"Expected {option} to be 10 to 100 ASCII characters from a letter or digit to a letter, digit or `)`, "
                "without quotation marks and backslashes, found something else.",
                "Write one line without a full stop; the docstring has room for more.",
            )


def _publish(root: Path) -> list[str]:
    """In a process of its own, for this one has read its kinds before; names of the files written."""
    done = subprocess.run(
        [sys.executable, "-m", "broker", "schema", "publish", "--json"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise _refused(
            "Expected the new kind to be published, found that setu schema publish fails.",
            "The files are written; run setu schema publish and do what it says.",
        )
    return [f"schemas/spec/{name}" for name in json.loads(done.stdout)["differing"]]


def _refused(message: str, advice: str) -> SetuError:
    return SetuError(Code.CONFIG_INVALID, message, advice=advice)
