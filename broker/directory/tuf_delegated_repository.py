"""What delegated roles signed, in a repository's folder, as its writer takes and keeps it."""

from collections.abc import Iterable
from pathlib import Path

from tuf.api.metadata import Snapshot, Targets

from broker.directory.deny import check_list, check_passes, lifted, read_list
from broker.directory.roles import DENY, WRAP, target_of
from broker.directory.tuf_delegated import roles_of
from broker.directory.tuf_signed import SignedTarget, read_metadata, verified
from broker.directory.wrap import check_wrap_keys, read_wrap_keys
from broker.errors import IntegrityError
from schemas.deny import DenyRef, genesis
from schemas.directory import Directory
from schemas.problem import Code

MOST_AHEAD = 1000
"""How much higher than the one before it a version may be: who had the keys for an hour must not use up the numbers."""


def newest_delegated(folder: Path, snapshot: Snapshot | None) -> list[SignedTarget]:
    """Those that this snapshot names; raises OSError, IntegrityError."""
    made = []
    for file, meta in snapshot.meta.items() if snapshot else ():
        if not file.startswith((DENY, WRAP)):
            continue
        role = file.removesuffix(".json")
        metadata = (folder / "metadata" / f"{meta.version}.{file}").read_bytes()
        target = read_metadata(role, metadata).signed.targets[target_of(role)]
        made.append(SignedTarget(role, metadata, (folder / "targets" / target.get_prefixed_paths()[0]).read_bytes()))
    return made


def check_delegated(
    held: Iterable[SignedTarget],
    new: Iterable[SignedTarget],
    targets: Targets,
    document: Directory,
    realm: str,
    *,
    again: bool,
) -> None:
    """Refuse new ones that a reader would not take beside this directory; and held deny lists, where it is new
    (`again`). Wrap keys that are in force are their gateway's to sign anew.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    before = {each.role: each for each in held}
    kept = {role: each for role, each in before.items() if again and role.startswith(DENY)}
    after = kept | {each.role: each for each in new}
    for role, each in after.items():
        known = before.get(role)
        if role not in roles_of(targets):
            _check_keyless(each, known, document, realm)
            continue
        version, last = verified(each, targets).version, known.version if known is not None else 0
        if each is not known and not last < version <= last + MOST_AHEAD:
            raise _refused(role, f"version {last + 1}", f"version {version}")
        if role.startswith(WRAP):
            gateway = role.removeprefix(WRAP)
            check_wrap_keys(read_wrap_keys(each.document, gateway), document, realm, gateway)
            continue
        _check_list(each, known, document, realm)


def _check_keyless(each: SignedTarget, known: SignedTarget | None, document: Directory, realm: str) -> None:
    """A role that has no keys any more says nothing, and must not have said what is still in force."""
    if each is not known:
        raise _refused(each.role, "one that the directory's signers gave keys to", "none of its keys")
    name = each.role.removeprefix(DENY)
    if read_list(each.document, name).serial > lifted(document, realm, name).serial:
        raise _refused(each.role, "a directory that lifts what it says, or keeps it", "one that gives it no keys")


def _check_list(each: SignedTarget, known: SignedTarget | None, document: Directory, realm: str) -> None:
    name = each.role.removeprefix(DENY)
    made = read_list(each.document, name)
    if known is each:
        check_list(made, document, realm, name)
        return
    last = read_list(known.document, name).places()[-1] if known is not None else genesis(realm, name)
    places = check_list(made, document, realm, name, after=last.serial)
    check_passes(places, DenyRef(list=name, serial=last.serial, hash=last.hash))


def _refused(role: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected of the role {role} {expected}, found {found}.",
        advice="Nothing was changed in the repository. Sign it again on top of the newest one here.",
    )
