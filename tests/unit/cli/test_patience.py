"""Nobody takes a command's patience for a hang."""

from broker.cli.patience import Waiting
from broker.errors import UnavailableError

ERROR = UnavailableError("Expected an answer of the gateway, found none.")


def test_it_speaks_soon_and_then_seldom():
    now, said = [0.0], []
    waiting = Waiting(lambda: now[0], lambda text, _: said.append((now[0], text)))
    for now[0] in (0.3, 0.7, 1.8, 4.0, 8.0, 13.0, 20.0, 24.0):
        waiting(ERROR, now[0], 120.0 - now[0])
    assert [at for at, _ in said] == [1.8, 13.0, 24.0]
    assert said[0][1] == (
        "Expected an answer of the gateway, found none. Asking again for 118 s more (--patience); Ctrl-C ends."
    )
