"""`setu bench`: figures people can take on their own machine, as ratios of one run."""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from broker.cli.measure import Cryptography, Engine, Follower, post_beside, post_paced, site
from broker.cli.output import JsonOption, emit, note, progress

EngineOption = Annotated[
    Engine,
    typer.Option(help="One gateway on SQLite, or a cluster: two gateways, PostgreSQL, Kafka, a relay; all local."),
]
BatchOption = Annotated[int, typer.Option(min=1, max=1000, help="Packets in each request; 1 posts them singly.")]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure this machine. Load is bounded, goes to loopback, and stops by itself."""


@app.command(epilog="Example: setu bench accept --batch 100 --packets 2000 --json")
def accept(
    ctx: typer.Context,
    packets: Annotated[int, typer.Option(min=10, max=100_000, help="Packets in each round.")] = 400,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds; ratios are of each round.")] = 5,
    connections: Annotated[int, typer.Option(min=1, max=256, help="Connections posting at once.")] = 16,
    engine: EngineOption = "embedded",
    batch: BatchOption = 1,
    _json: JsonOption = False,
) -> None:
    """Accepted packets per second and core, beside what cryptography alone would allow in the same run.

    Open mode, suite hybrid-768, over mutual TLS, each packet committed durably before it is answered. A core is a
    second of processor time of the gateways' processes. The rounds' spread says what else the machine did.
    """
    with tempfile.TemporaryDirectory(prefix="setu-bench-") as folder:
        found = _accept(Path(folder), engine, packets, rounds, connections, batch)
    emit(
        ctx,
        found,
        lambda console: console.print(
            f"accepted      {found['packets_per_second_per_core']:8.0f} packets/s per core "
            f"({found['packets_per_second']:.0f}/s with {found['cores_used']:.2f} cores)\n"
            f"cryptography  {found['crypto_limit']:8.0f} packets/s per core, the limit it sets in the same run\n"
            f"ratio         {found['ratio']:8.2f} (rounds {found['ratio_min']:.2f} to {found['ratio_max']:.2f})\n"
            f"latency       p50 {found['latency_ms']['p50']:.1f} ms, p99 {found['latency_ms']['p99']:.1f} ms, "
            f"{connections} at a time{f', of batches of {batch}' if batch > 1 else ''}"
        ),
    )


@app.command("end-to-end", epilog="Example: setu bench end-to-end --engine cluster --rate 50 --json")
def end_to_end(
    ctx: typer.Context,
    packets: Annotated[int, typer.Option(min=10, max=100_000, help="Packets to send.")] = 500,
    rate: Annotated[float, typer.Option(min=1, max=100_000, help="Packets a second, whatever the answers do.")] = 100.0,
    connections: Annotated[int, typer.Option(min=1, max=256, help="Connections to post over.")] = 16,
    engine: EngineOption = "embedded",
    batch: BatchOption = 1,
    _json: JsonOption = False,
) -> None:
    """How long accepting takes at a steady rate, and how long from the answer until the recipient has the packet.

    The recipient follows its topic: by long poll over HTTPS, or with the cluster's Kafka. Choose a rate of about half
    of what `setu bench accept` finds.
    """
    with tempfile.TemporaryDirectory(prefix="setu-bench-") as folder:
        found = _end_to_end(Path(folder), engine, packets, rate, connections, batch)
    emit(
        ctx,
        found,
        lambda console: console.print(
            f"accept     p50 {found['accept_ms']['p50']:7.1f} ms, p99 {found['accept_ms']['p99']:7.1f} ms, "
            f"at {rate:g} packets/s\n"
            f"delivered  p50 {found['delivered_ms']['p50']:7.1f} ms, p99 {found['delivered_ms']['p99']:7.1f} ms "
            f"after the answer, through {'Kafka' if engine == 'cluster' else 'long poll'}\n"
            f"lost       {found['lost']} of {packets}"
        ),
    )
    if found["lost"]:
        raise typer.Exit(1)


def _accept(folder: Path, engine: Engine, packets: int, rounds: int, connections: int, batch: int) -> dict[str, Any]:
    per_core, limits, rates, cores, latencies = [], [], [], [], []
    with site(engine, folder, note) as found, progress("rounds") as moved:
        cryptography = Cryptography(found)
        for number in range(rounds + 1):
            made = [each.raw for each in found.sealed(packets)]
            before = found.cpu_seconds()
            posted = post_beside(found, cryptography, made, connections, batch)
            spent = found.cpu_seconds() - before
            limit = cryptography.limit(made)
            moved(number, rounds)
            if number == 0:
                continue  # warms connections, caches and files
            limits.append(limit)
            per_core.append(packets / spent)
            rates.append(packets / posted.seconds)
            cores.append(spent / posted.seconds)
            latencies.extend(posted.latencies)
    ratios = [rate / limit for rate, limit in zip(per_core, limits, strict=True)]
    return {
        "engine": engine,
        "packets_per_second_per_core": statistics.median(per_core),
        "packets_per_second": statistics.median(rates),
        "cores_used": statistics.median(cores),
        "crypto_limit": statistics.median(limits),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "latency_ms": _cuts(latencies),
        "rounds": rounds,
        "packets": packets,
        "connections": connections,
        "batch": batch,
        "packet_bytes": len(made[0]),
    }


def _end_to_end(
    folder: Path, engine: Engine, packets: int, rate: float, connections: int, batch: int
) -> dict[str, Any]:
    with site(engine, folder, note) as found, Follower(found.source()) as follower:
        first = found.sealed(min(packets, 50))
        asyncio.run(post_paced(found, first, batch, rate, connections))  # warms connections, caches and the way
        follower.all_of([each.digest for each in first])
        made = found.sealed(packets)
        accepted, latencies = asyncio.run(post_paced(found, made, batch, rate, connections))
        follower.all_of([each.digest for each in made])
        # It may arrive before its sender has read that it was accepted.
        delivered = [max(0.0, at - accepted[each]) for each, at in follower.arrived.items() if each in accepted]
    return {
        "engine": engine,
        "accept_ms": _cuts(latencies),
        "delivered_ms": _cuts(delivered),
        "lost": packets - len(delivered),
        "packets": packets,
        "rate": rate,
        "connections": connections,
        "batch": batch,
    }


def _cuts(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else [*seconds, *[0.0] * 100][:1] * 100
    return {"p50": 1000 * cuts[49], "p99": 1000 * cuts[98]}
