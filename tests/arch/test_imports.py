"""The import contracts of pyproject.toml hold, and would notice if they did not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.arch.tree import PRODUCT, ROOT, files

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", LINT, "--no-logo", "--cache-dir", str(cache)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    for path in files():
        if path.parts[0] in PRODUCT and path.suffix == ".py":
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes((ROOT / path).read_bytes())
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    return folder


def test_imports_run_one_way(copy, tmp_path):
    done = lint(copy, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        pytest.param("schemas/base.py", "import broker.errors", id="schemas-names-the-broker"),
        pytest.param("broker/errors.py", "import broker.crypto", id="upwards"),
        pytest.param("broker/policy/port.py", "import broker.ledger", id="a-sibling"),
        pytest.param("broker/sdk/__init__.py", "import broker.flows", id="sdk-names-the-flows"),
        pytest.param("broker/envelope/__init__.py", "import cryptography", id="cryptography-by-another-door"),
        pytest.param("broker/assembly/__init__.py", "import pkcs11", id="an-hsm-by-another-door"),
        pytest.param("broker/flows/__init__.py", "import sqlalchemy", id="sql-by-another-door"),
        pytest.param("broker/flows/__init__.py", "import fastapi", id="web-below-the-gateway"),
        pytest.param("broker/gateway/__init__.py", "import broker.store", id="gateway-round-the-flows"),
        pytest.param("broker/flows/__init__.py", "import broker.policy.cedar", id="an-engine-by-name"),
    ],
)
def test_a_wrong_import_is_noticed(copy, tmp_path, module, line):
    before = (copy / module).read_text("utf-8")
    (copy / module).write_text(f"{before}\n{line}\n", "utf-8")
    try:
        done = lint(copy, tmp_path)
    finally:
        (copy / module).write_text(before, "utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
