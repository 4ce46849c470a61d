"""The way to the shared guard while its certificate is replaced."""

import threading

import httpx

from broker.assembly.guard import SharedGuardClient
from broker.assembly.renewing import Renewing


def test_a_request_under_way_outlives_a_replacement_of_the_certificate():
    asked, go = threading.Event(), threading.Event()
    made, stamp = [], ["before"]

    def answer(_request):
        if not asked.is_set():
            asked.set()
            go.wait(10)
        return httpx.Response(404, headers={"content-type": "text/plain"})

    def connect():
        made.append(Transport(answer))
        return made[-1]

    client = httpx.Client(base_url="https://guard.example", transport=Renewing(lambda: stamp[0], connect))
    guard = SharedGuardClient(client, None, type("Store", (), {"has_head": None}))
    first = threading.Thread(target=guard.takes, args=[Signs()])
    first.start()
    assert asked.wait(10)
    for stamp[0] in ("next key", "certificate", "key"):
        guard.takes(Signs())
    assert len(made) == 4
    assert not made[0].is_closed, "it is in use"
    go.set()
    first.join(10)
    guard.close()
    assert all(each.is_closed for each in made)


class Transport(httpx.MockTransport):
    is_closed = False

    def close(self):
        self.is_closed = True


class Signs:
    """As much of a pair as asking takes."""

    def sign(self, _size, _root):
        return b"log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\xe2\x80\x94 x AAAA\n"
