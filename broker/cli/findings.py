"""What a check of a deployment finds, and how checks are made one after the other."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from broker.assembly.realm import local_directory
from broker.config import GatewaySettings
from broker.crypto.certificates import pem_to_der
from broker.directory.lookup import Snapshot
from broker.errors import IntegrityError, SetuError

if TYPE_CHECKING:
    from broker.flows.topics import Topics

DAY = 86_400
SOON = 30 * DAY
RESTORE = "Restore what the settings name from its backup, or correct the settings."

P = TypeVar("P")


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """`found`: in one sentence; `advice`: what to do, empty where all is well."""

    name: str
    state: State
    found: str
    advice: str = ""


def free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


@dataclass(frozen=True, slots=True)
class Patient:
    """The gateway's deployment that is looked at. `free`: bytes free where a path is; `topics`:
    Kafka's, None for the one that the settings name.
    """

    settings: GatewaySettings
    now: Callable[[], float]
    free: Callable[[Path], int] = free_bytes
    topics: "Callable[[GatewaySettings], Topics] | None" = None

    def at(self, place: Path) -> Path:
        return self.settings.at(place)

    def snapshot(self) -> Snapshot:
        return local_directory(self.settings, now=self.now).current()


def made(checks: Iterable[Callable[[P], Iterator[Finding]]], patient: P) -> Iterator[Finding]:
    """All findings of the checks; one that cannot be made is a bad finding itself.

    A reason for which several cannot be made is told once, under the first.
    """
    told = set()
    for check in checks:
        name = check.__name__.removeprefix("_").removeprefix("check_")
        try:
            yield from check(patient)
        except SetuError as error:
            if error.message not in told:
                yield Finding(name, State.BAD, error.message, error.advice or RESTORE)
            told.add(error.message)
        except OSError as error:
            yield Finding(
                name,
                State.BAD,
                f"Expected to read {error.filename or 'a file'}, found: {error.strerror}.",
                RESTORE,
            )


def certificate_in(path: Path, pem: bytes) -> bytes:
    """The DER of a certificate of a file; raises IntegrityError (code `config-invalid`), which names the file."""
    try:
        return pem_to_der(pem)
    except IntegrityError as error:
        raise IntegrityError(
            error.code, f"Expected a PEM certificate in {path}, found something else.", advice=RESTORE
        ) from None


def dated(name: str, what: str, begins: float, ends: float, now: float, advice: str) -> Finding:
    day, named = datetime.fromtimestamp(ends, UTC).date(), what[0].upper() + what[1:]
    if not begins <= now < ends:
        return Finding(
            name, State.BAD, f"Expected {what} to be valid now, found that it ended or has not begun.", advice
        )
    if ends - now < SOON:
        return Finding(name, State.WARNING, f"{named} ends on {day}.", advice)
    return Finding(name, State.OK, f"{named} is valid until {day}.")
