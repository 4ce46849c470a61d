"""`python -m adapters run CONFIG`: run one adapter until it is told to stop."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from adapters.assembly import run
from broker.errors import SetuError

FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 stopped as asked, 1 an error or alarm, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m adapters", description="Hand an agency's packets on to a system that knows nothing of Setu."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run the adapter of a settings file until SIGTERM or Ctrl-C")
    running.add_argument("config", type=Path, help="the adapter's TOML file")
    running.add_argument("--once", action="store_true", help="end when nothing more is at hand")
    given = parser.parse_args(arguments)
    try:
        run(given.config, drain=given.once)
    except SetuError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
