"""What an agency learns by practising: whether its packets would be accepted, and what a practice partner answers."""

import time
from collections.abc import Callable, Iterator

from broker.cli.findings import Finding, State
from broker.envelope.seal import Sealed
from broker.errors import PacketError, PolicyError
from broker.sdk.client import Client
from broker.sdk.cursors import MemoryCursors, Position
from broker.sdk.posting import Sent
from broker.sdk.received import Received
from broker.transport.topics import topic
from schemas import registry
from schemas.directory import Role
from schemas.evidence import AckEvent
from schemas.handling import Purpose
from schemas.problem import Code

LIFETIME = 600
"""Seconds: so short that a clock which is further behind the gateway's shows."""
LOOK_AGAIN = 0.5
KIND, ANSWER = "tip", "feedback"


def exercise(client: Client, recipient: str, lifetime: int = LIFETIME) -> Sealed:
    """An invented tip, marked as an exercise, with the lowest marking that there is; raises as `Client.seal`."""
    snapshot = client.directory.current()
    row = snapshot.active(recipient)
    usable = [each for each in row.mandates if each is not Purpose.PROSECUTION] or [Purpose.PREVENTION]
    handling = registry.sample_handling() | {
        "classification": {"system": "IN", "level": "UNCLASSIFIED"},
        "dissem": [],
        "handling_code": "H0",
        "releasable_to": [recipient, client.gateway],
        "purpose": [usable[0].value],
    }
    payload = next(iter(registry.samples(KIND).values()))
    return client.seal(KIND, to=recipient, payload=payload, handling=handling, exercise=True, lifetime=lifetime)


def checked(client: Client, partner: str, *, lifetime: int = LIFETIME) -> Iterator[Finding]:
    """What the gateway would say to an exercise; nothing is sent. To the agency itself where there is no partner.
    lifetime: the exercise's, seconds; a clock that is further behind shows.
    """
    snapshot = client.directory.current()
    row = snapshot.agency(client.agency)
    if row is None or Role.AGENCY not in row.roles:
        return
    recipient = partner if snapshot.agency(partner) is not None else client.agency
    try:
        client.check(exercise(client, recipient, lifetime).raw)
    except PolicyError as error:
        for hit in error.rules:
            said = (
                f"Expected an exercise to be permitted, found rule {hit.rule} against {hit.recipient}: {hit.sentence}"
            )
            yield Finding("acceptance", State.BAD, said, hit.remedy)
        return
    except PacketError as error:
        if error.code in (Code.CLOCK_SKEW, Code.EXPIRED):
            side = "ahead of" if error.code is Code.CLOCK_SKEW else "behind"
            yield Finding(
                "clock",
                State.BAD,
                f"Expected this machine's clock to agree with the gateway's, found it minutes {side} it.",
                "Set the machine's clock, and keep it set with NTP; if it is right, tell the gateway's operator.",
            )
            return
        yield Finding("acceptance", State.BAD, f"The gateway would refuse an exercise: {error.message}", error.advice)
        return
    yield Finding("acceptance", State.OK, f"The gateway would accept an exercise to {recipient}; the clocks agree.")


def echoed(
    client: Client,
    partner: str,
    patience: float,
    begin: Position,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Finding]:
    """Send the partner an exercise; see that it opened it, and take its answer.

    Args:
        client: the agency's.
        partner: the practice partner's agency id.
        patience: seconds for both.
        begin: where the agency's own program stands in its topic of answers; it is not moved.
        monotonic: seconds of a clock that never jumps.
        sleep: a pause.
    """
    if client.directory.current().agency(partner) is None:
        yield Finding(
            "echo",
            State.BAD,
            f"Expected the practice partner {partner} in the directory, found no row.",
            "Name another with --partner, or have the operator enrol one and run `setu echo`.",
        )
        return
    cursors = MemoryCursors()
    cursors.write(topic(client.agency, ANSWER), begin)
    sent = client.post(exercise(client, partner).raw)
    yield Finding("echo", State.OK, f"An exercise was accepted at ledger index {sent.index}; the receipt verifies.")
    deadline = monotonic() + patience
    opened: str | None = None
    while opened != AckEvent.OPENED and monotonic() < deadline:
        opened = client.timeline(sent.digest).states.get(partner)
        if opened != AckEvent.OPENED:
            sleep(LOOK_AGAIN)
    answer = _answer(client, sent, cursors, deadline, monotonic, sleep) if opened == AckEvent.OPENED else None
    if answer is None:
        yield Finding(
            "echo",
            State.BAD,
            f"Expected {partner} to open the exercise and answer it within {patience:g} s, found its state {opened}.",
            "Ask the operator whether `setu echo` runs; `setu packet` and `setu audit search` show what became of it.",
        )
        return
    yield Finding(
        "echo",
        State.OK,
        f"{partner} opened it and answered with {answer.header.kind}, ledger index {answer.index}; it verifies.",
    )


def _answer(
    client: Client,
    sent: Sent,
    cursors: MemoryCursors,
    deadline: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> Received | None:
    while monotonic() < deadline:
        for packet in client.follow(ANSWER, cursors=cursors, drain=True):
            if packet.header.in_reply_to == sent.digest:
                packet.acknowledge(AckEvent.OPENED)
                return packet
        sleep(LOOK_AGAIN)
    return None
