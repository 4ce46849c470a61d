"""The source tree that this program runs from: what `setu schema publish` and `new` write into."""

from pathlib import Path

import schemas
from broker.errors import SetuError
from schemas.problem import Code

_SIGNS = ("pyproject.toml", "schemas/spec", "tests/property/kinds", "tests/unit/schemas/payloads")


def source_tree() -> Path:
    """The folder that `schemas` and its tests lie in.

    Raises:
        SetuError: code `config-invalid`; this is an installed package.
    """
    root = Path(schemas.__file__).resolve().parents[1]
    missing = next((each for each in _SIGNS if not (root / each).exists()), None)
    if missing is not None:
        raise SetuError(
            Code.CONFIG_INVALID,
            f"Expected to run from a source tree, found a package without {missing}.",
            advice="Clone the repository, run make test once there, and use its .venv/bin/setu.",
        )
    return root
