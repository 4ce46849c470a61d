"""The realm's directory as a TUF repository: founding it, publishing to it, keeping it fresh."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from broker.assembly.deny import DenyLists, renew_lists
from broker.assembly.keys import keys_in, pinned_root
from broker.assembly.keystore import keystore
from broker.config import GatewaySettings
from broker.crypto.keys import PrivateKey, PublicKey
from broker.directory.logs import dropped
from broker.directory.tuf import LocalDirectory
from broker.directory.tuf_drafts import CountryKeys, RealmKeys
from broker.directory.tuf_held import Held, held_in
from broker.directory.tuf_proposal import Proposal
from broker.directory.tuf_repository import Operator, Repository
from broker.directory.tuf_signed import SignedTarget
from broker.errors import IntegrityError
from schemas.directory import Directory
from schemas.problem import Code

Share = tuple[Sequence[PrivateKey], Sequence[PrivateKey]]
"""A country's four root keys and two targets keys."""


def local_directory(settings: GatewaySettings, *, now: Callable[[], float] = time.time) -> LocalDirectory:
    """The gateway's own directory, read live from its repository; raises as `LocalDirectory`."""
    paths = settings.paths
    return LocalDirectory(settings.at(paths.directory), pinned_root(settings.at(paths.root)), now)


def found_realm(
    folder: Path,
    document: Directory,
    countries: Mapping[str, Share],
    operator: tuple[PrivateKey, PrivateKey],
    *,
    delegates: Mapping[str, Sequence[PrivateKey]] | None = None,
    now: Callable[[], float] = time.time,
) -> bytes:
    """A new repository, signed by every key of every country; returns the first root, to be pinned by everybody.

    `countries`: ISO 3166-1 alpha-3 -> its share; `operator`: the snapshot and the timestamp key; `delegates`: role
    beside these -> its keys. Raises IntegrityError (code `directory-invalid`).
    """
    snapshot, timestamp = operator
    shares = {country: CountryKeys(_four(root), _two(targets)) for country, (root, targets) in countries.items()}
    return Repository(folder, now).create(
        RealmKeys(
            shares,
            snapshot.public,
            timestamp.public,
            {role: tuple(key.public for key in keys) for role, keys in (delegates or {}).items()},
        ),
        document,
        root_signers=[key for root, _ in countries.values() for key in root],
        target_signers=[key for _, targets in countries.values() for key in targets],
        operator=Operator(snapshot, timestamp),
    )


def publish_directory(
    folder: Path,
    document: Directory,
    target_signers: Iterable[PrivateKey],
    operator: tuple[PrivateKey, PrivateKey],
    *,
    now: Callable[[], float] = time.time,
) -> None:
    """Put a new version in force; raises IntegrityError (code `directory-invalid`)."""
    Repository(folder, now).publish(document, target_signers=target_signers, operator=Operator(*operator))


def put_in_force(settings: GatewaySettings, document: Directory) -> None:
    """Publish with the targets keys in the deployment, where the realm's keys are all in one place; as above. As in a
    ceremony, a log loses none of its pairs of keys.
    """
    for fault in dropped(local_directory(settings).current().signed, document):
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            f"Expected a version by which every receipt stays good, found {fault}.",
            advice="Begin with the document in force (setu directory show --document); keys of a log are changed by "
            "setu rotate log.",
        )
    secrets = settings.at(settings.paths.realm_keys)
    signers = [key for use, key in keys_in(secrets) if use == "targets"]
    publish_directory(settings.at(settings.paths.directory), document, signers, operator_keys(secrets))


def renew_directory(
    folder: Path, operator: tuple[PrivateKey, PrivateKey], *, now: Callable[[], float] = time.time
) -> None:
    """Sign a new timestamp, and a snapshot where its time is half over; raises as `publish_directory`."""
    Repository(folder, now).renew(Operator(*operator))


def held_realm(folder: Path, pinned: Path) -> Held | None:
    """What is in force in a repository by the countries' signatures; None where no realm was founded there yet.

    Raises:
        IntegrityError: code `config-invalid`, no pinned root; `directory-invalid`, it does not verify.
    """
    if not any((folder / "metadata").glob("*.root.json")):
        return None
    return held_in(folder, pinned_root(pinned))


def install_proposal(
    folder: Path,
    proposal: Proposal,
    operator: tuple[PrivateKey, PrivateKey],
    lists: Sequence[SignedTarget] = (),
    *,
    now: Callable[[], float] = time.time,
) -> None:
    """Install a proposal whose thresholds are met, and deny lists whose keys it changes.

    Raises IntegrityError (code `directory-invalid`).
    """
    Repository(folder, now).install(
        Operator(*operator),
        root=proposal.root_bytes,
        document=proposal.document,
        targets=proposal.targets_bytes,
        delegated=lists,
    )


def operator_keys(realm_keys: Path) -> tuple[PrivateKey, PrivateKey]:
    """The operator's snapshot and timestamp key among the key files of a folder.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    found = {use: key for use, key in keys_in(realm_keys) if use in ("snapshot", "timestamp")}
    if found.keys() != {"snapshot", "timestamp"}:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected the operator's snapshot and timestamp keys in {realm_keys}, found {len(found)} of the two.",
            advice="Put them there, or renew the directory where they are.",
        )
    return found["snapshot"], found["timestamp"]


def deny_lists(settings: GatewaySettings, *, now: Callable[[], float] = time.time) -> DenyLists:
    """What puts deny lists that are handed in into this gateway's repository, where the operator's keys are at hand."""
    folder = settings.at(settings.paths.realm_keys)

    def operator() -> tuple[PrivateKey, PrivateKey] | None:
        here = settings.acceptance.deny_push and keystore().paths(folder, "timestamp*.key")
        return operator_keys(folder) if here else None

    return DenyLists(settings.at(settings.paths.directory), operator, now=now)


def keep_fresh(settings: GatewaySettings, *, now: Callable[[], float] = time.time) -> bool:
    """Renew the directory where the operator's keys are at hand, else leave that to whoever has them.

    Returns whether it was renewed. Raises as `renew_directory`.
    """
    folder = settings.at(settings.paths.realm_keys)
    if not keystore().paths(folder, "timestamp*.key"):
        return False
    repository, operator = settings.at(settings.paths.directory), operator_keys(folder)
    renew_directory(repository, operator, now=now)
    renew_lists(repository, pinned_root(settings.at(settings.paths.root)), folder, operator, now=now)
    return True


def _four(keys: Sequence[PrivateKey]) -> tuple[PublicKey, PublicKey, PublicKey, PublicKey]:
    first, second, third, fourth = (key.public for key in keys)
    return first, second, third, fourth


def _two(keys: Sequence[PrivateKey]) -> tuple[PublicKey, PublicKey]:
    first, second = (key.public for key in keys)
    return first, second
