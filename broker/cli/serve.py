"""`setu serve`: runs the gateway."""

from pathlib import Path
from typing import Annotated

import typer

from broker.cli.workers import Workers, end_with_parent, worker_command
from broker.config import GatewaySettings, load

app = typer.Typer()


@app.command(epilog="Example: setu serve --config deployment/setu.toml")
def serve(
    config: Annotated[Path, typer.Option(dir_okay=False, help="The deployment's settings.")] = Path("setu.toml"),
    worker: Annotated[int | None, typer.Option(hidden=True, min=0, help="Be one worker of several.")] = None,
) -> None:
    """Run the gateway until it is told to end (SIGTERM, Ctrl-C); what it accepted it finishes.

    Its log goes to stderr, one JSON object a line. With `workers` in the settings it is as many processes on one port,
    and worker N has its operations listener N ports further on.
    """
    settings = load(GatewaySettings, config)
    if worker is None and settings.workers > 1:
        raise typer.Exit(Workers(worker_command(config), settings.workers).run())
    if worker is not None:
        end_with_parent()
        settings = settings.worker(worker)
    from broker.assembly.gateway import Gateway  # noqa: PLC0415 - a wrong setting is said before the engines are read

    Gateway(settings).run()
