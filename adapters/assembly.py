"""From a configuration file to a running adapter. The only module here that names engines and reads settings."""

import signal
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.filedrop import FileDrop
from adapters.port import PermanentFailure
from adapters.runner import Delivered, Event, Quarantined, Report, Retrying, Runner
from broker.assembly import connect
from broker.errors import IntegrityError
from broker.sdk.client import Client
from broker.sdk.cursors import Cursors, FileCursors
from broker.sdk.reading import Gone, Rejected, Waiting
from broker.sdk.source import Source
from broker.telemetry.logs import Log
from schemas.base import Kind
from schemas.problem import Code

PATIENCE = 5.0
"""Seconds for which an acknowledgement is posted again by itself; then the runner looks whether it was told to stop."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FileDropSettings(Settings):
    """`[filedrop]`. folder: an existing directory. form: payloads in clear, or packets as they came."""

    folder: Path
    form: Literal["opened", "sealed"] = "opened"
    mode: Literal["0600", "0640"] = "0600"


class AdapterSettings(Settings):
    """An adapter's TOML file; paths are relative to it.

    profile: the agency's `agency.toml`.
    kinds: what to hand on; all kinds where none is named.
    source: where it reads; for Kafka the profile says where that is, in its table `[kafka]`.
    stream: read HTTPS by server-sent events instead of long poll.
    name: of this adapter among the agency's; Kafka's tools show its place as the group `setu.<agency>.<name>`.
    state: a directory of the adapter's own, for its place in each topic and for its quarantine.
    """

    profile: Path
    kinds: tuple[Kind, ...] = ()
    source: Literal["https", "kafka"] = "https"
    stream: bool = False
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "adapter"
    state: Path = Path("adapter-state")
    filedrop: FileDropSettings
    base: Annotated[Path, Field(exclude=True)] = Path()

    @model_validator(mode="after")
    def _streams_are_https(self) -> Self:
        if self.stream and self.source != "https":
            raise ValueError("expected `stream` only where the source is https")
        return self


def load(path: Path) -> AdapterSettings:
    """Read an adapter's settings.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    try:
        members = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _invalid(f"Expected an adapter's settings in TOML at {path}, found: {type(error).__name__}.") from None
    try:
        return AdapterSettings.model_validate({**members, "base": path.resolve().parent})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(f"Expected an adapter's settings in {path}, found at `{where}`: {first['msg']}.") from None


def run(path: Path, *, drain: bool = False, stop: threading.Event | None = None, report: Report | None = None) -> None:
    """Run the adapter of a settings file until SIGTERM or SIGINT, or with `drain` until nothing more is at hand.

    Raises:
        IntegrityError: the settings are wrong; or an alarm, see `broker.sdk.client.Client.follow`.
        CallerError: the agency may not read.
    """
    settings = load(path)
    stopping = stop if stop is not None else threading.Event()
    if stop is None:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopping.set())
    state = settings.base / settings.state
    drop = settings.filedrop
    try:
        adapter = FileDrop(settings.base / drop.folder, opened=drop.form == "opened", mode=int(drop.mode, 8))
    except PermanentFailure as failure:
        raise _invalid(failure.message) from None
    with connect(settings.base / settings.profile, patience=PATIENCE) as client:
        source = _source(settings, client, FileCursors(state / "cursors"))
        told = report if report is not None else logged(Log(sys.stderr, time.time))
        runner = Runner(client, source, adapter, state / "quarantine", stop=stopping, report=told)
        runner.run(*settings.kinds, drain=drain)


def _source(settings: AdapterSettings, client: Client, cursors: Cursors) -> Source:
    if settings.source == "https":
        return client.source(cursors, stream=settings.stream)
    try:
        # Imported where it is wanted: who reads HTTPS needs no Kafka client.
        from broker.assembly.kafka import kafka_source  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected what reading Kafka needs to be installed, found no module {error.name}.",
            advice="Install the extra: pip install 'setu-broker[kafka]'.",
        ) from None
    return kafka_source(settings.base / settings.profile, client, cursors, name=settings.name)


def logged(log: Log) -> Report:
    """A report that writes each event as a line of the log."""

    def report(event: Event) -> None:
        match event:
            case Delivered(name, index, digest, answered):
                log.info("delivered", topic=name, index=index, digest=digest, answered=answered)
            case Retrying(name, index, digest, message, seconds):
                log.warning("retrying", topic=name, index=index, digest=digest, said=message, seconds=round(seconds, 1))
            case Quarantined(name, index, digest, code, message):
                log.warning("quarantined", topic=name, index=index, digest=digest, code=str(code), said=message)
            case Rejected(name, index, digest, code, _, answered):
                log.warning("rejected", topic=name, index=index, digest=digest, code=str(code), answered=answered)
            case Gone(name, index, digest, why):
                log.info("gone", topic=name, index=index, digest=digest, why=why)
            case Waiting(name, error, seconds):
                log.warning("waiting", topic=name, code=str(error.code), said=error.message, seconds=round(seconds, 1))

    return report


def _invalid(message: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice="Mend the adapter's settings file.")
