"""What a person believes beforehand: a realm's directory, or nothing but a ledger's two public keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import ValidationError

from broker.assembly.agency import remote_directory, transport_of
from broker.assembly.realm import local_directory
from broker.cli.inputs import read_bytes
from broker.cli.output import note
from broker.config import AgencySettings, GatewaySettings, Places, load
from broker.directory.check import check_document
from broker.directory.lookup import Snapshot
from broker.directory.port import DirectorySource
from broker.errors import IntegrityError, UnavailableError
from broker.merkle.note import ED25519, MLDSA44, VerifierKey
from schemas.canonical import MalformedJsonError
from schemas.directory import Directory, Log, Role
from schemas.problem import Code

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--directory",
        exists=True,
        help="A directory document you trust, or a folder with a TUF repository and its root.json.",
    ),
]
VkeyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--vkey",
        exists=True,
        dir_okay=False,
        help="A file with verifier keys of the log; both kinds are needed, in one file or two.",
    ),
]
NOBODY = "xx-unnamed"
"""The gateway of a log known by its keys alone."""


@dataclass(frozen=True, slots=True)
class Trust:
    """`gateway`: whose ledger is meant. `directory`: None where only the log's keys are known."""

    gateway: str
    log: Log
    directory: DirectorySource | None

    def named(self) -> DirectorySource:
        """The directory; raises typer.BadParameter where there is none."""
        if self.directory is None:
            raise typer.BadParameter("expected --as, --config or --directory: this needs the agencies' keys")
        return self.directory


class Given:
    """A `DirectorySource` of one document that is trusted as it is. Its realm is not known, only claimed."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.realm = snapshot.realm

    def current(self) -> Snapshot:
        return self._snapshot

    def at(self, version: int) -> Snapshot:
        if version != self._snapshot.ref.version:
            raise IntegrityError(
                Code.DIRECTORY_INVALID,
                f"Expected directory version {version}, found {self._snapshot.ref.version} given.",
                advice="Give the version that the ledger entry names.",
            )
        return self._snapshot

    def refresh(self) -> Snapshot:
        return self._snapshot


@contextmanager
def trusting(
    profile: Path | None = None,
    config: Path | None = None,
    directory: Path | None = None,
    vkeys: list[Path] | None = None,
) -> Iterator[Trust]:
    """What the options name; `vkeys`, where given, replace the directory's word on the log's keys.

    Raises:
        typer.BadParameter: nothing was named, or more than one directory.
        IntegrityError, UnavailableError: it cannot be had or does not verify.
    """
    named = [each for each in (profile, config, directory) if each is not None]
    if len(named) > 1:
        raise typer.BadParameter("expected one of --as, --config and --directory, found several")
    log = _log_of(vkeys) if vkeys else None
    if not named:
        if log is None:
            raise typer.BadParameter(
                "expected an option that says whom you trust: --as, --config, --directory or another that --help lists"
            )
        yield Trust(NOBODY, log, None)
    elif profile is not None:
        agency = load(AgencySettings, profile)
        with transport_of(agency) as transport:
            yield _trust(agency.gateway, _of_agency(agency, transport), log)
    elif config is not None:
        settings = load(GatewaySettings, config)
        yield _trust(settings.gateway, local_directory(settings), log)
    else:
        source = _of_path(named[0])
        yield _trust(_only_gateway(source.current().document), source, log)


def _trust(gateway: str, source: DirectorySource, log: Log | None) -> Trust:
    return Trust(gateway, log or source.current().log(gateway), source)


def _of_agency(settings: AgencySettings, transport: httpx.Client) -> DirectorySource:
    source = remote_directory(settings, transport)
    try:
        source.refresh()
    except UnavailableError as error:
        try:
            held = source.current()
        except IntegrityError:
            raise error from None
        note(f"The gateway does not answer: going by directory version {held.ref.version}, held here.", "yellow")
    return source


def _of_path(path: Path) -> DirectorySource:
    if path.is_dir():
        places = Places(directory=path, root=path / "root.json")
        return local_directory(GatewaySettings(gateway=NOBODY, paths=places))
    raw = read_bytes(path)
    try:
        document = Directory.from_json(raw)
    except (MalformedJsonError, ValidationError):
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            f"Expected a directory document at {path}, found something else.",
            advice="It is the file targets/<hash>.directory.json of the realm's repository.",
        ) from None
    check_document(document)
    return Given(Snapshot(document, raw=raw, realm=""))


def _only_gateway(document: Directory) -> str:
    gateways = [each.id for each in document.agencies if Role.GATEWAY in each.roles]
    logs = [log.gateway for log in document.logs if log.gateway in gateways]
    if len(logs) != 1:
        raise typer.BadParameter(f"expected a directory with one ledger, found {len(logs)}; use --as or --config")
    return logs[0]


def _log_of(files: list[Path]) -> Log:
    keys = [VerifierKey.parse(line) for file in files for line in file.read_text("utf-8", "replace").split()]
    found = {key.type: key for key in keys}
    if len(keys) != len(found) or found.keys() != {ED25519, MLDSA44} or len({key.name for key in keys}) != 1:
        raise IntegrityError(
            Code.LOG_INVALID,
            "Expected one Ed25519 and one ML-DSA-44 verifier key of one log, found others.",
            advice="Name the file or files with both; `setu audit vkey` prints them.",
        )
    return Log(gateway=NOBODY, origin=found[ED25519].name, ed25519=str(found[ED25519]), mldsa44=str(found[MLDSA44]))
