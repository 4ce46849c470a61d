"""The next certificate of a gateway, of its way to the guard, or of a guard, put in place while it is in use."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.assembly.keystore import keystore
from broker.config import GatewaySettings, GuardSettings
from broker.crypto.certificates import Authority, Issued, dates, hosts_of, pem_to_der
from broker.crypto.chain import Chain, next_of, read_chain
from broker.crypto.keyfile import sync
from broker.crypto.servers import check_authority, check_next, common_name, request_like
from broker.directory.files import write_whole
from broker.errors import IntegrityError
from schemas.problem import Code

GENERATION = ".g"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a certificate and its key are. hosts: names that it must have; none for a client's."""

    what: str
    certificate: Path
    key: Path
    hosts: tuple[str, ...] = ()

    @property
    def before(self) -> bytes:
        """The certificate in place, DER. Raises OSError, IntegrityError."""
        return pem_to_der(self.certificate.read_bytes())


def gateway_places(settings: GatewaySettings) -> list[Place]:
    """The listener's, where the gateway ends TLS; and the one with which it goes to the shared guard, where it does."""
    paths, found = settings.paths, []
    if settings.listen.socket is None:
        pair = settings.at(paths.certificate), settings.at(paths.certificate_key)
        found.append(Place("server", *pair, hosts=settings.listen.hosts))
    if settings.guard is not None:
        pair = settings.at(settings.guard.certificate), settings.at(settings.guard.certificate_key)
        found.append(Place("guard-client", *pair))
    return found


def guard_place(settings: GuardSettings) -> Place:
    return Place("guard", settings.at(settings.certificate), settings.at(settings.certificate_key))


def check_issuer(place: Place, cas: bytes, now: float) -> None:
    """Refuse an authority that did not issue what is in place: those who connect may not trust it.

    Raises:
        IntegrityError: code `config-invalid`.
        OSError: there is no certificate in place.
    """
    begins, ends = dates(place.before)
    check_authority(place.certificate.read_bytes(), cas, max(begins, min(now, ends - 1)))


def issue_next(place: Place, authority: Authority, *, now: float, days: int) -> bytes:
    """A new key and a certificate for the names of the one in place, put there; the certificate, PEM.

    Raises:
        IntegrityError: code `config-invalid`; nothing was changed.
        OSError: there is no certificate in place.
    """
    before, cas = place.before, authority.issued.certificate
    issued = _issued(place, before, authority, now, days)
    check_next(issued.certificate, before, cas, place.hosts, now)
    _keep_next(place, issued.key)
    put_in_place(place, issued.certificate)
    return issued.certificate


def request_next(place: Place) -> bytes:
    """A new key beside the one in place, and a request (PKCS #10, PEM) for the same names; raises as `issue_next`."""
    request, key = request_like(place.before)
    _keep_next(place, key)
    return request


def install_next(place: Place, pem: bytes, cas: bytes, *, now: float) -> None:
    """Put the certificate in place that was issued for `request_next`; raises as `issue_next`."""
    check_next(pem, place.before, cas, place.hosts, now)
    waiting = next_of(place.key)
    if not waiting.exists() or not Chain(pem, keystore().read(waiting)).fits():
        raise _refused(
            f"a certificate for the key in {waiting.name}", "none" if not waiting.exists() else "one for another key"
        )
    put_in_place(place, pem)


def put_in_place(place: Place, pem: bytes) -> None:
    """The certificate first: until the next key has the name of the one in use, readers find it as the next. The old
    key is overwritten; what a disk, a snapshot or a backup kept of it stays there.
    """
    write_whole(place.certificate, pem)
    old = os.open(place.key, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        next_of(place.key).replace(place.key)
        sync(place.key.parent)
        os.write(old, bytes(os.fstat(old).st_size))
        os.fsync(old)
    finally:
        os.close(old)


def _issued(place: Place, before: bytes, authority: Authority, now: float, days: int) -> Issued:
    name = _following(common_name(before))
    if hosts := list(dict.fromkeys((*hosts_of(before), *place.hosts))):
        return authority.issue_server(name, hosts, now=now, days=days)
    owner, _, number = name.rpartition(GENERATION)
    return authority.issue_client(owner, int(number), now=now, unit="gateway", days=days)


def _following(name: str) -> str:
    """`in-setu.g1` -> `in-setu.g2`; another form stays."""
    owner, _, number = name.rpartition(GENERATION)
    return f"{owner}{GENERATION}{int(number) + 1}" if owner and number.isdecimal() else name


def _keep_next(place: Place, key: bytes) -> None:
    """As the one in use is kept; raises IntegrityError where one waits already, or where it is a credential."""
    waiting, keys = next_of(place.key), keystore()
    if keys.find(place.key) != place.key:
        raise _refused(f"the key in a file {place.key.name}", "a credential of systemd's: replace that, and restart")
    if waiting.exists():
        if read_chain(keys, place.certificate, place.key).key != keys.read(waiting):
            raise _refused(
                f"no other key to wait in {waiting.name}", "one: install its certificate, or remove it if given up"
            )
        waiting.replace(place.key)  # a replacement that was cut off after its certificate was in place
    write_whole(waiting, keys.like(place.key, key, {"form": "pem"}, os.urandom), mode=0o600)


def _refused(expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected {expected}, found {found}.",
        advice="Nothing was changed: the certificate in place is in use as before.",
    )


def named(places: Sequence[Place], what: str) -> Place:
    """The place of that name; raises IntegrityError (code `config-invalid`)."""
    for each in places:
        if each.what == what:
            return each
    raise _refused(f"a certificate for {what} by these settings", "none: the proxy's, or there is no shared guard")
