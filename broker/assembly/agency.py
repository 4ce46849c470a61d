"""An agency's own program: its settings, keys and certificate become a client of its gateway."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from broker.assembly.keys import pinned_root
from broker.assembly.keystore import keystore
from broker.assembly.own import FolderKeys
from broker.assembly.renewing import Renewing
from broker.config import AgencySettings, load
from broker.crypto.keyfile import Stamp, stamp_of_files
from broker.directory.tuf import RemoteDirectory
from broker.errors import IntegrityError
from broker.sdk.client import Client
from broker.sdk.cursors import FileCursors
from broker.sdk.http import Http
from broker.sdk.outbox import Outbox
from broker.sdk.patience import Told
from schemas.problem import Code

if TYPE_CHECKING:
    from broker.policy.port import Policy


def connect(
    profile: Path | str,
    *,
    judging: bool = True,
    patience: float = 120.0,
    told: Told | None = None,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Client:
    """An agency's connection to its gateway, from its `agency.toml`.

    judging: False: nothing is judged by the realm's rules before it is sealed, though the settings name them; what they
        refuse is then the gateway's to refuse.
    patience: seconds for which a post or a question without an answer is repeated; `told`: hears of it each time.

    Raises:
        IntegrityError: code `config-invalid` for settings, keys or certificates that are not what they must be.
        UnavailableError: no directory is cached and the gateway does not answer.
    """
    settings = load(AgencySettings, Path(profile))
    transport = transport_of(settings)
    try:
        own = FolderKeys(settings.at(settings.keys), settings.agency)
        policy = _policy(settings) if judging else None
        cache = settings.at(settings.cache)
        directory = remote_directory(settings, transport, now=now)
        try:
            directory.current()
        except IntegrityError:
            directory.refresh()
        return Client(
            settings.agency,
            transport,
            directory,
            own,
            own.wraps,
            settings.gateway,
            policy=policy,
            trust_gateway=settings.trust_gateway,
            cursors=FileCursors(cache / "cursors"),
            outbox=Outbox(cache / "outbox", settings.agency),
            gateways=settings.url,
            patience=patience,
            told=told,
            now=now,
            sleep=sleep,
        )
    except BaseException:
        transport.close()
        raise


def transport_of(settings: AgencySettings) -> httpx.Client:
    """Mutual TLS 1.3 to the gateway: to the first of its addresses where a request names none.

    Another certificate that the settings file names later, or that takes the place of this one, is taken up.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    transport = Renewing(
        lambda: stamp_of(settings), lambda: httpx.HTTPTransport(verify=_context(placed(settings)), trust_env=False)
    )
    return httpx.Client(base_url=settings.url[0], transport=transport, timeout=30.0)


def placed(settings: AgencySettings) -> AgencySettings:
    """The settings with the certificate and key that their file names now; unchanged where they are of no file.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    if settings.file is None:
        return settings
    read = load(AgencySettings, settings.file)
    return settings.model_copy(
        update={"certificate": read.certificate, "certificate_key": read.certificate_key, "base": read.base}
    )


def _context(settings: AgencySettings) -> ssl.SSLContext:
    key = settings.at(settings.certificate_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(settings.at(settings.gateway_ca))
        keystore().load_chain(context, settings.at(settings.certificate), key)
    except (OSError, ssl.SSLError) as error:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a certificate, its key and the gateway's CA beside the settings, found {type(error).__name__}.",
            advice="Check `certificate`, `certificate_key` and `gateway_ca` in agency.toml.",
        ) from None
    return context


def stamp_of(settings: AgencySettings) -> Stamp:
    """Another one when the settings file, or what it named when it was read, is another file than before."""
    pair = settings.at(settings.certificate), settings.at(settings.certificate_key)
    return stamp_of_files(settings.file or settings.base, *pair)


def remote_directory(
    settings: AgencySettings, transport: httpx.Client, *, now: Callable[[], float] = time.time
) -> RemoteDirectory:
    """The realm's directory, fetched through the gateway and verified from the pinned root."""
    http = Http(transport, gateways=settings.url)

    def fetch(name: str) -> bytes:
        return http.request("GET", f"/v1/directory/{name}", accept="*/*").body

    return RemoteDirectory(
        fetch, pinned_root(settings.at(settings.root)), settings.at(settings.cache) / "directory", now
    )


def _policy(settings: AgencySettings) -> "Policy | None":
    if settings.policies is None:
        return None
    # Imported where it is wanted: an agency that judges nothing itself needs no policy engine.
    from broker.assembly.policy import policy_in  # noqa: PLC0415

    folder = settings.at(settings.policies)
    if not folder.is_dir():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected the realm's release rules in the folder {folder}, found none there.",
            advice="`policies` in agency.toml is relative to that file: where its folder was copied elsewhere, copy "
            "the rules too and name where they are.",
        )
    return policy_in(folder)
