import os
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import IntegrityError
from broker.sdk.cursors import START, FileCursors, MemoryCursors, Position
from broker.sdk.files import write_atomic
from broker.sdk.order import REMEMBERED, Order
from schemas.canonical import b64u

DIGESTS = [b64u(bytes([n]) * 48) for n in range(40)]
HERE = Position(token="c-1", index=7, digest=DIGESTS[0])


@pytest.fixture(params=["memory", "file"])
def cursors(request, tmp_path):
    return MemoryCursors() if request.param == "memory" else FileCursors(tmp_path / "cursors")


def test_each_topic_has_its_own_place(cursors):
    assert cursors.read("setu.us-dea.tip") == START
    cursors.write("setu.us-dea.tip", HERE)
    assert cursors.read("setu.us-dea.tip") == HERE
    assert cursors.read("setu.us-dea.pen") == START


def test_a_place_survives_the_program(tmp_path):
    FileCursors(tmp_path).write("t", HERE)
    assert FileCursors(tmp_path).read("t") == HERE
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("raw", [b"", b'{"v":"setu1.position","index":true}', b"\xff", b'{"index":-2}'])
def test_what_is_no_position_is_refused(tmp_path, raw):
    (tmp_path / "t.json").write_bytes(raw)
    with pytest.raises(IntegrityError):
        FileCursors(tmp_path).read("t")


@pytest.mark.parametrize("topic", ["../t", "a/b", ".t"])
def test_a_topic_is_no_path(tmp_path, topic):
    with pytest.raises(IntegrityError):
        FileCursors(tmp_path).write(topic, HERE)


def test_a_link_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(HERE.canonical())
    folder = tmp_path / "cursors"
    folder.mkdir()
    (folder / "t.json").symlink_to(elsewhere)
    with pytest.raises(IntegrityError):
        FileCursors(folder).read("t")
    FileCursors(folder).write("t", START)
    assert elsewhere.read_bytes() == HERE.canonical()
    assert not (folder / "t.json").is_symlink()


def test_a_write_that_fails_leaves_the_one_before(tmp_path):
    FileCursors(tmp_path).write("t", HERE)
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):  # the superuser writes anywhere; a name too long fails for everybody
            with pytest.raises(OSError):
                write_atomic(tmp_path, "n" * 300, b"x")
        else:
            with pytest.raises(OSError):
                FileCursors(tmp_path).write("t", START)
    finally:
        tmp_path.chmod(0o700)
    assert FileCursors(tmp_path).read("t") == HERE


def test_what_a_crash_left_beside_does_not_stand_in_the_way(tmp_path):
    (tmp_path / f".t.json.{os.getpid()}.{threading.get_ident()}").write_bytes(b"half")
    FileCursors(tmp_path).write("t", HERE)
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


# order


@given(st.lists(st.integers(0, 39), max_size=30), st.integers(-1, 39))
def test_what_is_let_through_rises_and_is_never_twice(indices, done):
    order = Order(Position(index=done, digest=DIGESTS[done] if done >= 0 else None))
    out = []
    for index in indices:
        try:
            if order.is_new(index, DIGESTS[index]):
                out.append(index)
        except IntegrityError:
            break
    assert out == sorted(set(out))
    assert all(index > done for index in out)


@given(st.integers(0, 39), st.integers(0, 10))
def test_an_honest_engine_loses_nothing(done, again):
    order = Order(Position(index=done, digest=DIGESTS[done]))
    start = max(0, done - again)
    assert [n for n in range(start, 40) if order.is_new(n, DIGESTS[n])] == list(range(done + 1, 40))


def test_a_repeat_is_dropped_however_often():
    order = Order(START)
    assert [order.is_new(1, DIGESTS[1]) for _ in range(3)] == [True, False, False]


BROKEN = [
    pytest.param([(2, 2), (1, 1)], id="goes back"),
    pytest.param([(1, 1), (1, 2)], id="two packets at one place"),
    pytest.param([(1, 1), (2, 1)], id="one packet at two places"),
    pytest.param([(7, 3)], id="another packet than was read there"),
]


@pytest.mark.parametrize("steps", BROKEN)
def test_what_no_honest_gateway_does_is_an_alarm(steps):
    order = Order(HERE)
    for index, digest in steps[:-1]:
        order.is_new(index, DIGESTS[digest])
    with pytest.raises(IntegrityError):
        order.is_new(steps[-1][0], DIGESTS[steps[-1][1]])


def test_an_engine_may_begin_again():
    order = Order(START)
    assert all(order.is_new(n, DIGESTS[n]) for n in range(5))
    order.begin_again(Position(index=4, digest=DIGESTS[4]))
    assert [order.is_new(n, DIGESTS[n]) for n in range(6)] == [False] * 5 + [True]


def test_memory_is_bounded():
    order = Order(START)
    for index in range(REMEMBERED + 10):
        order.is_new(index, str(index))
    assert len(order._seen) == REMEMBERED
