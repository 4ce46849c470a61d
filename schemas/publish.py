"""What is published of the models in `schemas/spec`, and whether it may take the place of what stands there.

The committed files are what was published last: a schema that may not follow its own (`schemas.compatible`) is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas import formats, registry
from schemas.compatible import Change, incompatible
from schemas.pages.kinds import pages

SCHEMAS, KINDS = "schemas", "kinds"
"""The folders of `schemas/spec` in which nothing lies but what is published."""

_ENDING = ".schema.json"


def text_of(document: Any) -> str:
    """A JSON document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def rendered() -> dict[str, str]:
    """Path below `schemas/spec` -> text: every JSON Schema, every page."""
    found = {
        f"{SCHEMAS}/{kind}.{version}{_ENDING}": text_of(registry.json_schema(kind, version))
        for kind in registry.kinds()
        for version in registry.versions(kind)
    }
    found |= {f"{SCHEMAS}/{name}.setu1{_ENDING}": text_of(formats.json_schema(name)) for name in formats.FORMATS}
    return found | {f"{KINDS}/{name}": text for name, text in pages().items()}


@dataclass(frozen=True, slots=True)
class Broken:
    """An incompatible change under the same version. name: the file's; subject: what it describes, for people."""

    name: str
    subject: str
    change: Change

    @property
    def sentence(self) -> str:
        return f"{self.subject}: {self.change.member or 'the whole'} {self.change.sentence}"


class Publication:
    """Documents, and the folder that has the ones published before.

    Args:
        folder: `schemas/spec` of a source tree.
        documents: path below it -> text; `rendered()`, and what others add.
    """

    def __init__(self, folder: Path, documents: Mapping[str, str]) -> None:
        self._folder = folder
        self._documents = documents

    def differing(self) -> tuple[str, ...]:
        """Names whose file is missing, says something else, or is published no longer."""
        changed = [name for name, text in self._documents.items() if self._before(name) != text]
        return tuple(sorted([*changed, *self._left_over()]))

    def broken(self) -> tuple[Broken, ...]:
        """Every incompatible change to a schema that was published before."""
        found: list[Broken] = []
        for name, text in self._documents.items():
            before = self._before(name)
            if name.endswith(_ENDING) and before is not None and before != text:
                found += (
                    Broken(name, _subject(name), each) for each in incompatible(json.loads(before), json.loads(text))
                )
        gone = (name for name in self._left_over() if name.endswith(_ENDING))
        found += (Broken(name, _subject(name), Change("", "is no longer there")) for name in gone)
        return tuple(found)

    def write(self) -> None:
        """Write what differs, and take away what is published no longer; not before `broken` was asked."""
        for name in self.differing():
            path = self._folder / name
            if name in self._documents:
                path.parent.mkdir(exist_ok=True)
                path.write_text(self._documents[name], encoding="utf-8")
            else:
                path.unlink()

    def _before(self, name: str) -> str | None:
        path = self._folder / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def _left_over(self) -> list[str]:
        lying = (path for folder in (SCHEMAS, KINDS) for path in (self._folder / folder).glob("*"))
        names = (path.relative_to(self._folder).as_posix() for path in lying)
        return sorted(name for name in names if name not in self._documents)


def _subject(name: str) -> str:
    what, version = name.removeprefix(f"{SCHEMAS}/").removesuffix(_ENDING).rsplit(".", 1)
    return f"{what} version {version}" if version.isdigit() else f"{what} of {version}"
