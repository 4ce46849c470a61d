"""`setu schema publish`: writes what is published of the models, and refuses what may not follow what was published."""

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.cli.output import JsonOption, emit
from broker.cli.tree import source_tree
from broker.transport import asyncapi
from schemas.publish import Broken, Publication, rendered, text_of

SPEC = Path("schemas", "spec")
CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit status 1 where a file is not what the models say.")
]


def documents() -> dict[str, str]:
    """Path below `schemas/spec` -> text, of everything that is made from the code."""
    openapi = importlib.import_module("broker.gateway.openapi")  # what it needs is not in the base install
    access = importlib.import_module("broker.gateway.access")
    return {
        **rendered(),
        "openapi.json": text_of(openapi.document()),
        "asyncapi.json": text_of(asyncapi.document()),
        access.NAME: access.page(),
    }


def publish(ctx: typer.Context, check: CheckOption = False, _json: JsonOption = False) -> None:
    """Write JSON Schemas, pages, OpenAPI, AsyncAPI, access matrix into schemas/spec; refuse an incompatible change."""
    publication = Publication(source_tree() / SPEC, documents())
    differing, broken = publication.differing(), publication.broken()
    written = bool(differing) and not broken and not check
    if written:
        publication.write()

    def show(console: Console) -> None:
        for each in broken:
            console.print(each.sentence, style="bold red")
        if broken:
            console.print(_advice(broken), style="cyan")
        for name in differing:
            console.print(f"{'written' if written else 'differs'}: {SPEC / name}")
        if not differing:
            console.print("Everything is published as it is.", style="green")
        elif check and not broken:
            console.print("What to do: setu schema publish, and commit it with what changed it.", style="cyan")

    emit(ctx, _document(differing, broken, written=written), show)
    if broken or (check and differing):
        raise typer.Exit(1)


def _document(differing: tuple[str, ...], broken: tuple[Broken, ...], *, written: bool) -> dict[str, Any]:
    return {
        "ok": not broken and (written or not differing),
        "written": written,
        "differing": list(differing),
        "incompatible": [
            {"file": each.name, "subject": each.subject, "member": each.change.member, "sentence": each.sentence}
            for each in broken
        ],
        "advice": _advice(broken) if broken else "",
    }


def _advice(broken: tuple[Broken, ...]) -> str:
    names = ", ".join(sorted({str(SPEC / each.name) for each in broken}))
    return (
        "What to do: leave this version as it was, and put the next one beside it (V2 beside V1 in the kind's "
        "versions, with a function in upgrades). Where this version was never released: remove its file, publish anew. "
        f"Nothing was written. Files: {names}."
    )
