"""`setu schema publish`: the committed files are what the code says, and an incompatible change is refused."""

import json
import shutil

import pytest

from tests.arch.tree import ROOT
from tests.unit.cli.trees import copied, python

TIP = "schemas/payloads/tip.py"


def test_what_is_committed_is_what_the_code_says(setu):
    said = setu("schema", "publish", "--check", "--json")
    assert said.json() == {"ok": True, "written": False, "differing": [], "incompatible": [], "advice": ""}, (
        "run `make spec` and look at what changed"
    )
    assert said.status == 0
    assert "published as it is" in setu("schema", "publish", "--check").out


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("tree"), whole=True)


def changed(tree, old, new):
    text = (ROOT / TIP).read_text("utf-8")
    assert old in text
    (tree / TIP).write_text(text.replace(old, new), "utf-8")


@pytest.fixture
def put_back(tree):
    yield
    (tree / TIP).write_bytes((ROOT / TIP).read_bytes())
    shutil.copytree(ROOT / "schemas/spec", tree / "schemas/spec", dirs_exist_ok=True)


def test_an_incompatible_change_is_refused_and_nothing_is_written(tree, put_back):
    changed(tree, "    collection_requirement: Text | None = None\n", "    priority: Line\n")
    schema = tree / "schemas/spec/schemas/tip.1.schema.json"
    before = schema.read_bytes()
    done = python(tree, "-m", "broker", "schema", "publish", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["written"]) == (1, False, False)
    assert {each["sentence"] for each in found["incompatible"]} == {
        "tip version 1: /collection_requirement was removed",
        "tip version 1: /priority is new and required; a new member is optional",
    }
    assert {each["file"] for each in found["incompatible"]} == {"schemas/tip.1.schema.json"}
    assert "V2 beside V1" in found["advice"]
    assert schema.read_bytes() == before
    people = python(tree, "-m", "broker", "schema", "publish", "--check")
    assert people.returncode == 1
    assert "tip version 1: /collection_requirement was removed" in people.stdout
    assert "upgrades" in people.stdout


def test_a_compatible_change_is_told_by_check_and_then_written(tree, put_back):
    changed(tree, '"HUMINT", "OSINT"', '"HUMINT", "TECHINT", "OSINT"')
    check = python(tree, "-m", "broker", "schema", "publish", "--check")
    assert check.returncode == 1
    assert "differs: schemas/spec/schemas/tip.1.schema.json" in check.stdout
    assert "What to do: setu schema publish" in check.stdout
    done = python(tree, "-m", "broker", "schema", "publish")
    assert (done.returncode, "written: schemas/spec/kinds/tip.md" in done.stdout) == (0, True), done.stderr
    assert "TECHINT" in (tree / "schemas/spec/schemas/tip.1.schema.json").read_text("utf-8")
    assert "`TECHINT`" in (tree / "schemas/spec/kinds/tip.md").read_text("utf-8")
