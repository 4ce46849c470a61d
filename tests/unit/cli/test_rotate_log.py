"""`setu rotate log` where no gateway runs, and what auditors are told afterwards."""

import os
import shutil
from contextlib import closing

import pytest

from broker.assembly.keys import keys_in, log_pairs_of
from broker.assembly.realm import local_directory
from broker.cli.log_files import destroy_ended, make_pair
from broker.cli.served import free_port
from broker.cli.signed_by import of_head
from broker.cli.trust import trusting
from broker.crypto.keyfile import destroy
from broker.crypto.keystore import KeyStore
from broker.crypto.sealing import is_sealed
from broker.directory.check import check_document
from broker.directory.logs import replaced, row_of
from broker.errors import IntegrityError
from broker.merkle.note import judged
from broker.merkle.proof import inclusion_path
from broker.merkle.receipt import make_receipt
from broker.merkle.tree import leaf_hash
from schemas.canonical import canonical
from schemas.directory import KeyState
from tests.unit.ledger.ledgers import entry

pytestmark = pytest.mark.sockets  # it asks whether a gateway runs


@pytest.fixture
def quiet(own):
    """The deployment, with an operator's listener where nobody else's gateway answers."""
    text = own.config.read_text("utf-8")
    own.config.write_text(text.replace("127.0.0.1:9443", f"127.0.0.1:{free_port()}"), "utf-8")
    return own


def current(own):
    return local_directory(own.gateway()).current().signed


def row(own):
    return row_of(current(own), own.gateway().gateway)


def files(own):
    return {each.name for each in (own.path / "keys").glob("*.key") if each.name.split("-")[0] in ("log", "cursor")}


def rotated(setu, own, *words):
    said = setu("rotate", "log", "--config", own.config, *words, "--json")
    assert said.status == 0, said.err
    return said.json()


def log_keys(own):
    gateway = own.gateway().gateway
    agency = next(each for each in current(own).agencies if each.id == gateway)
    return [(key.state, key.compromised_since is not None) for key in agency.keys if key.use == "log"]


ACTIVE, RETIRED, REVOKED = (KeyState.ACTIVE, False), (KeyState.RETIRED, False), (KeyState.REVOKED, True)
FIRST = {"log-ed25519.key", "log-mldsa44.key"}
SECOND = {"log-ed25519-2.key", "log-mldsa44-2.key"}


def test_one_command_begins_and_one_ends(setu, quiet):
    before = row(quiet)
    begun = rotated(setu, quiet)
    assert (begun["step"], begun["version"], begun["published"]) == ("begun", 2, True)
    assert [each.model_copy(update={"size": None}) for each in row(quiet).pairs[1:]] == list(before.pairs)
    assert (files(quiet), log_keys(quiet)) == (FIRST | SECOND, [ACTIVE] * 4)
    found = rotated(setu, quiet, "--finish")
    assert (found["step"], found["version"], found["size"]) == ("ended", 3, 0)
    assert [each.size for each in row(quiet).pairs] == [None, 0]
    assert (files(quiet), log_keys(quiet)) == (SECOND | {"cursor-1.key"}, [RETIRED] * 2 + [ACTIVE] * 2)
    assert rotated(setu, quiet, "--finish")["destroyed"] == []


def test_people_are_told_what_comes_next(setu, quiet):
    assert "setu rotate log --finish" in setu("rotate", "log", "--config", quiet.config).out
    said = setu("rotate", "log", "--config", quiet.config, "--finish").out
    assert "at most 0 entries" in said
    assert "destroyed" in said
    shown = setu("directory", "show", "--config", quiet.config).out
    assert "up to 0 entries" in shown


def test_a_compromised_pair_ends_at_once(setu, quiet):
    found = rotated(setu, quiet, "--compromised")
    assert (found["step"], found["size"], found["published"]) == ("compromised", 0, True)
    assert (files(quiet), log_keys(quiet)) == (SECOND | {"cursor-1.key"}, [REVOKED] * 2 + [ACTIVE] * 2)


def test_a_compromise_in_the_middle_of_a_rotation(setu, quiet):
    rotated(setu, quiet)
    rotated(setu, quiet, "--compromised", "--size", "7")
    assert [each.size for each in row(quiet).pairs] == [None, 7, 7]
    assert files(quiet) == {"log-ed25519-3.key", "log-mldsa44-3.key", "cursor-1.key", "cursor-2.key"}


def test_countries_sign_each_step(setu, quiet, tmp_path):
    staged = rotated(setu, quiet, "--stage", tmp_path / "2.json")
    assert (staged["published"], current(quiet).version, files(quiet)) == (False, 1, FIRST | SECOND)
    again = rotated(setu, quiet, "--stage", tmp_path / "again.json")
    assert again["signs"] == staged["signs"]
    assert files(quiet) == FIRST | SECOND
    assert setu("directory", "publish", tmp_path / "2.json", "--config", quiet.config).status == 0
    rotated(setu, quiet, "--finish", "--stage", tmp_path / "3.json")
    assert files(quiet) == FIRST | SECOND
    shown = setu("directory", "publish", tmp_path / "3.json", "--config", quiet.config).out
    assert "ledger of in-setu: the same pair of keys, a former one up to 0 entries" in shown
    assert len(rotated(setu, quiet, "--finish")["destroyed"]) == 2
    assert files(quiet) == SECOND | {"cursor-1.key"}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        pytest.param(["--finish", "--compromised"], 2, "expected --finish or --compromised", id="both"),
        pytest.param(["--size", "3"], 2, "--size with --compromised alone", id="a size of nothing"),
        pytest.param([], 1, "a rotation is under way", id="twice"),
    ],
)
def test_what_is_not_done(setu, quiet, words, status, said):
    rotated(setu, quiet)
    found = setu("rotate", "log", "--config", quiet.config, *words)
    assert (found.status, said in found.err) == (status, True), found.err


