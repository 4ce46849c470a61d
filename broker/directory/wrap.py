"""A gateway's wrap keys in force: what their role may say, and how they stand in the directory. Pure.

The role names keys to wrap to and nothing else, so that its keys may lie where the gateway runs. Who takes them can
read what is sent open from then on, as whoever takes the gateway can.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from broker.crypto.keys import PublicKey
from broker.crypto.parts import Part, parts_of
from broker.crypto.suites import SUITES
from broker.directory.roles import WRAP, Found
from broker.errors import IntegrityError, SignatureError
from schemas.canonical import MalformedJsonError
from schemas.directory import Directory, Key, KeyState, KeyUse, Role
from schemas.problem import Code
from schemas.wrap import WrapKeys

LONGEST = 31 * 86_400
"""Seconds for which one of these keys may be good."""


@dataclass(frozen=True, slots=True)
class GatewayKeys:
    """What is in force of a gateway's role. `document` is None where none was ever found to be sound.

    trouble: why a newer one that was found is not in force.
    """

    gateway: str
    version: int = 0
    expires: float = 0.0
    document: WrapKeys | None = None
    trouble: str | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        return self.document.keys if self.document is not None else ()


def put_in_force(
    found: Iterable[Found], before: Mapping[str, GatewayKeys], directory: Directory, realm: str
) -> tuple[GatewayKeys, ...]:
    """The wrap keys in force after these were found. What is refused leaves in force what was before it, so long as
    that goes with the directory; when a key's time is over its own dates say.
    """
    made = []
    for each in found:
        if not each.role.startswith(WRAP):
            continue
        gateway = each.role.removeprefix(WRAP)
        held = before.get(gateway)
        try:
            made.append(_next(each, gateway, held, directory, realm))
        except IntegrityError as error:
            made.append(replace(_still(held, directory, realm) or GatewayKeys(gateway), trouble=error.message))
    return tuple(made)


def _next(found: Found, gateway: str, held: GatewayKeys | None, directory: Directory, realm: str) -> GatewayKeys:
    if found.raw is None:
        raise _refused(gateway, "those that its role signed", found.trouble or "none")
    document = read_wrap_keys(found.raw, gateway)
    if held is not None and found.version < held.version:
        raise _refused(gateway, f"version {held.version} or newer", f"version {found.version}")
    if held is not None and held.document is not None and found.version == held.version and document != held.document:
        raise _refused(gateway, f"what version {held.version} said", "others of that version")
    check_wrap_keys(document, directory, realm, gateway)
    return GatewayKeys(gateway, found.version, found.expires, document)


def _still(held: GatewayKeys | None, directory: Directory, realm: str) -> GatewayKeys | None:
    if held is not None and held.document is not None:
        try:
            check_wrap_keys(held.document, directory, realm, held.gateway)
        except IntegrityError:
            return replace(held, document=None)
    return held


def read_wrap_keys(raw: bytes, gateway: str) -> WrapKeys:
    """Raises IntegrityError (code `directory-invalid`)."""
    try:
        return WrapKeys.from_json(raw)
    except (MalformedJsonError, ValidationError) as error:
        raise _refused(gateway, "a document of wrap keys", "another document") from error


def check_wrap_keys(document: WrapKeys, directory: Directory, realm: str, gateway: str) -> None:
    """What the document must be beside its signatures.

    Raises:
        IntegrityError: code `directory-invalid`: another realm's or gateway's, no gateway's of this directory, or a key
            that is not a sound, active wrap key of the suite, new to the directory, good for a month at most.
    """
    if document.realm != realm:
        raise _refused(gateway, "those for this realm", "those for another realm")
    row = next((each for each in directory.agencies if each.id == gateway), None)
    if document.gateway != gateway or row is None or Role.GATEWAY not in row.roles:
        raise _refused(gateway, "those of this gateway of the directory", "another agency's")
    taken = {key.kid for agency in directory.agencies for key in agency.keys}
    parts: set[Part] = set()
    for key in document.keys:
        if key.use is not KeyUse.WRAP or key.alg != SUITES[directory.suite].wrap:
            raise _refused(gateway, f"{SUITES[directory.suite].wrap} keys for wrapping", f"{key.alg} for {key.use}")
        if key.state is not KeyState.ACTIVE or key.compromised_since is not None:
            raise _refused(gateway, "active keys", "one with another state")
        if not 0 < key.not_after - key.not_before <= LONGEST:
            raise _refused(gateway, "keys that are good for a month at most", "one with other dates")
        if key.kid in taken:
            raise _refused(gateway, "keys of their own", "one that stands elsewhere, or twice")
        try:
            own = parts_of(PublicKey.from_directory(key))
        except SignatureError as error:
            raise _refused(gateway, "sound keys, each of its kid", "one that is not") from error
        if own & parts:
            raise _refused(gateway, "keys of their own", "one that is half another")
        taken.add(key.kid)
        parts |= own


def with_wrap_keys(directory: Directory, gateways: Iterable[GatewayKeys]) -> Directory:
    """The directory with these keys in the gateways' rows."""
    keys = {each.gateway: each.keys for each in gateways if each.keys}
    if not keys:
        return directory
    rows = tuple(
        each.model_copy(update={"keys": (*each.keys, *keys[each.id])}) if each.id in keys else each
        for each in directory.agencies
    )
    return directory.model_copy(update={"agencies": rows})


def _refused(gateway: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected of the wrap keys of {gateway} {expected}, found {found}.",
        advice="What was in force stays so, while its keys last. Ask the gateway's operator to have them signed anew.",
    )
