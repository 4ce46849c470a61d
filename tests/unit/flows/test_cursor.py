import pytest

from broker.errors import RequestError
from broker.flows.cursor import Cursors
from schemas.canonical import b64u, unb64u
from schemas.problem import Code

TOPIC = "setu.us-dea.tip"


@pytest.mark.parametrize("index", [-1, 0, 1, 2**40])
def test_a_cursor_reads_back_where_it_was_written(index):
    cursors = Cursors(lambda: [b"k" * 32])
    assert cursors.read(TOPIC, cursors.write(TOPIC, index)) == index


def test_no_cursor_is_the_beginning():
    assert Cursors(lambda: [b"k" * 32]).read(TOPIC, None) == -1


def _moved(cursor):
    raw = bytearray(unb64u(cursor))
    raw[7] += 1
    return b64u(bytes(raw))


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(_moved, id="another index"),
        pytest.param(lambda _: Cursors(lambda: [b"k" * 32]).write("setu.us-deaf.tip", 7), id="another topic's"),
        pytest.param(lambda _: Cursors(lambda: [b"x" * 32]).write(TOPIC, 7), id="another gateway's"),
        pytest.param(lambda cursor: cursor[:-1], id="cut"),
        pytest.param(lambda cursor: cursor + "A", id="longer"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "7", id="a number"),
        pytest.param(lambda _: "../../etc/passwd", id="a path"),
    ],
)
def test_a_forged_cursor_is_refused_and_not_quoted(forge):
    cursors = Cursors(lambda: [b"k" * 32])
    forged = forge(cursors.write(TOPIC, 7))
    with pytest.raises(RequestError) as caught:
        cursors.read(TOPIC, forged)
    assert caught.value.code is Code.BAD_CURSOR
    assert not forged or forged not in str(caught.value)
