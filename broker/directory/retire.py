"""The end of an agency's keys and certificates: retired where they were replaced, revoked where they were compromised.

A retired key's old signatures stay good, and old packets open. What a revoked key signed from `compromised_since` on is
disputed: it stays in the log, and everybody is told not to rely on it.
"""

from collections.abc import Collection
from dataclasses import dataclass

from broker.directory.check import check_document
from broker.directory.logs import signing
from broker.errors import MalformedError
from schemas.directory import Agency, Certificate, Directory, Key, KeyState, KeyUse
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Ending:
    """What to end: kids and certificates (SHA-256); `since`: unix seconds from which on it was in other hands."""

    kids: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()
    since: int | None = None

    @property
    def something(self) -> bool:
        return bool(self.kids or self.certificates)


def replaced(row: Agency, now: float, *, early: bool = False) -> Ending:
    """Keys that stand active beside a newer one that is good now, and certificates past their dates.

    Keys only once their own dates are over, unless `early`. Which certificate another took the place of is not known,
    for an agency may have one for each machine: one that is within its dates is named.
    """
    keys = [each for each in row.keys if _newer_key(each, row, now) and (early or _over(each, now))]
    certificates = [each for each in row.certificates if _in_use(each) and _over(each, now)]
    return Ending(frozenset(each.kid for each in keys), frozenset(each.sha256 for each in certificates))


def overlapping(row: Agency, now: float) -> list[Key]:
    """Keys that a newer one replaces, and that are good for a while yet; the first to end first."""
    found = [each for each in row.keys if _newer_key(each, row, now) and not _over(each, now)]
    return sorted(found, key=lambda each: each.not_after)


def ends(row: Agency, besides: Collection[str] = ()) -> list[int]:
    """When the agency's newest key of each use and algorithm ends, and its newest certificate; unix seconds. `besides`:
    kids that are not looked at.
    """
    last: dict[str, int] = {}
    for key in row.keys:
        if _in_use(key) and key.kid not in besides:
            kind = f"{key.use} {key.alg}"
            last[kind] = max(last.get(kind, 0), key.not_after)
    in_use = [each for each in row.certificates if _in_use(each)]
    newest = max(in_use, key=lambda each: int(each.uri.rpartition(":g")[2]), default=None)
    return [*last.values(), *([] if newest is None else [newest.not_after])]


def retired(before: Directory, agency: str, ending: Ending, now: float) -> Directory:
    """The next version, in which these are retired, or with `since` revoked.

    Raises:
        MalformedError: code `bad-request`; no such agency, key or certificate, one that is ended already, one that
            signs a log, or the last good one of its use, which only a compromise ends.
        IntegrityError: code `directory-invalid`.
    """
    row = next((each for each in before.agencies if each.id == agency), None)
    known = set() if row is None else {each.kid for each in row.keys} | {each.sha256 for each in row.certificates}
    if row is None or not ending.something or not ending.kids | ending.certificates <= known:
        raise _wrong("keys and certificates of that agency", "others, or none", "`setu directory show` lists them.")
    if ending.kids & signing(before, agency):
        raise _wrong(
            "keys that do not sign a log",
            "a key of a pair that signs one",
            "Such a pair is replaced first, by `setu rotate log`; one in other hands ends with --compromised there.",
        )
    after = row.model_copy(
        update={
            "keys": tuple(_key(each, ending) if each.kid in ending.kids else each for each in row.keys),
            "certificates": tuple(
                _certificate(each, ending) if each.sha256 in ending.certificates else each for each in row.certificates
            ),
        }
    )
    if after == row:
        raise _wrong("keys and certificates that are in use", "ones that were ended before", "Nothing is to be done.")
    lost = uses(row, now) - uses(after, now)
    if lost and ending.since is None:
        raise _wrong(
            "another good one of each use to be left",
            f"none left for {', '.join(sorted(lost))}",
            "Have the agency rotate first (`setu rotate request`); what is compromised ends with --compromised-since.",
        )
    agencies = tuple(after if each.id == agency else each for each in before.agencies)
    made = before.model_copy(update={"version": before.version + 1, "agencies": agencies})
    document = Directory.from_object(made.to_object())
    check_document(document)
    return document


def uses(row: Agency, now: float) -> set[str]:
    """What the agency has something good for now: algorithms of signing and wrap keys, `certificate`."""
    found = {f"{each.use} {each.alg}" for each in row.keys if _in_use(each) and _good(each, now)}
    return found | {"certificate" for each in row.certificates if _in_use(each) and _good(each, now)}


def _key(key: Key, ending: Ending) -> Key:
    if ending.since is None:
        return key if key.state is KeyState.REVOKED else key.model_copy(update={"state": KeyState.RETIRED})
    since = ending.since if key.compromised_since is None else min(ending.since, key.compromised_since)
    return key.model_copy(update={"state": KeyState.REVOKED, "compromised_since": since})


def _certificate(certificate: Certificate, ending: Ending) -> Certificate:
    if certificate.state is KeyState.REVOKED:
        return certificate
    state = KeyState.RETIRED if ending.since is None else KeyState.REVOKED
    return certificate.model_copy(update={"state": state})


def _in_use(each: Key | Certificate) -> bool:
    return each.state is KeyState.ACTIVE and not (isinstance(each, Key) and each.use is KeyUse.LOG)


def _good(each: Key | Certificate, now: float) -> bool:
    return each.not_before <= now < each.not_after


def _over(each: Key | Certificate, now: float) -> bool:
    return now >= each.not_after


def _newer_key(key: Key, row: Agency, now: float) -> bool:
    """It is in use, and so is a newer one."""
    return _in_use(key) and any(
        _in_use(each)
        and _good(each, now)
        and (each.use, each.alg) == (key.use, key.alg)
        and each.not_before > key.not_before
        for each in row.keys
    )


def _wrong(expected: str, found: str, advice: str) -> MalformedError:
    return MalformedError(Code.BAD_REQUEST, f"Expected {expected}, found {found}.", advice=advice)
