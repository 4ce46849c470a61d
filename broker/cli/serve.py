"""`setu serve`: runs the gateway."""

from pathlib import Path
from typing import Annotated

import typer

from broker.config import GatewaySettings, load

app = typer.Typer()


@app.command(epilog="Example: setu serve --config deployment/setu.toml")
def serve(
    config: Annotated[Path, typer.Option(dir_okay=False, help="The deployment's settings.")] = Path("setu.toml"),
) -> None:
    """Run the gateway until it is told to end (SIGTERM, Ctrl-C); what it accepted it finishes.

    Its log goes to stderr, one JSON object a line.
    """
    settings = load(GatewaySettings, config)
    from broker.assembly.gateway import Gateway  # noqa: PLC0415 - a wrong setting is said before the engines are read

    Gateway(settings).run()
