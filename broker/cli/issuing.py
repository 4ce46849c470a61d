"""What a country's CA does for a request that was checked: one certificate for one key, and a copy of each kept."""

from dataclasses import dataclass
from pathlib import Path

from broker.assembly.keystore import keystore
from broker.cli.inputs import read_bytes
from broker.crypto.certificates import Authority, authority_of, pem_to_der, uri_of, verify_chain
from broker.crypto.requests import CertificateRequest, certified_key, check_issued
from broker.directory.enrol import check_country
from broker.directory.files import write_whole
from broker.errors import IntegrityError, MalformedError, PacketError, SignatureError
from schemas.problem import Code

ISSUED = "issued"
"""The folder of a CA in which every certificate issued here is kept, so that no TLS key gets two."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a certificate is asked for, of which generation, by which request."""

    agency: str
    generation: int
    csr: CertificateRequest


def check_free(*files: Path | None) -> None:
    """Raises MalformedError (code `bad-request`) where one of these new files is there already."""
    for each in files:
        if each is not None and each.exists():
            raise MalformedError(
                Code.BAD_REQUEST, f"Expected no file at {each}, found one.", advice="Name another file."
            )


def certificate_for(asked: Asked, ca: Path, given: Path | None, now: float) -> bytes:
    """Issued here, or elsewhere (`given`) and checked; PEM. Nothing else is issued than the request asks for.

    Raises:
        IntegrityError: code `config-invalid`; no CA. SignatureError: code `sender-mismatch`; another country's CA, or a
            certificate of another agency, key or generation. PacketError: code `id-conflict`; a key that has one.
    """
    try:
        cas = (ca / "ca.pem").read_bytes()
    except OSError:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a CA's certificate at {ca / 'ca.pem'}, found none that can be read.",
            advice="Name the folder of the agency's country's CA.",
        ) from None
    check_country(asked.agency, authority_of(cas))
    pem = read_bytes(given) if given is not None else _issued_before(asked, ca)
    if pem is None:
        authority = Authority.load(ca / "ca.pem", ca / "ca.key", keystore().read)
        return authority.certify_client(asked.agency, asked.generation, asked.csr.key, now=now)
    check_issued(pem, asked.csr, asked.agency)
    if uri_of(pem_to_der(pem)) != f"urn:setu:agency:{asked.agency}:g{asked.generation}":
        raise SignatureError(
            Code.SENDER_MISMATCH,
            f"Expected a certificate of generation {asked.generation}, found one of another.",
            advice="Have the certificate issued for the request that the agency made.",
        )
    verify_chain(pem_to_der(pem), cas, now)
    return pem


def keep_issued(ca: Path, asked: Asked, pem: bytes) -> None:
    """Keep a copy beside the CA."""
    folder = ca / ISSUED
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = folder / f"{asked.agency}.g{asked.generation}.{asked.csr.fingerprint[:8]}.pem"
    write_whole(kept, pem)  # half a certificate would stand in the way of every later one


def _issued_before(asked: Asked, ca: Path) -> bytes | None:
    """The certificate of a request that comes again, since a version that was staged is not always signed."""
    for path in sorted((ca / ISSUED).glob("*.pem")):
        pem = path.read_bytes()
        if certified_key(pem) == asked.csr.fingerprint:
            if not path.name.startswith(f"{asked.agency}.g{asked.generation}."):
                raise PacketError(
                    Code.ID_CONFLICT,
                    f"Expected a TLS key that has no certificate yet, found that of {path.name}.",
                    advice="Have the agency make new keys, and ask how it came by that one.",
                )
            return pem
    return None
