"""The shared guard's service: what C2SP tlog-witness says of `add-checkpoint`, and that nothing takes it back."""

import base64
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from broker.crypto.keys import SeedKey
from broker.crypto.signatures import verify
from broker.errors import IntegrityError
from broker.ledger.guard import FileGuard
from broker.ledger.witness import Request, Witness
from broker.merkle.note import LogSigner
from broker.merkle.tree import leaf_hash
from tests.unit.ledger.ledgers import ORIGIN, SIGNER, START
from tests.unit.merkle.trees import leaves, mth, proof

KEY = SeedKey("Ed25519", b"w" * 32)
LEAVES = leaves(40)
OTHER = [leaf_hash(b"other %d" % number) for number in range(40)]
STRANGER = LogSigner(ORIGIN, SeedKey("Ed25519", b"s" * 32), SIGNER.mldsa44)


def path(old: int, new: int, of: list[bytes]) -> list[bytes]:
    return [] if old in (0, new) else proof(old, of[:new])


def request(
    old: int, new: int, of: list[bytes] = LEAVES, lines: list[bytes] | None = None, signer: LogSigner = SIGNER
) -> bytes:
    return Request(old, path(old, new, of) if lines is None else lines, signer.sign(new, mth(of[:new]))).encode()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with_file = open_witness(tmp_path)
    yield with_file
    with_file._file.close()


def open_witness(folder: Path, **over: Callable[[], None]) -> Witness:
    return Witness(
        FileGuard(folder / "head"), ORIGIN, [SIGNER.pair], name="guard.example/w", key=KEY, now=lambda: START, **over
    )


def test_the_body_has_the_form_of_the_specification():
    body = request(3, 7)
    first, *lines = body.partition(b"\n\n")[0].split(b"\n")
    assert first == b"old 3"
    assert [base64.b64decode(each) for each in lines] == path(3, 7, LEAVES)
    assert body.partition(b"\n\n")[2].startswith(ORIGIN.encode() + b"\n7\n")
    found = Request.parse(body)
    assert found.encode() == body


def test_it_follows_the_log_and_cosigns(witness: Witness, tmp_path: Path):
    assert witness.newest().status == 404
    for old, new in ((0, 0), (0, 3), (3, 7), (7, 7), (7, 40)):
        answer = witness.add(request(old, new))
        assert (answer.status, witness.size) == (200, new)
        kept = (tmp_path / "head").read_bytes()
        assert witness.newest().body == kept
        dash, name, encoded = answer.body.decode().removesuffix("\n").split(" ")
        data = base64.b64decode(encoded)
        assert (dash, name) == ("\u2014", "guard.example/w")
        assert data[:4] == sha256(b"guard.example/w\n\x04" + KEY.public.raw).digest()[:4]
        text = kept.partition(b"\n\n")[0] + b"\n"
        assert int.from_bytes(data[4:12], "big") == int(START)
        verify(KEY.public, b"cosignature/v1\ntime %d\n" % int(START) + text, data[12:])


REFUSED = [
    pytest.param(request(3, 9), 409, id="an older size than it holds"),
    pytest.param(request(9, 12), 409, id="a later size than it holds"),
    pytest.param(request(0, 7), 409, id="as if it were new"),
    pytest.param(request(7, 7, OTHER), 409, id="its size with another root"),
    pytest.param(request(7, 9, OTHER), 422, id="another history"),
    pytest.param(request(7, 9, lines=[]), 422, id="no proof"),
    pytest.param(request(7, 9, lines=[*path(7, 9, LEAVES), bytes(32)]), 422, id="too much proof"),
    pytest.param(request(7, 7, lines=[bytes(32)]), 422, id="a proof of nothing"),
    pytest.param(request(7, 9, signer=STRANGER), 403, id="not the log's Ed25519 key"),
    pytest.param(request(7, 9).rpartition("\u2014".encode())[0], 403, id="one signature"),
    pytest.param(request(7, 9, signer=LogSigner("other", SIGNER.ed25519, SIGNER.mldsa44)), 404, id="another log"),
    pytest.param(request(9, 9).replace(b"old 9", b"old 10"), 400, id="older than new"),
    pytest.param(request(7, 9).replace(b"old 7", b"old 07"), 400, id="a leading zero"),
    pytest.param(request(7, 9).replace(b"old 7", b"old -7"), 400, id="a sign"),
    pytest.param(request(7, 9).replace(b"old 7", b"old  7"), 400, id="two spaces"),
    pytest.param(request(7, 9).replace(b"old 7", b"7"), 400, id="no `old`"),
    pytest.param(request(7, 9).replace(b"\n", b"\r\n"), 400, id="CRLF"),
    pytest.param(b"old 7\nAAAA\n\n" + SIGNER.sign(9, mth(LEAVES[:9])), 400, id="a short hash"),
    pytest.param(b"old 7\n" + b"A" * 43 + b"\n\n" + SIGNER.sign(9, mth(LEAVES[:9])), 400, id="no padding"),
    pytest.param(b"old 7\n" + b"A" * 42 + b"B=\n\n" + SIGNER.sign(9, mth(LEAVES[:9])), 400, id="not canonical"),
    pytest.param(request(7, 9, lines=[bytes(32)] * 64), 400, id="64 lines"),
    pytest.param(b"old 7\n", 400, id="no checkpoint"),
    pytest.param(b"old 7\n\n", 400, id="an empty checkpoint"),
    pytest.param(b"", 400, id="nothing"),
    pytest.param(b"\xff" * 100, 400, id="no text"),
]


@pytest.mark.parametrize(("body", "status"), REFUSED)
def test_what_it_refuses_changes_nothing(witness: Witness, tmp_path: Path, body: bytes, status: int):
    assert witness.add(request(0, 7)).status == 200
    kept = (tmp_path / "head").read_bytes()
    answer = witness.add(body)
    assert answer.status == status
    assert (answer.media, answer.body) == ("text/x.tlog.size", b"7\n") or status != 409
    assert ((tmp_path / "head").read_bytes(), witness.size) == (kept, 7)


def test_it_remembers_over_a_restart(tmp_path: Path):
    first = open_witness(tmp_path)
    first.add(request(0, 7))
    first._file.close()
    second = open_witness(tmp_path)
    assert (second.size, second.add(request(0, 5)).status, second.add(request(7, 9)).status) == (7, 409, 200)
    second._file.close()


def test_a_file_that_is_not_this_logs_is_refused(tmp_path: Path):
    (tmp_path / "head").write_bytes(LogSigner("other", SIGNER.ed25519, SIGNER.mldsa44).sign(0, bytes(32)))
    with pytest.raises(IntegrityError, match="another origin"):
        open_witness(tmp_path)


def test_a_disk_that_fails_ends_it(tmp_path: Path):
    died: list[int] = []
    witness = open_witness(tmp_path, die=lambda: died.append(1))
    (tmp_path / "head").mkdir()
    with pytest.raises(OSError):
        witness.add(request(0, 7))
    assert (died, witness.size) == ([1], None)
    witness._file.close()
