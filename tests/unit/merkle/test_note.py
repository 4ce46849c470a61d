import base64

import pytest

from broker.crypto.keys import SeedKey
from broker.crypto.signatures import sign, verify
from broker.errors import IntegrityError
from broker.merkle.note import Checkpoint, LogSigner, VerifierKey, cosigned_message, parse_checkpoint, verify_checkpoint
from broker.merkle.tree import EMPTY_ROOT
from schemas.directory import LogPair

ORIGIN = "gateway.example/log"
SIGNER = LogSigner(ORIGIN, SeedKey("Ed25519", bytes(32)), SeedKey("ML-DSA-44", bytes(32)))
OTHER = LogSigner(ORIGIN, SeedKey("Ed25519", b"\1" * 32), SeedKey("ML-DSA-44", b"\1" * 32))
ROOT = bytes(range(32))
NOTE = SIGNER.sign(20_852_163, ROOT)
BODY, CLASSICAL, POST_QUANTUM = NOTE.partition(b"\n\n")[0], *NOTE.partition(b"\n\n")[2].splitlines(keepends=True)


def test_a_key_and_note_of_the_go_implementation():
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert line[:4] == key.key_id
    verify(key.public, text, line[4:])
    assert str(key) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_the_text_of_the_specifications_example():
    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert Checkpoint("example.com/behind-the-sofa", 20_852_163, root).body() == (
        b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_the_message_an_ml_dsa_cosignature_signs():
    message = cosigned_message("w.example/1", Checkpoint("log.example", 258, ROOT), bytes(7) + b"\x07")
    assert message == (
        b"subtree/v1\n\x00" + b"\x0bw.example/1" + bytes(7) + b"\x07" + b"\x0blog.example" + bytes(8)
        + b"\x00\x00\x00\x00\x00\x00\x01\x02" + ROOT
    )  # fmt: skip


def test_a_head_verifies_under_both_keys():
    head = verify_checkpoint(NOTE, ORIGIN, (SIGNER.pair,))
    assert head == parse_checkpoint(NOTE) == Checkpoint(ORIGIN, 20_852_163, ROOT)
    assert CLASSICAL.startswith("\u2014 gateway.example/log ".encode())


def test_the_empty_log_has_a_head():
    assert verify_checkpoint(SIGNER.sign(0, EMPTY_ROOT), ORIGIN, (SIGNER.pair,)).size == 0


def test_signatures_of_others_are_left_alone():
    witness = b"\xe2\x80\x94 witness.example/w1 " + base64.b64encode(b"abcd" + bytes(72)) + b"\n"
    assert verify_checkpoint(NOTE + witness, ORIGIN, (SIGNER.pair,)).size == 20_852_163


def _line(data: bytes) -> bytes:
    return "\u2014 ".encode() + ORIGIN.encode() + b" " + base64.b64encode(data) + b"\n"


def _flipped(line: bytes, place: int) -> bytes:
    raw = bytearray(base64.b64decode(line.rpartition(b" ")[2]))
    raw[place] ^= 1
    return _line(bytes(raw))


def _signed_with_time(time: int) -> bytes:
    key = VerifierKey.parse(SIGNER.vkeys[1])
    stamp = time.to_bytes(8, "big")

    return _line(key.key_id + stamp + sign(SIGNER.mldsa44, cosigned_message(ORIGIN, parse_checkpoint(NOTE), stamp)))


@pytest.mark.parametrize(
    ("note", "message"),
    [
        pytest.param(NOTE.replace(b"20852163", b"20852164"), "Ed25519 signature to verify", id="another size"),
        pytest.param(NOTE.replace(b"20852163", b"020852163"), "a decimal size", id="leading zero"),
        pytest.param(NOTE.replace(b"20852163", b"-1"), "a decimal size", id="negative size"),
        pytest.param(NOTE.replace(b"20852163", b"9" * 17), "a decimal size", id="size beyond 2^53"),
        pytest.param(NOTE.replace(b"20852163", "\uff12".encode()), "a decimal size", id="digit of another script"),
        pytest.param(OTHER.sign(20_852_163, ROOT), "one Ed25519 signature", id="keys of another log"),
        pytest.param(BODY + b"\n\n" + CLASSICAL, "one ML-DSA-44 signature", id="no ML-DSA-44"),
        pytest.param(BODY + b"\n\n" + POST_QUANTUM, "one Ed25519 signature", id="no Ed25519"),
        pytest.param(NOTE + CLASSICAL, "one Ed25519 signature of the log, found 2", id="a signature twice"),
        pytest.param(BODY + b"\n\n" + _flipped(CLASSICAL, 9) + POST_QUANTUM, "Ed25519 signature to", id="bad Ed25519"),
        pytest.param(BODY + b"\n\n" + CLASSICAL + _flipped(POST_QUANTUM, 99), "ML-DSA-44 sig", id="bad ML-DSA-44"),
        pytest.param(BODY + b"\n\n" + CLASSICAL + _line(b"abcd"), "signature lines", id="no signature in a line"),
        pytest.param(BODY + b"\n\n" + CLASSICAL + _signed_with_time(7), "timestamp 0", id="a timestamp"),
        pytest.param(BODY + b"\n\n", "signature lines|line feed", id="no signatures"),
        pytest.param(BODY + b"\nextension\n\n" + CLASSICAL + POST_QUANTUM, "three lines", id="an extension line"),
        pytest.param(NOTE[:-1], "line feed at the end", id="no line feed at the end"),
        pytest.param(NOTE + b"\n", "three lines", id="an empty line at the end"),
        pytest.param(NOTE + b"x\n", "signature lines", id="text after the signatures"),
        pytest.param(NOTE.replace(b"\n", b"\r\n"), "three lines", id="CRLF"),
        pytest.param(b"\xff" + NOTE, "UTF-8", id="not UTF-8"),
        pytest.param(b" " + NOTE, "an origin without spaces", id="space in the origin"),
        pytest.param(b"", "three lines", id="nothing"),
        pytest.param(NOTE + CLASSICAL * 700, "at most 65535 bytes", id="too long"),
        pytest.param(NOTE + CLASSICAL * 40, "at most 32 signatures", id="too many signatures"),
        pytest.param(LogSigner("other.example", SIGNER.ed25519, SIGNER.mldsa44).sign(1, ROOT), "origin", id="origin"),
        pytest.param(BODY[:-1] + b"\n\n" + CLASSICAL + POST_QUANTUM, "32 bytes of base64", id="root cut"),
    ],
)
def test_what_is_no_head_of_this_log(note: bytes, message: str):
    with pytest.raises(IntegrityError, match=message):
        verify_checkpoint(note, ORIGIN, (SIGNER.pair,))


@pytest.mark.parametrize(
    ("vkeys", "message"),
    [
        pytest.param((SIGNER.vkeys[1], SIGNER.vkeys[0]), "the log's two keys", id="swapped"),
        pytest.param((SIGNER.vkeys[0], SIGNER.vkeys[0]), "the log's two keys", id="one key twice"),
        pytest.param((SIGNER.vkeys[0].replace("+", "-"), SIGNER.vkeys[1]), "a note verifier key", id="no key"),
        pytest.param(("x" + SIGNER.vkeys[0], SIGNER.vkeys[1]), "whose id is its hash", id="another name"),
        pytest.param((SIGNER.vkeys[0] + "\n", SIGNER.vkeys[1]), "a note verifier key", id="line feed"),
    ],
)
def test_wrong_verifier_keys(vkeys: tuple[str, str], message: str):
    with pytest.raises(IntegrityError, match=message):
        verify_checkpoint(NOTE, ORIGIN, (LogPair(ed25519=vkeys[0], mldsa44=vkeys[1]),))
