"""That a certificate works before anything depends on it: the directory lists it, and each gateway takes it."""

import time
from collections.abc import Callable

import httpx

from broker.assembly.agency import transport_of
from broker.config import AgencySettings
from broker.directory.lookup import Snapshot
from broker.errors import SignatureError, UnavailableError
from schemas.directory import AgencyState, KeyState
from schemas.problem import Code

ASKED = "/v1/directory/metadata/timestamp.json"
IN_A_ROW = 5
"""Times that each gateway has to take it, on a new connection each: several processes may listen at one address."""

PAUSE = 0.25


def listed_certificate(snapshot: Snapshot, agency: str, sha256: str, now: float) -> None:
    """The directory lists it for this agency, good now.

    Raises:
        UnavailableError: not yet. SignatureError: code `sender-mismatch`; for another agency, or it was ended.
    """
    found = snapshot.by_certificate(sha256)
    if found is None:
        raise UnavailableError(
            f"Expected this certificate in the directory, found that version {snapshot.ref.version} does not list it.",
            advice="Run this again once the version that lists it is in force.",
        )
    row, certificate = found
    good = certificate.state is KeyState.ACTIVE and certificate.not_before <= now < certificate.not_after
    if row.id != agency or row.state is not AgencyState.ACTIVE or not good:
        raise SignatureError(
            Code.SENDER_MISMATCH,
            f"Expected a certificate that is good now for {agency}, found one of {row.id} that is {certificate.state}.",
            advice="Use the certificate that was issued for the request that this agency made last.",
        )


def await_taken(settings: AgencySettings, patience: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Every address of the gateway takes the certificate of these settings, which are of no file, several times.

    Raises:
        UnavailableError: not within `patience` seconds.
    """
    for url in settings.url:
        deadline, taken = time.monotonic() + patience, 0
        while taken < IN_A_ROW:
            taken = taken + 1 if _takes(settings, url) else 0
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"Expected {url} to take the new certificate within {patience:.0f} s, found that it does not.",
                    advice="Nothing was changed. See that the gateway is up and its directory current; run it again.",
                )
            sleep(PAUSE)


def await_kafka(settings: AgencySettings) -> None:
    """Kafka shows the agency its topics under the certificate of these settings, where they name a Kafka.

    Raises:
        UnavailableError: it does not, or not yet. IntegrityError: code `config-invalid`.
    """
    if settings.kafka is None:
        return
    # Imported where it is wanted: who reads HTTPS needs no Kafka client.
    from broker.assembly.kafka import shown_topics  # noqa: PLC0415

    if not shown_topics(settings):
        raise UnavailableError(
            "Expected Kafka to show this agency's topics to the new certificate, found that it shows none.",
            advice="Have the operator run `setu topics apply`, and run this again; nothing was changed.",
        )


def _takes(settings: AgencySettings, url: str) -> bool:
    with transport_of(settings) as transport:
        try:
            return transport.get(url + ASKED).is_success
        except httpx.TransportError:
            return False
