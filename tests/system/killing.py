"""A gateway that dies: a child process that kills itself at a failpoint, or is killed by its parent.

The children are forked from a server process that has everything imported, so that a life costs little.
"""

import multiprocessing
import os
import signal
from pathlib import Path

from broker.assembly.gateway import Gateway
from broker.config import GatewaySettings, load

FAILPOINTS = ("decided", "committed", "head-signed", "receipt-sent", "delivered", "cursor-advanced")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.system.killing", "schemas.registry"])


def start(config: Path, log: Path, failpoint: str | None = None, passes: int = 1):
    """A serving child; with `failpoint` it dies by SIGKILL when it passes there for the `passes`th time."""
    process = CONTEXT.Process(target=_serve, args=(config, log, failpoint, passes), daemon=True)
    process.start()
    return process


def _serve(config: Path, log: Path, failpoint: str | None, passes: int) -> None:
    with log.open("ab") as out:
        os.dup2(out.fileno(), 2)
    left = passes

    def probe(name: str) -> None:
        nonlocal left
        if name == failpoint:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    Gateway(load(GatewaySettings, config), probe=probe).run()
