"""The deny lists of a repository's folder, as its writer takes and keeps them."""

from collections.abc import Iterable
from pathlib import Path

from tuf.api.metadata import Snapshot, Targets

from broker.directory.deny import check_list, check_passes
from broker.directory.tuf_deny import PREFIX, SignedList, lists_of, read_metadata, verified
from broker.errors import IntegrityError
from schemas.deny import DenyRef, target_of
from schemas.directory import Directory
from schemas.problem import Code


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
            continue
        found = verified(each, targets)
        places = check_list(each.read(), document, realm, name)
        known = before.get(name)
        if known is None or known is each:
            continue
        if found.version <= known.version:
            raise _refused(name, f"version {known.version + 1}", f"version {found.version}")
        last = known.read().places()[-1]
        check_passes(places, DenyRef(list=name, serial=last.serial, hash=last.hash))


def _refused(name: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected of the deny list {name} {expected}, found {found}.",
        advice="Nothing was changed in the repository. Sign the list again on top of the newest one here.",
    )
