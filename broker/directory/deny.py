"""Deny lists in force: what each may say, how one follows another, and what they make of a directory. Pure.

A list suspends and lifts nothing. What it says counts until the directory, which all countries sign, says in `lifted`
that it took account of it up to a place; until then each newer list must begin with all that the one before said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pycountry
from pydantic import ValidationError

from broker.directory.roles import DENY, Found
from broker.errors import IntegrityError
from schemas.canonical import MalformedJsonError
from schemas.deny import OPERATOR, Denial, DenyList, DenyPlace, DenyRef, genesis
from schemas.directory import Agency, AgencyState, Directory, Key, KeyState
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Listed:
    """A list in force. `document` is None where none was ever found to be sound: then it counts as expired at 0.

    trouble: why a newer one that was found is not in force.
    """

    name: str
    version: int = 0
    expires: float = 0.0
    document: DenyList | None = None
    places: tuple[DenyPlace, ...] = ()
    trouble: str | None = None

    @property
    def ref(self) -> DenyRef | None:
        """Its place; None where it says nothing yet."""
        if not self.places or not self.places[-1].serial:
            return None
        return DenyRef(list=self.name, serial=self.places[-1].serial, hash=self.places[-1].hash)

    def stale(self, now: float, grace: float = 0.0) -> bool:
        return now >= self.expires + grace


def put_in_force(
    found: Iterable[Found], before: Mapping[str, Listed], directory: Directory, realm: str
) -> tuple[Listed, ...]:
    """The lists in force after these were found. One that is refused leaves in force the one before it, and the others
    go on: no country's list can keep another's from counting.
    """
    made = []
    for each in found:
        if not each.role.startswith(DENY):
            continue
        name = each.role.removeprefix(DENY)
        held = before.get(name)
        try:
            made.append(_next(each, name, held, directory, realm))
        except IntegrityError as error:
            made.append(replace(held or Listed(name), trouble=error.message))
    return tuple(made)


def _next(found: Found, name: str, held: Listed | None, directory: Directory, realm: str) -> Listed:
    if found.raw is None:
        raise _refused(name, "one that its keys signed", found.trouble or "none")
    document = read_list(found.raw, name)
    if held is not None and found.version < held.version:
        raise _refused(name, f"version {held.version} or newer", f"version {found.version}")
    if held is not None and held.document is not None and found.version == held.version and document != held.document:
        raise _refused(name, f"what it said as version {held.version}", "another list of that version")
    places = check_list(document, directory, realm, name)
    made = Listed(name, found.version, found.expires, document, places)
    if held is not None and held.places:
        last = held.places[-1]
        check_passes(places, DenyRef(list=name, serial=last.serial, hash=last.hash))
    return made


def read_list(raw: bytes, name: str) -> DenyList:
    """Raises IntegrityError (code `directory-invalid`)."""
    try:
        return DenyList.from_json(raw)
    except (MalformedJsonError, ValidationError) as error:
        raise _refused(name, "a deny list", "another document") from error


def check_list(
    document: DenyList, directory: Directory, realm: str, name: str, *, after: int | None = None
) -> tuple[DenyPlace, ...]:
    """What a list must be beside its signatures; its places.

    after: entries behind this one are new, and name keys and certificates of their agency alone. An older one may name
    what another agency has come by since: it counts for nothing, and must not stop the directory that says so.

    Raises:
        IntegrityError: code `directory-invalid`: another realm's or another's list, one that names an agency of another
            country, or newly a key or certificate of another agency, or one that lacks what the directory did not lift.
    """
    if document.realm != realm:
        raise _refused(name, "one for this realm", "one for another realm")
    if document.list != name:
        raise _refused(name, "its own document", f"the list {document.list}")
    known = lifted(directory, realm, name)
    _check_names(document, directory, known.serial, after)
    places = document.places()
    check_passes(places, known)
    return places


def lifted(directory: Directory, realm: str, name: str) -> DenyRef:
    """How far the directory lifted a list."""
    for each in directory.lifted or ():
        if each.list == name:
            return each
    start = genesis(realm, name)
    return DenyRef(list=name, serial=start.serial, hash=start.hash)


def following(
    held: Listed | None, directory: Directory, realm: str, name: str, denials: Sequence[Denial] = ()
) -> DenyList:
    """The list to sign next: what is in force and was not lifted, and these behind it.

    Raises:
        IntegrityError: code `directory-invalid`; see `check_list`.
    """
    up_to = lifted(directory, realm, name)
    kept: tuple[Denial, ...] = ()
    if held is not None and held.document is not None and held.document.serial > up_to.serial:
        kept = held.document.denials[max(0, up_to.serial - held.document.base.serial) :]
    base = DenyPlace(serial=up_to.serial, hash=up_to.hash)
    made = DenyList(realm=realm, list=name, base=base, denials=(*kept, *denials))
    check_list(made, directory, realm, name, after=base.serial + len(kept))
    return made


def check_passes(places: Sequence[DenyPlace], known: DenyRef) -> None:
    """Refuse a list that is not what was known of it, with more behind.

    Raises:
        IntegrityError: code `directory-invalid`; entries are missing, or others stand in their place.
    """
    first, last = places[0].serial, places[-1].serial
    if known.serial > last:
        raise _refused(known.list, f"entries up to {known.serial}", f"one that ends after {last}")
    if known.serial < first:
        raise _refused(
            known.list,
            f"all entries after {known.serial}, up to which the directory lifted it",
            f"one that begins after {first}",
        )
    if places[known.serial - first].hash != known.hash:
        raise _refused(known.list, f"the entries known up to {known.serial}", "others in their place")


def check_continues(before: Iterable[DenyRef], lists: Iterable[Listed], directory: Directory) -> None:
    """Refuse lists that say less than those that were in force, as a ledger remembers them (`refs_of`).

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    held = {each.name: each for each in lists}
    up_to = {each.list: each.serial for each in directory.lifted or ()}
    for known in before:
        if known.serial <= up_to.get(known.list, 0):
            continue
        found = held.get(known.list)
        if found is None or not found.places:
            said = found.trouble if found is not None else None
            raise _refused(known.list, f"entries up to {known.serial}", f"none ({said or 'there is no such list'})")
        check_passes(found.places, known)


