"""Who is calling: the client certificate, looked up in the directory in force each time it is asked."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from broker.crypto.certificates import dates, uri_of
from broker.errors import CallerError, UnavailableError
from broker.flows.inforce import InForce
from schemas.directory import Agency, AgencyState, Certificate, KeyState, Role
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Caller:
    """An active agency, and the certificate it proved to hold."""

    agency: Agency
    certificate: Certificate

    def has(self, *roles: Role) -> bool:
        return any(role in self.agency.roles for role in roles)

    def require(self, *roles: Role) -> None:
        """Raises CallerError (code `forbidden`) unless the caller holds one of these roles."""
        if not self.has(*roles):
            raise CallerError(
                Code.FORBIDDEN,
                f"Expected a caller in the role {' or '.join(roles)}, found one that is not.",
                advice="Ask the realm's countries for the role, or use a route of your own.",
            )


class Identify:
    """Certificate -> agency. What a certificate says of itself is read once; whether it counts is asked each time."""

    def __init__(self, in_force: InForce, now: Callable[[], float], *, remembered: int = 4096) -> None:
        self._in_force = in_force
        self._now = now
        self._remembered = remembered
        self._facts: dict[str, tuple[str, int, int]] = {}

    def __call__(self, der: bytes | None) -> Caller:
        """The caller that this DER certificate belongs to.

        Raises:
            CallerError: `unknown-agency` (no certificate, not registered, out of its dates, or another URI) or
                `agency-suspended`.
            UnavailableError: this gateway is behind the others, one of which may have suspended the caller.
        """
        if self._in_force.lacking is not None:
            raise UnavailableError("Expected this gateway to go by the directory in force, found that it cannot yet.")
        if self._in_force.behind:
            raise UnavailableError("Expected this gateway's directory and policy in force, found another gateway's.")
        if der is None:
            raise _unknown("found no client certificate")
        fingerprint = hashlib.sha256(der).hexdigest()
        row = self._in_force.view().snapshot.by_certificate(fingerprint)
        if row is None:
            raise _unknown("found one that the directory does not list")
        agency, certificate = row
        uri, not_before, not_after = self._read(fingerprint, der)
        now = self._now()
        if uri != certificate.uri:
            raise _unknown("found one whose URI name is not the registered one")
        if not max(not_before, certificate.not_before) <= now < min(not_after, certificate.not_after):
            raise _unknown("found one outside its dates")
        require_active(agency, certificate)
        return Caller(agency, certificate)

    def _read(self, fingerprint: str, der: bytes) -> tuple[str, int, int]:
        facts = self._facts.get(fingerprint)
        if facts is None:
            not_before, not_after = dates(der)
            facts = (uri_of(der), int(not_before), int(not_after))
            if len(self._facts) >= self._remembered:
                self._facts.clear()
            self._facts[fingerprint] = facts
        return facts


def require_active(agency: Agency, certificate: Certificate) -> None:
    """Raises CallerError (code `agency-suspended`)."""
    if agency.state is not AgencyState.ACTIVE or certificate.state is not KeyState.ACTIVE:
        raise CallerError(
            Code.AGENCY_SUSPENDED,
            "Expected an active agency and certificate, found one that the directory or a deny list suspends.",
            advice="Speak with who keeps your country's part of the directory.",
        )


def _unknown(found: str) -> CallerError:
    return CallerError(
        Code.UNKNOWN_AGENCY,
        f"Expected a client certificate registered in the directory, {found}.",
        advice="Have the certificate's fingerprint enrolled, or use the one that is.",
    )
