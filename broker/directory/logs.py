"""The next version of a directory document, for the two steps of a log's change of keys."""

from collections.abc import Callable, Iterator, Sequence

from broker.crypto.keys import PublicKey
from broker.errors import IntegrityError
from broker.merkle.note import VerifierKey
from schemas.canonical import b64u
from schemas.directory import Agency, Directory, Key, KeyState, KeyUse, Log, LogPair
from schemas.problem import Code

BACKDATED = 300
"""Seconds before now from which a new key is valid: clocks differ a little."""


def row_of(document: Directory, gateway: str) -> Log:
    """The row of this gateway's ledger; raises IntegrityError (code `directory-invalid`)."""
    for log in document.logs:
        if log.gateway == gateway:
            return log
    raise IntegrityError(
        Code.DIRECTORY_INVALID,
        "Expected the directory to name this gateway's ledger, found none.",
        advice="Have the countries add it to the directory.",
    )


def both_sign(log: Log) -> tuple[LogPair, ...]:
    """The former pairs that still sign beside the current one."""
    return tuple(each for each in log.former or () if each.size is None)


def signing(document: Directory, gateway: str) -> set[str]:
    """The kids of the pairs that sign this gateway's log, the current one and those beside it; none without a log."""
    pairs = [pair for log in document.logs if log.gateway == gateway for pair in log.pairs if pair.size is None]
    return _kids(pairs)


def replaced(
    document: Directory,
    gateway: str,
    pair: LogPair,
    *,
    now: int,
    days: int,
    compromised_at: int | None = None,
) -> Directory:
    """With this pair as the current one, and the one before among the former: without a size, so that both sign; or,
    where it was compromised, good up to a log of `compromised_at` entries and no further.
    """
    log = row_of(document, gateway)
    before = log.pairs[0].model_copy(update={"size": compromised_at})
    former = [before, *(log.former or ())]
    if compromised_at is not None:
        former = [
            each if each.size is not None else each.model_copy(update={"size": compromised_at}) for each in former
        ]
    row = Log(gateway=gateway, origin=log.origin, ed25519=pair.ed25519, mldsa44=pair.mldsa44, former=tuple(former))
    gone, beside = _kids([before]), _kids(both_sign(log))
    added = [_key(public, now - BACKDATED, now + days * 86_400) for public in _publics(pair)]

    def changed(key: Key) -> Key:
        if compromised_at is None or key.kid not in gone | beside:
            return key
        if key.kid in beside:
            return key.model_copy(update={"state": KeyState.RETIRED})
        return key.model_copy(update={"state": KeyState.REVOKED, "compromised_since": now})

    return _with(document, row, changed, added)


def ended(document: Directory, gateway: str, size: int) -> Directory:
    """With every former pair that still signs good up to a log of `size` entries and no further."""
    log = row_of(document, gateway)
    ending = both_sign(log)
    former = tuple(each.model_copy(update={"size": size}) if each in ending else each for each in log.former or ())
    gone = _kids(ending)

    def changed(key: Key) -> Key:
        return key.model_copy(update={"state": KeyState.RETIRED}) if key.kid in gone else key

    return _with(document, log.model_copy(update={"former": former}), changed, [])


def dropped(before: Directory, after: Directory) -> Iterator[str]:
    """What a version says less of a log that goes on: without it receipts could be checked no more, or a pair that had
    come to its end would count again.
    """
    rows = {(log.gateway, log.origin): log for log in after.logs}
    for log in before.logs:
        row = rows.get((log.gateway, log.origin))
        if row is None:
            continue
        sizes = {(each.ed25519, each.mldsa44): each.size for each in row.pairs}
        for each in log.pairs:
            size = sizes.get((each.ed25519, each.mldsa44), -1)
            if size == -1:
                yield f"the log of {log.gateway} without a pair of keys that it had"
            elif each.size is not None and (size is None or size > each.size):
                yield f"a former pair of the log of {log.gateway} that counts further than before"


def _with(document: Directory, row: Log, changed: Callable[[Key], Key], added: Sequence[Key]) -> Directory:
    def of(agency: Agency) -> Agency:
        if agency.id != row.gateway:
            return agency
        listed = {key.kid for key in agency.keys}
        more = [key for key in added if key.kid not in listed]
        return agency.model_copy(update={"keys": (*map(changed, agency.keys), *more)})

    return document.model_copy(
        update={
            "version": document.version + 1,
            "agencies": tuple(map(of, document.agencies)),
            "logs": tuple(row if log.gateway == row.gateway else log for log in document.logs),
        }
    )


def _publics(pair: LogPair) -> list[PublicKey]:
    return [VerifierKey.parse(each).public for each in (pair.ed25519, pair.mldsa44)]


def _kids(pairs: Sequence[LogPair]) -> set[str]:
    return {public.kid for pair in pairs for public in _publics(pair)}


def _key(public: PublicKey, begins: int, ends: int) -> Key:
    return Key(
        kid=public.kid,
        use=KeyUse.LOG,
        alg=public.alg,  # type: ignore[arg-type] # one of the format's, as the verifier key was one
        public=b64u(public.raw),
        not_before=begins,
        not_after=ends,
    )
