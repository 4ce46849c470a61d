"""Cedar held against a small oracle: the rules of the domain again, in plain Python, over random markings."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.policy.port import Question
from broker.policy.request import stranger
from schemas.canonical import b64u
from schemas.directory import Agency, AgencyState, Directory, DirectoryRef, Role
from schemas.handling import LEVELS, Dissem, Handling, HandlingCode, Purpose, Tlp
from tests.builders import NOW
from tests.unit.policy.world import agency, directory, header, policy

CEDAR = policy()
NAMES = ["in-ncb", "in-nia", "us-dea", "us-cbp", "in-setu"]
MARKINGS = sorted((system, level) for system, levels in LEVELS.items() for level in levels)

BASES = ["UN1988-9", "IN-US-MLAT-2001", "EGMONT"]
TODAY = datetime.fromtimestamp(NOW, UTC).date()

markings = st.sampled_from(MARKINGS).map(lambda each: {"system": each[0], "level": each[1]})
some_names = st.lists(st.sampled_from(NAMES), unique=True)
days = st.lists(st.integers(-1, 6), max_size=2).map(
    lambda some: {
        name: str(TODAY + timedelta(days=day))
        for name, day in zip(("purge_on", "review_on"), sorted(some, reverse=True), strict=False)
    }
)


@st.composite
def realms(draw: st.DrawFn) -> Directory:
    """Directories of the same five agencies, with everything that rules look at drawn anew."""
    ranked = draw(st.lists(st.sampled_from(MARKINGS), unique=True, min_size=1))
    rows = [
        agency(
            name,
            state=draw(st.sampled_from(["active", "active", "active", "suspended"])),
            roles=draw(st.sampled_from([["agency"], ["agency"], ["gateway"], ["agency", "gateway"], ["auditor"]])),
            clearance=draw(markings),
            mandates=draw(st.lists(st.sampled_from(sorted(Purpose)), unique=True)),
            clients=draw(some_names),
        )
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=3))
    ]
    return directory(
        agreement={
            "name": "drawn",
            "ranks": [
                {"classification": {"system": each[0], "level": each[1]}, "rank": draw(st.integers(0, 4))}
                for each in ranked
            ],
            "ceiling": draw(st.integers(0, 4)),
            "legal_bases": draw(st.lists(st.sampled_from(BASES), unique=True)),
            "mlat_bases": draw(st.lists(st.sampled_from(BASES), unique=True)),
            "review_days": draw(st.integers(1, 5)),
            "purge_days": draw(st.integers(1, 5)),
        },
        agencies=rows,
        communities=[
            {"id": f"c{number}", "name": "circle", "members": members}
            for number, members in enumerate(draw(st.lists(some_names, max_size=3)))
        ],
    )


blocks = st.fixed_dictionaries(
    {
        "classification": markings,
        "tlp": st.sampled_from(sorted(Tlp)),
        "dissem": st.lists(st.sampled_from(sorted(Dissem)), unique=True),
        "releasable_to": st.lists(st.sampled_from([*NAMES, "IND", "USA", "AUS"]), unique=True),
        "purpose": st.lists(st.sampled_from(sorted(Purpose)), unique=True, min_size=1, max_size=3),
        "handling_code": st.sampled_from(sorted(HandlingCode)),
        "legal_basis": st.sampled_from(BASES),
        "retention": days,
        "flags": st.fixed_dictionaries({"personal_data": st.booleans(), "sanitised": st.booleans()}),
    }
)
cases = st.fixed_dictionaries(
    {
        "realm": realms(),
        "sender": st.sampled_from(NAMES),
        "recipient": st.sampled_from([*NAMES, "us-fbi"]),
        "beside": some_names,
        "via": st.sampled_from(["https", "kafka", "reader"]),
        "unreleased": some_names,
        "block": blocks,
    }
)


def oracle(asked: Question) -> set[str]:
    """The ids of all rules that stand against the question; empty where it is permitted."""
    handling, realm = asked.header.handling, asked.directory
    rows = {each.id: each for each in realm.agencies}
    recipient, sender = rows.get(asked.recipient.id), rows.get(asked.sender.id)
    ranks = {row.classification: row.rank for row in realm.agreement.ranks}
    rank = ranks.get(handling.classification)
    reads = asked.via == "reader"
    against = set()

    role = Role.GATEWAY if reads else Role.AGENCY
    if recipient is None or recipient.state is not AgencyState.ACTIVE or role not in recipient.roles:
        against.add("1.gateway" if reads else "1.standing")
    if sender is None:
        against.add("1.originator")
    named = recipient is not None and recipient.id in handling.releasable_to
    if not named and (recipient is None or recipient.country not in handling.releasable_to):
        against.add("1.releasable")
    if rank is None or rank > realm.agreement.ceiling:
        against.add("1.ceiling")
    if rank is None or recipient is None or ranks.get(recipient.clearance, -1) < rank:
        against.add("1.clearance")
    if not reads and (recipient is None or not set(handling.purpose) <= set(recipient.mandates)):
        against.add("1.purpose")

    addressed = {each.agency for each in asked.header.to} - {asked.header.aud.gateway}
    against |= _tlp(asked, recipient, sender, addressed, named=named, reads=reads)

    if asked.unreleased:
        against.add("3.third-party")
    against |= _court(handling, realm) | _personal(handling, realm)

    abroad = recipient is None or sender is None or recipient.country != sender.country
    if abroad and "NF" in handling.dissem:
        against.add("5.nf")
    if abroad and handling.classification.level == "LES-NF":
        against.add("5.les-nf")
    if "REL" in handling.dissem and ("NF" in handling.dissem or handling.classification.level == "LES-NF"):
        against.add("5.nf-rel")
    return against


def _court(handling: Handling, realm: Directory) -> set[str]:
    if Purpose.PROSECUTION not in handling.purpose:
        return set()
    by_treaty = handling.legal_basis in realm.agreement.mlat_bases
    return ({"4.h1"} if handling.handling_code == "H1" else set()) | (set() if by_treaty else {"4.basis"})


def _personal(handling: Handling, realm: Directory) -> set[str]:
    if not handling.flags.personal_data:
        return set()
    agreed, kept = realm.agreement, handling.retention
    against = set() if handling.legal_basis in agreed.legal_bases else {"8.basis"}
    latest = TODAY + timedelta(days=agreed.purge_days)
    if kept.purge_on is None or not TODAY <= kept.purge_on <= latest:
        against.add("8.purge")
    looked_at = [day for day in (kept.review_on, kept.purge_on) if day is not None]
    if not any(day <= TODAY + timedelta(days=agreed.review_days) for day in looked_at):
        against.add("8.review")
    return against


def _tlp(
    asked: Question, recipient: Agency | None, sender: Agency | None, addressed: set[str], *, named: bool, reads: bool
) -> set[str]:
    rows = {each.id: each for each in asked.directory.agencies}

    def client_of(owner: str) -> bool:
        return recipient is not None and owner in rows and recipient.id in rows[owner].clients

    match asked.header.handling.tlp:
        case Tlp.RED if not named:
            return {"2.tlp-red"}
        case Tlp.AMBER_STRICT if reads and not named:
            return {"2.tlp-amber-strict-reader"}
        case Tlp.AMBER_STRICT if not reads and len(addressed) != 1:
            return {"2.tlp-amber-strict"}
        case Tlp.AMBER:
            client = any(client_of(owner) for owner in addressed) or (sender is not None and client_of(sender.id))
            if reads:
                return set() if named or client else {"2.tlp-amber-reader"}
            agency_itself = recipient is not None and addressed <= {recipient.id, *recipient.clients}
            return set() if agency_itself or client else {"2.tlp-amber"}
        case Tlp.GREEN:
            circles = [set(each.members) for each in asked.directory.communities]
            both = {each.id for each in (recipient, sender) if each is not None}
            shared = recipient is not None and sender is not None and any(both <= circle for circle in circles)
            return set() if shared else {"2.tlp-green"}
        case _:
            return set()


@settings(max_examples=300, deadline=None)
@given(case=cases)
def test_cedar_says_what_the_oracle_says(case: dict[str, Any]) -> None:
    realm: Directory = case["realm"]
    rows = {each.id: each for each in realm.agencies}
    asked = Question(
        header=header(
            case["sender"],
            tuple({case["recipient"]: 0, **dict.fromkeys(case["beside"])}),
            sources=("C" * 64,) if case["unreleased"] else None,
            **case["block"],
        ),
        sender=rows.get(case["sender"]) or stranger(case["sender"]),
        recipient=rows.get(case["recipient"]) or stranger(case["recipient"]),
        directory=realm,
        ref=DirectoryRef(version=1, hash=b64u(hashlib.sha384(realm.canonical()).digest())),
        at=NOW,
        via=case["via"],
        unreleased=frozenset(case["unreleased"]),
    )
    decision = CEDAR.decide(asked)
    expected = oracle(asked)
    assert decision.permit is not bool(expected)
    assert set(decision.rules) == (expected or {"permit.read" if asked.via == "reader" else "permit.deliver"})
    assert [hit.rule for hit in decision.hits] == sorted(expected)
