"""Files of a key ceremony as the command line reads and writes them: shares, proposals, what is in force."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from broker.assembly.realm import held_realm
from broker.cli.inputs import read_bytes, read_json
from broker.cli.options import write_new
from broker.crypto.keys import PublicKey
from broker.directory.files import one_at_a_time, write_whole
from broker.directory.share import is_whole, public_key, read_share, role_in_share
from broker.directory.tuf_delegated import Delegates
from broker.directory.tuf_drafts import CountryKeys, RealmKeys
from broker.directory.tuf_held import Held
from broker.directory.tuf_proposal import Proposal
from broker.errors import IntegrityError
from schemas.directory import Directory
from schemas.problem import Code
from schemas.realm import OPERATOR, Share

SIGNED = "signed.json"
"""Beside the keys: what they have signed, by version."""

FileOption = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A proposal.")]
InForceOption = Annotated[
    Path | None,
    typer.Option(
        "--in-force", metavar="DIR", exists=True, file_okay=False, help="A copy of the repository that is in force."
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="ROOT.JSON",
        exists=True,
        dir_okay=False,
        help="The root your side pinned; by default the root.json in that folder.",
    ),
]


def held_by(in_force: Path | None, root: Path | None) -> Held | None:
    """What is in force in the folder given; None where none was given.

    Raises:
        IntegrityError: code `config-invalid` or `directory-invalid`: no realm there, or it does not verify.
    """
    if in_force is None:
        return None
    held = held_realm(in_force, root or in_force / "root.json")
    if held is None:
        raise _refused(f"a realm's repository (metadata/, targets/) in {in_force}", "none", "Copy the whole folder.")
    return held


def shares_of(files: Sequence[Path]) -> Mapping[str, Share]:
    """Shares by their holders; raises IntegrityError (code `directory-invalid`)."""
    found: dict[str, Share] = {}
    for path in files:
        share = read_share(read_bytes(path))
        if share.holder in found:
            raise _refused("one share of each holder", f"two of {share.holder}", "Name the newer one.")
        found[share.holder] = share
    return found


def keys_for(held: Held | None, shares: Mapping[str, Share], *, renewed: bool) -> RealmKeys | None:
    """The keys of the next root: those in force with the shares' in the place of their holders'. None where there is
    to be no new root: nobody's keys change and it is not to be renewed.

    Raises:
        IntegrityError: code `directory-invalid`; a first root without the operator's share, or of a new country the
            keys of its deny list alone.
    """
    before = held.keys if held is not None else None
    if before is None and OPERATOR not in shares:
        raise _refused(
            "the shares of two countries and of the operator",
            f"{len(shares)} without the operator's",
            "`setu init --ceremony` writes it; without --in-force a first realm is drawn up.",
        )
    countries = {
        **(before.countries if before is not None else {}),
        **{holder: _country(share) for holder, share in shares.items() if holder != OPERATOR and is_whole(share)},
    }
    for holder in shares.keys() - countries.keys() - {OPERATOR}:
        raise _refused(
            f"the six keys of {holder}, which has none in force",
            "a share of its deny list alone",
            "Have it make its share with all of its keys.",
        )
    if OPERATOR in shares:
        keys = RealmKeys(
            countries, _publics(shares[OPERATOR], "snapshot")[0], _publics(shares[OPERATOR], "timestamp")[0]
        )
    elif before is not None:
        keys = RealmKeys(countries, before.snapshot, before.timestamp)
    return keys if renewed or before is None or _all(keys) != _all(before) else None


def delegates_for(held: Held | None, shares: Mapping[str, Share]) -> Delegates | None:
    """Who keeps deny lists, and signs wrap keys, from then on: as in force, with the shares' keys in the place of those
    of the same role; a share without any leaves its holder's as they are. None where nothing changes.
    """
    before = held.delegates if held is not None else {}
    given: dict[str, list[PublicKey]] = {}
    for holder, share in shares.items():
        for key in share.keys:
            if (role := role_in_share(holder, key.use)) is not None:
                given.setdefault(role, []).append(public_key(key))
    made = {**before, **{role: tuple(sorted(keys, key=lambda each: each.alg)) for role, keys in given.items()}}
    return made if made != before else None


def document_for(
    held: Held | None, keys: RealmKeys | None, given: Directory | None, *, renewed: bool
) -> Directory | None:
    """The document of the next directory: the one given; else the one in force under the next version, where it is to
    be renewed or other targets keys must sign it; else None.

    Raises:
        IntegrityError: code `directory-invalid`; there would be nothing to sign, or a realm without a directory.
    """
    changed = held is not None and keys is not None and _targets(keys) != _targets(held.keys)
    if given is None and held is not None and (renewed or changed):
        return held.document.model_copy(update={"version": held.document.version + 1})
    if given is None and (held is None or keys is None):
        raise _refused(
            "something to sign: new keys, a new document, or what is to be renewed",
            "none of them" if held is not None else "a first realm without its directory",
            "Name --share, --document or --renew.",
        )
    return given


def gathered(files: Sequence[Path], held: Held | None) -> Proposal:
    """The one proposal of all these files, with the signatures of all; raises as `Proposal`, naming the file."""
    found: Proposal | None = None
    for path in files:
        try:
            each = Proposal.from_json(read_bytes(path), held)
            found = each if found is None else found.merged(each)
        except IntegrityError as error:
            raise IntegrityError(error.code, f"In {path.name}: {error.message}", advice=error.advice) from error
    if found is None:
        raise _refused("a proposal's file", "none", "Name the files that the holders signed.")
    return found


def remember_signing(places: Sequence[Path], proposal: Proposal, *, again: bool) -> None:
    """Write down beside the keys what they sign, before they do: two directories of one version, both signed, are what
    an operator could show two readers.

    Args:
        places: the folders of the keys, or key files.
        proposal: what is to be signed.
        again: sign though these keys have signed another of this version, or for another realm.

    Raises:
        IntegrityError: code `directory-invalid`; they have, or it is judged by another realm than they signed for, and
            `again` is not set. Nothing was written.
    """
    signing = dict(proposal.hashes())
    if proposal.held is not None:
        signing["realm"] = proposal.held.realm
    folders = sorted({path.resolve() if path.is_dir() else path.resolve().parent for path in places})
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(one_at_a_time(folder))
        for folder in folders:
            before = _signed_before(folder)
            for what, hash_ in signing.items():
                if before.get(what, hash_) != hash_ and not again:
                    raise _refused(
                        f"the same {what} as was signed with the keys in {folder} before",
                        "another" if what == "realm" else "another of that version",
                        _OTHER_REALM if what == "realm" else _OTHER_VERSION,
                    )
        for folder in folders:
            members = {**_signed_before(folder), **signing}
            write_whole(folder / SIGNED, json.dumps(members, indent=1).encode() + b"\n", mode=0o600)


_OTHER_VERSION = (
    "Have it drawn up under a higher version. Only where the earlier signature never left this machine, or its "
    "proposal was given up by all: --again."
)
_OTHER_REALM = (
    "Name the root that your side pinned itself (--root): a folder that somebody brought may hold one of its own. Only "
    "where these keys are to serve another realm, too: --again."
)


def carry_over(source: Path, target: Path) -> None:
    """Keys move from one folder into another, and with them what they have signed."""
    if (source / SIGNED).exists():
        members = {**_signed_before(target), **_signed_before(source)}
        write_whole(target / SIGNED, json.dumps(members, indent=1).encode() + b"\n", mode=0o600)
        (source / SIGNED).unlink()


def _signed_before(folder: Path) -> Mapping[str, str]:
    path = folder / SIGNED
    found = read_json(path) if path.exists() else {}
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise _refused(f"the record of what was signed in {path}", "another file", "Restore it from its backup.")
    return found


def read_kind(path: Path) -> str:
    """What a file says it is."""
    found = read_json(path)
    return str(found.get("v")) if isinstance(found, dict) else ""


def write_object(path: Path, members: Mapping[str, Any]) -> None:
    """Write a new file of a ceremony; raises MalformedError (code `bad-request`) where there is one."""
    write_new(path, json.dumps(members, indent=1).encode() + b"\n")


def _country(share: Share) -> CountryKeys:
    first, second, third, fourth = _publics(share, "root")
    classical, quantum = _publics(share, "targets")
    return CountryKeys((first, second, third, fourth), (classical, quantum))


def _publics(share: Share, use: str) -> list[PublicKey]:
    return [public_key(key) for key in share.keys if key.use == use]


def _all(keys: RealmKeys) -> set[tuple[str, str]]:
    """(country and role, or role; kid) of each key."""
    of_root = {(f"{country} root", key.kid) for country, each in keys.countries.items() for key in each.root}
    return of_root | _targets(keys) | {("snapshot", keys.snapshot.kid), ("timestamp", keys.timestamp.kid)}


def _targets(keys: RealmKeys) -> set[tuple[str, str]]:
    return {(f"{country} targets", key.kid) for country, each in keys.countries.items() for key in each.targets}


def _refused(expected: str, found: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.DIRECTORY_INVALID, f"Expected {expected}, found {found}.", advice=advice)
