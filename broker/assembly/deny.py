"""Deny lists: signed where their keys are, put into the repository where the operator's are."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from broker.assembly.keys import keys_in
from broker.crypto.keys import PrivateKey
from broker.directory.deny import Listed, following
from broker.directory.lookup import Snapshot
from broker.directory.roles import DENY
from broker.directory.tuf import LocalDirectory
from broker.directory.tuf_repository import Operator, Repository
from broker.directory.tuf_signed import LIFETIME, SignedTarget, sign_target
from broker.errors import IntegrityError, RequestError, UnavailableError
from broker.flows.denying import Kept
from schemas.canonical import canonical
from schemas.deny import Denial, SignedDenyList
from schemas.problem import Code

Clock = Callable[[], float]


def deny_use(name: str) -> str:
    """What a key file says that it is for, where it signs a deny list."""
    return DENY + name


def deny_signers(folder: Path, name: str) -> list[PrivateKey]:
    """The keys of a list among the key files of a folder; raises IntegrityError (code `config-invalid`)."""
    found = [key for use, key in keys_in(folder) if use == deny_use(name)]
    if not found:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected key files for {deny_use(name)} in {folder}, found none.",
            advice="Name the folder with the keys of that deny list; `setu deny keys` makes some.",
        )
    return found


def list_in(snapshot: Snapshot, name: str) -> Listed:
    """A deny list of the directory; raises IntegrityError (code `directory-invalid`)."""
    for each in snapshot.lists:
        if each.name == name:
            return each
    raise IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected a directory that gives keys to the deny list {name}, found {len(snapshot.lists)} others.",
        advice="`setu deny show` prints which there are; another has to be agreed on in a ceremony.",
    )


def sign_next(
    snapshot: Snapshot, name: str, keys: Iterable[PrivateKey], denials: Sequence[Denial] = (), *, now: Clock = time.time
) -> SignedTarget:
    """The list with these behind what it said, or as it is, signed for another day.

    Raises:
        IntegrityError: code `directory-invalid`; no such list, or it names whom it may not.
    """
    held = list_in(snapshot, name)
    made = following(held, snapshot.signed, snapshot.realm, name, denials)
    return sign_target(DENY + name, made.canonical(), held.version + 1, keys, now())


def put_lists(
    repository: Path, operator: tuple[PrivateKey, PrivateKey], lists: Sequence[SignedTarget], *, now: Clock = time.time
) -> None:
    """Put lists in force; raises IntegrityError (code `directory-invalid`), and nothing was changed."""
    Repository(repository, now).install(Operator(*operator), delegated=lists)


class DenyLists:
    """`broker.flows.denying.Keeper`, of a repository's folder.

    operator: the operator's two keys, asked for each time; None where they are elsewhere.
    """

    def __init__(
        self,
        repository: Path,
        operator: Callable[[], tuple[PrivateKey, PrivateKey] | None],
        *,
        now: Clock = time.time,
    ) -> None:
        self._repository = repository
        self._operator = operator
        self._now = now

    def keep(self, made: SignedDenyList) -> Kept:
        """See `Keeper`."""
        repository = Repository(self._repository, self._now)
        found = file_of(made)
        if any(each == found for each in repository.delegated()):
            return Kept(found.version, found.expires, fresh=False)
        repository.check(found)
        operator = self._operator()
        if operator is None:
            raise UnavailableError(
                "Expected the operator's snapshot and timestamp keys at this gateway, found that it takes no lists.",
                retry_after=60,
                advice="Give the signed list to the operator, who puts it in force with `setu deny publish`.",
            )
        try:
            repository.install(Operator(*operator), delegated=[found])
        except IntegrityError:
            # Another process was quicker with this version; or it is the repository that is unsound.
            if any(each == found for each in repository.delegated()):
                return Kept(found.version, found.expires, fresh=False)
            repository.check(found)
            raise
        return Kept(found.version, found.expires, fresh=True)


def file_of(made: SignedDenyList) -> SignedTarget:
    """The two files of a list on its way; raises RequestError (code `deny-list-invalid`)."""
    try:
        return SignedTarget(DENY + made.document.list, canonical(made.metadata), made.document.canonical())
    except ValueError as error:
        raise RequestError(
            Code.DENY_LIST_INVALID,
            "Expected TUF metadata of the deny list, found numbers that have no canonical form.",
            advice="Sign it anew with `setu deny renew`.",
        ) from error


def renew_lists(
    repository: Path, root: bytes, keys: Path, operator: tuple[PrivateKey, PrivateKey], *, now: Clock = time.time
) -> list[str]:
    """Sign anew those lists whose keys are at hand and whose time is half over; their names.

    That is the operator's own; a country's only where all keys are in one place. Raises as `put_lists`.
    """
    at_hand = {use for use, _ in keys_in(keys)}
    snapshot = LocalDirectory(repository, root, now).current()
    due = [each.name for each in snapshot.lists if deny_use(each.name) in at_hand and each.stale(now() + LIFETIME // 2)]
    made = [sign_next(snapshot, name, deny_signers(keys, name), now=now) for name in due]
    if made:
        put_lists(repository, operator, made, now=now)
    return due
