"""`setu drill`: faults in a cluster of one's own, and a checker over all that its clients saw."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.cli.cluster.cluster import Cluster, Shape
from broker.cli.drills.checker import VIOLATIONS
from broker.cli.drills.drill import Drill, Drilled
from broker.cli.drills.faults import MATRIX, Check, Fault, chosen
from broker.cli.drills.sender import KINDS
from broker.cli.folders import working_folder
from broker.cli.output import JsonOption, console, note, print_json, progress, wants_json

app = typer.Typer(no_args_is_help=True, help="Put faults into a cluster of one's own, and check that nothing is lost.")

UNLIMITED = {"rate": 1e6, "burst": 1e6}
NAMES = ", ".join(each.name for each in MATRIX)


@app.callback()
def drill() -> None:
    """Everything runs on loopback, on free ports, in a new folder, and ends by itself."""


@app.command(epilog="Example: setu drill faults --packets 2000")
def faults(
    ctx: typer.Context,
    packets: Annotated[int, typer.Option(min=20, max=10_000_000, help="Packets to send, at least.")] = 1000,
    only: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME", help=f"One fault; may be repeated. Among: {NAMES}.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep histories, log and the processes' own logs in this new folder.")
    ] = None,
    _json: JsonOption = False,
) -> None:
    """Kill, stop and damage each part of a cluster under load; then hold what clients saw against the whole log.

    The cluster is Kafka, PostgreSQL, a rollback guard, two gateways, two relays and an adapter, in a temporary folder,
    on loopback; it needs Linux and 2 GB of memory, and takes about ten minutes, more with more packets. Each fault
    comes once, while packets are sent: a part is killed, or hangs as a stopped process does, or comes back without what
    it had written last (kafka-tail-lost). What has to hold meanwhile is told beside what was found.

    Exit status 1 where anything was lost, duplicated, reordered, misrouted or not logged, or a check did not hold.
    """
    names = only or []
    if not set(names) <= {each.name for each in MATRIX}:
        raise typer.BadParameter(f"expected faults among {NAMES}, found another", param_hint="--fault")
    shown = console()

    def told(fault: Fault, seconds: float, check: Check) -> None:
        if not wants_json(ctx):
            _show_check(shown, fault, seconds, check)

    with working_folder(keep, "setu-drill-") as folder:
        shape = Shape(kinds=KINDS, limits=UNLIMITED)
        with Cluster(folder, shape, say=note) as cluster, progress("packets") as moved:
            found = Drill(cluster, chosen(names), packets, told=told, say=note, moved=moved).run()
    if wants_json(ctx):
        print_json(_document(found))
    else:
        _show(shown, found)
    sys.exit(0 if found.ok else 1)


def _document(found: Drilled) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "seconds": round(found.seconds, 1),
        "packets": found.counts,
        "log": {"size": found.size, "root": found.root},
        "faults": [
            {
                "name": fault.name,
                "seconds": round(seconds, 1),
                "expected": check.expected,
                "found": check.found,
                "ok": check.ok,
                "timed": check.timed,
            }
            for fault, seconds, check in found.checks
        ],
        "violations": {name: found.findings.count[name] for name in VIOLATIONS},
        "examples": found.findings.examples,
        "trouble": found.trouble,
    }


def _show_check(shown: Console, fault: Fault, seconds: float, check: Check) -> None:
    mark, style = ("✓", "bold green") if check.ok else ("✗", "bold red")
    shown.print(mark, style=style, end=" ")
    shown.print(fault.title, style="bold", end="  ")
    shown.print(f"{seconds:.1f} s", style="dim")
    shown.print(f"    expected: {check.expected}", style="dim")
    shown.print(f"    found:    {check.found}", style="" if check.ok else "red")


def _show(shown: Console, found: Drilled) -> None:
    counts = found.counts
    shown.print()
    shown.print(
        f"{counts.get('sealed', 0):,} packets sealed, {counts.get('accepted', 0):,} accepted, "
        f"{counts.get('received', 0):,} receipts by consumers ({counts.get('repeats', 0):,} repeats), "
        f"{counts.get('unknown', 0):,} answers unknown and asked again; {found.seconds:.0f} s of load. "
        f"{counts.get('records', 0):,} records stand in Kafka's topics ({counts.get('record repeats', 0):,} repeats)."
    )
    shown.print(
        f"The log: {found.size:,} entries, rehashed to root {found.root[:16]}…; every head shown is part of it."
    )
    table = Table(box=None, header_style="bold")
    table.add_column("checked over the whole history")
    table.add_column("found", justify="right")
    for name in VIOLATIONS:
        number = found.findings.count[name]
        table.add_row(name, f"{number:,}", style="bold red" if number else "")
    shown.print(table)
    for name, sentences in found.findings.examples.items():
        for sentence in sentences:
            shown.print(f"  {name}: {sentence}", style="red")
    for sentence in found.trouble:
        shown.print(f"  {sentence}", style="red")
    held = sum(check.ok for _, _, check in found.checks)
    shown.print(
        f"{held} of {len(found.checks)} checks held; {sum(found.findings.count.values())} violations.",
        style="bold green" if found.ok else "bold red",
    )
    if found.late:
        shown.print("What did not hold is a limit of time alone: try again on a machine that does nothing else.")
