"""`setu relay`: brings accepted packets to Kafka, beside gateways that share a store."""

from pathlib import Path
from typing import Annotated

import typer

from broker.config import GatewaySettings, load

app = typer.Typer()


@app.command(epilog="Example: setu relay --config deployment/setu.toml")
def relay(
    config: Annotated[Path, typer.Option(dir_okay=False, help="The deployment's settings.")] = Path("setu.toml"),
    operations: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where it answers /healthz, /readyz and /metrics.")
    ] = "127.0.0.1:9643",
) -> None:
    """Relay accepted packets to Kafka until told to end (SIGTERM, Ctrl-C).

    Start it on two machines or more: one relays, the others stand by and take over within ten seconds. A gateway whose
    store is its own (sqlite) relays by itself and needs none. Its log goes to stderr, one JSON object a line.
    """
    settings = load(GatewaySettings, config)
    from broker.assembly.relay import RelayProcess  # noqa: PLC0415 - a wrong setting is said before engines are read

    RelayProcess(settings, operations=operations).run()
