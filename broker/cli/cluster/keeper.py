"""Ends processes once whoever started them is gone, however it went. A program of its own: `python keeper.py`.

It is told on stdin, a line each: `+PID` to hold a process, `-PID` to let it go. When stdin ends, it kills all it holds.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def hold(lines: Iterable[str]) -> None:
    held: dict[int, int] = {}
    for line in lines:
        pid = int(line[1:])
        if line[0] == "+":
            # By a descriptor, which never comes to mean another process.
            with suppress(ProcessLookupError):
                held[pid] = os.pidfd_open(pid)
        elif pid in held:
            os.close(held.pop(pid))
    for descriptor in held.values():
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)


if __name__ == "__main__":
    hold(sys.stdin)
