"""A new agency's row: its request held against the directory it is to join, and the next version of that."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from broker.crypto.keys import PublicKey
from broker.crypto.parts import Part, parts_of
from broker.directory.alike import ids_alike, mixes_alphabets, names_alike
from broker.directory.check import check_document
from broker.directory.lookup import Snapshot
from broker.envelope.enrolment import ParsedEnrolment
from broker.errors import MalformedError, PacketError, SetuError, SignatureError
from schemas.codes.lists import country_of
from schemas.directory import Agency, Certificate, Channel, Community, Directory, Key, Role
from schemas.handling import Classification, Purpose
from schemas.packet import SuiteName
from schemas.problem import Code

DAY = 86_400
PRACTICE = "ZZZ"
BACKDATED = 300
"""Seconds before now from which keys are good: clocks differ a little."""

STALE = 90 * DAY
AHEAD = 300


@dataclass(frozen=True, slots=True)
class Terms:
    """What the countries grant a new agency; the members are those of `schemas.directory.Agency`.

    communities: ids of those it joins. days: for which its keys are good.
    """

    clearance: Classification
    roles: tuple[Role, ...] = (Role.AGENCY,)
    mandates: tuple[Purpose, ...] = ()
    channels: tuple[Channel, ...] = (Channel.HTTPS,)
    clients: tuple[str, ...] = ()
    sealed_kinds: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()
    days: int = 731


def check_request(request: ParsedEnrolment, snapshot: Snapshot, now: float) -> None:
    """A request may join this directory: its realm and suite, its age, an id, a name and keys of its own.

    Raises:
        SetuError: the first of `faults`.
    """
    for fault in faults(request, snapshot, now):
        raise fault


def faults(request: ParsedEnrolment, snapshot: Snapshot, now: float) -> Iterator[SetuError]:
    """All that stands against a request, worst first.

    PacketError: `wrong-audience`, `wrong-suite`, `expired`, `clock-skew`, `id-conflict`. MalformedError: `schema`, for
    an id of no country, or a name of two alphabets.
    """
    body = request.body
    yield from elsewhere(body.realm, body.suite, snapshot)
    yield from aged(body.made, now)
    if home_of(body.agency) is None:
        yield MalformedError(
            Code.SCHEMA,
            "Expected an agency id that begins with a country (ISO 3166-1 alpha-2), found another.",
            advice="Have the agency make its request anew, under an id like us-dea.",
            pointer="/agency",
        )
    yield from _names(request, snapshot.document)
    yield from taken_keys(request.keys, snapshot.document)


def home_of(agency: str) -> str | None:
    """ISO 3166-1 alpha-3 of an agency's country; ZZZ of a practice partner, which is of none (decision 21)."""
    return PRACTICE if agency.startswith("zz-") else country_of(agency)


def elsewhere(realm: str, suite: SuiteName, snapshot: Snapshot) -> Iterator[PacketError]:
    """A request for another realm or suite: `wrong-audience`, `wrong-suite`."""
    if realm != snapshot.realm:
        yield PacketError(
            Code.WRONG_AUDIENCE,
            "Expected a request for this realm, found one for another.",
            advice="Compare the realm's fingerprint with the agency, and have it make its request from the right root.",
        )
    if suite is not snapshot.suite:
        yield PacketError(
            Code.WRONG_SUITE,
            f"Expected keys of the realm's suite {snapshot.suite}, found another suite's.",
            advice=f"Have the agency make its request anew, with --suite {snapshot.suite}.",
        )


def check_country(agency: str, authority: str | None) -> None:
    """The certificate authority is the agency's own country's; `authority`: whose it is, ISO 3166-1 alpha-3.

    Raises:
        SignatureError: code `sender-mismatch`.
    """
    country = home_of(agency)
    # A practice partner has no country, and so no authority of its own: that of whoever runs it issues.
    vouches = authority if country == PRACTICE else country
    if country is None or authority is None or authority != vouches:
        raise SignatureError(
            Code.SENDER_MISMATCH,
            "Expected the certificate authority of the agency's own country, found another country's.",
            advice="A country vouches for its own agencies alone: have this request added where that country's CA is.",
        )


