"""`setu guard`: runs the rollback guard that several gateways share."""

from pathlib import Path
from typing import Annotated

import typer

from broker.config import GuardSettings, load

app = typer.Typer()


@app.command(epilog="Example: setu guard --config guard-service/guard.toml")
def guard(
    config: Annotated[Path, typer.Option(dir_okay=False, help="The guard's settings.")] = Path("guard.toml"),
) -> None:
    """Keep the newest signed head of one log for all its gateways, until told to end (SIGTERM, Ctrl-C).

    It refuses what does not continue the head it holds, so that no gateway signs over a database restored from an old
    copy. Run it on another machine than the database, best in other hands. Its log goes to stderr. Changed `vkeys` in
    the settings are taken up within seconds.
    """
    settings = load(GuardSettings, config)
    from broker.assembly.witness import serve_guard  # noqa: PLC0415 - a wrong setting is said before the rest is read

    serve_guard(settings, reread=lambda: load(GuardSettings, config))
