import ssl

import pytest
from cryptography import x509

from broker.crypto.certificates import (
    Authority,
    Issued,
    dates,
    directory_row,
    fingerprint,
    pem_to_der,
    uri_of,
    verify_chain,
)
from broker.errors import CallerError, IntegrityError
from schemas.problem import Code
from tests.builders import FROM, NOW, UNTIL, authority, client_certificate

DAY = 86_400


@pytest.fixture(scope="module")
def own():
    return Authority.create("IND", now=NOW)


@pytest.fixture(scope="module")
def client(own):
    return own.issue_client("in-ncb", 3, now=NOW, days=30)


def stranger(call, *arguments):
    with pytest.raises(CallerError) as found:
        call(*arguments)
    assert found.value.code is Code.UNKNOWN_AGENCY


def test_what_a_client_certificate_says(client):
    certificate = x509.load_der_x509_certificate(client.der)
    assert uri_of(client.der) == "urn:setu:agency:in-ncb:g3"
    assert certificate.subject.rfc4514_string() == "CN=in-ncb.g3,OU=agency,O=Setu"
    start, end = dates(client.der)
    assert start <= NOW < end
    assert end - start == 30 * DAY


def test_the_directorys_row(client):
    row = directory_row(client.der)
    assert (row.sha256, row.uri) == (fingerprint(client.der), "urn:setu:agency:in-ncb:g3")
    assert (row.not_before, row.not_after) == dates(client.der)


def test_a_chain_to_one_of_the_countries(own, client):
    both = Authority.create("USA", now=NOW).issued.certificate + own.issued.certificate
    verify_chain(client.der, both, NOW)


def test_another_authority(client):
    stranger(verify_chain, client.der, Authority.create("IND", now=NOW).issued.certificate, NOW)


@pytest.mark.parametrize("at", [NOW - DAY, NOW + 31 * DAY, NOW + 5000 * DAY], ids=["early", "late", "years late"])
def test_outside_its_dates(own, client, at):
    stranger(verify_chain, client.der, own.issued.certificate, at)


def test_a_servers_certificate_is_no_clients(own):
    server = own.issue_server("gateway", ["gateway.example"], now=NOW)
    stranger(verify_chain, server.der, own.issued.certificate, NOW)


def test_the_authority_itself_is_no_client(own):
    stranger(verify_chain, own.issued.der, own.issued.certificate, NOW)
    stranger(uri_of, own.issued.der)


def test_a_client_is_no_authority(own, client):
    """Whoever holds a client key cannot issue certificates with it."""
    inner = Authority(client).issue_client("us-dea", 1, now=NOW)
    stranger(verify_chain, inner.der, own.issued.certificate, NOW)


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"x" * 400], ids=["empty", "a sequence", "noise"])
def test_not_a_certificate(own, der):
    for call in (uri_of, dates, directory_row):
        stranger(call, der)
    stranger(verify_chain, der, own.issued.certificate, NOW)


def test_a_bent_signature(own, client):
    stranger(verify_chain, client.der[:-1] + bytes([client.der[-1] ^ 1]), own.issued.certificate, NOW)


def test_an_authoritys_files(tmp_path, own):
    own.issued.save(tmp_path / "ca.pem", tmp_path / "ca.key")
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    again = Authority.load(tmp_path / "ca.pem", tmp_path / "ca.key")
    verify_chain(again.issue_client("in-ncb", 1, now=NOW).der, own.issued.certificate, NOW)


def test_an_authoritys_key_open_to_others(tmp_path, own):
    own.issued.save(tmp_path / "ca.pem", tmp_path / "ca.key")
    (tmp_path / "ca.key").chmod(0o644)
    with pytest.raises(IntegrityError):
        Authority.load(tmp_path / "ca.pem", tmp_path / "ca.key")


def test_an_authority_that_is_none(tmp_path, own):
    other = Authority.create("USA", now=NOW).issued
    for issued in (
        Issued(own.issued.certificate, other.key),
        Issued(b"x", own.issued.key),
        Issued(other.certificate, b""),
    ):
        with pytest.raises(IntegrityError) as found:
            Authority(issued)
        assert found.value.code is Code.CONFIG_INVALID
    with pytest.raises(IntegrityError):
        Authority.load(tmp_path / "none.pem", tmp_path / "none.key")
    with pytest.raises(IntegrityError):
        pem_to_der(b"x")
    with pytest.raises(IntegrityError):
        verify_chain(own.issued.der, b"no PEM", NOW)


def test_a_key_is_not_shown(client):
    assert "PRIVATE" not in repr(client)


def test_tls_takes_them_strictly(tmp_path):
    """TLS 1.3 in memory with VERIFY_X509_STRICT on both sides, as the gateway asks for it."""
    ca, client = authority("in"), client_certificate("in-ncb")
    server = ca.issue_server("gateway", ["localhost", "127.0.0.1"], now=FROM, days=(UNTIL - FROM) // DAY - 1)
    (tmp_path / "ca.pem").write_bytes(ca.issued.certificate)
    server.save(tmp_path / "server.pem", tmp_path / "server.key")
    client.save(tmp_path / "client.pem", tmp_path / "client.key")
    sides = []
    for name, protocol in (("client", ssl.PROTOCOL_TLS_CLIENT), ("server", ssl.PROTOCOL_TLS_SERVER)):
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(tmp_path / "ca.pem")
        context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        sides.append(context)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = sides[0].wrap_bio(down, up, server_hostname="127.0.0.1")
    gateway = sides[1].wrap_bio(up, down, server_side=True)
    for _ in range(3):
        for side in (caller, gateway):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert gateway.getpeercert(binary_form=True) == client.der