def admitted(
    before: Directory, request: ParsedEnrolment, terms: Terms, certificate: Certificate, now: float
) -> Directory:
    """The next version of the directory, with the agency in it. Certificate and request are checked already.

    Raises:
        MalformedError: code `bad-request`; the terms name what the directory does not know.
        IntegrityError: code `directory-invalid`.
    """
    _check_terms(before, terms)
    body, begins = request.body, int(now) - BACKDATED
    until = {"not_before": begins, "not_after": begins + terms.days * DAY}
    row = Agency(
        id=body.agency,
        name=body.name,
        country=str(home_of(body.agency)),
        roles=terms.roles,
        clearance=terms.clearance,
        mandates=terms.mandates,
        clients=terms.clients,
        sealed_kinds=terms.sealed_kinds,
        channels=terms.channels,
        keys=tuple(Key.from_object({**key.to_object(), **until}) for key in body.keys),
        certificates=(certificate,),
    )
    made = before.model_copy(
        update={
            "version": before.version + 1,
            "agencies": (*before.agencies, row),
            "communities": tuple(_joined(each, terms, body.agency) for each in before.communities),
        }
    )
    document = Directory.from_object(made.to_object())
    check_document(document)
    return document


def aged(made: int, now: float) -> Iterator[PacketError]:
    """A request made too long ago, or later than now: `expired`, `clock-skew`."""
    if made > now + AHEAD:
        yield PacketError(
            Code.CLOCK_SKEW,
            "Expected a request made before now, found one that was made later.",
            advice="Compare the two machines' clocks.",
        )
    if made < now - STALE:
        yield PacketError(
            Code.EXPIRED,
            f"Expected a request of the last {STALE // DAY} days, found an older one.",
            advice="Have the agency make its request anew.",
        )


def _names(request: ParsedEnrolment, document: Directory) -> Iterator[SetuError]:
    body = request.body
    if mixes_alphabets(body.name):
        yield MalformedError(
            Code.SCHEMA,
            "Expected a name whose words are each of one alphabet, found one that mixes two.",
            advice="Have the agency write its name in one alphabet.",
            pointer="/name",
        )
    for agency in document.agencies:
        if agency.id == body.agency:
            yield _taken("an agency id that is free", f"that of {agency.id}", "A row is changed, not enrolled again.")
        elif ids_alike(agency.id, body.agency):
            yield _taken("an agency id that is like no other", f"one that looks like {agency.id}", _TELL_APART)
        if agency.id != body.agency and names_alike(agency.name, body.name):
            yield _taken("a name that is like no other", f"one that looks like that of {agency.id}", _TELL_APART)


def taken_keys(keys: Iterable[PublicKey], document: Directory) -> Iterator[SetuError]:
    """Keys that an agency of the directory has or had, whole or in part: `id-conflict`."""
    offered = {part for key in keys for part in parts_of(key)}
    for agency in document.agencies:
        if offered & _parts(agency):
            yield _taken(
                "keys that nobody in the directory has",
                f"one of {agency.id}",
                "Have the agency make new keys, on a machine of its own, and ask how it came by that one.",
            )


def _parts(agency: Agency) -> frozenset[Part]:
    return frozenset(part for key in agency.keys for part in parts_of(PublicKey.from_directory(key)))


def _check_terms(before: Directory, terms: Terms) -> None:
    known, agencies = {each.id for each in before.communities}, {each.id for each in before.agencies}
    for fault, wrong in (
        ("roles of an agency, an auditor or a witness", Role.GATEWAY in terms.roles or Role.OPERATOR in terms.roles),
        ("communities of the directory", not set(terms.communities) <= known),
        ("clients that are agencies of the directory", not set(terms.clients) <= agencies),
        (
            "a clearance that the agreement ranks",
            terms.clearance not in [rank.classification for rank in before.agreement.ranks],
        ),
    ):
        if wrong:
            raise MalformedError(
                Code.BAD_REQUEST,
                f"Expected {fault}, found others.",
                advice="`setu directory show` lists what there is; a gateway is added with its log, by hand.",
            )


def _joined(community: Community, terms: Terms, agency: str) -> Community:
    if community.id not in terms.communities:
        return community
    return community.model_copy(update={"members": (*community.members, agency)})


_TELL_APART = "Have the agency choose one that people cannot mistake for it, and make its request anew."


def _taken(expected: str, found: str, advice: str) -> PacketError:
    return PacketError(Code.ID_CONFLICT, f"Expected {expected}, found {found}.", advice=advice)
