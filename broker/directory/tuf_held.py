"""What a realm's countries have put in force, by their signatures alone: for a ceremony, which may come after expiry.

A reader of the directory goes by `broker.directory.tuf`; this asks neither for the operator's word nor for any date.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from broker.directory.check import check_document
from broker.directory.files import read_small
from broker.directory.tuf_delegated import Delegates, check_delegations, delegates_of
from broker.directory.tuf_drafts import CountryKeys, RealmKeys
from broker.directory.tuf_keys import check_root, country_of, keys_of_role, public_of
from broker.errors import IntegrityError
from schemas.canonical import MalformedJsonError, b64u
from schemas.directory import TARGET, Directory
from schemas.problem import Code

LARGEST = 5_000_000
"""Bytes of one metadata file."""


@dataclass(frozen=True, slots=True)
class Held:
    """The newest root and the newest directory that a realm's keys have signed. `root`, `targets`: TUF objects.

    realm: the identity of the realm that the pinned root is of.
    """

    root: Root
    targets: Targets
    document: Directory
    realm: str

    @property
    def keys(self) -> RealmKeys:
        return realm_keys(self.root)

    @property
    def delegates(self) -> Delegates:
        """Who keeps deny lists, and signs wrap keys of gateways."""
        return delegates_of(self.targets)

    def signed(self) -> Mapping[str, Any]:
        """What of it the countries signed, as one object of JSON types."""
        return {"root": self.root.to_dict(), "targets": self.targets.to_dict(), "directory": self.document.to_object()}


def held_in(repository: Path, pinned: bytes) -> Held:
    """The newest root of the chain from the pinned one, and the newest document whose targets metadata that root's
    keys have signed.

    Raises:
        IntegrityError: code `directory-invalid`.
        OSError: the folder cannot be read.
    """
    try:
        root = _newest_root(repository / "metadata", pinned)
        targets = _newest_targets(repository / "metadata", root)
        file = targets.targets[TARGET]
        raw = read_small(repository / "targets" / file.get_prefixed_paths()[0], file.length)
        file.verify_length_and_hashes(raw)
        document = Directory.from_json(raw)
    except (MalformedJsonError, pydantic.ValidationError, KeyError) as error:
        raise _refused("a directory document of this format among the targets", "another") from error
    except (RepositoryError, ValueError) as error:
        raise _refused("a repository that verifies from the pinned root", str(error)) from error
    check_delegations(targets, root)
    check_document(document)
    return Held(root, targets, document, b64u(hashlib.sha384(pinned).digest()))


def realm_keys(root: Root) -> RealmKeys:
    """The keys of a root of the agreed shape."""
    shares = {}
    for country in dict.fromkeys(country_of(key) for key in keys_of_role(root, Root.type)):
        of_root, of_targets = (
            [public_of(key) for key in keys_of_role(root, role) if country_of(key) == country]
            for role in (Root.type, Targets.type)
        )
        first, second, third, fourth = of_root
        classical, quantum = of_targets
        shares[str(country)] = CountryKeys((first, second, third, fourth), (classical, quantum))
    snapshot, timestamp = (public_of(keys_of_role(root, role)[0]) for role in ("snapshot", "timestamp"))
    return RealmKeys(shares, snapshot, timestamp)


def _newest_root(metadata: Path, pinned: bytes) -> Root:
    read = Metadata[Root].from_bytes(pinned)
    root = read.signed
    if not isinstance(root, Root) or root.version != 1:
        raise _refused("the realm's first root pinned", "other metadata")
    root.verify_delegate(Root.type, read.signed_bytes, read.signatures)
    check_root(root)
    while (path := metadata / f"{root.version + 1}.root.json").exists():
        following = Metadata[Root].from_bytes(read_small(path, LARGEST))
        if not isinstance(following.signed, Root) or following.signed.version != root.version + 1:
            raise _refused(f"root version {root.version + 1}", "other metadata")
        for judge in (root, following.signed):
            judge.verify_delegate(Root.type, following.signed_bytes, following.signatures)
        check_root(following.signed)
        root = following.signed
    return root


def _newest_targets(metadata: Path, root: Root) -> Targets:
    versions = [path.name.split(".")[0] for path in metadata.glob("*.targets.json")]
    for version in sorted((int(name) for name in versions if name.isdigit()), reverse=True):
        read = Metadata[Targets].from_bytes(read_small(metadata / f"{version}.targets.json", LARGEST))
        if not isinstance(read.signed, Targets) or read.signed.version != version:
            continue
        if root.get_verification_result(Targets.type, read.signed_bytes, read.signatures):
            return read.signed
    raise _refused(f"a directory signed by the keys of root {root.version}", "none")


def _refused(expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected {expected}, found {found}.",
        advice="Ask for a new copy of the repository's folder, and use the root that your side pinned itself.",
    )
