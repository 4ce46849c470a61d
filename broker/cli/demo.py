"""`setu demo`: the whole job done for real, from founding a realm to proving an exchange offline."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.cli.deployment import create
from broker.cli.folders import working_folder
from broker.cli.output import JsonOption, print_json, wants_json
from broker.cli.served import Served, free_port
from broker.cli.story import Cast, StepFailedError, Story
from broker.errors import SetuError

app = typer.Typer()

OPENING = (
    "New Delhi, near Bengali Market: officers stop a vehicle and find tablets packed for the post. What they learn\n"
    "has to reach Washington today, sealed, on the record, and readable by nobody else. (Details invented.)"
)


@dataclass
class Teller:
    """Plays steps one after the other, tells people of each, and keeps what to print as JSON."""

    console: Console | None
    started: float = field(default_factory=time.monotonic)
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(step["ok"] for step in self.steps)

    def say(self, text: str, style: str = "") -> None:
        if self.console is not None:
            self.console.print(text, style=style)

    def play(self, name: str, title: str, work: Callable[[], str]) -> bool:
        begun = time.monotonic()
        try:
            detail, ok = work(), True
        except (SetuError, StepFailedError) as error:
            detail, ok = str(error), False
        self.steps.append({"name": name, "ok": ok, "detail": detail})
        if self.console is not None:
            mark, style = ("✓", "bold green") if ok else ("✗", "bold red")
            self.console.print(mark, style=style, end=" ")
            self.console.print(title, style="bold", end="  ")
            self.console.print(f"{1000 * (time.monotonic() - begun):,.0f} ms", style="dim")
            self.console.print(f"    {detail}", style="" if ok else "red")
        return ok


@app.callback(invoke_without_command=True)
def demo(
    ctx: typer.Context,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep everything in this new folder: log, packets, receipts, deployment."),
    ] = None,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="On a real Kafka, PostgreSQL, two gateways, relays; parts of it are killed."),
    ] = False,
    _json: JsonOption = False,
) -> None:
    """Two countries, five agencies and a gateway on this machine: a packet's whole way, and attacks on it.

    Example: setu demo --keep demo-1
    """
    teller = Teller(None if wants_json(ctx) else Console(highlight=False, markup=False, soft_wrap=True))
    teller.say(OPENING, "italic")
    with working_folder(keep, "setu-demo-") as folder:
        (_tell_on_cluster if cluster else _tell)(teller, folder)
        if keep is not None and teller.ok and cluster:
            teller.say(
                f"Kept in {keep}: log, packets, receipts, deployment, and in {keep / 'logs'} what each part said."
            )
        elif keep is not None and teller.ok:
            teller.say(f"Kept in {keep}. Serve it again: setu serve --config {keep / 'deployment' / 'setu.toml'}")
    if wants_json(ctx):
        print_json({"ok": teller.ok, "steps": teller.steps})
    else:
        held = sum(step["ok"] for step in teller.steps)
        seconds = time.monotonic() - teller.started
        teller.say(
            f"{held} of {len(teller.steps)} steps held, {seconds:.1f} s.", "bold green" if teller.ok else "bold red"
        )
    sys.exit(0 if teller.ok else 1)


def _tell(teller: Teller, folder: Path) -> None:
    port, operations = free_port(), free_port()
    made: list[Any] = []

    def found() -> str:
        made.append(create(folder / "deployment", demo=True, host="localhost", port=port, operations_port=operations))
        return "India and the United States: a private CA each, eight root keys, agencies with post-quantum keys"

    if not teller.play("realm-founded", "Two countries found a realm", found):
        return
    deployment = made[0]
    with ExitStack() as stack:
        served = Served(deployment, folder / "gateway.log")

        def serve() -> str:
            stack.enter_context(served)
            return f"https://localhost:{port}, TLS 1.3, client certificates only; a second listener for the operator"

        if not teller.play("gateway-serves", "The gateway starts", serve):
            return
        cast = Cast(deployment, folder)
        stack.callback(cast.close)
        for name, title, work in Story(cast).steps():
            if not teller.play(name, title, work):
                return

        def stop() -> str:
            status = served.stop()
            if status != 0:
                raise StepFailedError(f"Expected an orderly end, found exit status {status}.")
            return "what was accepted was finished; the ledger's last head is kept"

        teller.play("gateway-stops", "The gateway ends in good order", stop)


def _tell_on_cluster(teller: Teller, folder: Path) -> None:
    # Imported where they are wanted: one gateway's story needs no client of Kafka's.
    from broker.cli.cluster.cluster import Cluster, Shape  # noqa: PLC0415
    from broker.cli.cluster.story import ClusterSteps  # noqa: PLC0415

    cluster = Cluster(folder, Shape(), say=lambda part: teller.say(f"  … {part}", "dim"))
    with ExitStack() as stack:

        def start() -> str:
            stack.enter_context(cluster)
            return (
                f"{len(cluster.pids)} processes: Kafka, PostgreSQL, a rollback guard, two relays, an adapter, "
                f"gateways at {' and '.join(cluster.urls)}"
            )

        if not teller.play("cluster-runs", "Two countries found a realm; a cluster is started for it", start):
            return
        cast = Cast(cluster.deployment, folder)
        stack.callback(cast.close)
        more = ClusterSteps(cluster, cast)
        cast.source = more.source
        for name, title, work in Story(cast, more.steps()).steps():
            if not teller.play(name, title, work):
                return

        def stop() -> str:
            running = cluster.pids
            status = {each.name: each.stop() for each in (*cluster.relays, *cluster.gateways)}
            wrong = [name for name, found in status.items() if found != 0]
            if wrong:
                raise StepFailedError(f"Expected an orderly end, found another of {', '.join(wrong)}.")
            stack.close()
            left = [pid for pid in running if Path(f"/proc/{pid}").exists()]
            if left:
                raise StepFailedError(f"Expected nothing left running, found processes {left}.")
            return "relays, gateways, guard, Kafka and PostgreSQL ended; nothing is left running"

        teller.play("cluster-stops", "The cluster ends in good order", stop)
