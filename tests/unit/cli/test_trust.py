"""What people may believe beforehand, and what they must say for it."""

import pytest
import typer

from broker.assembly.realm import local_directory
from broker.cli.trust import Given, trusting, vkey_lines
from broker.errors import IntegrityError, MalformedError
from broker.merkle.note import LogSigner
from schemas.problem import Code
from tests.builders import private_key
from tests.unit.cli.exchange import Exchange, realm_with_log


def vkeys_of(log):
    return f"{log.ed25519}\n{log.mldsa44}\n".encode()


def test_a_gateways_own_directory(made):
    with trusting(config=made.config) as trust:
        assert trust.gateway == "in-setu"
        assert trust.named().current().ref == local_directory(made.gateway()).current().ref
        assert trust.log == trust.named().current().log("in-setu")


def test_a_repository_is_verified_from_its_root(made):
    with trusting(directory=made.path / "directory") as trust:
        assert trust.named().realm == local_directory(made.gateway()).realm
        assert trust.gateway == "in-setu"


def test_a_document_is_trusted_as_it_is(write):
    realm = realm_with_log()
    with trusting(directory=write("d.json", realm.snapshot.raw)) as trust:
        assert trust.named().current().ref == realm.snapshot.ref
        assert trust.named().realm == ""


def test_the_logs_keys_alone(write):
    log = Exchange().log
    with trusting(vkeys=[write("vkeys", vkeys_of(log))]) as trust:
        assert (trust.log.origin, trust.log.ed25519, trust.log.mldsa44) == (log.origin, log.ed25519, log.mldsa44)
        with pytest.raises(typer.BadParameter, match="agencies' keys"):
            trust.named()


def test_the_logs_keys_in_two_files_and_any_order(write):
    log = Exchange().log
    files = [write("a", log.mldsa44.encode()), write("b", log.ed25519.encode())]
    with trusting(vkeys=files) as trust:
        assert (trust.log.ed25519, trust.log.mldsa44) == (log.ed25519, log.mldsa44)


FIRST, SECOND = (LogSigner("log.setu.example/in", private_key("Ed25519", n), private_key("ML-DSA-44", n)) for n in "ab")


def test_former_pairs_come_after_the_current_one(write):
    log = Exchange().log
    former = (FIRST.pair, SECOND.pair.model_copy(update={"size": 7}))
    text = "\n".join(vkey_lines(log.model_copy(update={"former": former})))
    with trusting(vkeys=[write("vkeys", f"{text}\n".encode())]) as trust:
        assert trust.log.pairs == (*log.pairs, *former)


def former_of(*words):
    return lambda log: vkeys_of(log) + "\n".join(words).encode()


def test_keys_from_paper_stand_above_the_directorys(made, write):
    log = Exchange().log
    with trusting(config=made.config, vkeys=[write("vkeys", vkeys_of(log))]) as trust:
        assert trust.log.origin == log.origin


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda log: log.ed25519.encode(), id="one-kind-only"),
        pytest.param(lambda log: f"{log.ed25519}\n{log.ed25519}".encode(), id="one-kind-twice"),
        pytest.param(lambda log: vkeys_of(log).replace(b"log.setu", b"log.other", 1), id="two-logs"),
        pytest.param(lambda log: vkeys_of(log) + b"more", id="something-more"),
        pytest.param(former_of(*FIRST.vkeys, "size"), id="a-size-of-nothing"),
        pytest.param(former_of(*FIRST.vkeys, "size", "-1"), id="a-size-below-nothing"),
        pytest.param(former_of("size", "3"), id="a-size-of-the-current-pair"),
        pytest.param(former_of(*FIRST.vkeys, FIRST.vkeys[0]), id="half-a-former-pair"),
        pytest.param(former_of(*FIRST.vkeys, *FIRST.vkeys), id="a-former-pair-twice"),
        pytest.param(lambda _: b"", id="nothing"),
        pytest.param(lambda _: b"\xff", id="no-text"),
    ],
)
def test_what_are_no_keys_of_one_log_is_refused(write, change):
    with pytest.raises(IntegrityError) as caught, trusting(vkeys=[write("vkeys", change(Exchange().log))]):
        pass
    assert caught.value.code is Code.LOG_INVALID


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"{}", id="no-directory"),
        pytest.param(b"[", id="no-json"),
        pytest.param(b"\xff", id="no-text"),
    ],
)
def test_what_is_no_directory_is_refused(write, content):
    with pytest.raises(IntegrityError) as caught, trusting(directory=write("d.json", content)):
        pass
    assert caught.value.code is Code.DIRECTORY_INVALID


def test_an_unsound_document_is_refused(write):
    realm = realm_with_log()
    document = realm.directory.to_object()
    document["agencies"][0]["clients"] = ["xx-nobody"]
    with pytest.raises(IntegrityError, match="sound"), trusting(directory=write("d.json", document)):
        pass


def test_somebody_must_be_trusted():
    with pytest.raises(typer.BadParameter, match="whom you trust"), trusting():
        pass


def test_one_directory_at_a_time(made, write):
    with pytest.raises(typer.BadParameter, match="several"), trusting(config=made.config, directory=write("d", {})):
        pass


def test_a_given_document_knows_no_other_version():
    snapshot = realm_with_log().snapshot
    given = Given(snapshot)
    assert given.at(snapshot.ref.version) is given.refresh() is given.current() is snapshot
    with pytest.raises(IntegrityError, match="version 9"):
        given.at(9)


def test_a_document_of_any_size_is_not_read_whole(tmp_path):
    path = tmp_path / "directory.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(MalformedError) as caught, trusting(directory=path):
        pass
    assert caught.value.code is Code.TOO_LARGE
