"""An agency's request to rotate, held against the directory; and the next version, in which new and old overlap.

While they overlap, both are good: programs of the agency sign with the newest pair that the directory they hold lists,
others go on wrapping to the old key until they hold the new version, and what is on its way stays good.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from broker.directory.alarm import check_same
from broker.directory.check import check_document
from broker.directory.enrol import BACKDATED, DAY, aged, elsewhere, taken_keys
from broker.directory.lookup import Snapshot
from broker.directory.signing import keys_of
from broker.envelope.rotation import ParsedRotation, row_digest
from broker.errors import CallerError, IntegrityError, PacketError, SetuError
from schemas.directory import Agency, AgencyState, Certificate, Directory, Key, KeyState, KeyUse
from schemas.problem import Code

OVERLAP = 7 * DAY
"""Seconds for which what is replaced stays good: what was sealed before is a week on its way at most."""

SHORTEST = 600
"""Seconds. Programs look for a newer directory each five minutes."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """seconds: for which what is replaced stays good. days: for which the new keys are."""

    seconds: int = OVERLAP
    days: int = 731


def check_rotation(request: ParsedRotation, snapshot: Snapshot, now: float) -> None:
    """A request may be carried out: this realm and suite, by this agency's present keys, made for its row as it is.

    Raises:
        SetuError: the first of `faults`.
    """
    for fault in faults(request, snapshot, now):
        raise fault


def faults(request: ParsedRotation, snapshot: Snapshot, now: float) -> Iterator[SetuError]:
    """All that stands against a request, worst first.

    PacketError: `wrong-audience`, `wrong-suite`, `expired`, `clock-skew`, `id-conflict`. SignatureError: `key-unknown`,
    `signature-invalid`. CallerError: `agency-suspended`. IntegrityError: `directory-invalid`; made under a directory of
    this version that is another one.
    """
    body = request.body
    yield from elsewhere(body.realm, body.suite, snapshot)
    yield from aged(body.made, now)
    try:
        check_same(snapshot.ref, body.directory)
        request.check_asker(keys_of(snapshot, body.agency, int(now)))
    except (IntegrityError, PacketError) as error:
        yield error
        return
    row = snapshot.agency(body.agency)
    if row is None or row.state is not AgencyState.ACTIVE:
        yield CallerError(
            Code.AGENCY_SUSPENDED,
            "Expected the request of an active agency, found one of an agency that is suspended.",
            advice="Lift the suspension first, or have the agency enrol anew.",
        )
        return
    yield from _another_row(request, snapshot)
    yield from taken_keys(request.keys, snapshot.document)


def rotated(
    before: Directory, request: ParsedRotation, certificate: Certificate | None, terms: Overlap, now: float
) -> Directory:
    """The next version: new keys and certificate active, those they replace for `terms.seconds` more.

    Replaced are the two keys that signed, every older wrap key, and the certificate that the request names. Request
    and certificate are checked already.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    agencies = tuple(
        _rotated(each, request, certificate, terms, int(now)) if each.id == request.body.agency else each
        for each in before.agencies
    )
    made = before.model_copy(update={"version": before.version + 1, "agencies": agencies})
    document = Directory.from_object(made.to_object())
    check_document(document)
    return document


def _rotated(row: Agency, request: ParsedRotation, certificate: Certificate | None, terms: Overlap, now: int) -> Agency:
    body, until = request.body, now + terms.seconds
    replaced = _replaced(row, request)
    begins = max([now - BACKDATED, *(key.not_before + 1 for key in replaced)])
    dates = {"not_before": begins, "not_after": begins + terms.days * DAY}
    kids = {key.kid for key in replaced}
    keys = tuple(
        each.model_copy(update={"not_after": min(each.not_after, until)}) if each.kid in kids else each
        for each in row.keys
    )
    certificates = row.certificates
    if body.certificate is not None and certificate is not None:
        old = body.certificate.replaces
        certificates = tuple(
            each.model_copy(update={"not_after": min(each.not_after, until)}) if each.sha256 == old else each
            for each in certificates
        )
        certificates = (*certificates, certificate)
    added = tuple(Key.from_object({**key.to_object(), **dates}) for key in body.keys)
    return row.model_copy(update={"keys": (*keys, *added), "certificates": certificates})


def _replaced(row: Agency, request: ParsedRotation) -> list[Key]:
    uses = {key.use for key in request.body.keys}
    return [
        each
        for each in row.keys
        if each.state is KeyState.ACTIVE
        and each.use in uses
        and (each.use is KeyUse.WRAP or each.kid in request.body.sig)
    ]


def _another_row(request: ParsedRotation, snapshot: Snapshot) -> Iterator[PacketError]:
    """A request is good for one row, which carrying it out changes: so none is carried out twice, nor after another."""
    body = request.body
    row = next(each for each in snapshot.signed.agencies if each.id == body.agency)
    if body.row != row_digest(row):
        yield PacketError(
            Code.ID_CONFLICT,
            "Expected a request made for the agency's row as it is now, found one made before its keys or "
            "certificates changed, or carried out already.",
            advice="Have the agency make its request anew.",
        )
        return
    if body.certificate is None:
        return
    highest = max(int(each.uri.rpartition(":g")[2]) for each in row.certificates) if row.certificates else 0
    known = {each.sha256 for each in row.certificates if each.state is KeyState.ACTIVE}
    if body.certificate.generation != highest + 1 or body.certificate.replaces not in known:
        yield PacketError(
            Code.ID_CONFLICT,
            f"Expected a certificate of generation {highest + 1} in place of an active one, found another.",
            advice="Have the agency make its request anew, on the machine that has the certificate.",
            pointer="/certificate",
        )
