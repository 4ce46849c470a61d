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
from broker.merkle.note import ED25519, MLDSA44, VerifierKey, parse_size
from schemas.canonical import MalformedJsonError
from schemas.directory import Directory, Log, LogPair, Role
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
        help="A file with verifier keys of the log, as `setu audit vkey` prints them: one of both kinds, in one file "
        "or two, then former pairs.",
    ),
]
_SIZE = "size"
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


def vkey_lines(log: Log) -> Iterator[str]:
    """The lines of a file for --vkey: the current pair, then each former one, with `size N` where it has one."""
    for pair in log.pairs:
        yield from (pair.ed25519, pair.mldsa44)
        if pair.size is not None:
            yield f"{_SIZE} {pair.size}"


def _log_of(files: list[Path]) -> Log:
    words = [word for file in files for word in file.read_text("utf-8", "replace").split()]
    pairs: list[LogPair] = []
    names: set[str] = set()
    while words:
        both = {key.type: key for key in map(VerifierKey.parse, words[:2])}
        if both.keys() != {ED25519, MLDSA44}:
            raise _no_pairs()
        names |= {key.name for key in both.values()}
        size = None
        if words[2:3] == [_SIZE] and pairs:
            size = parse_size(words[3]) if words[3:] else None
            if size is None:
                raise _no_pairs()
        pairs.append(LogPair(ed25519=str(both[ED25519]), mldsa44=str(both[MLDSA44]), size=size))
        words = words[2 if size is None else 4 :]
    if len(names) != 1 or len({key for pair in pairs for key in (pair.ed25519, pair.mldsa44)}) != 2 * len(pairs):
        raise _no_pairs()
    current, *former = pairs
    return Log(
        gateway=NOBODY,
        origin=names.pop(),
        ed25519=current.ed25519,
        mldsa44=current.mldsa44,
        former=tuple(former) or None,
    )


def _no_pairs() -> IntegrityError:
    return IntegrityError(
        Code.LOG_INVALID,
        "Expected an Ed25519 and an ML-DSA-44 verifier key of one log, and former pairs after them, found others.",
        advice="Name the file or files with both; `setu audit vkey` prints them.",
    )
