"""Where a command works: in a folder that stays, or in one that goes when it is over."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.errors import IntegrityError
from schemas.problem import Code


@contextmanager
def working_folder(keep: Path | None, prefix: str) -> Iterator[Path]:
    """`keep`, made where there is none; without it a temporary one whose name begins with `prefix`.

    Raises:
        IntegrityError: code `config-invalid`; there is something in `keep`.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix=prefix) as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise IntegrityError(
            Code.CONFIG_INVALID, f"Expected a new or empty folder, found files in {keep}.", advice="Name another."
        )
    keep.mkdir(parents=True, exist_ok=True)
    yield keep
