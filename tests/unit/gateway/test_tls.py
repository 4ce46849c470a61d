import contextlib
import ssl
import time
from pathlib import Path

import pytest

from broker.crypto.certificates import Authority, Issued, fingerprint
from broker.errors import IntegrityError
from broker.gateway.tls import ServerCertificate, server_context
from schemas.problem import Code


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    authority = Authority.create("USA", now=time.time())
    found = tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem"
    authority.issue_server("gateway", ["localhost"], now=time.time()).save(*found[:2])
    found[2].write_bytes(authority.issued.certificate)
    return found


def test_the_context_is_as_strict_as_the_design_has_it(files: tuple[Path, Path, Path]) -> None:
    context = server_context(*files)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.num_tickets == 0
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666])
def test_a_key_that_others_can_read_refuses_to_start(files: tuple[Path, Path, Path], mode: int) -> None:
    files[1].chmod(mode)
    with pytest.raises(IntegrityError, match=f"mode {mode:04o}") as caught:
        server_context(*files)
    assert caught.value.code is Code.CONFIG_INVALID


def test_a_key_that_is_no_file_refuses_to_start(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(IntegrityError) as caught:
            server_context(files[0], path, files[2])
        assert caught.value.code is Code.CONFIG_INVALID


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_file_that_is_no_pem_is_named_and_not_quoted(files: tuple[Path, Path, Path], which: int) -> None:
    files[which].write_text("s3cr3t")
    with pytest.raises(IntegrityError) as caught:
        server_context(*files)
    assert files[which].name in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def replace(files: tuple[Path, Path, Path], authority: Authority) -> Issued:
    issued = authority.issue_server("gateway", ["localhost"], now=time.time(), days=30)
    for path, content in zip(files, (issued.certificate, issued.key), strict=False):
        path.write_bytes(content)
    return issued


async def shown(context: ssl.SSLContext) -> str:
    """The certificate that a client is shown, SHA-256."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    (a_in, a_out), (b_in, b_out) = ((ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2))
    theirs, ours = client.wrap_bio(a_in, a_out), context.wrap_bio(b_in, b_out, server_side=True)
    for _ in range(4):
        for each in (theirs, ours):
            with contextlib.suppress(ssl.SSLError):
                each.do_handshake()
            b_in.write(a_out.read())
            a_in.write(b_out.read())
    found = theirs.getpeercert(binary_form=True)
    assert found is not None
    return fingerprint(found)


async def test_a_certificate_that_was_replaced_is_shown_to_new_connections(files: tuple[Path, Path, Path]) -> None:
    served = ServerCertificate(*files)
    first, end = await shown(served.context), served.ends
    await served.look()
    assert await shown(served.context) == first
    issued = replace(files, Authority.create("USA", now=time.time()))
    await served.look()
    assert await shown(served.context) == fingerprint(issued.der) != first
    assert served.ends < end


async def test_files_that_do_not_fit_leave_in_use_what_is(files: tuple[Path, Path, Path]) -> None:
    served = ServerCertificate(*files)
    first = await shown(served.context)
    files[0].write_bytes(Authority.create("USA", now=time.time()).issued.certificate)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="another pair"):
            await served.look()
    assert await shown(served.context) == first
