"""The next certificate of a server, put in place while the one before it is in use."""

import os
import shutil
import stat

import pytest

from broker.assembly.tls import Place, check_issuer, install_next, issue_next, request_next
from broker.crypto.certificates import Authority, hosts_of, pem_to_der
from broker.crypto.chain import next_of, read_chain
from broker.crypto.keystore import KeyStore
from broker.crypto.servers import common_name
from broker.errors import IntegrityError
from schemas.problem import Code
from tests.unit.crypto.signing import signed_server

NOW = 1_790_000_000
AUTHORITY, OTHER = (Authority.create(each, now=NOW) for each in ("IND", "USA"))
CA = AUTHORITY.issued.certificate
HOSTS = ("gateway.example", "127.0.0.1")
FIRST = AUTHORITY.issue_server("in-setu.g1", HOSTS, now=NOW, days=30)
CLIENT = AUTHORITY.issue_client("in-setu", 9, now=NOW, unit="gateway")


def put(folder, issued, hosts=HOSTS):
    place = Place("server", folder / "server.pem", folder / "server.key", hosts)
    issued.save(place.certificate, place.key)
    return place


@pytest.fixture
def place(tmp_path):
    return put(tmp_path, FIRST)


def files(place):
    return {path.name: path.read_bytes() for path in place.certificate.parent.iterdir()}


def test_the_next_is_for_the_same_names_with_another_key(place):
    pem = issue_next(place, AUTHORITY, now=NOW, days=60)
    chain = read_chain(KeyStore(), place.certificate, place.key)
    assert (chain.certificate, chain.key == FIRST.key) == (pem, False)
    assert set(hosts_of(pem_to_der(pem))) == set(HOSTS)
    assert common_name(pem_to_der(pem)) == "in-setu.g2"
    assert stat.S_IMODE(place.key.stat().st_mode) == 0o600
    assert sorted(files(place)) == ["server.key", "server.pem"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_puts_in_place_is_whose_the_folder_is(place):
    os.chown(place.certificate.parent, 12_345, 12_345)
    issue_next(place, AUTHORITY, now=NOW, days=60)
    assert {path.stat().st_uid for path in (place.certificate, place.key)} == {12_345}


def test_a_host_that_the_settings_name_comes_in(place):
    wider = Place("server", place.certificate, place.key, (*HOSTS, "new.example"))
    assert "new.example" in hosts_of(pem_to_der(issue_next(wider, AUTHORITY, now=NOW, days=60)))


def test_a_gateways_way_to_the_guard(tmp_path):
    place = put(tmp_path, CLIENT, ())
    pem = issue_next(place, AUTHORITY, now=NOW, days=60)
    assert common_name(pem_to_der(pem)) == "in-setu.g10"
    assert hosts_of(pem_to_der(pem)) == ()


def test_the_old_private_key_is_overwritten(place, tmp_path):
    beside = tmp_path / "beside"
    beside.hardlink_to(place.key)
    issue_next(place, AUTHORITY, now=NOW, days=60)
    assert FIRST.key[:40] not in beside.read_bytes()


def test_an_authority_elsewhere(place):
    request = request_next(place)
    assert read_chain(KeyStore(), place.certificate, place.key).key == FIRST.key
    pem = signed_server(AUTHORITY, request, NOW)
    install_next(place, pem, CA, now=NOW)
    assert read_chain(KeyStore(), place.certificate, place.key).certificate == pem
    assert sorted(files(place)) == ["server.key", "server.pem"]


def test_a_replacement_that_was_cut_off_is_finished_by_the_next(place):
    request = request_next(place)
    place.certificate.write_bytes(signed_server(AUTHORITY, request, NOW))
    issue_next(place, AUTHORITY, now=NOW, days=60)
    assert sorted(files(place)) == ["server.key", "server.pem"]
    assert read_chain(KeyStore(), place.certificate, place.key).fits()


REFUSED = [
    pytest.param(lambda p: request_next(p) and request_next(p), "no other key to wait", id="a-request-waits"),
    pytest.param(
        lambda p: request_next(p) and issue_next(p, AUTHORITY, now=NOW, days=60), "no other key to wait", id="issued-while-one-waits"
    ),
    pytest.param(
        lambda p: install_next(p, AUTHORITY.issue_server("x", HOSTS, now=NOW).certificate, CA, now=NOW),
        r"for the key in server.key.next, found none",
        id="no-request-was-made",
    ),
    pytest.param(
        lambda p: request_next(p) and install_next(p, AUTHORITY.issue_server("x", HOSTS, now=NOW).certificate, CA, now=NOW),
        "one for another key",
        id="for-another-key",
    ),
    pytest.param(
        lambda p: install_next(p, signed_server(OTHER, request_next(p), NOW), CA, now=NOW), "does not verify", id="another-authority"
    ),
    pytest.param(
        lambda p: install_next(p, signed_server(AUTHORITY, request_next(p), NOW), CA, now=NOW + 400 * 86_400),
        "does not verify",
        id="past-its-dates",
    ),
    pytest.param(
        lambda p: install_next(p, AUTHORITY.issue_server("x", HOSTS[:1], now=NOW).certificate, CA, now=NOW),
        "the host name 127.0.0.1",
        id="a-name-is-missing",
    ),
    pytest.param(
        lambda p: install_next(p, AUTHORITY.issue_node("x", HOSTS, now=NOW).certificate, CA, now=NOW), "same use", id="for-more-uses"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("attempt", "fault"), REFUSED)
def test_nothing_is_put_in_place_but_what_follows(place, attempt, fault):
    with pytest.raises(IntegrityError, match=fault) as refused:
        attempt(place)
    assert refused.value.code is Code.CONFIG_INVALID
    assert (place.certificate.read_bytes(), place.key.read_bytes()) == (FIRST.certificate, FIRST.key)


def test_an_authority_that_did_not_issue_the_one_in_place_is_refused(place):
    check_issuer(place, CA, NOW)
    check_issuer(place, CA, NOW + 400 * 86_400)
    with pytest.raises(IntegrityError, match="does not verify"):
        check_issuer(place, OTHER.issued.certificate, NOW)


def test_where_nothing_is_in_place_nothing_follows(place):
    shutil.move(place.certificate, place.certificate.with_suffix(".away"))
    with pytest.raises(OSError, match="No such file"):
        issue_next(place, AUTHORITY, now=NOW, days=60)
    assert not next_of(place.key).exists()
