"""Settings: a TOML file for a gateway, a guard, an agency's program each. Paths are relative to the file."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from broker.errors import IntegrityError
from broker.gateway.limits import Limits
from schemas.base import AgencyId
from schemas.problem import Code


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Acceptance(Settings):
    """`lifetime`: longest a packet may be valid, seconds; `page_bytes`: where a page stops growing; `queue`: packets
    that may wait for the ledger before a gateway says it is busy; `deny_grace`: seconds for which a country's deny list
    that expired is enough; `deny_push`: whether countries hand in their lists here, where the operator's keys are.
    """

    lifetime: Annotated[int, Field(ge=60)] = 7 * 86_400
    page_bytes: Annotated[int, Field(ge=65_536)] = 8 * 2**20
    queue: Annotated[int, Field(ge=1)] = 4096
    deny_grace: Annotated[int, Field(ge=0)] = 86_400
    deny_push: bool = True


class Listen(Settings):
    """Where a gateway listens. `hosts`: the values of Host it answers to. `identity`: `tls` where it ends TLS
    itself, `client-cert` (RFC 9440) where a proxy does: over the Unix socket `socket`, or, from another machine, at
    `address` over mutual TLS with the one certificate whose SHA-256 is `proxy`.
    """

    address: str = "127.0.0.1:8443"
    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("localhost", "127.0.0.1")
    operations: str = "127.0.0.1:9443"
    identity: Literal["tls", "client-cert"] = "tls"
    socket: Path | None = None
    proxy: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        if (self.socket is not None) + (self.proxy is not None) != (self.identity == "client-cert"):
            raise ValueError("expected one of `socket` and `proxy` exactly where identity is client-cert")
        return self


class WrapKeys(Settings):
    """`[wrap_keys]`: the gateway's own, where a role of the directory signs them; all in seconds. every: after which
    another is made. valid: for which each is good, so that what was sealed to the one before it passes. kept: for which
    its private half outlasts it, for a decision that is being made.
    """

    every: Annotated[int, Field(ge=1)] = 86_400
    valid: Annotated[int, Field(ge=2, le=30 * 86_400)] = 2 * 86_400
    kept: Annotated[int, Field(ge=1)] = 60

    @model_validator(mode="after")
    def _overlap(self) -> Self:
        if self.valid <= self.every:
            raise ValueError("expected `valid` above `every`, so that there is always a key")
        return self


class Places(Settings):
    """Files and folders of a gateway. Key files are 0600. wrap_keys: a folder of its own, which the gateway writes."""

    keys: Path = Path("keys")
    wrap_keys: Path = Path("wrap")
    certificate: Path = Path("tls/server.pem")
    certificate_key: Path = Path("tls/server.key")
    clients_ca: Path = Path("tls/clients-ca.pem")
    directory: Path = Path("directory")
    root: Path = Path("directory/root.json")
    realm_keys: Path = Path("realm/keys")
    policies: Path = Path("policies")
    store: Path = Path("store/setu.db")
    guard: Path = Path("guard/head")


Address = Annotated[str, Field(pattern=r"^[^\s:/]+:[0-9]{1,5}$")]


class GatewayKafka(Settings):
    """`[kafka]` of a gateway that relays. cluster: its id, to be sure. days: for which Kafka keeps a record.

    folder: PEM files: `ca.pem`, and certificate and key of the relay and of the administrator, as
    `setu topics certificates` makes them. generation: of these two; raised where one is in the wrong hands, for Kafka
    knows its clients by their names.
    """

    bootstrap: Annotated[tuple[Address, ...], Field(min_length=1)]
    cluster: str | None = None
    days: Annotated[int, Field(ge=1, le=365)] = 7
    folder: Path = Path("kafka")
    generation: Annotated[int, Field(ge=1, le=10_000)] = 1


class AgencyKafka(Settings):
    """`[kafka]` of an agency that reads its topics there, with its own TLS certificate. ca: None for `gateway_ca`."""

    bootstrap: Annotated[tuple[Address, ...], Field(min_length=1)]
    cluster: str | None = None
    ca: Path | None = None


def _engine(store: str) -> str:
    if store == "sqlite":
        return store
    parts = urlsplit(store)
    if parts.scheme != "postgresql" or parts.fragment:
        raise ValueError('expected "sqlite", or the URL of a PostgreSQL: postgresql://user@host:5432/database')
    if parts.password or "password=" in parts.query:
        raise ValueError("expected no password here, for settings are read by many: name a passfile (?passfile=...)")
    return store


Url = Annotated[str, Field(pattern=r"^https://[^/@?#]+$")]


class SharedGuard(Settings):
    """`[guard]`: the rollback guard that all gateways of one ledger share (`setu guard`), and who one is there."""

    url: Url
    ca: Path = Path("tls/clients-ca.pem")
    certificate: Path = Path("guard/client.pem")
    certificate_key: Path = Path("guard/client.key")


class GatewaySettings(Settings):
    """`setu.toml`. `threads`: for processor work beyond one request at a time. `workers`: processes that listen.

    store: `sqlite` for a file of one process, or the URL of a PostgreSQL that several gateways share.
    """

    gateway: AgencyId
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    store: Annotated[str, AfterValidator(_engine)] = "sqlite"
    guard: SharedGuard | None = None
    listen: Listen = Listen()
    limits: Limits = Limits()
    acceptance: Acceptance = Acceptance()
    kafka: GatewayKafka | None = None
    wrap_keys: WrapKeys = WrapKeys()
    paths: Places = Places()
    base: Annotated[Path, Field(exclude=True)] = Path()

    @model_validator(mode="after")
    def _one_engine(self) -> Self:
        if self.embedded and self.guard is not None:
            raise ValueError("expected `guard` only beside a PostgreSQL store; the embedded one has a file of its own")
        if not self.embedded and self.guard is None:
            raise ValueError("expected `guard` beside a PostgreSQL store: its url, for all gateways share one guard")
        if self.embedded and self.workers > 1:
            raise ValueError("expected `workers` of 1, for the embedded store serves one process")
        return self

    @property
    def embedded(self) -> bool:
        """One process on a file of its own?"""
        return self.store == "sqlite"

    def worker(self, number: int) -> Self:
        """The settings of one worker: it has an operations listener, and behind a proxy a socket, of its own."""
        host, port = split_address(self.listen.operations)
        own: dict[str, Any] = {"operations": f"{host}:{port + number}"}
        if self.listen.socket is not None and number:
            socket = self.listen.socket
            own["socket"] = socket.with_name(f"{socket.stem}-{number}{socket.suffix}")
        return self.model_copy(update={"listen": self.listen.model_copy(update=own)})

    def at(self, place: Path) -> Path:
        """A configured path, from where the settings file stands."""
        return self.base / place


class GuardSettings(Settings):
    """`guard.toml`, of `setu guard`. Best on another machine than the store's, in other hands.

    file: the newest head, which is all that a guard keeps. origin, vkeys: the log's name and its verifier keys, Ed25519
    then ML-DSA-44, for each pair under which it takes heads; changed, they are taken up without a restart.
    clients_ca: whoever has a certificate of it may write, but nothing that the log's keys have not signed.
    name, key: what it cosigns with, as a witness; the key's file is made at the first start.
    """

    origin: str
    vkeys: Annotated[tuple[str, ...], Field(min_length=2, max_length=16)]
    file: Path = Path("head")
    name: Annotated[str, Field(pattern=r"^[^\s+]+$")] = "setu-guard"
    key: Path = Path("witness.key")
    address: str = "127.0.0.1:8543"
    operations: str = "127.0.0.1:9543"
    certificate: Path = Path("server.pem")
    certificate_key: Path = Path("server.key")
    clients_ca: Path = Path("clients-ca.pem")
    base: Annotated[Path, Field(exclude=True)] = Path()

    @model_validator(mode="after")
    def _in_pairs(self) -> Self:
        if len(self.vkeys) % 2:
            raise ValueError(
                "expected `vkeys` in pairs, an Ed25519 and an ML-DSA-44 verifier key each, found an odd number"
            )
        return self

    def at(self, place: Path) -> Path:
        return self.base / place


def _one_or_more(found: Any) -> Any:
    return (found,) if isinstance(found, str) else found


class AgencySettings(Settings):
    """`agency.toml`, beside an agency's own keys. `trust_gateway`: whether this agency's own judgement lets
    the gateway's operator read (open mode). `url`: of the gateway, or of each of several on one ledger.
    """

    agency: AgencyId
    url: Annotated[tuple[Url, ...], Field(min_length=1), BeforeValidator(_one_or_more)]
    gateway: AgencyId
    trust_gateway: bool = True
    keys: Path = Path("keys")
    certificate: Path = Path("tls.pem")
    certificate_key: Path = Path("tls.key")
    gateway_ca: Path = Path("gateway-ca.pem")
    root: Path = Path("root.json")
    cache: Path = Path("cache")
    policies: Path | None = None
    lifetime: Annotated[int, Field(ge=60)] = 7 * 86_400
    kafka: AgencyKafka | None = None
    base: Annotated[Path, Field(exclude=True)] = Path()
    file: Annotated[Path | None, Field(exclude=True)] = None
    """The settings file; None where these are of none."""

    def at(self, place: Path) -> Path:
        return self.base / place


MAX_PORT = 65_536

_PLACE = re.compile(r" \(at [a-z0-9 ,]+\)$")
"""Where TOML ends, as tomllib says it; the rest of its sentence may quote the file."""

_ORIGIN = {
    "GatewaySettings": "Make them with `setu init DIR`.",
    "GuardSettings": "Write them beside the guard's certificate: its address, and the log's name and keys.",
    "AgencySettings": "An agency's settings stand beside its keys and certificate, in the folder it got or made when "
    "it was enrolled; `setu init DIR --demo` makes some to try with.",
}

_WHOSE = {"GatewaySettings": "a gateway's", "GuardSettings": "a guard's", "AgencySettings": "an agency's"}
"""Whose settings each kind is."""

_TELLING = {"agency": "an agency's", "profile": "an adapter's", "vkeys": "a guard's", "gateway": "a gateway's"}
"""A member that says whose settings a file holds, the most telling one first."""

S = TypeVar("S", GatewaySettings, GuardSettings, AgencySettings)


def load(kind: type[S], path: Path) -> S:
    """Read settings from a TOML file.

    Raises:
        IntegrityError: code `config-invalid`; the file is missing, not TOML, or not these settings.
    """
    try:
        members = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise _invalid(f"Expected settings at {path}, found no file.", _ORIGIN[kind.__name__]) from None
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        raise _invalid(
            f"Expected TOML settings at {path}, found another text{place[0] if place else ''}.", "Mend the file."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(f"Expected TOML settings at {path}, found: {type(error).__name__}.", "Mend the file.") from None
    try:
        own: dict[str, Any] = {"file": path.absolute()} if issubclass(kind, AgencySettings) else {}
        return kind.model_validate({**members, **own, "base": path.resolve().parent})
    except ValidationError as error:
        wanted, given = _WHOSE[kind.__name__], next((_TELLING[each] for each in _TELLING if each in members), None)
        if given not in (None, wanted):
            raise _invalid(f"Expected {wanted} settings at {path}, found {given}.", _ORIGIN[kind.__name__]) from None
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise _invalid(
                f"Expected no setting `{where}`, found it: there is none of that name here.",
                f"Mend {path}: a misspelt name, or one of another section.",
            ) from None
        # Our own rules begin like a sentence of their own; pydantic puts its words before them.
        said = first["msg"].removeprefix("Value error, ").removesuffix(".")
        found = f"found at `{where}`" if where else "found members that do not fit together"
        raise _invalid(f"Expected settings, {found}: {said}.", f"Mend {path}.") from None


def split_address(address: str) -> tuple[str, int]:
    """`host:port` -> (host, port); raises IntegrityError (code `config-invalid`)."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) >= MAX_PORT:
        raise _invalid(f"Expected an address host:port, found {address!r}.", "Mend `listen` in the settings.")
    return host.strip("[]"), int(port)


def _invalid(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)