def suspended(directory: Directory, lists: Iterable[Listed], realm: str) -> Directory:
    """The directory with what the lists suspend: a country's its own agencies, the operator's any, and of an agency
    what is that agency's.
    """
    said: dict[str, list[tuple[str, Denial]]] = {}
    for each in lists:
        if each.document is None:
            continue
        skip = max(0, lifted(directory, realm, each.name).serial - each.document.base.serial)
        for denial in each.document.denials[skip:]:
            said.setdefault(denial.agency, []).append((each.name, denial))
    if not said:
        return directory
    rows = []
    for row in directory.agencies:
        counting = [denial for name, denial in said.get(row.id, ()) if name in (OPERATOR, row.country)]
        rows.append(_suspended(row, counting) if counting else row)
    return directory.model_copy(update={"agencies": tuple(rows)})


def _suspended(agency: Agency, said: Sequence[Denial]) -> Agency:
    whole = any(each.kid is None and each.certificate is None for each in said)
    certificates = {each.certificate for each in said}
    kids = {each.kid for each in said}
    return agency.model_copy(
        update={
            "state": AgencyState.SUSPENDED if whole else agency.state,
            "certificates": tuple(
                row.model_copy(update={"state": KeyState.REVOKED}) if row.sha256 in certificates else row
                for row in agency.certificates
            ),
            "keys": tuple(_revoked(row, said) if row.kid in kids else row for row in agency.keys),
        }
    )


def _revoked(key: Key, said: Sequence[Denial]) -> Key:
    """Disputed since the earliest moment that any entry names: a later entry takes nothing back."""
    moments = [key.compromised_since, *(each.since for each in said if each.kid == key.kid)]
    since = min((each for each in moments if each is not None), default=None)
    return key.model_copy(update={"state": KeyState.REVOKED, "compromised_since": since})


def words_of(lists: Iterable[Listed]) -> str:
    """The places of all lists that have entries, as one line that says whether they are the same: `IND:4:<hash>`."""
    return " ".join(f"{ref.list}:{ref.serial}:{ref.hash}" for each in lists if (ref := each.ref) is not None)


def refs_of(words: str) -> tuple[DenyRef, ...]:
    """What `words_of` wrote."""
    found = (each.split(":") for each in words.split())
    return tuple(DenyRef(list=name, serial=int(serial), hash=digest) for name, serial, digest in found)


def _check_names(document: DenyList, directory: Directory, lifted_to: int, after: int | None) -> None:
    """A country's list names its own; the operator's anybody. Who is not in the directory is known by the id alone."""
    rows = {each.id: each for each in directory.agencies}
    owners = {key.kid: agency.id for agency in directory.agencies for key in agency.keys}
    owners |= {each.sha256: agency.id for agency in directory.agencies for each in agency.certificates}
    for number, denial in enumerate(document.denials, document.base.serial + 1):
        if number <= lifted_to:
            continue
        row = rows.get(denial.agency)
        theirs = row.country == document.list if row is not None else _begins(denial.agency, document.list)
        if document.list != OPERATOR and not theirs:
            raise _refused(document.list, "agencies of that country alone", f"another country's in entry {number}")
        named = denial.kid or denial.certificate
        if after is None or number <= after or named is None:
            continue
        if owners.get(named, denial.agency) != denial.agency:
            raise _refused(document.list, "keys and certificates of the agency named", f"another's in entry {number}")


def _begins(agency: str, country: str) -> bool:
    found = pycountry.countries.get(alpha_3=country)
    return found is not None and agency.startswith(f"{found.alpha_2.lower()}-")


def _refused(name: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected of the deny list {name} {expected}, found {found}.",
        advice="What was in force stays so. Ask who keeps that list to sign it anew.",
    )
