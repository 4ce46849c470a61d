"""What commands print: one JSON document or text for people on stdout; errors and progress on stderr."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from broker.errors import PolicyError, SetuError
from schemas.problem import Code

_JSON = "setu.json"
WIDE = 240
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control and bidirectional characters, but newline and tab."""


def _visible(text: str) -> str:
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _remember(ctx: typer.Context, asked: bool) -> bool:
    ctx.meta[_JSON] = asked
    return asked


JsonOption = Annotated[
    bool,
    typer.Option("--json", callback=_remember, is_eager=True, help="Print one JSON document and nothing else."),
]


def wants_json(ctx: typer.Context) -> bool:
    return bool(ctx.meta.get(_JSON, False))


def emit(ctx: typer.Context, document: Any, show: Callable[[Console], None]) -> None:
    """Print `document` where `--json` was asked for, else what `show` prints for people."""
    if wants_json(ctx):
        print_json(document)
    else:
        show(console())


def print_json(document: Any, *, lines: bool = False) -> None:
    """One JSON document on stdout; with `lines`, on one line (for documents that follow each other)."""
    # Within its strings, where alone such characters are, this is the same JSON.
    sys.stdout.write(_visible(json.dumps(document, ensure_ascii=False, indent=None if lines else 2)) + "\n")
    sys.stdout.flush()


class _Plain(Console):
    """What somebody else wrote cannot move the cursor, erase lines or turn the direction of text: it is escaped."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_visible(text), **options)


def console(*, stderr: bool = False) -> Console:
    """Prints text as it is: no markup is read out of data."""
    made = _Plain(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = WIDE  # a file or a pipe has no edge to keep tables within
    return made


def note(text: str, style: str = "dim") -> None:
    """A line for people, on stderr."""
    console(stderr=True).print(text, style=style)


def document_of(error: SetuError | OSError) -> dict[str, Any]:
    """An error as a JSON object."""
    if isinstance(error, OSError):
        found = {"code": Code.CONFIG_INVALID.value, "message": _operating_system(error), "advice": ""}
        return {"ok": False, "error": found}
    members: dict[str, Any] = {"code": error.code.value, "message": error.message, "advice": error.advice}
    if error.pointer is not None:
        members["pointer"] = error.pointer
    if isinstance(error, PolicyError):
        members["rules"] = [hit.to_object() for hit in error.rules]
    return {"ok": False, "error": members}


def report(ctx: typer.Context, error: SetuError | OSError) -> None:
    """Say what went wrong: for people on stderr; with `--json` also as the document on stdout."""
    document = document_of(error)
    found = document["error"]
    shown = console(stderr=True)
    shown.print(f"{found['code']}: ", style="bold red", end="")
    shown.print(found["message"])
    if found.get("pointer"):  # the empty one is the whole document
        shown.print(f"  at: {found['pointer']}")
    for hit in found.get("rules", ()):
        shown.print(f"  {hit['rule']} ({hit['recipient']}): {hit['sentence']}")
        shown.print(f"    what would change it: {hit['remedy']}", style="cyan")
    if found["advice"]:
        shown.print(f"  what to do: {found['advice']}", style="cyan")
    if wants_json(ctx):
        print_json(document)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Progress on stderr, seen on a terminal only: the function given takes (done, total or None)."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(escape(title), total=None)

        def moved(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield moved


def _operating_system(error: OSError) -> str:
    place = f" at {error.filename}" if error.filename is not None else ""
    return f"Expected a file or address that can be used{place}, found: {error.strerror or type(error).__name__}."
