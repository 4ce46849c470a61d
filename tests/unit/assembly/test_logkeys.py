"""The log keys of a running process: it follows its keys folder and the directory, and says what it lacks."""

import shutil

import pytest

from broker.assembly.logkeys import LogKeys
from broker.crypto.keyfile import write_key
from broker.crypto.keys import SeedKey
from broker.errors import IntegrityError, UnavailableError
from broker.flows.cursor import Cursors
from broker.merkle.note import LogSigner
from schemas.directory import Log
from tests.builders import ORIGIN, Realm, private_key

REALM = Realm()
OLD = LogSigner(ORIGIN, REALM.log_ed25519, REALM.log_mldsa44)
NEW = LogSigner(ORIGIN, private_key("Ed25519", "new"), private_key("ML-DSA-44", "new"))
FURTHER = LogSigner(ORIGIN, private_key("Ed25519", "further"), private_key("ML-DSA-44", "further"))


def row(current, *former):
    return Log(
        gateway=REALM.gateway,
        origin=ORIGIN,
        ed25519=current.vkeys[0],
        mldsa44=current.vkeys[1],
        former=tuple(each.pair.model_copy(update={"size": size}) for each, size in former) or None,
    )


def directory(log):
    return REALM.with_(document={"logs": [log.to_object()]}).snapshot


def put(folder, name, pair):
    write_key(folder / f"log-ed25519{name}.key", pair.ed25519, "log")
    write_key(folder / f"log-mldsa44{name}.key", pair.mldsa44, "log")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "keys"
    made.mkdir()
    put(made, "", OLD)
    return made


def keys(folder, log=None, **over):
    return LogKeys(folder, REALM.gateway, log or row(OLD), **over)


def signing(found):
    return [each.pair for each in found.signers.signing]


def test_with_others_a_process_whose_token_does_not_answer_signs_nothing(folder):
    class Away(LogKeys):
        def _read(self, log):
            if log != row(OLD):
                raise UnavailableError("Expected the token to answer, found that it does not.")
            return super()._read(log)

    for shared in (True, False):
        found = Away(folder, REALM.gateway, row(OLD), shared=shared)
        with pytest.raises(UnavailableError):
            found.adopting(directory(row(NEW, (OLD, 3))))
        if shared:
            with pytest.raises(UnavailableError, match="current keys"):
                found.signers.sign(4, bytes(32))
        else:
            assert found.signers.sign(4, bytes(32))


def test_a_new_pair_signs_once_it_is_whole(folder):
    found = keys(folder)
    write_key(folder / "log-ed25519-2.key", NEW.ed25519, "log")
    found.look()
    assert signing(found) == [OLD.pair]
    write_key(folder / "log-mldsa44-2.key", NEW.mldsa44, "log")
    found.look()
    assert signing(found) == [OLD.pair, NEW.pair]
    assert len(found.names()) == 2


def test_two_new_pairs_are_none(folder):
    put(folder, "-2", NEW)
    put(folder, "-3", FURTHER)
    assert signing(keys(folder)) == [OLD.pair]


def test_a_file_that_is_not_whole_yet_is_read_at_the_next_look(folder):
    found = keys(folder)
    put(folder, "-2", NEW)
    whole = (folder / "log-ed25519-2.key").read_bytes()
    (folder / "log-ed25519-2.key").write_bytes(whole[:40])
    found.look()
    assert signing(found) == [OLD.pair]
    (folder / "log-ed25519-2.key").write_bytes(whole)
    found.look()
    assert signing(found) == [OLD.pair, NEW.pair]


def test_it_follows_the_directory(folder):
    put(folder, "-2", NEW)
    found = keys(folder)
    found.adopting(directory(row(NEW, (OLD, None))))()
    assert signing(found) == [NEW.pair, OLD.pair]
    in_force = found.adopting(directory(row(NEW, (OLD, 9))))
    assert signing(found) == [NEW.pair, OLD.pair]
    in_force()
    assert signing(found) == [NEW.pair]


def test_the_pair_is_looked_for_when_the_directory_names_it(folder):
    found = keys(folder)
    put(folder, "-2", NEW)
    put(folder, "-3", FURTHER)
    assert signing(found) == [OLD.pair]
    found.adopting(directory(row(NEW, (OLD, None))))()
    assert signing(found) == [NEW.pair, OLD.pair, FURTHER.pair]


@pytest.mark.parametrize("shared", [pytest.param(True, id="shared"), pytest.param(False, id="alone")])
def test_a_directory_whose_pair_is_not_here_is_not_gone_by(folder, shared):
    found = keys(folder, shared=shared)
    with pytest.raises(IntegrityError, match="log keys that the directory names"):
        found.adopting(directory(row(NEW, (OLD, None))))
    if shared:
        with pytest.raises(UnavailableError):
            found.signers.sign(1, bytes(32))
    else:
        assert found.signers.sign(1, bytes(32))
    put(folder, "-2", NEW)
    found.adopting(directory(row(NEW, (OLD, None))))()
    assert found.signers.sign(1, bytes(32)).count(b"\n") == 8


def test_without_the_current_pair_it_does_not_begin(folder):
    with pytest.raises(IntegrityError, match="log keys that the directory names"):
        keys(folder, row(NEW))


def test_a_folder_that_lost_the_current_pair_signs_on(folder):
    found = keys(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    found.look()
    assert signing(found) == [OLD.pair]


def test_cursors_outlive_the_pair_they_were_signed_with(folder):
    put(folder, "-2", NEW)
    found = keys(folder)
    cursors = Cursors(found.cursor_keys)
    before = cursors.write("t", 7)
    kept = found.cursor_keys()[0]
    found.adopting(directory(row(NEW, (OLD, None))))()
    during = cursors.write("t", 8)
    assert (before != during, cursors.read("t", before), cursors.read("t", during)) == (True, 7, 8)
    write_key(folder / "cursor-1.key", SeedKey("Ed25519", kept), "cursor")
    for each in ("log-ed25519.key", "log-mldsa44.key"):
        (folder / each).unlink()
    found.adopting(directory(row(NEW, (OLD, 9))))()
    found.look()
    assert [each.pair for each in found.signers.held] == [NEW.pair]
    assert (cursors.read("t", before), cursors.read("t", during)) == (7, 8)
