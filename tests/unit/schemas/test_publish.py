"""Publishing into a folder: what is written, what is refused, what the committed files are held against."""

import json
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas.publish import Publication, rendered, text_of

SPEC = Path(schemas.__path__[0]) / "spec"
NOTE: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 9}},
    "required": ["title"],
    "additionalProperties": False,
}
OPTIONAL = {**NOTE, "properties": {**NOTE["properties"], "more": {"type": "string"}}}
REQUIRED = {**OPTIONAL, "required": ["title", "more"]}
NAME = "schemas/note.1.schema.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Publication(tmp_path, {NAME: text_of(NOTE), "kinds/note.md": "# Note\n"}).write()
    return tmp_path


def test_the_committed_files_are_what_the_models_say() -> None:
    committed = {
        path.relative_to(SPEC).as_posix(): path.read_text("utf-8") for place in ("schemas", "kinds") for path in (SPEC / place).iterdir()
    }  # fmt: skip
    assert committed == rendered(), "run `setu schema publish` and look at what changed"


def test_what_was_published_is_not_written_again(folder: Path) -> None:
    again = Publication(folder, {NAME: text_of(NOTE), "kinds/note.md": "# Note\n"})
    assert (again.differing(), again.broken()) == ((), ())
    assert json.loads((folder / NAME).read_text()) == NOTE


def test_a_compatible_change_is_written(folder: Path) -> None:
    wider = Publication(folder, {NAME: text_of(OPTIONAL), "kinds/note.md": "# Note, wider\n"})
    assert (wider.differing(), wider.broken()) == (("kinds/note.md", NAME), ())
    wider.write()
    assert wider.differing() == ()


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        pytest.param(
            {NAME: text_of(REQUIRED)}, "note version 1: /more is new and required; a new member is optional", id="kind"
        ),
        pytest.param({}, "note version 1: the whole is no longer there", id="version-gone"),
        pytest.param(
            {"schemas/note.2.schema.json": text_of(REQUIRED)},
            "note version 1: the whole is no longer there",
            id="version-renumbered",
        ),
    ],
)
def test_an_incompatible_change_under_the_same_version_is_told(
    folder: Path, documents: dict[str, str], sentence: str
) -> None:
    assert [each.sentence for each in Publication(folder, documents).broken()] == [sentence]


def test_a_new_version_beside_the_old_is_no_such_change(folder: Path) -> None:
    both = Publication(folder, {NAME: text_of(NOTE), "schemas/note.2.schema.json": text_of(REQUIRED)})
    assert both.broken() == ()
    assert both.differing() == ("kinds/note.md", "schemas/note.2.schema.json")


def test_a_format_is_held_to_its_version_too(tmp_path: Path) -> None:
    name = "schemas/header.setu1.schema.json"
    Publication(tmp_path, {name: text_of(OPTIONAL)}).write()
    (found,) = Publication(tmp_path, {name: text_of(NOTE)}).broken()
    assert found.sentence == "header of setu1: /more was removed"


def test_what_is_published_no_longer_is_taken_away(folder: Path) -> None:
    (folder / "kinds" / "old.md").write_text("# Old\n")
    publication = Publication(folder, {NAME: text_of(NOTE), "kinds/note.md": "# Note\n"})
    assert publication.differing() == ("kinds/old.md",)
    publication.write()
    assert sorted(path.name for path in (folder / "kinds").iterdir()) == ["note.md"]