def test_strange_log_keys_are_not_guessed_at(setu, quiet, tmp_path):
    setu("keys", "generate", tmp_path / "a", "--for", "log")
    shutil.copy(tmp_path / "a" / "log-ed25519.key", quiet.path / "keys" / "log-ed25519-7.key")
    found = setu("rotate", "log", "--config", quiet.config)
    assert "log-ed25519-7.key" in found.err


def test_without_the_current_keys_nothing_is_made(setu, quiet):
    for each in FIRST:
        (quiet.path / "keys" / each).unlink()
    assert "current keys" in setu("rotate", "log", "--config", quiet.config).err
    assert files(quiet) == set()


def test_a_doctor_sees_what_should_be_gone(setu, quiet):
    kept = {name: (quiet.path / "keys" / name).read_bytes() for name in FIRST}
    rotated(setu, quiet)
    rotated(setu, quiet, "--finish")
    for name, raw in kept.items():
        (quiet.path / "keys" / name).write_bytes(raw)
        (quiet.path / "keys" / name).chmod(0o600)
    found = setu("doctor", "--config", quiet.config, "--json").json()["findings"]
    assert [each["state"] for each in found if each["name"] == "keys"] == ["warning", "ok"]


def test_whoever_took_a_former_pair_signs_no_larger_log(setu, quiet, tmp_path):
    before = row(quiet)
    (thief,) = log_pairs_of(keys_in(quiet.path / "keys"), before)
    rotated(setu, quiet, "--compromised", "--size", "5")
    after = row(quiet)
    made = canonical(entry(time="2026-01-31T12:00:00.000000Z"))
    leaves = [leaf_hash(made)]

    def told(size):
        receipt = make_receipt(
            made, 0, inclusion_path(0, 1, lambda _, n: leaves[n]), thief.sign(size, leaves[0]).decode()
        )
        path = tmp_path / f"{size}.json"
        path.write_bytes(receipt.canonical())
        vkeys = tmp_path / "vkeys"
        vkeys.write_text(setu("audit", "vkey", "--config", quiet.config).out)
        return setu("audit", "verify", path, "--vkey", vkeys, "--json")

    assert judged(thief.sign(6, leaves[0]), before.origin, before.pairs).pairs == (0,)
    with pytest.raises(IntegrityError, match="at most 5 entries"):
        judged(thief.sign(6, leaves[0]), after.origin, after.pairs)
    assert "at most 5 entries" in told(6).err
    assert told(1).json()["signed_by"] == "a former pair of the log's keys, which counts up to 5 entries"
    # A directory says more than keys alone: that the pair was compromised.
    with trusting(config=quiet.config) as trust:
        assert "compromised" in of_head(thief.sign(1, leaves[0]).decode(), trust)["doubt"]


def test_a_sealed_pair_is_followed_by_a_sealed_one(setu, quiet, tmp_path, monkeypatch):
    with closing((tmp_path / "passphrase").open("w+b")) as file:
        file.write(b"six words drawn by dice\n")
        file.flush()
        file.seek(0)
        assert setu("keys", "seal", quiet.path / "keys", "--passphrase-fd", file.fileno()).status == 0
        file.seek(0)
        monkeypatch.setenv("SETU_PASSPHRASE_FD", str(file.fileno()))
        rotated(setu, quiet)
        rotated(setu, quiet, "--finish")
    assert all(is_sealed((quiet.path / "keys" / name).read_bytes()) for name in SECOND | {"cursor-1.key"})


def test_a_destroyed_file_is_written_over_before_it_goes(tmp_path):
    path = tmp_path / "x.key"
    path.write_bytes(b"secret")
    (tmp_path / "other").hardlink_to(path)
    destroy(path)
    assert (path.exists(), (tmp_path / "other").read_bytes()) == (False, bytes(6))
    destroy(path)  # as where another process was quicker
    path.mkdir()
    with pytest.raises(IntegrityError, match="Is a directory"):
        destroy(path)


def test_a_pair_that_stands_in_a_row_already_makes_no_sound_document(quiet):
    document, gateway = current(quiet), quiet.gateway().gateway
    (pair,) = log_pairs_of(keys_in(quiet.path / "keys"), row(quiet))
    with pytest.raises(IntegrityError, match="two verifier keys of one id"):
        check_document(replaced(document, gateway, pair.pair, now=1_790_000_000, days=1))


def test_a_credential_is_left_to_its_unit(quiet, tmp_path):
    keys, granted = quiet.path / "keys", tmp_path / "granted"
    granted.mkdir()
    log, old = row(quiet), {each.name: each for each in keys.glob("log-*.key")}
    for name, path in old.items():
        path.rename(granted / name)
    held = KeyStore(None, granted)
    new = make_pair(keys, log, os.urandom, held)
    after = row_of(
        replaced(current(quiet), "in-setu", new.pair, now=1_790_000_000, days=1, compromised_at=3), "in-setu"
    )
    found = destroy_ended(keys, after, held)
    assert (found.destroyed, sorted(found.granted)) == ([], sorted(granted.iterdir()))
    assert files(quiet) == SECOND | {"cursor-1.key"}


def test_a_process_that_is_named_must_be_there(setu, quiet):
    nobody = f"127.0.0.1:{free_port()}"
    found = setu("rotate", "log", "--config", quiet.config, "--ask", nobody, "--patience", "0.2")
    assert (found.status, f"nothing at {nobody}" in found.err) == (1, True), found.err
    assert row(quiet).former is None
