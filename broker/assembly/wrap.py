"""The gateway's wrap keys that change each day: made and signed where the role's keys are, destroyed everywhere."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from threading import Lock

from broker.assembly.keys import keys_in
from broker.assembly.keystore import keystore
from broker.assembly.realm import local_directory, operator_keys
from broker.config import GatewaySettings
from broker.crypto.keyfile import GOING, about_key, destroy, give_to_owner, key_bytes, write_at_once
from broker.crypto.keys import PrivateKey, PublicKey, generate
from broker.crypto.keystore import KeyStore
from broker.crypto.suites import SUITES
from broker.directory.files import one_at_a_time
from broker.directory.lookup import Snapshot
from broker.directory.roles import WRAP
from broker.directory.tuf_repository import Operator, Repository
from broker.directory.tuf_signed import sign_target
from broker.directory.wrap import GatewayKeys
from broker.errors import IntegrityError
from schemas.canonical import b64u
from schemas.directory import Key, KeyUse
from schemas.problem import Code
from schemas.wrap import MAX_KEYS, WrapKeys

Random = Callable[[int], bytes]
Clock = Callable[[], float]
BACKDATED = 300
"""Seconds before now from which a key is good: clocks differ a little."""

_PATTERN = "wrap-*.key"
_OWN = re.compile(r"wrap-[A-Za-z0-9_-]{43}\.key|\.wrap-[A-Za-z0-9_-]{43}\.key\.(?:part|going)")
"""What is destroyed here: nothing else, whatever folder the settings name."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new wrap key, `version`: of what its role signed, and the kids whose private halves were destroyed."""

    key: Key
    version: int


class WrapRing(Mapping[str, PrivateKey]):
    """The private wrap keys at hand, by kid: the fixed ones, and those in a folder as it is now.

    Safe to call from several threads. A kid that is not held is looked for in the folder, so that every process has a
    key as soon as it is written.
    """

    def __init__(self, fixed: Mapping[str, PrivateKey], folder: Path, keys: KeyStore) -> None:
        self._fixed = fixed
        self._folder = folder
        self._keys = keys
        self._held: Mapping[str, PrivateKey] = {}
        self._lock = Lock()

    def look(self) -> None:
        """Take up what is new in the folder, and forget what is gone.

        Raises:
            IntegrityError: code `config-invalid`; a file is no key, does not open or has another kid: all others were
                taken up. Or the folder cannot be read: what is held stays.
        """
        held, failed = {}, None
        with self._lock:
            for path in self._files():
                kid = kid_of(path)
                try:
                    held[kid] = self._held.get(kid) or self._read(path)
                except IntegrityError as error:
                    if path.exists():
                        failed = failed or error
            self._held = held
        if failed is not None:
            raise failed

    def _files(self) -> list[Path]:
        # `glob` finds nothing in a folder that it may not read, and nothing would be held any more.
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - as above, of `iterdir`
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable(
                f"Expected to read the folder of wrap keys {self._folder}, found: {error.strerror}.",
                "What is held stays in use until a restart. Give the folder to the user that the gateway runs as.",
            ) from None
        return [self._folder / name for name in names if fnmatch(name, _PATTERN)]

    def _read(self, path: Path) -> PrivateKey:
        found = self._keys.key(path, KeyUse.WRAP)
        if found.public.kid != kid_of(path):
            raise _unusable(
                f"Expected in {path} the key that it is named by, found another.",
                "Give the file the name of its own kid, or restore it.",
            )
        return found

    def __getitem__(self, kid: str) -> PrivateKey:
        found = self._fixed.get(kid) or self._held.get(kid)
        if found is None:
            with suppress(IntegrityError):
                self.look()
            found = self._held[kid]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter({**self._fixed, **self._held})

    def __len__(self) -> int:
        return len({**self._fixed, **self._held})


def kid_of(path: Path) -> str:
    return path.name.removeprefix("wrap-").removesuffix(".key")


def key_path(folder: Path, kid: str) -> Path:
    return folder / f"wrap-{kid}.key"


def own_keys(snapshot: Snapshot, gateway: str) -> GatewayKeys | None:
    """What the gateway's role says; None where the countries gave it none."""
    return next((each for each in snapshot.gateways if each.gateway == gateway), None)


def signs_here(settings: GatewaySettings) -> bool:
    """Whether the keys are at hand that sign wrap keys, and those that put them in force."""
    folder = settings.at(settings.paths.realm_keys)
    return bool(
        keystore().paths(folder, f"{WRAP}{settings.gateway}-*.key") and keystore().paths(folder, "timestamp*.key")
    )


def make_if_due(
    settings: GatewaySettings, snapshot: Snapshot, *, now: Clock = time.time, random: Random = os.urandom
) -> Made | None:
    """Another wrap key, where the newest is a day old by this directory, and the keys that sign it are here. Raises as
    `make_key`.
    """
    held = own_keys(snapshot, settings.gateway)
    if held is None or not _due(held, now(), settings.wrap_keys.every) or not signs_here(settings):
        return None
    return make_key(settings, only_due=True, now=now, random=random)


