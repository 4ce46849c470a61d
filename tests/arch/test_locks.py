"""The locks pin everything pyproject.toml asks for, with hashes, and say nothing of where they were made."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.arch.tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
WANTED = {
    "requirements-build.txt": PROJECT["build-system"]["requires"],
    "requirements.txt": [*BASE, *EXTRAS["gateway"]],
    "requirements-dev.txt": [*BASE, *EXTRAS["gateway"], *EXTRAS["test"]],
}


def pins(name):
    """distribution -> (version, number of hashes)"""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / name).read_text("utf-8")).replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        hit = re.fullmatch(r"([a-z0-9.-]+)==([\w.]+)((?: +--hash=sha256:[0-9a-f]{64})+) *", line)
        assert hit, f"expected name==version and hashes, found {line!r}"
        found[hit[1]] = (hit[2], hit[3].count("--hash"))
    return found


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_satisfies_the_project(name):
    locked = pins(name)
    for wanted in map(Requirement, WANTED[name]):
        version, hashes = locked[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{wanted}, locked at {version}: run `make lock`"
        assert hashes


def test_the_locks_agree():
    everything = pins("requirements-dev.txt")
    for name in ("requirements.txt", "requirements-build.txt"):
        assert pins(name).items() <= everything.items()


def test_every_dependency_of_the_base_install_has_a_lower_bound():
    assert [wanted for wanted in BASE if ">=" not in wanted] == []
