"""Each rule of the release policy, from both sides."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from tests.builders import NOW
from tests.unit.policy.world import directory, policy, question

CEDAR = policy()
HIGH = directory(version=2, ceiling=3)
TWO_RANKS = directory(
    version=3,
    agreement={
        "name": "disputed",
        "ranks": [
            {"classification": {"system": "IN", "level": "RESTRICTED"}, "rank": 0},
            {"classification": {"system": "IN", "level": "RESTRICTED"}, "rank": 1},
            {"classification": {"system": "US", "level": "S"}, "rank": 3},
        ],
        "ceiling": 3,
        "legal_bases": [],
    },
)


COURT = {"purpose": ["prosecution"]}
PERSONAL = {"personal_data": True, "sanitised": True}
OTHERWISE_AGREED = directory(
    version=5,
    agreement={
        **directory().agreement.to_object(),
        "legal_bases": ["SAARC"],
        "mlat_bases": ["SAARC"],
        "review_days": 10,
        "purge_days": 20,
    },
)


def kept(review: int | None, purge: int | None) -> dict[str, Any]:
    """Personal data, reviewed and purged so many days after the packet's issue (2026-09-21)."""
    days = {"review_on": review, "purge_on": purge}
    issued = datetime.fromtimestamp(NOW, UTC).date()
    retention = {name: str(issued + timedelta(days=each)) for name, each in days.items() if each is not None}
    return {"flags": PERSONAL, "retention": retention}


def marked(system: str, level: str) -> dict[str, Any]:
    return {"classification": {"system": system, "level": level}}


PERMITTED = [
    pytest.param({}, id="1-released-to-its-country"),
    pytest.param({"releasable_to": ["us-dea"]}, id="1-released-by-name"),
    pytest.param(marked("IN", "CONFIDENTIAL"), id="1-ceiling-reached"),
    pytest.param({**marked("IN", "SECRET"), "realm": HIGH}, id="1-clearance-reached"),
    pytest.param({**marked("US", "LES"), "recipient": "us-cbp", "purpose": ["border"]}, id="1-clearance-just-enough"),
    pytest.param({"recipient": "us-cbp", "purpose": ["border"]}, id="1-purpose-in-mandate"),
    pytest.param({"recipient": "us-cbp", "to": ("us-dea", "us-cbp"), "purpose": ["border"]}, id="2-clear-to-several"),
    pytest.param({"tlp": "RED", "releasable_to": ["us-dea"]}, id="2-red-named"),
    pytest.param(
        {"tlp": "RED", "to": ("us-dea", "in-nia"), "releasable_to": ["us-dea", "in-nia"]}, id="2-red-two-named"
    ),
    pytest.param({"tlp": "AMBER+STRICT"}, id="2-strict-one"),
    pytest.param({"tlp": "AMBER+STRICT", "to": ("us-dea", "in-setu")}, id="2-strict-gateway-is-no-recipient"),
    pytest.param({"tlp": "AMBER"}, id="2-amber-one"),
    pytest.param({"tlp": "AMBER", "to": ("us-dea", "us-cbp")}, id="2-amber-the-agency"),
    pytest.param(
        {"tlp": "AMBER", "recipient": "us-cbp", "to": ("us-dea", "us-cbp"), "purpose": ["border"]},
        id="2-amber-its-client",
    ),
    pytest.param({"tlp": "AMBER", "recipient": "in-lab", "to": ("in-lab", "us-dea")}, id="2-amber-originators-client"),
    pytest.param({"tlp": "GREEN"}, id="2-green-shared-community"),
    pytest.param({"sources": ("C" * 64,)}, id="3-derived-and-nobody-stands-against-it"),
    pytest.param({**COURT, "legal_basis": "IN-US-MLAT-2001"}, id="4-court-by-treaty"),
    pytest.param({**COURT, "legal_basis": "SAARC", "realm": OTHERWISE_AGREED}, id="4-court-by-another-agreed-basis"),
    pytest.param({"handling_code": "H1"}, id="4-h1-for-another-purpose"),
    pytest.param({"handling_code": "H2", **COURT, "legal_basis": "IN-US-MLAT-2001"}, id="4-another-code"),
    pytest.param({"dissem": ["NF"], "recipient": "in-nia"}, id="5-nf-at-home"),
    pytest.param(kept(366, 1827), id="8-on-the-last-days"),
    pytest.param(kept(None, 366), id="8-purged-within-the-review"),
    pytest.param(kept(-1, 0), id="8-review-was-due-and-purge-is-today"),
    pytest.param({**kept(10, 20), "legal_basis": "SAARC", "realm": OTHERWISE_AGREED}, id="8-other-days-agreed"),
    pytest.param({"retention": {}, "legal_basis": "UNNAMED"}, id="8-no-personal-data"),
    pytest.param({**marked("US", "LES-NF"), "sender": "us-cbp"}, id="5-les-nf-at-home"),
    pytest.param({"dissem": ["REL", "OC"]}, id="5-rel-without-nf"),
]


