"""`setu store`: the database that keeps the ledger."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.store import Move, copy_store, look_at_store, upgrade_store
from broker.cli.output import JsonOption, emit, progress
from broker.config import GatewaySettings, load
from broker.errors import IntegrityError
from broker.store.look import Look
from broker.store.migrate import Upgraded
from schemas.problem import Code

app = typer.Typer(no_args_is_help=True, help="Show, upgrade and move the database that keeps the ledger.")

ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="SETU.TOML", exists=True, dir_okay=False, help="The gateway's settings.")
]


@app.command(epilog="Example: setu store show --config deployment/setu.toml")
def show(ctx: typer.Context, config: ConfigOption, _json: JsonOption = False) -> None:
    """Say what the store is and holds: engine, schema, newest head, published size, leases. Nothing is changed."""
    found = look_at_store(load(GatewaySettings, config))
    if found is None:
        raise IntegrityError(
            Code.CONFIG_INVALID, "Expected a store, found no file yet.", advice="The gateway's first start makes it."
        )
    emit(ctx, _look_document(found), lambda console: _show_look(console, found))


@app.command(epilog="Example: setu store upgrade --config deployment/setu.toml")
def upgrade(ctx: typer.Context, config: ConfigOption, _json: JsonOption = False) -> None:
    """Bring the store to the schema of this release; an empty PostgreSQL database gets its tables.

    Make a backup before. There is no way back to an older release but that backup.
    """
    done = upgrade_store(load(GatewaySettings, config))
    emit(ctx, {"ok": True, "before": done.before, "after": done.after}, lambda console: _show_upgrade(console, done))


@app.command(
    epilog="Example: setu store copy --config deployment/setu.toml --to 'postgresql://setu@/setu?host=/run/postgresql'"
)
def copy(
    ctx: typer.Context,
    config: ConfigOption,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="An empty PostgreSQL database.")],
    _json: JsonOption = False,
) -> None:
    """Move an embedded ledger to PostgreSQL: every row, all at once or not at all, and check the whole log there.

    Stop the gateway first. The root stays, and every receipt and proof of the old store is one of the new. The old
    store stays as it is, too; do not start a gateway on it again: that would be a second log under the same name.
    """
    settings = load(GatewaySettings, config)
    with progress("Copying") as moved:
        done = copy_store(settings, to, lambda _, rows, total: moved(rows, total))
    emit(ctx, _copy_document(done), lambda console: _show_copy(console, done))


def _look_document(found: Look) -> dict[str, Any]:
    head = None
    if found.size is not None and found.root is not None:
        head = {"size": found.size, "root": found.root.hex(), "time": found.time}
    return {
        "engine": found.engine,
        "schema": found.schema,
        "newest_schema": found.newest,
        "head": head,
        "published": found.published,
        "leases": [
            {"name": each.name, "holder": each.holder, "epoch": each.epoch, "seconds_left": round(each.left, 1)}
            for each in found.leases
        ],
    }


def _show_look(console: Console, found: Look) -> None:
    newest = "" if found.schema == found.newest else f" (this program's: {found.newest})"
    console.print(f"{'engine':11}{found.engine}")
    console.print(f"{'schema':11}{found.schema or 'none'}{newest}")
    if found.size is None or found.root is None:
        console.print(f"{'head':11}none: no log was begun")
    else:
        console.print(f"{'head':11}{found.size} entries, root {found.root.hex()}, {found.time}")
    console.print(f"{'published':11}{'nothing' if found.published is None else f'{found.published} entries'}")
    for each in found.leases:
        left = f"{each.left:.1f} s left" if each.left else "over"
        console.print(f"{'lease':11}{each.name}: {each.holder}, epoch {each.epoch}, {left}")


def _show_upgrade(console: Console, done: Upgraded) -> None:
    if done.before == done.after:
        console.print(f"The store has schema {done.after}, which is this program's; nothing was done.")
    else:
        console.print(f"The store has schema {done.after} now; it had {done.before or 'none'}.", style="bold green")


def _copy_document(done: Move) -> dict[str, Any]:
    copied = done.copied
    return {"ok": True, "size": copied.size, "root": copied.root.hex(), "rows": copied.rows, "guard": done.guard}


def _show_copy(console: Console, done: Move) -> None:
    copied = done.copied
    console.print(f"Copied {sum(copied.rows.values())} rows, and read them back the same.", style="bold green")
    console.print(f"  the log:   {copied.size} entries, root {copied.root.hex()}, computed from the entries there")
    console.print('  next:      in setu.toml, write the URL as store = "..." and name the shared guard under [guard]')
    console.print(f"  the guard: begins with this one's head: copy {done.guard} to `file` of its guard.toml")
    console.print("  then:      never start a gateway on the old store again")
