"""`setu bench`: figures people can take on their own machine, as ratios of one run."""

import asyncio
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from broker.assembly import connect
from broker.assembly.keys import keys_in
from broker.cli.deployment import Deployment, create
from broker.cli.load import Place, Posted, post_all
from broker.cli.output import JsonOption, emit, progress
from broker.cli.served import Served, free_port
from broker.config import split_address
from broker.crypto.keys import PrivateKey, PublicKey
from broker.directory.lookup import Snapshot
from broker.envelope.open import open_packet
from broker.envelope.verify import check_signatures, parse
from schemas import registry
from schemas.directory import KeyUse

app = typer.Typer(no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure this machine. Load is bounded, goes to loopback, and stops by itself."""


@app.command()
def accept(
    ctx: typer.Context,
    packets: Annotated[int, typer.Option(min=10, max=100_000, help="Packets in each round.")] = 400,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds; ratios are of each round.")] = 5,
    connections: Annotated[int, typer.Option(min=1, max=256, help="Connections posting at once.")] = 16,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Packets in each request; 1 posts them singly.")] = 1,
    _json: JsonOption = False,
) -> None:
    """Accepted packets per second and core, beside what cryptography alone would allow in the same run.

    Open mode, suite hybrid-768, single POSTs over mutual TLS, each committed durably before it is answered.

    Example: setu bench accept --packets 1000 --json
    """
    with tempfile.TemporaryDirectory(prefix="setu-bench-") as folder:
        found = _accept(Path(folder), packets, rounds, connections, batch)
    emit(
        ctx,
        found,
        lambda console: console.print(
            f"accepted      {found['packets_per_second_per_core']:8.0f} packets/s per core "
            f"({found['packets_per_second']:.0f}/s with {found['cores_used']:.2f} cores)\n"
            f"cryptography  {found['crypto_limit']:8.0f} packets/s per core, the limit it sets in the same run\n"
            f"ratio         {found['ratio']:8.2f} (rounds {found['ratio_min']:.2f} to {found['ratio_max']:.2f})\n"
            f"latency       p50 {found['latency_ms']['p50']:.1f} ms, p99 {found['latency_ms']['p99']:.1f} ms, "
            f"{connections} at a time"
        ),
    )


def _accept(folder: Path, packets: int, rounds: int, connections: int, batch: int) -> dict[str, Any]:
    deployment = create(
        folder / "deployment",
        demo=True,
        host="localhost",
        port=free_port(),
        operations_port=free_port(),
        limits={"rate": 1e6, "burst": 1e6},
    )
    per_core, limits, rates, cores, latencies = [], [], [], [], []
    with (
        Served(deployment, folder / "gateway.log") as served,
        connect(deployment.agencies["in-ncb"]) as sender,
        progress("rounds") as moved,
    ):
        snapshot = sender.directory.current()
        keys = _wrap_keys(deployment)
        payload = next(iter(registry.samples("tip").values()))
        handling = registry.sample_handling()
        for number in range(rounds + 1):
            made = [sender.seal("tip", to=["us-dea"], payload=payload, handling=handling).raw for _ in range(packets)]
            limit = _crypto_limit(made, snapshot, deployment.gateway().gateway, keys)
            before = served.cpu_seconds()
            posted = _post(deployment, made, connections, batch)
            spent = served.cpu_seconds() - before
            moved(number, rounds)
            if number == 0:
                continue  # warms connections, caches and files
            limits.append(limit)
            per_core.append(packets / spent)
            rates.append(packets / posted.seconds)
            cores.append(spent / posted.seconds)
            latencies.extend(posted.latencies)
    ratios = [rate / limit for rate, limit in zip(per_core, limits, strict=True)]
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "packets_per_second_per_core": statistics.median(per_core),
        "packets_per_second": statistics.median(rates),
        "cores_used": statistics.median(cores),
        "crypto_limit": statistics.median(limits),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "latency_ms": {"p50": 1000 * cuts[49], "p99": 1000 * cuts[98]},
        "rounds": rounds,
        "packets": packets,
        "connections": connections,
        "batch": batch,
        "packet_bytes": len(made[0]),
    }


def _wrap_keys(deployment: Deployment) -> Mapping[str, PrivateKey]:
    settings = deployment.gateway()
    folder = settings.at(settings.paths.keys)
    return {key.public.kid: key for use, key in keys_in(folder) if use == KeyUse.WRAP}


def _crypto_limit(packets: Sequence[bytes], snapshot: Snapshot, gateway: str, keys: Mapping[str, PrivateKey]) -> float:
    """Packets per processor second that checking both signatures, unwrapping and decrypting alone allow."""
    parsed = [parse(raw) for raw in packets]
    key = _signing_keys(snapshot)
    begun = time.process_time()
    for each in parsed:
        check_signatures(each, key)
        open_packet(each, gateway, keys)
    return len(packets) / (time.process_time() - begun)


def _signing_keys(snapshot: Snapshot) -> Callable[[str, str], PublicKey]:
    now = int(time.time())

    def key(kid: str, _alg: str) -> PublicKey:
        return PublicKey.from_directory(snapshot.key(kid, agency="in-ncb", use=KeyUse.SIGN, at=now))

    return key


def _post(deployment: Deployment, packets: Sequence[bytes], connections: int, batch: int) -> Posted:
    return asyncio.run(post_all([_place(deployment, "in-ncb")], packets, connections, batch))


def _place(deployment: Deployment, agency: str) -> Place:
    settings = deployment.agency(agency)
    context = ssl.create_default_context(cafile=str(settings.at(settings.gateway_ca)))
    context.load_cert_chain(settings.at(settings.certificate), settings.at(settings.certificate_key))
    _, port = split_address(deployment.gateway().listen.address)
    return Place("localhost", port, context)
