"""The repository as the tests of its shape see it."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("adapters", "broker", "schemas")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed; relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return tuple(sorted(Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()))


def modules(*folders: str) -> Iterator[tuple[Path, str]]:
    """Python modules below these top-level folders, with their text."""
    for path in files():
        if path.suffix == ".py" and path.parts[0] in folders:
            yield path, (ROOT / path).read_text("utf-8")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text("utf-8"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import in a module, those inside functions too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; spell it out"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{front}.{node.attr}" if (front := dotted(node.value)) else ""
    return ""
