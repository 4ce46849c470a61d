"""Whether a caller's word counts, asked again under each view that something is decided in."""

from broker.directory.deny import Listed
from broker.directory.lookup import Snapshot
from broker.errors import CallerError, UnavailableError
from broker.flows.identify import Caller, require_active
from schemas.problem import Code

GRACE = 86_400
"""Seconds for which a deny list that expired is enough."""


def check_standing(caller: Caller, snapshot: Snapshot, now: float, grace: float) -> None:
    """What `Identify` found before may be over by now; and a country that may have suspended somebody must be heard.

    Raises:
        CallerError: code `agency-suspended` or `unknown-agency`.
        UnavailableError: the country's deny list is older than its expiry and `grace`.
    """
    row = snapshot.by_certificate(caller.certificate.sha256)
    if row is None or row[0].id != caller.agency.id:
        raise CallerError(
            Code.UNKNOWN_AGENCY,
            "Expected a client certificate registered in the directory, found one that is no longer.",
            advice="Have the certificate's fingerprint enrolled, or use the one that is.",
        )
    agency, certificate = row
    require_active(agency, certificate)
    for each in snapshot.lists:
        if each.name == agency.country and each.stale(now, grace):
            raise UnavailableError(
                f"Expected a deny list of {each.name} that is fresh, found {_age(each.expires, now)}: "
                "until that country signs it anew, nothing is accepted from it.",
                retry_after=60,
                advice="Ask who keeps your country's deny list to renew it, then send the same bytes again.",
            )


def warnings(snapshot: Snapshot, now: float) -> list[str]:
    """What is wrong with the deny lists and the gateways' wrap keys in force, a sentence each."""
    unread = [
        f"Expected a wrap key of {each.gateway} in its dates, found none: it is no reader."
        for each in snapshot.gateways
        if not any(key.not_before <= now < key.not_after for key in each.keys)
    ]
    return [
        *deny_warnings(snapshot, now),
        *unread,
        *(each.trouble for each in snapshot.gateways if each.trouble is not None),
    ]


def deny_warnings(snapshot: Snapshot, now: float) -> list[str]:
    """What is wrong with the deny lists in force, a sentence each."""
    return [sentence for each in snapshot.lists for sentence in doubts(each, now)]


def doubts(each: Listed, now: float) -> list[str]:
    """What is wrong with one; of a list that never was in force, why says it all."""
    found = [each.trouble] if each.trouble is not None else []
    if each.stale(now) and (each.expires or not found):
        found.insert(0, f"Expected the deny list {each.name} to be fresh, found {_age(each.expires, now)}.")
    return found


def _age(expires: float, now: float) -> str:
    return f"one that expired {int(now - expires) // 3600} h ago" if expires else "none that verifies"
