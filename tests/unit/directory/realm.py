"""A realm's keys and repositories, for the directory's tests."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from broker.crypto.keys import PrivateKey
from broker.directory.tuf_drafts import CountryKeys, RealmKeys
from broker.directory.tuf_repository import Lifetimes, Operator, Repository
from broker.errors import NotFoundError
from schemas.directory import Directory
from tests.builders import NOW, Realm, private_key

COUNTRIES = ("IND", "USA")
DAY = 86_400


class Clock:
    def __init__(self, at: float = NOW) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Keys:
    """All private keys of a realm; `label` makes another set."""

    def __init__(self, label: str = "", countries: tuple[str, ...] = COUNTRIES) -> None:
        self.countries = countries
        self.root = {
            country: [
                private_key(alg, f"{label} {country} root {number}")
                for alg in ("Ed25519", "ML-DSA-65")
                for number in (1, 2)
            ]
            for country in countries
        }
        self.targets = {
            country: [private_key(alg, f"{label} {country} targets") for alg in ("Ed25519", "ML-DSA-65")]
            for country in countries
        }
        self.operator = Operator(private_key("Ed25519", f"{label} snapshot"), private_key("Ed25519", f"{label} stamp"))

    @property
    def roots(self) -> list[PrivateKey]:
        return [key for keys in self.root.values() for key in keys]

    @property
    def all_targets(self) -> list[PrivateKey]:
        return [key for keys in self.targets.values() for key in keys]

    def public(self) -> RealmKeys:
        return RealmKeys(
            {
                country: CountryKeys(
                    tuple(key.public for key in self.root[country]), tuple(key.public for key in self.targets[country])
                )
                for country in self.countries
            },
            self.operator.snapshot.public,
            self.operator.timestamp.public,
        )


KEYS = Keys()


def document(version: int = 1, **over: Any) -> Directory:
    return Realm(version=version, document=over).directory


def found_realm(
    folder: Path, clock: Clock, *, keys: Keys = KEYS, lifetimes: Lifetimes | None = None
) -> tuple[Repository, bytes]:
    """A realm with version 1 in force, and its first root."""
    repository = Repository(folder, clock, lifetimes)
    if keys is KEYS and lifetimes is None and clock.at == NOW and not list(folder.glob("metadata/*")):
        for name, content in _usual().items():
            (folder / name).write_bytes(content)
        return repository, _usual()["metadata/1.root.json"]
    return repository, _create(repository, keys)


def _create(repository: Repository, keys: Keys) -> bytes:
    return repository.create(
        keys.public(),
        document(),
        root_signers=keys.roots,
        target_signers=keys.all_targets,
        operator=keys.operator,
    )


@cache
def _usual() -> dict[str, bytes]:
    """The files of the realm that most tests start from; signing and syncing them takes a while."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _create(Repository(folder, Clock()), KEYS)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


def publish(repository: Repository, made: Directory, signers: Iterable[PrivateKey] | None = None) -> None:
    repository.publish(made, target_signers=signers or KEYS.all_targets, operator=KEYS.operator)


class Gateway:
    """Serves a repository's folder as the gateway does; `down`, where set, is raised instead."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.down: Exception | None = None
        self.asked: list[str] = []

    def __call__(self, name: str) -> bytes:
        self.asked.append(name)
        if self.down:
            raise self.down
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            raise NotFoundError from None
