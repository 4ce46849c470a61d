"""The deny lists of a repository's folder, as its writer takes and keeps them."""

from collections.abc import Iterable
from pathlib import Path

from tuf.api.metadata import Snapshot, Targets

from broker.directory.deny import check_list, check_passes, lifted
from broker.directory.tuf_deny import PREFIX, SignedList, lists_of, read_metadata, verified
from broker.errors import IntegrityError
from schemas.deny import DenyRef, genesis, target_of
from schemas.directory import Directory
from schemas.problem import Code

MOST_AHEAD = 1000
"""How much higher than the one before it a list's version may be."""


def newest_lists(folder: Path, snapshot: Snapshot | None) -> list[SignedList]:
    """Those that this snapshot names; raises OSError, IntegrityError."""
    made = []
    for file, meta in snapshot.meta.items() if snapshot else ():
        if not file.startswith(PREFIX):
            continue
        name = file.removesuffix(".json").removeprefix(PREFIX)
        metadata = (folder / "metadata" / f"{meta.version}.{file}").read_bytes()
        target = read_metadata(name, metadata).signed.targets[target_of(name)]
        made.append(SignedList(name, metadata, (folder / "targets" / target.get_prefixed_paths()[0]).read_bytes()))
    return made


def check_lists(
    held: Iterable[SignedList],
    new: Iterable[SignedList],
    targets: Targets,
    document: Directory,
    realm: str,
    *,
    again: bool,
) -> None:
    """Refuse new lists that a reader would not take beside this directory; and held ones, where it is new (`again`).

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    before = {each.name: each for each in held}
    after = (before if again else {}) | {each.name: each for each in new}
    for name, each in after.items():
        if name not in lists_of(targets):
            if each is not before.get(name):
                raise _refused(name, "one that the directory's signers gave keys to", "none of its keys")
            if each.read().serial > lifted(document, realm, name).serial:
                raise _refused(name, "a directory that lifts what it says, or keeps it", "one that gives it no keys")
            continue
        found = verified(each, targets)
        known = before.get(name)
        if known is each:
            check_list(each.read(), document, realm, name)
            continue
        last = known.read().places()[-1] if known is not None else genesis(realm, name)
        places = check_list(each.read(), document, realm, name, after=last.serial)
        version = known.version if known is not None else 0
        # Who had the keys for an hour must not use up the numbers for ever.
        if not version < found.version <= version + MOST_AHEAD:
            raise _refused(name, f"version {version + 1}", f"version {found.version}")
        check_passes(places, DenyRef(list=name, serial=last.serial, hash=last.hash))


def _refused(name: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected of the deny list {name} {expected}, found {found}.",
        advice="Nothing was changed in the repository. Sign the list again on top of the newest one here.",
    )