@pytest.mark.parametrize("asked", PERMITTED)
def test_permitted(asked: dict[str, Any]) -> None:
    decision = CEDAR.decide(question(**asked))
    assert decision.permit, decision.hits
    assert decision.rules == ("permit.deliver",)
    assert decision.hits == ()


DENIED = [
    pytest.param({"releasable_to": []}, {"1.releasable"}, id="1-empty-list-releases-to-nobody"),
    pytest.param({"releasable_to": ["IND", "us-cbp"]}, {"1.releasable"}, id="1-other-country-other-agency"),
    pytest.param(marked("IN", "SECRET"), {"1.ceiling"}, id="1-above-ceiling"),
    pytest.param(marked("IN", "TOP SECRET"), {"1.ceiling", "1.clearance"}, id="1-marking-without-rank"),
    pytest.param({"realm": TWO_RANKS}, {"1.ceiling", "1.clearance"}, id="1-marking-with-two-ranks"),
    pytest.param(
        {**marked("IN", "CONFIDENTIAL"), "recipient": "us-cbp", "purpose": ["border"]},
        {"1.clearance"},
        id="1-clearance-too-low",
    ),
    pytest.param({"recipient": "us-odd"}, {"1.clearance"}, id="1-clearance-without-rank"),
    pytest.param({"recipient": "us-cbp"}, {"1.purpose"}, id="1-purpose-outside-mandate"),
    pytest.param(
        {"recipient": "us-cbp", "purpose": ["border", "investigation"]}, {"1.purpose"}, id="1-one-purpose-outside"
    ),
    pytest.param({"recipient": "us-out"}, {"1.standing"}, id="1-suspended"),
    pytest.param({"recipient": "in-audit"}, {"1.standing"}, id="1-auditor-is-no-recipient"),
    pytest.param({"recipient": "in-old"}, {"1.standing"}, id="1-gateway-is-no-recipient"),
    pytest.param(
        {"recipient": "us-fbi"}, {"1.standing", "1.releasable", "1.clearance", "1.purpose"}, id="1-unknown-recipient"
    ),
    pytest.param({"sender": "in-cbi"}, {"1.originator"}, id="1-unknown-originator"),
    pytest.param({"tlp": "RED"}, {"2.tlp-red"}, id="2-red-by-country-only"),
    pytest.param({"tlp": "RED", "releasable_to": ["USA", "us-cbp"]}, {"2.tlp-red"}, id="2-red-another-named"),
    pytest.param({"tlp": "AMBER+STRICT", "to": ("us-dea", "us-cbp")}, {"2.tlp-amber-strict"}, id="2-strict-two"),
    pytest.param({"tlp": "AMBER", "to": ("us-dea", "in-nia")}, {"2.tlp-amber"}, id="2-amber-two-agencies"),
    pytest.param(
        {"tlp": "AMBER", "to": ("us-dea", "us-cbp", "in-nia")}, {"2.tlp-amber"}, id="2-amber-one-too-many-for-agency"
    ),
    pytest.param(
        {"tlp": "AMBER", "recipient": "in-nia", "to": ("us-dea", "us-cbp", "in-nia")},
        {"2.tlp-amber"},
        id="2-amber-the-one-too-many",
    ),
    pytest.param(
        {"tlp": "GREEN", "recipient": "us-cbp", "purpose": ["border"]}, {"2.tlp-green"}, id="2-green-no-shared"
    ),
    pytest.param({"unreleased": ("in-nia",)}, {"3.third-party"}, id="3-a-release-is-missing"),
    pytest.param({"handling_code": "H1", **COURT, "legal_basis": "IN-US-MLAT-2001"}, {"4.h1"}, id="4-h1-for-court"),
    pytest.param(
        {"handling_code": "H1", "purpose": ["investigation", "prosecution"]}, {"4.h1", "4.basis"}, id="4-h1-and-basis"
    ),
    pytest.param(COURT, {"4.basis"}, id="4-basis-that-is-no-treaty"),
    pytest.param(
        {**COURT, "legal_basis": "IN-US-MLAT-2001", "realm": OTHERWISE_AGREED}, {"4.basis"}, id="4-not-agreed-here"
    ),
    pytest.param({"dissem": ["NF"]}, {"5.nf"}, id="5-nf-abroad"),
    pytest.param({"flags": PERSONAL}, {"8.purge", "8.review"}, id="8-no-days"),
    pytest.param(kept(1, None), {"8.purge"}, id="8-no-purge"),
    pytest.param(kept(None, 367), {"8.review"}, id="8-no-review-within-the-year"),
    pytest.param(kept(367, 1827), {"8.review"}, id="8-review-a-day-late"),
    pytest.param(kept(366, 1828), {"8.purge"}, id="8-purge-a-day-late"),
    pytest.param(kept(None, -1), {"8.purge"}, id="8-purged-before-it-was-issued"),
    pytest.param({**kept(1, 2), "legal_basis": "UNNAMED"}, {"8.basis"}, id="8-basis-not-named"),
    pytest.param(
        {**kept(11, 21), "legal_basis": "SAARC", "realm": OTHERWISE_AGREED}, {"8.purge", "8.review"}, id="8-agreed-days"
    ),
    pytest.param(
        {**marked("US", "LES-NF"), "sender": "us-dea", "recipient": "in-nia"}, {"5.les-nf"}, id="5-les-nf-abroad"
    ),
    pytest.param({"dissem": ["NF", "REL"], "recipient": "in-nia"}, {"5.nf-rel"}, id="5-nf-with-rel"),
    pytest.param(
        {**marked("US", "LES-NF"), "sender": "us-cbp", "recipient": "us-dea", "dissem": ["REL"]},
        {"5.nf-rel"},
        id="5-les-nf-with-rel",
    ),
    pytest.param(
        {
            **marked("IN", "SECRET"),
            "recipient": "us-cbp",
            "to": ("us-cbp", "us-dea"),
            "tlp": "RED",
            "dissem": ["NF", "REL"],
            "releasable_to": [],
        },
        {"1.releasable", "1.ceiling", "1.clearance", "1.purpose", "2.tlp-red", "5.nf", "5.nf-rel"},
        id="every-rule-that-stood-against-it",
    ),
]


