"""Packets as files: what anybody can read, and what verifies offline."""

import pytest

from broker.cli.options import write_new
from broker.errors import MalformedError
from tests.unit.cli.exchange import Exchange


@pytest.fixture(scope="module")
def exchange():
    return Exchange()


@pytest.fixture
def files(exchange, write):
    return {
        "packet": write("packet.json", exchange.sealed.raw),
        "receipt": write("receipt.json", exchange.receipt(1).to_object()),
        "directory": write("directory.json", exchange.realm.snapshot.raw),
    }


def test_inspect_shows_what_anybody_can_read(setu, exchange, files):
    said = setu("packet", "inspect", files["packet"], "--json")
    found = said.json()
    assert found["header"] == exchange.sealed.header.to_object()
    assert found["digest"] == exchange.sealed.digest
    assert "signatures" not in found["checked"]
    people = setu("packet", "inspect", "-", stdin=exchange.sealed.raw).out
    assert exchange.sealed.digest in people
    assert "Signatures were not checked" in people


def test_verify_with_a_receipt_needs_nothing_but_a_document(setu, files):
    words = ("packet", "verify", files["packet"], "--directory", files["directory"], "--receipt", files["receipt"])
    assert setu(*words, "--json").json()["checked"] == [
        "shape",
        "manifest",
        "header",
        "gateway",
        "signatures",
        "recipients",
        "receipt",
    ]
    assert "Verified: shape" in setu(*words).out


def test_the_answer_of_send_is_a_receipt_too(setu, exchange, files, write):
    sent = write("sent.json", {"ok": True, "receipt": exchange.receipt(1).to_object()})
    words = ("packet", "verify", files["packet"], "--directory", files["directory"], "--receipt", sent)
    assert setu(*words).status == 0


def bent(raw):
    return raw.replace(b'"tag":"', b'"tag":"A', 1)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "json-invalid", id="empty"),
        pytest.param(b"{}", "envelope-invalid", id="no-packet"),
        pytest.param(None, "envelope-invalid", id="bent"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_what_is_no_packet_is_refused(setu, exchange, files, write, command, content, code):
    path = write("bad.json", bent(exchange.sealed.raw) if content is None else content)
    trust = () if command == "inspect" else ("--directory", files["directory"])
    said = setu("packet", command, path, *trust)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"{code}:")


def test_a_signature_that_does_not_hold_is_refused(setu, exchange, files, write):
    packet = exchange.sealed.raw.decode()
    at = packet.rindex('"signature":"') + len('"signature":"')
    forged = packet[:at] + ("A" if packet[at] != "A" else "B") + packet[at + 1 :]
    words = ("packet", "verify", write("p.json", forged.encode()), "--directory", files["directory"])
    said = setu(*words, "--receipt", files["receipt"])
    assert said.status == 1
    assert said.err.startswith("signature-invalid:")


@pytest.mark.parametrize("which", [0, 2, 3])
def test_another_entrys_receipt_is_refused(setu, exchange, files, write, which):
    receipt = write("r.json", exchange.receipt(which).to_object())
    words = ("packet", "verify", files["packet"], "--directory", files["directory"], "--receipt", receipt)
    said = setu(*words)
    assert said.status == 1
    assert said.err.startswith("receipt-invalid:")


def test_a_packet_of_another_realm_is_refused(setu, exchange, files, made):
    said = setu("packet", "verify", files["packet"], "--config", made.config)
    assert said.status == 1
    assert said.err.startswith("wrong-audience:")


def test_a_file_is_never_overwritten(tmp_path):
    write_new(tmp_path / "p", b"one")
    with pytest.raises(MalformedError, match="found one"):
        write_new(tmp_path / "p", b"two")
    assert (tmp_path / "p").read_bytes() == b"one"
