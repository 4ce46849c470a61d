"""Which figures are on whose page, and where each comes from."""

import math
from collections.abc import Awaitable, Callable
from pathlib import Path

from broker.assembly.ledger import Books
from broker.config import GatewaySettings
from broker.crypto.certificates import dates, pem_to_der
from broker.flows.figures import Lag, Lags, Seen, see
from broker.flows.inforce import InForce
from broker.flows.relay import reads_kafka
from broker.store.port import Reads
from broker.telemetry.asked import Asked
from broker.telemetry.metrics import Figures
from schemas import registry
from schemas.directory import KeyState, KeyUse

Clock = Callable[[], float]


def watch_ledger(figures: Figures, settings: GatewaySettings, books: Books, now: Clock) -> Asked[Seen]:
    """The ledger's figures, of a gateway or a relay; returns what to ask before a page is made."""
    figures.watch("setu_queue_entries", books.committer.waiting)
    figures.watch("setu_queue_limit_entries", lambda: settings.acceptance.queue)
    figures.watch("setu_ledger_stopped", lambda: books.committer.failure is not None)
    asked = Asked(lambda: see(books.store))

    def of(member: Callable[[Seen], float]) -> Callable[[], float]:
        return lambda: math.nan if asked.last is None else member(asked.last)

    figures.watch("setu_ledger_size_entries", of(lambda seen: seen.size))
    figures.watch("setu_delivery_age_seconds", of(lambda seen: _age(seen.pending, now)))
    figures.watch("setu_checkpoint_age_seconds", of(lambda seen: _age(seen.unpublished, now)))
    figures.watch("setu_clocks_overdue", of(lambda seen: seen.overdue))
    figures.watch("setu_purge_age_seconds", of(lambda seen: _age(seen.purge, now)))
    figures.watch("setu_store_trouble", lambda: asked.trouble)
    return asked


def watch_directory(figures: Figures, in_force: InForce, now: Clock) -> Callable[[], Awaitable[None]]:
    """Returns what looks for a newer directory, in place of `in_force.poll`."""
    verified = now()

    async def poll() -> None:
        nonlocal verified
        await in_force.poll()
        if in_force.trouble is None:
            verified = now()

    figures.watch("setu_directory_version", lambda: in_force.view().snapshot.ref.version)
    figures.watch("setu_directory_age_seconds", lambda: _age(verified, now))
    figures.watch("setu_directory_trouble", lambda: in_force.trouble is not None)
    figures.watch("setu_wrap_key_expiry_timestamp_seconds", lambda: _wrapped_until(in_force))
    figures.watch_deny_lists(lambda: {each.name: each.expires for each in in_force.view().snapshot.lists})
    return poll


def _wrapped_until(in_force: InForce) -> float:
    agency = in_force.view().snapshot.agency(in_force.gateway)
    keys = agency.keys if agency is not None else ()
    good = (each.not_after for each in keys if each.use is KeyUse.WRAP and each.state is KeyState.ACTIVE)
    return max(good, default=math.nan)


def watch_certificates(figures: Figures, *ends: Callable[[], float]) -> None:
    """When those end that callers see at the listener, and those with which this process goes to the guard and to
    Kafka.
    """
    figures.watch("setu_certificate_expiry_timestamp_seconds", lambda: min(end() for end in ends))


def end_of(pem: Path) -> Callable[[], float]:
    """When the certificate in a file ends, also once it is replaced. Raises OSError, IntegrityError: there is none."""
    seen, end = 0, 0.0

    def ask() -> float:
        nonlocal seen, end
        stamp = pem.stat().st_mtime_ns
        if stamp != seen:
            seen, end = stamp, dates(pem_to_der(pem.read_bytes()))[1]
        return end

    ask()
    return ask


def watch_relay(figures: Figures, store: Reads, in_force: InForce, now: Clock) -> Asked[Lag]:
    """How far Kafka is behind, as any process sees it in the store."""

    def places() -> list[tuple[str, str]]:
        readers = [each.id for each in in_force.view().snapshot.document.agencies if reads_kafka(each)]
        return [(reader, kind) for reader in readers for kind in registry.kinds()]

    asked = Asked(Lags(store, places, now=now))

    figures.watch(
        "setu_relay_last_success_timestamp_seconds", lambda: math.nan if asked.last is None else asked.last.success
    )
    figures.watch_topics(lambda: {} if asked.last is None else asked.last.topics)
    return asked


def _age(since: float | None, now: Clock) -> float:
    return 0.0 if since is None else max(0.0, now() - since)
