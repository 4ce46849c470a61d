"""What may lie in the repository, and what no file in it may say."""

import re
import tomllib

import pytest

from tests.arch.tree import PRODUCT, ROOT, files

TOP = {
    *PRODUCT,
    "deploy",
    "tests",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
    "requirements-build.txt",
    "requirements-dev.txt",
    "requirements.txt",
}

# Written in pieces, so that this file does not say what it forbids.
FORBIDDEN = {
    "a package registry's host": re.compile(
        r"py"
        r"pi\.(org|python)|python"
        r"hosted\.org|registry\.(npm"
        r"js|yarn"
        r"pkg)|npm"
        r"mirror\.|(proxy|sum)\.go"
        r"lang\.org"
        r"|repo1?\.maven|maven\.apa"
        r"che\.org|crates"
        r"\.io|rubygems"
        r"\.org|(gh|g|l)cr"
        r"\.io|docker"
        r"\.(io|com)|quay"
        r"\.io"
        r"|conda\.ana"
        r"conda|art"
        r"ifactory|mirrors?\.(al"
        r"iyun|tuna)",
        re.IGNORECASE,
    ),
    "a path of somebody's machine": re.compile(
        r"(?<![\w.>}*-])/(root|home|work|Users|mnt|media)/|(?<![\w.])/tmp/\w{2,}|\b[A-Z]:\\Users|/opt/" r"wheels"
    ),
    "a way out of the repository": re.compile(r"\.\./" r"shared"),
    "a merge conflict": re.compile(r"^(<{7}|>{7}) ", re.MULTILINE),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE" r" KEY-----\n[A-Za-z0-9+/]"),
}


def text_of(path):
    try:
        return (ROOT / path).read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def test_the_top_level_holds_what_is_named_here_and_no_more():
    strangers = {path.parts[0] for path in files()} - TOP
    assert {name for name in strangers if not name.startswith(".")} == set()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what):
    found = [
        f"{path}:{text.count(chr(10), 0, hit.start()) + 1} {hit.group()!r}"
        for path in files()
        for text in [text_of(path)]
        for hit in FORBIDDEN[what].finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        pytest.param("a package registry's host", "https://files.python" + "hosted.org/packages", id="python"),
        pytest.param("a package registry's host", "FROM gh" + "cr.io/some/image", id="images"),
        pytest.param("a path of somebody's machine", 'open("' + "/ho" + 'me/me/x")', id="home"),
        pytest.param("a path of somebody's machine", "cd " + "/tmp/" + "venv", id="tmp"),
        pytest.param("a way out of the repository", "see ../" + "shared/x.md", id="out"),
    ],
)
def test_the_patterns_find_what_they_are_for(what, text):
    assert FORBIDDEN[what].search(text)


def test_files_are_small_and_named_plainly():
    odd = [
        str(p) for p in files() if not re.fullmatch(r"[\w.+@/-]+", p.as_posix()) or (ROOT / p).stat().st_size > 2**20
    ]
    assert odd == []


def test_tests_lie_where_the_layout_says():
    kinds = {"unit", "contract", "property", "http", "system", "arch", "docs", "fakes"}
    assert {path.parts[1] for path in files() if path.parts[0] == "tests" and len(path.parts) > 2} <= kinds


def test_warnings_are_errors():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"] == ["error"]  # a test that must let one pass says so itself