@pytest.mark.parametrize(("asked", "rules"), DENIED)
def test_denied(asked: dict[str, Any], rules: set[str]) -> None:
    asked_of = question(**asked)
    decision = CEDAR.decide(asked_of)
    assert not decision.permit
    assert set(decision.rules) == rules
    assert [hit.rule for hit in decision.hits] == sorted(rules)
    for hit in decision.hits:
        assert hit.recipient == asked_of.recipient.id
        assert hit.sentence.endswith(".")
        assert hit.remedy.endswith(".")
        assert "{" not in hit.sentence + hit.remedy


READERS = [
    pytest.param({}, set(), id="released-by-country"),
    pytest.param({"releasable_to": ["USA", "in-setu"]}, set(), id="released-by-name"),
    pytest.param({"releasable_to": ["USA"]}, {"1.releasable"}, id="not-released"),
    pytest.param(marked("IN", "SECRET"), {"1.ceiling"}, id="above-ceiling"),
    pytest.param({"recipient": "in-old"}, {"1.gateway"}, id="suspended-gateway"),
    pytest.param({"recipient": "us-dea"}, {"1.gateway"}, id="agency-is-no-gateway"),
    pytest.param({"tlp": "RED"}, {"2.tlp-red"}, id="red-unnamed"),
    pytest.param({"tlp": "RED", "releasable_to": ["us-dea", "in-setu"]}, set(), id="red-named"),
    pytest.param({"tlp": "AMBER+STRICT"}, {"2.tlp-amber-strict-reader"}, id="strict-unnamed"),
    pytest.param({"tlp": "AMBER+STRICT", "releasable_to": ["USA", "in-setu"]}, set(), id="strict-named"),
    pytest.param({"tlp": "AMBER"}, {"2.tlp-amber-reader"}, id="amber-unnamed"),
    pytest.param({"tlp": "AMBER", "releasable_to": ["USA", "in-setu"]}, set(), id="amber-named"),
    pytest.param({"tlp": "GREEN"}, set(), id="green-shared"),
    pytest.param({"tlp": "GREEN", "sender": "us-cbp"}, {"2.tlp-green"}, id="green-not-shared"),
    pytest.param({"unreleased": ("in-nia",)}, {"3.third-party"}, id="not-released-to-it"),
    pytest.param({"dissem": ["NF"]}, set(), id="nf-at-home"),
    pytest.param({"dissem": ["NF"], "sender": "us-dea"}, {"5.nf"}, id="nf-of-the-other-country"),
]


