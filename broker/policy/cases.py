"""Cases by which an operator tests release rules: headers, and what the policy is to say of each. Files and form.

The form is described in CONTRIBUTING.md, "Adding a release rule"; `broker/policy/rules/cases` has one for each side of
each rule that comes with the broker.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from broker.errors import MalformedError
from schemas.base import AgencyId, Line, Model
from schemas.canonical import MalformedJsonError, parse
from schemas.directory import Directory
from schemas.explain import explain
from schemas.handling import Releasable
from schemas.payloads.values import Time
from schemas.problem import Code

REALM = "realm.json"
SUFFIXES = (".toml", ".json")
MAX_FILE = 2**20

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,64}$")]


class Release(Model):
    """What a source's originator decided about the sender of the case's packet."""

    release_to: Annotated[tuple[Releasable, ...], Field(min_length=1)]
    permit: bool = True
    until: Time | None = None


class CaseSource(Model):
    """A packet that went into the case's. handling: members that differ from the file's."""

    from_: Annotated[AgencyId, Field(alias="from")]
    to: tuple[AgencyId, ...]
    handling: dict[str, Any] = Field(default_factory=dict)
    release: Release | None = None


class Case(Model):
    """One question and its answer.

    header: parts as `setu policy explain` takes them, over those of the file; of `handling`, member by member.
    at: the clock, and the packet's issue where the header says nothing else; by default the file's.
    sources: packets that went into it, directly.
    expect: `permit`, or for each recipient that is refused the ids of all rules that stand against it.
    """

    name: Line
    header: dict[str, Any] = Field(default_factory=dict)
    via: Literal["https", "kafka"] = "https"
    at: Time | None = None
    sources: Annotated[tuple[CaseSource, ...], Field(max_length=16)] = ()
    expect: Literal["permit"] | dict[str, Annotated[tuple[RuleId, ...], Field(min_length=1)]]


class CaseFile(Model):
    """A file of cases. `directory`: a directory document, relative to the file. `at`: the clock of all its cases."""

    directory: Line | None = None
    at: Time = "2026-09-21T12:00:00Z"
    header: dict[str, Any] = Field(default_factory=dict)
    case: Annotated[tuple[Case, ...], Field(min_length=1)]


def cases_in(folder: Path) -> Mapping[str, CaseFile]:
    """The case files of a folder, by name: `*.toml` and `*.json`, but `realm.json`.

    Raises:
        MalformedError: codes `json-invalid`, `schema` (with a pointer), `too-large`; the message names the file.
    """
    found = {
        path.name: _read(path)
        for path in sorted(folder.iterdir())
        if path.suffix in SUFFIXES and path.name != REALM and path.is_file()
    }
    if not found:
        raise MalformedError(
            Code.SCHEMA,
            f"Expected *.toml or *.json files with cases in {folder}, found none.",
            advice="Copy some from the folder `policies/cases` that `setu init` makes.",
        )
    return found


def default_cases() -> Mapping[str, str]:
    """The cases of the broker's own rules, and the realm they are asked in: file name -> text."""
    folder = files("broker.policy").joinpath("rules", "cases")
    return {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.name.endswith(SUFFIXES)}


def realm_of(text: str, where: str) -> Directory:
    """A directory document that cases are asked in.

    Raises:
        MalformedError: code `schema` or `json-invalid`.
    """
    try:
        return Directory.from_json(text.encode())
    except MalformedJsonError as error:
        raise MalformedError(Code.JSON_INVALID, f"Expected strict JSON in {where}: {error}.") from None
    except ValidationError as error:
        raise _unfit(where, "a directory document", error, parse(text.encode())) from None


def _read(path: Path) -> CaseFile:
    raw = path.read_bytes()
    if len(raw) > MAX_FILE:
        raise MalformedError(Code.TOO_LARGE, f"Expected at most {MAX_FILE} bytes in {path.name}, found more.")
    try:
        document = tomllib.loads(raw.decode()) if path.suffix == ".toml" else parse(raw)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, MalformedJsonError) as error:
        kind = "TOML" if path.suffix == ".toml" else "strict JSON"
        said = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).rstrip(".")
        raise MalformedError(Code.JSON_INVALID, f"Expected {kind} in {path.name}: {said}.") from None
    try:
        return CaseFile.from_object(document)
    except ValidationError as error:
        raise _unfit(path.name, "cases", error, document) from None
    except ValueError:
        raise MalformedError(
            Code.SCHEMA,
            f"Expected cases in {path.name}, found a value JSON has no form for.",
            advice='Write dates, times and decimals as text: "2027-01-31".',
        ) from None


def _unfit(where: str, what: str, error: ValidationError, document: Any) -> MalformedError:
    fault = explain(error, document)[0]
    return MalformedError(
        Code.SCHEMA,
        f"Expected {what} in {where}, found some that do not fit: {fault.sentence}.",
        pointer=fault.pointer,
        advice="Mend this member; CONTRIBUTING.md (Adding a release rule) has the form.",
    )
