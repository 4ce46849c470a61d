"""What the checks of gateways and of agencies' own set-ups have in common."""

import hashlib
import json
import ssl
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from broker.assembly.keystore import keystore
from broker.cli.findings import Finding, State
from broker.crypto.chain import read_chain
from broker.errors import IntegrityError
from schemas.problem import Code


def pair_fault(certificate: Path, key: Path) -> str | None:
    """Why a certificate and a key, both PEM, cannot be used together; None where they can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with suppress(IntegrityError):
        read_chain(keystore(), certificate, key)
        return None
    try:
        keystore().load_chain(context, certificate, key)
    except ssl.SSLError as error:
        return "another certificate's" if error.reason == "KEY_VALUES_MISMATCH" else "no PEM of such a pair"
    return None


def foreign_root(name: str, pinned: bytes, served: bytes) -> Finding:
    """Where the first root that is pinned and the one that is served are two."""
    ours, theirs = (hashlib.sha384(each).hexdigest()[:16] for each in (pinned, served))
    return Finding(
        name,
        State.BAD,
        f"Expected the directory of the realm whose first root is pinned ({ours}...), found another realm's "
        f"({theirs}...).",
        "Compare both with the fingerprint that the countries told you by voice; pin the right root, or use the "
        "right realm's repository or gateway.",
    )


def expiry_of(metadata: bytes, name: str) -> str:
    """Until when TUF metadata say that they are good (RFC 3339); nothing of them is verified. `name`: for what is said.

    Raises:
        IntegrityError: code `directory-invalid`; they are none.
    """
    try:
        found = str(json.loads(metadata)["signed"]["expires"])
        datetime.fromisoformat(found)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            f"Expected TUF metadata in {name}, found something else.",
            advice="Restore the repository's folder from its backup, or ask the operator for a copy.",
        ) from None
    return found


def is_past(expires: str, now: float) -> bool:
    """Whether a TUF expiry (RFC 3339) has passed."""
    return datetime.fromisoformat(expires).timestamp() <= now


def stale_timestamp(name: str, expires: str, advice: str) -> Finding:
    """Where the timestamp (TUF, section 2.1.4) has expired."""
    return Finding(
        name,
        State.BAD,
        f"Expected a timestamp of the directory that is good now, found one that expired at {expires}.",
        advice,
    )