@pytest.mark.parametrize(("asked", "rules"), READERS)
def test_gateway_judged_as_reader(asked: dict[str, Any], rules: set[str]) -> None:
    asked = {"recipient": "in-setu", "to": ("us-dea", "in-setu"), **asked}
    decision = CEDAR.decide(question(via="reader", **asked))
    assert decision.permit is not bool(rules)
    assert set(decision.rules) == (rules or {"permit.read"})


@pytest.mark.parametrize("owner", [pytest.param("us-dea", id="recipients"), pytest.param("in-ncb", id="originators")])
def test_amber_gateway_that_is_a_registered_client_may_read(owner: str) -> None:
    realm = directory(version=4)
    rows = [each.model_copy(update={"clients": ("in-setu",)}) if each.id == owner else each for each in realm.agencies]
    realm = realm.model_copy(update={"agencies": tuple(rows)})
    asked = question("in-setu", to=("us-dea", "in-setu"), tlp="AMBER", via="reader", realm=realm)
    assert policy().decide(asked).permit


def test_by_kafka_as_by_https() -> None:
    assert CEDAR.decide(question(via="kafka")).permit
    assert not CEDAR.decide(question(via="kafka", tlp="RED")).permit


def test_sentences_name_the_facts() -> None:
    hits = CEDAR.decide(question("us-cbp", classification={"system": "IN", "level": "SECRET"})).hits
    sentences = {hit.rule: (hit.sentence, hit.remedy) for hit in hits}
    assert sentences["1.clearance"][0] == (
        "The marking IN SECRET has rank 3 in the agreement; the clearance of us-cbp has rank 1."
    )
    assert sentences["1.ceiling"][0] == (
        "The marking IN SECRET has rank 3 in the agreement; this realm carries up to rank 2."
    )
    assert sentences["1.purpose"] == (
        "The mandate of us-cbp does not cover the purpose investigation.",
        "Narrow the purpose to what us-cbp may use it for (border), or address an agency with that mandate.",
    )


def test_the_new_ones_name_theirs() -> None:
    asked = question(
        "us-dea",
        unreleased=("in-nia", "in-lab"),
        handling_code="H1",
        purpose=["prosecution"],
        legal_basis="UNNAMED",
        flags=PERSONAL,
    )
    said = {hit.rule: (hit.sentence, hit.remedy) for hit in CEDAR.decide(asked).hits}
    assert said["3.third-party"] == (
        "Something in the packet is under the control of in-lab, in-nia, who has not released it to us-dea.",
        "Ask in-lab, in-nia for a release decision that names us-dea or its country, or leave out what came from it.",
    )
    assert "(IN-US-MLAT-2001)" in said["4.basis"][1]
    assert "its legal basis UNNAMED." in said["8.basis"][0]
    assert "(UN1988-9)" in said["8.basis"][1]
    assert "at most 1827 days" in said["8.purge"][1]
    assert "at most 366 days" in said["8.review"][1]


def test_a_denial_for_want_of_any_permit_is_said_in_words() -> None:
    files = {
        "a.cedar": '@id("only.nia") permit (principal == Agency::"in-nia", action, resource);',
        "b.cedar": '@id("never") @sentence("No.") @remedy("None.") forbid (principal, action, resource) when { false };',
    }
    cedar = CedarPolicy(files, default_rules().schema)
    assert cedar.decide(question("in-nia")).permit
    decision = cedar.decide(question())
    assert not decision.permit
    assert decision.rules == ("no-permit",)
    assert decision.hits[0].sentence == "No rule permits this release to us-dea."
