"""Where a cluster is, and who one is there."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from broker.crypto.keystore import load_chain
from broker.errors import IntegrityError
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Kafka is and who one is there.

    bootstrap: host:port of one or more nodes. ca, certificate, key: PEM files. cluster: its id, None for any.
    secret: the key's PEM, where the file is sealed.
    """

    bootstrap: tuple[str, ...]
    ca: Path
    certificate: Path
    key: Path
    cluster: str | None = None
    secret: bytes | None = field(default=None, repr=False)

    def tls(self) -> ssl.SSLContext:
        """Mutual TLS 1.3; raises IntegrityError (code `config-invalid`)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(self.ca)
            load_chain(context, self.certificate, self.key, self.secret)
        except (OSError, ssl.SSLError) as error:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected Kafka's CA, a certificate and its key in {self.certificate.parent}, "
                f"found {type(error).__name__}.",
                advice="Mend `kafka` in the settings, or make the files: setu topics certificates.",
            ) from None
        return context
