"""A TLS certificate and its private key, in two files that are replaced while they are in use.

The next key lies beside the one in use, under its name and `.next`, until its certificate is in place. So whoever reads
the two files at any moment, and after a crash, finds a key that fits: the one, or the next.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from broker.crypto.certificates import dates, pem_to_der
from broker.crypto.keyfile import Stamp, stamp_of_files
from broker.crypto.keystore import KeyStore, load_chain
from broker.errors import IntegrityError
from schemas.problem import Code

TRIES = 3
"""Times that both files are read; a replacement may pass between the two."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate (PEM, with what it is issued under) and the key that fits it (PEM)."""

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def ends(self) -> float:
        """When it ends, unix seconds."""
        return dates(pem_to_der(self.certificate))[1]

    def load(self, context: ssl.SSLContext) -> None:
        """Into a context, through memory alone; handshakes that begin later use it.

        Call it where no other thread uses the context: for a moment it has a certificate and no key.

        Raises:
            OSError, ssl.SSLError: as `ssl.SSLContext.load_cert_chain`.
        """
        with _in_memory(self.certificate) as certificate:
            load_chain(context, certificate, certificate, self.key)

    def fits(self) -> bool:
        """Whether it is a pair."""
        try:
            self.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except ssl.SSLError:
            return False
        return True


def next_of(key: Path) -> Path:
    """Where the next key lies until its certificate is in place."""
    return key.with_name(f"{key.name}.next")


def read_chain(keys: KeyStore, certificate: Path, key: Path) -> Chain:
    """The certificate in place, and the key or the next key, whichever fits.

    Raises:
        IntegrityError: code `config-invalid`; neither fits, or one of them cannot be read.
        OSError: there is no certificate that can be read.
    """
    for _ in range(TRIES):
        pem = certificate.read_bytes()
        for place in (key, next_of(key)):
            if place is not key and not place.exists():
                continue
            made = Chain(pem, keys.read(place))
            if made.fits():
                return made
    raise IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected a PEM certificate in {certificate.name} and its private key in {key.name}, found another pair.",
        advice="Name the two files that were issued together, or issue both anew.",
    )


def stamp_of(certificate: Path, key: Path) -> Stamp:
    """Changes when one of the files is replaced."""
    return stamp_of_files(certificate, key, next_of(key))


@contextmanager
def _in_memory(content: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create("setu", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
