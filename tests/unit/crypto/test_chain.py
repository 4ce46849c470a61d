"""A certificate and its key that are replaced while they are read."""

import ssl
from pathlib import Path

import pytest

from broker.crypto.certificates import Authority
from broker.crypto.chain import next_of, read_chain, stamp_of
from broker.crypto.keystore import KeyStore
from broker.errors import IntegrityError
from schemas.problem import Code

NOW = 1_790_000_000
AUTHORITY = Authority.create("IND", now=NOW)
FIRST, SECOND = (AUTHORITY.issue_server(f"in-setu.g{n}", ["localhost"], now=NOW) for n in (1, 2))


class Pair:
    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "server.pem", folder / "server.key"
        FIRST.save(self.certificate, self.key)

    def write(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        path.chmod(0o600)

    def read(self) -> bytes:
        return read_chain(KeyStore(), self.certificate, self.key).key


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_at_every_step_of_a_replacement_there_is_a_key_that_fits(pair: Pair) -> None:
    assert pair.read() == FIRST.key
    pair.write(next_of(pair.key), SECOND.key)
    assert pair.read() == FIRST.key
    pair.write(pair.certificate, SECOND.certificate)
    assert pair.read() == SECOND.key
    next_of(pair.key).replace(pair.key)
    assert pair.read() == SECOND.key


def test_a_context_takes_it_up_through_memory_alone(pair: Pair) -> None:
    chain = read_chain(KeyStore(), pair.certificate, pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain.load(context)
    assert chain.fits()
    assert "PRIVATE" not in repr(chain)


def test_another_stamp_once_a_file_is_replaced(pair: Pair) -> None:
    stamps = {stamp_of(pair.certificate, pair.key)}
    pair.write(next_of(pair.key), SECOND.key)
    stamps.add(stamp_of(pair.certificate, pair.key))
    next_of(pair.key).replace(pair.key)
    stamps.add(stamp_of(pair.certificate, pair.key))
    assert len(stamps) == 3


@pytest.mark.parametrize("with_next", [pytest.param(False, id="alone"), pytest.param(True, id="with-another-next")])
def test_where_none_fits_it_is_said(pair: Pair, with_next: bool) -> None:
    pair.write(pair.key, SECOND.key)
    if with_next:
        pair.write(next_of(pair.key), AUTHORITY.issue_server("x", ["localhost"], now=NOW).key)
    with pytest.raises(IntegrityError, match="another pair") as caught:
        pair.read()
    assert caught.value.code is Code.CONFIG_INVALID


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_next_key_that_others_can_read_is_refused(pair: Pair, mode: int) -> None:
    pair.write(next_of(pair.key), SECOND.key)
    pair.write(pair.certificate, SECOND.certificate)
    next_of(pair.key).chmod(mode)
    with pytest.raises(IntegrityError, match=f"mode {mode:04o}"):
        pair.read()
