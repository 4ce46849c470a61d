import os
import stat

import httpx
import pytest

from broker.errors import CallerError, IntegrityError, OutcomeUnknownError, PacketError, PolicyError
from broker.sdk.outbox import Outbox
from schemas.problem import Code
from tests.builders import uuid7
from tests.unit.sdk.answers import problem
from tests.unit.sdk.simulator import HANDLING, TIP, Fault, SimulatedGateway

SEND = {"to": ["us-dea"], "payload": TIP, "handling": HANDLING}


class Killed(BaseException):
    """The program ends here."""


@pytest.fixture
def gateway():
    return SimulatedGateway()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outbox"


def client(gateway, folder):
    return gateway.client("in-ncb", outbox=Outbox(folder, "in-ncb"), patience=5.0)


def test_a_packet_is_kept_until_it_has_its_receipt(gateway, folder):
    kept = []
    gateway.faults = [Fault("/v1/packets", mangle=lambda receipt: kept.extend(folder.iterdir()) or receipt)]
    client(gateway, folder).send("tip", **SEND)
    (path,) = kept
    assert path.suffix == ".json"
    assert list(folder.iterdir()) == []


def test_what_is_kept_is_ciphertext_that_only_its_owner_reads(gateway, folder):
    gateway.faults = [Fault("/v1/packets", before=httpx.ConnectError("refused")) for _ in range(50)]
    with pytest.raises(OutcomeUnknownError):
        client(gateway, folder).send("tip", **SEND)
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert TIP["title"].encode() not in path.read_bytes()


@pytest.mark.parametrize("when", ["before", "after"], ids=["request lost", "answer lost"])
def test_a_program_that_was_killed_sends_the_same_bytes_again(gateway, folder, when):
    gateway.faults = [Fault("/v1/packets", **{when: Killed()})]
    with pytest.raises(Killed):
        client(gateway, folder).send("tip", **SEND)
    (sent,) = client(gateway, folder).resend()
    assert {body for _, _, _, body in gateway.seen} == {sent.raw}
    assert len(gateway.entries) == 1
    assert client(gateway, folder).resend() == []


def test_what_waits_goes_oldest_first(gateway, folder):
    box = Outbox(folder, "in-ncb")
    made = [gateway.client("in-ncb").seal("tip", **SEND, id=uuid7(n, at=1_790_000_000 - n)) for n in range(3)]
    for each in made:
        box.keep(each.header.id, each.raw)
    assert [each.digest for each in client(gateway, folder).resend()] == [each.digest for each in reversed(made)]


def test_an_id_of_ones_own_never_makes_a_second_packet(gateway, folder):
    gateway.faults = [Fault("/v1/packets", after=Killed())]
    with pytest.raises(Killed):
        client(gateway, folder).send("tip", **SEND, id=uuid7(1))
    sent = client(gateway, folder).send("tip", **SEND, id=uuid7(1))
    assert sent.raw == gateway.seen[0][3]
    assert len(gateway.entries) == 1


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        pytest.param(PolicyError("No.", []), 0, id="refused for good"),
        pytest.param(CallerError(Code.AGENCY_SUSPENDED, "No."), 1, id="suspended for now"),
    ],
)
def test_a_refusal_empties_the_outbox_and_a_suspension_does_not(gateway, folder, error, kept):
    gateway.faults = [Fault("/v1/packets", answer=problem(error))]
    with pytest.raises(type(error)):
        client(gateway, folder).send("tip", **SEND)
    assert len(list(folder.iterdir())) == kept


def test_a_receipt_that_does_not_verify_keeps_the_packet(gateway, folder):
    gateway.faults = [Fault("/v1/packets", mangle=lambda _: {})]
    with pytest.raises(PacketError) as caught:
        client(gateway, folder).send("tip", **SEND)
    assert caught.value.code is Code.RECEIPT_INVALID
    (sent,) = client(gateway, folder).resend()
    assert sent.index == 0


def test_a_client_without_an_outbox_has_nothing_to_send_again(gateway):
    assert gateway.client("in-ncb").resend() == []


def test_another_agencys_packet_is_not_sent_from_it(gateway, folder):
    made = gateway.client("us-cbp").seal("tip", **SEND)
    Outbox(folder, "in-ncb").keep(made.header.id, made.raw)
    with pytest.raises(IntegrityError):
        client(gateway, folder).resend()
    assert gateway.seen == []


def plant_link(path, elsewhere):
    elsewhere.write_bytes(b"{}")
    path.symlink_to(elsewhere)


def plant_pipe(path, _elsewhere):
    os.mkfifo(path)


def plant_folder(path, _elsewhere):
    path.mkdir()


def plant_giant(path, _elsewhere):
    with path.open("wb") as file:
        file.truncate(2**30)


@pytest.mark.parametrize("plant", [plant_link, plant_pipe, plant_folder, plant_giant])
def test_what_is_no_file_of_ours_is_refused(gateway, folder, tmp_path, plant):
    folder.mkdir()
    plant(folder / f"{uuid7(1)}.json", tmp_path / "elsewhere")
    with pytest.raises(IntegrityError):
        client(gateway, folder).resend()


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", f"{uuid7(1)}.json.bak", "0.json"])
def test_other_names_are_passed_over(gateway, folder, name):
    folder.mkdir()
    (folder / name).write_text("{}")
    assert client(gateway, folder).resend() == []


def test_an_outbox_that_is_a_link_is_refused(folder, tmp_path):
    (tmp_path / "real").mkdir()
    folder.symlink_to(tmp_path / "real")
    with pytest.raises(IntegrityError):
        Outbox(folder, "in-ncb")
