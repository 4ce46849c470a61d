"""Settings: one TOML file for a gateway, one for an agency's program. Paths are relative to the file."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from broker.errors import IntegrityError
from broker.gateway.limits import Limits
from schemas.base import AgencyId
from schemas.problem import Code


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Acceptance(Settings):
    """`lifetime`: longest a packet may be valid, seconds; `page_bytes`: where a page stops growing; `queue`: packets
    that may wait for the ledger before a gateway says it is busy.
    """

    lifetime: Annotated[int, Field(ge=60)] = 7 * 86_400
    page_bytes: Annotated[int, Field(ge=65_536)] = 8 * 2**20
    queue: Annotated[int, Field(ge=1)] = 4096


class Listen(Settings):
    """Where a gateway listens. `hosts`: the values of Host it answers to. `identity`: `tls` where it ends TLS
    itself, `client-cert` (RFC 9440) where a proxy does, over the Unix socket `socket`.
    """

    address: str = "127.0.0.1:8443"
    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("localhost", "127.0.0.1")
    operations: str = "127.0.0.1:9443"
    identity: Literal["tls", "client-cert"] = "tls"
    socket: Path | None = None

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        if (self.identity == "client-cert") != (self.socket is not None):
            raise ValueError("expected `socket` exactly where identity is client-cert")
        return self


class Places(Settings):
    """Files and folders of a gateway. Key files are 0600."""

    keys: Path = Path("keys")
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
    `setu topics certificates` makes them.
    """

    bootstrap: Annotated[tuple[Address, ...], Field(min_length=1)]
    cluster: str | None = None
    days: Annotated[int, Field(ge=1, le=365)] = 7
    folder: Path = Path("kafka")


class AgencyKafka(Settings):
    """`[kafka]` of an agency that reads its topics there, with its own TLS certificate. ca: None for `gateway_ca`."""

    bootstrap: Annotated[tuple[Address, ...], Field(min_length=1)]
    cluster: str | None = None
    ca: Path | None = None


class GatewaySettings(Settings):
    """`setu.toml`. `threads`: for processor work beyond one request at a time."""

    gateway: AgencyId
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    store: Literal["sqlite"] = "sqlite"
    listen: Listen = Listen()
    limits: Limits = Limits()
    acceptance: Acceptance = Acceptance()
    kafka: GatewayKafka | None = None
    paths: Places = Places()
    base: Annotated[Path, Field(exclude=True)] = Path()

    def at(self, place: Path) -> Path:
        """A configured path, from where the settings file stands."""
        return self.base / place


class AgencySettings(Settings):
    """`agency.toml`, beside an agency's own keys. `trust_gateway`: whether this agency's own judgement lets
    the gateway's operator read (open mode).
    """

    agency: AgencyId
    url: Annotated[str, Field(pattern=r"^https://[^/@?#]+$")]
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

    def at(self, place: Path) -> Path:
        return self.base / place


MAX_PORT = 65_536

S = TypeVar("S", GatewaySettings, AgencySettings)


def load(kind: type[S], path: Path) -> S:
    """Read settings from a TOML file.

    Raises:
        IntegrityError: code `config-invalid`; the file is missing, not TOML, or not these settings.
    """
    try:
        members = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise _invalid(f"Expected settings at {path}, found no file.", "Make them with `setu init DIR`.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _invalid(f"Expected TOML settings at {path}, found: {type(error).__name__}.", "Mend the file.") from None
    try:
        return kind.model_validate({**members, "base": path.resolve().parent})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(f"Expected settings, found at `{where}`: {first['msg']}.", f"Mend {path}.") from None


def split_address(address: str) -> tuple[str, int]:
    """`host:port` -> (host, port); raises IntegrityError (code `config-invalid`)."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) >= MAX_PORT:
        raise _invalid(f"Expected an address host:port, found {address!r}.", "Mend `listen` in the settings.")
    return host.strip("[]"), int(port)


def _invalid(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)
