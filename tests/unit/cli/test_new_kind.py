"""`setu schema new`: a fresh kind passes all that there is for kinds, at once."""

import json
import subprocess
import sys

import pytest

from schemas import registry
from tests.unit.cli.trees import copied, python

KIND = "vessel-movement"
SAID = ("--about", "Where a vessel was, and when", "--source", "SOLAS Convention, regulation V/19 (AIS)")
FILES = [
    "schemas/payloads/vessel_movement.py",
    "schemas/payloads/samples/vessel-movement.1.1.first.json",
    "tests/property/kinds/vessel_movement.py",
    "tests/unit/schemas/payloads/test_vessel_movement.py",
]
PUBLISHED = {
    "schemas/spec/schemas/vessel-movement.1.schema.json",
    "schemas/spec/kinds/vessel-movement.md",
    "schemas/spec/kinds/README.md",
    "schemas/spec/openapi.json",
    "schemas/spec/asyncapi.json",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("tree"), whole=True)


@pytest.fixture(scope="module")
def made(tree):
    done = python(tree, "-m", "broker", "schema", "new", KIND, *SAID, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def ok(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_writes_what_a_kind_has(tree, made):
    assert made["files"] == FILES
    assert set(made["published"]) >= PUBLISHED
    assert [name for name in [*FILES, *PUBLISHED] if not (tree / name).is_file()] == []
    assert len(made["next"]) == 6


def test_it_is_laid_out_and_checked_as_all_code_is(tree, made):
    modules = [name for name in FILES if name.endswith(".py")]
    for words in (("check",), ("format", "--check")):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, "-q", *modules], cwd=tree, capture_output=True, text=True, check=False)  # fmt: skip
        ok(done)


def test_the_command_line_knows_it_at_once(tree, made):
    listed = json.loads(ok(python(tree, "-m", "broker", "schema", "list", "--json")))["kinds"]
    assert {"kind": KIND, "versions": [1], "about": SAID[1]} in listed
    ok(python(tree, "-m", "broker", "schema", "check", KIND, FILES[1]))
    assert json.loads(ok(python(tree, "-m", "broker", "schema", "publish", "--check", "--json")))["ok"]


def test_its_own_test_passes(tree, made):
    assert " passed" in ok(python(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", FILES[3]))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_everything_there_is_for_kinds_passes(tree, made):
    tests = [
        "tests/unit/schemas",
        "tests/unit/cli/test_schema.py",
        "tests/unit/gateway/test_openapi.py",
        "tests/unit/transport",
        "tests/property/test_payloads.py",
        "tests/property/test_json_schemas.py",
    ]
    assert " passed" in ok(python(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_make_check_passes(tree, made):
    for words in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True)
    ok(python(tree, "-m", "mypy", "--no-error-summary"))
    ok(python(tree, "-m", "ruff", "check", "-q", "."))
    ok(python(tree, "-m", "ruff", "format", "-q", "--check", "."))
    ok(python(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/arch", "tests/docs/test_commands.py"))


def test_a_kind_that_is_there_is_not_made_again(tree, made):
    before = (tree / FILES[0]).read_bytes()
    done = python(tree, "-m", "broker", "schema", "new", KIND, *SAID)
    assert done.returncode == 1
    assert "Expected a name that is free" in done.stderr
    assert (tree / FILES[0]).read_bytes() == before


def test_nothing_is_written_over(tree, made):
    (tree / "tests/property/kinds/second_kind.py").write_text("mine\n", "utf-8")
    done = python(tree, "-m", "broker", "schema", "new", "second-kind", *SAID)
    assert done.returncode == 1
    assert "found tests/property/kinds/second_kind.py" in done.stderr
    assert not (tree / "schemas/payloads/second_kind.py").exists()
    (tree / "tests/property/kinds/second_kind.py").unlink()


def test_an_installed_package_has_no_place_for_it(tmp_path):
    folder = copied(tmp_path, whole=False)
    done = python(folder, "-m", "broker", "schema", "new", KIND, *SAID)
    assert done.returncode == 1
    assert done.stderr.startswith("config-invalid: Expected to run from a source tree")
    assert not (folder / FILES[0]).exists()


@pytest.mark.parametrize(
    ("kind", "about", "source", "said"),
    [
        pytest.param("tip", SAID[1], SAID[3], "a name that is free", id="a-kind-that-is-there"),
        pytest.param("payment-trail", SAID[1], SAID[3], "a name that is free", id="a-kind-of-two-words-that-is-there"),
        pytest.param("parts", SAID[1], SAID[3], "a name that is free", id="a-module-that-is-there"),
        pytest.param("handling", SAID[1], SAID[3], "a name that is free", id="a-sample's-name"),
        pytest.param("class", SAID[1], SAID[3], "a name that is free", id="python's-own-word"),
        pytest.param("Vessel", SAID[1], SAID[3], "lower-case words", id="capitals"),
        pytest.param("vessel_movement", SAID[1], SAID[3], "lower-case words", id="underscore"),
        pytest.param("vessel-2", SAID[1], SAID[3], "lower-case words", id="digit"),
        pytest.param("-vessel-", SAID[1], SAID[3], "lower-case words", id="hyphens-outside"),
        pytest.param("../vessel", SAID[1], SAID[3], "lower-case words", id="path"),
        pytest.param("v" * 33, SAID[1], SAID[3], "at most 32", id="long"),
        pytest.param("new-kind", "Short", SAID[3], "--about", id="about-too-short"),
        pytest.param("new-kind", "a" * 101, SAID[3], "--about", id="about-too-long"),
        pytest.param("new-kind", "It ends with a stop.", SAID[3], "--about", id="about-with-a-full-stop"),
        pytest.param("new-kind", 'It has """ in it', SAID[3], "--about", id="about-with-quotes"),
        pytest.param("new-kind", SAID[1], "A source\\n with a backslash", "--source", id="source-with-a-backslash"),
        pytest.param("new-kind", SAID[1], "A source\nof two lines", "--source", id="source-of-two-lines"),
    ],
)
def test_what_is_refused(setu, kind, about, source, said):
    done = setu("schema", "new", "--about", about, "--source", source, "--", kind)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("config-invalid:")
    assert said in done.err
    assert "new-kind" not in registry.kinds()
