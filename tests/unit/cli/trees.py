"""Copies of the source tree for commands that write into it, and `setu` run from them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.arch.tree import PRODUCT, ROOT, files


def copied(folder: Path, *, whole: bool) -> Path:
    """The tree, or (not `whole`) what an installed package has of it."""
    for path in files():
        if whole or path.parts[0] in PRODUCT:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)
    return folder


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """This interpreter in that tree."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-B", *words],
        cwd=folder,
        env={**env, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
