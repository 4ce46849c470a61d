"""A container's health check that needs no shell: python healthy.py URL, or HOST:PORT, or a Unix socket's path.

Exit status 0: the URL answers with 200, or something listens there.
"""

import socket
import sys
import urllib.error
import urllib.request

SECONDS = 4


def healthy(what: str) -> bool:
    try:
        if what.startswith("http://"):
            with urllib.request.urlopen(what, timeout=SECONDS):  # noqa: S310 - http, as was just seen
                return True
        if what.startswith("/"):
            with socket.socket(socket.AF_UNIX) as found:
                found.settimeout(SECONDS)
                found.connect(what)
                return True
        host, _, port = what.rpartition(":")
        socket.create_connection((host, int(port)), SECONDS).close()
    except (OSError, urllib.error.URLError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if all(healthy(each) for each in sys.argv[1:]) else 1)
