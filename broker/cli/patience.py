"""Says on stderr what a command waits for, so that nobody takes its patience for a hang."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from broker.assembly.agency import connect
from broker.cli.output import note
from broker.errors import SetuError
from broker.sdk.client import Client

PATIENCE = 120.0
QUIET = 0.8
SAID_AGAIN = 10.0

PatienceOption = Annotated[
    float,
    typer.Option(
        "--patience", metavar="SECONDS", min=0.0, help="For how long to go on asking a gateway that does not answer."
    ),
]


class Waiting:
    """Says it once nothing came for a second or two (failures are further and further apart), then each ten seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, say: Callable[[str, str], None] = note) -> None:
        self._monotonic = monotonic
        self._say = say
        self._said = -SAID_AGAIN

    def __call__(self, error: SetuError, since: float, left: float) -> None:
        now = self._monotonic()
        if since >= QUIET and now - self._said >= SAID_AGAIN:
            self._said = now
            self._say(f"{error.message} Asking again for {left:.0f} s more (--patience); Ctrl-C ends.", "yellow")


def connected(profile: Path, patience: float = PATIENCE) -> Client:
    """As `connect`, and not silent while it waits."""
    return connect(profile, patience=patience, told=Waiting())
