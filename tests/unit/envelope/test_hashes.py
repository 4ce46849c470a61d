import hashlib
import hmac

import pytest

from broker.envelope.hashes import LARGE, PIECE, hmac_sha384, sha384


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 13_795, LARGE, LARGE + 1])
def test_pieces_make_no_difference(size):
    data = bytes(n % 251 for n in range(size))
    assert sha384(data) == hashlib.sha384(data).digest()
    assert hmac_sha384(b"k" * 32, data) == hmac.digest(b"k" * 32, data, "sha384")