def make_key(
    settings: GatewaySettings, *, only_due: bool = False, now: Clock = time.time, random: Random = os.urandom
) -> Made | None:
    """Make another wrap key: its private half in the folder first, then its public half in the directory.

    Returns None where `only_due` and the newest is young enough, or the realm gives the gateway no role for it.

    Raises:
        IntegrityError: code `config-invalid` or `directory-invalid`: no such role, its keys are not here, or the folder
            of wrap keys or the repository cannot be written to.
    """
    try:
        return _make_key(settings, settings.at(settings.paths.wrap_keys), only_due=only_due, now=now, random=random)
    except OSError as error:
        raise _unusable(
            f"Expected to write a wrap key and the directory that names it, found: {error.strerror}: {error.filename}.",
            "Give the folder to the user that the gateway runs as, and look at the disk.",
        ) from error


def _make_key(settings: GatewaySettings, folder: Path, *, only_due: bool, now: Clock, random: Random) -> Made | None:
    if not folder.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        give_to_owner(folder, folder.parent)
    with one_at_a_time(folder):
        snapshot = local_directory(settings, now=now).current()
        held, moment = own_keys(snapshot, settings.gateway), int(now())
        if only_due and (held is None or not _due(held, moment, settings.wrap_keys.every)):
            return None
        if held is None:
            raise _no_role(settings.gateway)
        role = WRAP + settings.gateway
        secrets = settings.at(settings.paths.realm_keys)
        signers = [key for use, key in keys_in(secrets) if use == role]
        operator = Operator(*operator_keys(secrets))
        rows = [each for each in held.keys if each.not_after + settings.wrap_keys.valid > moment]
        if len(rows) >= MAX_KEYS:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected fewer than {MAX_KEYS} wrap keys in their dates, found {len(rows)}.",
                advice="Wait until the oldest have ended.",
            )
        key = generate(SUITES[snapshot.suite].wrap, random)
        _keep(settings, folder, key, random)
        row = _row(key.public, moment - BACKDATED, moment + settings.wrap_keys.valid)
        document = WrapKeys(realm=snapshot.realm, gateway=settings.gateway, keys=(*rows, row))
        repository = Repository(settings.at(settings.paths.directory), now)
        version = repository.newest(role) + 1
        signed = sign_target(role, document.canonical(), version, signers, moment, lifetime=settings.wrap_keys.valid)
        try:
            repository.install(operator, delegated=[signed])
        except IntegrityError:
            destroy(key_path(folder, key.public.kid))  # nothing was changed, and the next attempt makes its own
            raise
        return Made(row, version)


def destroy_ended(settings: GatewaySettings, snapshot: Snapshot, *, now: Clock = time.time) -> list[str]:
    """Destroy the private half of each wrap key that ended; their kids.

    A file that the role does not name goes when it is older than any key may be, also what a crash left half written.

    Raises:
        IntegrityError: code `config-invalid`; one could not be destroyed. All others that ended were.
    """
    folder, limits = settings.at(settings.paths.wrap_keys), settings.wrap_keys
    held = own_keys(snapshot, settings.gateway)
    ends = {each.kid: each.not_after for each in held.keys} if held is not None else {}
    gone, failed = [], None
    for path in sorted(each for each in folder.glob("*") if _OWN.fullmatch(each.name)):
        with suppress(FileNotFoundError):
            end = ends.get(kid_of(path), path.stat().st_mtime + limits.valid)
            if not path.name.endswith(GOING) and end + limits.kept > now():
                continue
            try:
                destroy(path)
                gone.append(kid_of(path))
            except IntegrityError as error:
                failed = failed or error
    if failed is not None:
        raise failed
    return gone


def _due(held: GatewayKeys, now: float, every: float) -> bool:
    """Also where the clock went ahead and came back: what was made meanwhile is good for nobody yet."""
    return all(
        each.not_before + BACKDATED + every <= now or not each.not_before <= now < each.not_after for each in held.keys
    )


def _keep(settings: GatewaySettings, folder: Path, key: PrivateKey, random: Random) -> None:
    """As the others are kept: sealed where the log's keys are."""
    plain = key_bytes(key, KeyUse.WRAP)
    others = keystore().paths(settings.at(settings.paths.keys), "log-*.key")
    kept = keystore().like(others[0], plain, about_key(key, KeyUse.WRAP), random) if others else plain
    write_at_once(key_path(folder, key.public.kid), kept)


def _row(key: PublicKey, begins: int, ends: int) -> Key:
    members = {"kid": key.kid, "use": KeyUse.WRAP, "alg": key.alg, "public": b64u(key.raw)}
    return Key.from_object({**members, "not_before": begins, "not_after": ends})


def _unusable(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)


def _no_role(gateway: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected a directory that gives the role {WRAP}{gateway} keys, found none.",
        advice="Make some with `setu rotate wrap-signers`, and have a ceremony give them the role.",
    )
