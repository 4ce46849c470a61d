"""Certificate requests and the certificates that come of them."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID

from broker.crypto import bundle
from broker.crypto.certificates import authority_of, client_names, directory_row, pem_to_der, verify_chain
from broker.crypto.requests import certified_key, check_issued, new_tls_key, read_request, request_certificate
from broker.errors import IntegrityError, PacketError
from tests.builders import NOW, authority, client_certificate

BOUND = "b" * 64
KEY = new_tls_key()


def refused(der, code):
    with pytest.raises(PacketError) as found:
        read_request(der, "us-tst", 1, BOUND)
    assert found.value.code == code, str(found.value)


NAME = x509.ObjectIdentifier("1.2.840.113549.1.9.2")
"""PKCS #9 unstructuredName."""


def made(key=None, *, agency="us-tst", binding=BOUND, extensions=(), subject=None, names=None, attributes=()):
    found, san = client_names(agency, 1)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject or found)
        .add_extension(x509.SubjectAlternativeName(names or [san]), critical=False)
    )
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    if binding is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, binding.encode())
    for oid in attributes:
        builder = builder.add_attribute(oid, b"more")
    key = key or ec.generate_private_key(ec.SECP256R1())
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()).public_bytes(
        Encoding.DER
    )


def test_a_good_request_becomes_a_client_certificate_and_nothing_more():
    request = read_request(request_certificate(KEY, "us-tst", 1, BOUND), "us-tst", 1, BOUND)
    pem = authority("us").certify_client("us-tst", 1, request.key, now=NOW, days=30)
    found = x509.load_pem_x509_certificate(pem)
    assert directory_row(pem_to_der(pem)).uri == "urn:setu:agency:us-tst:g1"
    assert list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    verify_chain(pem_to_der(pem), authority("us").issued.certificate, NOW)
    check_issued(pem, KEY, "us-tst")
    check_issued(pem, request, "us-tst")
    assert certified_key(pem) == request.fingerprint


def off_the_curve():
    """The request's point, changed so that it is none of P-256."""
    der = bytearray(request_certificate(KEY, "us-tst", 1, BOUND))
    at = der.index(bytes.fromhex("03420004")) + 4 + 40
    der[at] ^= 1
    return bytes(der)


@pytest.mark.parametrize(
    ("der", "code"),
    [
        pytest.param(off_the_curve, "key-unknown", id="p256-off-the-curve"),
        pytest.param(lambda: b"", "key-unknown", id="nothing"),
        pytest.param(lambda: made(ec.generate_private_key(ec.SECP384R1())), "key-unknown", id="another-curve"),
        pytest.param(lambda: made(ed25519.Ed25519PrivateKey.generate()), "key-unknown", id="another-algorithm"),
        pytest.param(lambda: made(agency="us-dea"), "sender-mismatch", id="another-agency"),
        pytest.param(lambda: made(subject=client_names("us-dea", 1)[0]), "sender-mismatch", id="another-subject"),
        pytest.param(lambda: made(names=[x509.DNSName("setu.example")]), "sender-mismatch", id="a-host-name"),
        pytest.param(
            lambda: made(names=[client_names("us-tst", 1)[1], client_names("us-dea", 1)[1]]),
            "sender-mismatch",
            id="a-second-name",
        ),
        pytest.param(lambda: made(binding="c" * 64), "signature-invalid", id="bound-to-other-keys"),
        pytest.param(lambda: made(binding=None), "envelope-invalid", id="bound-to-nothing"),
        pytest.param(lambda: made(attributes=[NAME]), "envelope-invalid", id="an-attribute-beside"),
        pytest.param(
            lambda: made(extensions=[x509.BasicConstraints(ca=True, path_length=None)]),
            "envelope-invalid",
            id="wants-to-be-an-authority",
        ),
        pytest.param(
            lambda: made(extensions=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]),
            "envelope-invalid",
            id="wants-to-be-a-server",
        ),
    ],
)
def test_requests_that_are_refused(der, code):
    refused(der(), code)


def test_a_certificate_for_anothers_key_or_of_another_agency():
    mine = authority("us").certify_client("us-tst", 1, read_request(made(), "us-tst", 1, BOUND).key, now=NOW, days=9)
    for pem, key in ((mine, KEY), (client_certificate("us-dea").certificate, client_certificate("us-dea").key)):
        with pytest.raises(PacketError) as found:
            check_issued(pem, key, "us-tst")
        assert found.value.code == "sender-mismatch"
    with pytest.raises(IntegrityError):
        check_issued(b"tea", KEY, "us-tst")


def test_whose_authority_it_is():
    assert [authority_of(authority(each).issued.certificate) for each in ("in", "us")] == ["IND", "USA"]
    with pytest.raises(IntegrityError):
        authority_of(b"tea")


def test_a_pkcs12_file_opens_with_its_password_alone():
    issued = client_certificate("us-dea")
    made = bundle.pkcs12(issued.certificate, issued.key, b"a good password", "us-dea", rounds=1000)
    found = pkcs12.load_pkcs12(made, b"a good password")
    assert found.cert.friendly_name == b"us-dea"
    assert found.cert.certificate.public_bytes(Encoding.PEM) == issued.certificate
    assert found.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) == issued.key
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(made, b"another")


def test_a_pkcs12_file_of_two_that_do_not_belong_together():
    with pytest.raises(IntegrityError, match="for this private key"):
        bundle.pkcs12(client_certificate("us-dea").certificate, KEY, b"a good password", "x")
    with pytest.raises(IntegrityError, match="PEM"):
        bundle.pkcs12(b"tea", KEY, b"a good password", "x")
