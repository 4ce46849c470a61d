"""What opened packets say of precursors, a fact each: the notice of an export, its answer, what arrived, what moved on,
what was diverted or seized. `schemas.watch` holds them against each other.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, Self

from schemas.base import AgencyId, Count, Digest, Model, Reference, Seconds
from schemas.codes.clusters import cluster_of
from schemas.packet import Header
from schemas.payloads.diversion import DiversionStoppedShipmentV1, Incident
from schemas.payloads.parts import Payload, Quantity, Substance
from schemas.payloads.pen import (
    PenArrivedV1,
    PenClearedV1,
    PenMovedV1,
    PenNoObjectionV1,
    PenNotifyV1,
    PenObjectV1,
    PenSuspendV1,
)
from schemas.payloads.pen_parts import PenStage, Trader
from schemas.payloads.seizure import SeizureV1
from schemas.payloads.values import Date, Label

KINDS = ("diversion", "pen", "seizure")
"""The kinds that a watch reads."""

Event = Literal[
    "notice", "acknowledged", "no-objection", "objection", "suspended", "cleared", "arrival", "movement", "diversion",
    "seizure",
]  # fmt: skip

MISSING = frozenset({"diversion", "theft"})
"""Types of incident in which goods left lawful trade; of the others, the quantity they are about counts."""


class Source(Model):
    """Where a fact comes from. at: when the ledger accepted the packet, whole seconds UTC; thread: its conversation;
    of: the header's `in_reply_to`.
    """

    digest: Digest
    index: Count
    sender: AgencyId
    recipients: tuple[AgencyId, ...]
    at: Seconds
    thread: str
    of: Digest | None = None

    @classmethod
    def of_packet(cls, header: Header, digest: str, index: int, at: int) -> Self:
        return cls(
            digest=digest,
            index=index,
            sender=header.from_,
            recipients=tuple(each.agency for each in header.recipients()),
            at=at,
            thread=header.thread,
            of=header.in_reply_to,
        )


class Fact(Model):
    """One substance in one packet; where a stage names no substance, `substance` is absent.

    part: its place among the facts of its packet, from 0. route: origin and destination, ISO 3166-1 alpha-3, `IND>USA`,
    as far as they are known. pen_ref: the notification's number in PEN Online. due: when the answer to a notice is due.
    by: the day by which the goods are to arrive, on: the day on which it happened. declared: the packet itself says
    that something differs.
    """

    source: Source
    part: Count = 0
    event: Event
    pen_ref: Reference | None = None
    substance: Label | None = None
    cas: str | None = None
    cluster: str | None = None
    quantity: Quantity | None = None
    route: str | None = None
    on: Date | None = None
    by: Date | None = None
    due: Seconds | None = None
    declared: bool = False


def facts_of(payload: Payload, source: Source) -> tuple[Fact, ...]:
    """The facts in an opened payload; none where it is of a kind that says nothing of precursors."""
    return tuple(each.model_copy(update={"part": part}) for part, each in enumerate(_of(payload, source)))


def _of(payload: Payload, source: Source) -> Iterator[Fact]:
    match payload:
        case PenStage():
            yield from _of_pen(payload, source)
        case Incident():
            yield from _of_incident(payload, source)
        case SeizureV1():
            route = _route([point.place.country for point in payload.route if point.role != "seizure"])
            for each in payload.exhibits:
                yield _fact(
                    source, "seizure", each.substance, each.substance.quantity, route=route, on=payload.seized_on
                )


def _of_pen(payload: PenStage, source: Source) -> Iterator[Fact]:
    ref = payload.pen_ref
    match payload:
        case PenNotifyV1():
            act = payload.act(None)
            yield _fact(
                source,
                "notice",
                payload.substance,
                payload.substance.quantity,
                pen_ref=ref,
                route=_route([payload.exporter.address.country, payload.importer.address.country]),
                on=payload.dispatch_date,
                by=payload.arrival_by,
                due=getattr(act, "due", None),
            )
        case PenArrivedV1():
            yield _fact(
                source,
                "arrival",
                payload.substance,
                payload.substance.quantity,
                pen_ref=ref,
                on=payload.arrived_on,
                declared=payload.discrepancy is not None,
            )
        case PenMovedV1():
            yield _fact(
                source,
                "movement",
                payload.substance,
                payload.substance.quantity,
                pen_ref=ref,
                route=_route([payload.consignor.address.country, payload.consignee.address.country]),
                on=payload.moved_on,
                declared=payload.discrepancy is not None,
            )
        case PenObjectV1():
            yield _bare(source, "objection", ref, payload.decided_on)
        case PenNoObjectionV1():
            yield _bare(source, "no-objection", ref, payload.decided_on, payload.quantity)
        case PenSuspendV1():
            yield _bare(source, "suspended", ref, payload.decided_on)
        case PenClearedV1():
            yield _bare(source, "cleared", ref, payload.decided_on, payload.quantity)
        case _:
            yield _bare(source, "acknowledged", ref, None)


def _of_incident(payload: Incident, source: Source) -> Iterator[Fact]:
    ref = next((each.reference for each in payload.channel_refs if each.channel == "PEN-ONLINE"), None)
    route = None
    if isinstance(payload, DiversionStoppedShipmentV1):
        ref = payload.pen_ref or ref
        route = _route(_countries(payload.exporter, payload.importer))
    gone = payload.model_dump(include={"type"})["type"] in MISSING
    for lot in payload.lots:
        amount = lot.quantity_missing if gone and lot.quantity_missing is not None else lot.quantity
        if lot.substance is not None:
            yield _fact(source, "diversion", lot.substance, amount, pen_ref=ref, route=route, on=payload.detected_on)
        elif lot.product is not None:
            # Of a finished product the quantity is in pieces, and each active substance is in all of them.
            for active in lot.product.active:
                yield _fact(source, "diversion", active, amount, pen_ref=ref, route=route, on=payload.detected_on)


def _fact(
    source: Source,
    event: Event,
    substance: Substance,
    quantity: Quantity | None,
    *,
    pen_ref: str | None = None,
    route: str | None = None,
    on: str | None = None,
    by: str | None = None,
    due: int | None = None,
    declared: bool = False,
) -> Fact:
    return Fact(
        source=source,
        event=event,
        pen_ref=pen_ref,
        substance=substance.name,
        cas=substance.cas,
        cluster=cluster_of(substance.name, substance.cas),
        quantity=quantity,
        route=route,
        on=on,
        by=by,
        due=due,
        declared=declared,
    )


def _bare(source: Source, event: Event, ref: str, on: str | None, quantity: Quantity | None = None) -> Fact:
    return Fact(source=source, event=event, pen_ref=ref, on=on, quantity=quantity)


def _countries(*traders: Trader) -> list[str]:
    return [each.address.country for each in traders]


def _route(countries: Iterable[str]) -> str | None:
    known = list(countries)
    return f"{known[0]}>{known[-1]}" if known else None
