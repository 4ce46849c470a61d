"""Writes the JSON Schemas beside the models: `python -m schemas.payloads.publish`. A test compares them."""

import json
from pathlib import Path

from schemas import registry

FOLDER = Path(__file__).parent / "published"


def rendered() -> dict[str, str]:
    """File name -> the JSON Schema as committed, for every kind and version."""
    return {
        f"{kind}.{version}.schema.json": json.dumps(registry.json_schema(kind, version), indent=2) + "\n"
        for kind in registry.kinds()
        for version in registry.versions(kind)
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in rendered().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
