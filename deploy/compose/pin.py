"""Pins the base images by digest: python deploy/compose/pin.py > deploy/compose/.env

Asks the registry, through `docker buildx imagetools`, what each exact tag of compose.yaml stands for now, and writes
`NAME=image:tag@sha256:...` for compose to read. Keep what it wrote; a tag can be moved, a digest cannot.
"""

import re
import subprocess
import sys
from pathlib import Path

IMAGE = re.compile(r"\$\{(SETU_\w+_IMAGE):-([^}@\s]+:[^}@\s]+)\}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def images(text: str) -> dict[str, str]:
    """Variable -> the exact tag that stands for it in a compose file."""
    return dict(IMAGE.findall(text))


def digest(image: str) -> str:
    """Of the whole manifest list, so that it holds on every platform; raises SystemExit in words."""
    asked = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", image]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - as written
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"Expected docker with buildx, found {type(error).__name__}. Run this where images are pulled.")
    found = done.stdout.strip()
    if done.returncode or not DIGEST.match(found):
        sys.exit(f"Expected the digest of {image}, found none. {done.stderr.strip()[:300]}")
    return found


def main() -> None:
    for name, image in sorted(images((Path(__file__).parent / "compose.yaml").read_text("utf-8")).items()):
        print(f"{name}={image}@{digest(image)}", flush=True)


if __name__ == "__main__":
    main()
