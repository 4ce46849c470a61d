"""Rule 7: what counts as a lower marking, each member from both sides; and that rule 6 never makes one."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import registry
from schemas.derivative import derivative
from schemas.handling import LEVELS, Dissem, Handling, HandlingCode, Pap, PermittedActions, Purpose, Tlp
from schemas.remarking import ATTRIBUTION, LoweredError, lowered, remark
from tests.builders import agreement

RANK = agreement().rank
DAYS = ["2027-01-01", "2028-01-01", "2029-01-01"]


def block(**over: Any) -> Handling:
    return Handling.from_object(registry.sample_handling() | over)


RAISED = [
    pytest.param("classification", {"system": "IN", "level": "UNCLASSIFIED"}, {"system": "US", "level": "LES"}, id="classification"),
    pytest.param("tlp", "AMBER", "AMBER+STRICT", id="tlp"),
    pytest.param("pap", "GREEN", "AMBER", id="pap"),
    pytest.param("handling_code", "H1", "H2", id="handling-code"),
    pytest.param("dissem", [], ["OC"], id="a-control-more"),
    pytest.param("dissem", ["REL"], ["NF"], id="nf-for-rel"),
    pytest.param("dissem", ["RELIDO"], [], id="nobody-else-decides"),
    pytest.param("releasable_to", ["IND", "USA"], ["IND"], id="a-country-less"),
    pytest.param("releasable_to", ["USA"], ["us-dea"], id="one-agency-of-the-country"),
    pytest.param("purpose", ["prevention", "border"], ["border"], id="a-purpose-less"),
    pytest.param("permitted_actions", "internally-visible", "none", id="actions"),
    pytest.param("attribution", "may", "must-not", id="attribution"),
    pytest.param("attribution", "must", "must-not", id="attribution-that-must"),
]  # fmt: skip


@pytest.mark.parametrize(("member", "before", "after"), RAISED)
def test_a_recipient_raises_and_only_the_originator_lowers(member: str, before: Any, after: Any) -> None:
    looser, stricter = block(**{member: before}), block(**{member: after})
    assert lowered(looser, stricter, RANK) == ()
    assert lowered(stricter, looser, RANK) == (member,)
    assert remark(looser, stricter, RANK, by_originator=False) == stricter
    assert remark(stricter, looser, RANK, by_originator=True) == looser
    with pytest.raises(LoweredError, match=f"found lower: {member};") as refused:
        remark(stricter, looser, RANK, by_originator=False)
    assert refused.value.members == (member,)


@pytest.mark.parametrize(
    ("before", "after", "members"),
    [
        pytest.param({"review_on": "2027-01-01"}, {"review_on": "2027-01-02"}, ("retention.review_on",), id="review-later"),
        pytest.param({"review_on": "2027-01-02"}, {"review_on": "2027-01-01"}, (), id="review-earlier"),
        pytest.param({"review_on": "2027-01-02"}, {"purge_on": "2027-01-02"}, (), id="purged-instead"),
        pytest.param({"purge_on": "2027-01-01"}, {"review_on": "2027-01-01"}, ("retention.purge_on",), id="never-purged"),
        pytest.param({"purge_on": "2027-01-01"}, {}, ("retention.review_on", "retention.purge_on"), id="no-days"),
        pytest.param({}, {"purge_on": "2027-01-01"}, (), id="a-day-where-there-was-none"),
    ],
)  # fmt: skip
def test_retention(before: Any, after: Any, members: tuple[str, ...]) -> None:
    assert lowered(block(retention=before), block(retention=after), RANK) == members


def test_flags() -> None:
    plain = block(flags={"personal_data": False, "sanitised": True})
    raw = block(flags={"personal_data": True, "sanitised": False})
    assert lowered(plain, raw, RANK) == ()
    assert lowered(raw, plain, RANK) == ("flags.personal_data", "flags.sanitised")


def test_every_member_that_is_lower_is_named_in_the_blocks_order() -> None:
    found = lowered(block(tlp="RED", pap="RED", dissem=["OC"]), block(tlp="CLEAR", pap="CLEAR", dissem=[]), RANK)
    assert found == ("tlp", "pap", "dissem")


def test_a_marking_without_a_rank_is_as_strict_as_itself_only() -> None:
    secret, restricted = (block(classification={"system": "IN", "level": each}) for each in ("SECRET", "RESTRICTED"))

    def unknown(_: object) -> None:
        return None

    assert lowered(secret, secret, unknown) == ()
    assert lowered(secret, restricted, unknown) == ("classification",)
    assert lowered(restricted, secret, unknown) == ("classification",)


def test_les_nf_is_not_lost_to_a_higher_rank() -> None:
    nf, higher = (block(classification={"system": "US", "level": each}, dissem=[]) for each in ("LES-NF", "C"))
    assert lowered(nf, higher, RANK) == ("dissem",)
    joined = derivative([nf, higher], _ranked)
    assert (joined.classification.level, joined.dissem) == ("C", (Dissem.NF,))
    assert derivative([nf, block(dissem=["REL"])], _ranked).dissem == ()


def test_who_else_may_have_it_is_no_wider_release() -> None:
    before, after = block(releasable_to=["us-dea"]), block(releasable_to=["us-dea", "us-cbp", "in-ncb"])
    assert lowered(before, after, RANK) == ("releasable_to",)
    assert lowered(before, after, RANK, also=("in-ncb",)) == ("releasable_to",)
    assert lowered(before, after, RANK, also=("in-ncb", "USA")) == ()


def _ranked(marking: Any) -> int:
    rank = RANK(marking)
    assert rank is not None
    return rank


markings = st.sampled_from(sorted((system, level) for system, levels in LEVELS.items() for level in levels))
days = st.one_of(st.none(), st.sampled_from(DAYS))
blocks = st.builds(
    block,
    classification=markings.map(lambda each: {"system": each[0], "level": each[1]}),
    tlp=st.sampled_from(list(Tlp)),
    pap=st.sampled_from(list(Pap)),
    handling_code=st.sampled_from(list(HandlingCode)),
    dissem=st.lists(st.sampled_from(list(Dissem)), unique=True),
    releasable_to=st.lists(st.sampled_from(["IND", "USA", "us-dea", "in-ncb"]), unique=True),
    purpose=st.lists(st.sampled_from(list(Purpose)), unique=True, max_size=3).map(
        lambda some: ["border", *(each for each in some if each != "border")]
    ),
    legal_basis=st.just("UN1988-9"),
    permitted_actions=st.sampled_from(list(PermittedActions)),
    attribution=st.sampled_from(ATTRIBUTION),
    retention=st.tuples(days, days).map(
        lambda two: {
            name: day
            for name, day in zip(
                ("review_on", "purge_on"), sorted(two, key=str) if None not in two else two, strict=True
            )
            if day
        }
    ),
    flags=st.fixed_dictionaries({"personal_data": st.booleans(), "sanitised": st.booleans()}),
)


@given(sources=st.lists(blocks, min_size=1, max_size=4))
def test_a_derivative_is_lower_than_none_of_its_sources(sources: list[Handling]) -> None:
    made = derivative(sources, _ranked)
    for each in sources:
        assert lowered(each, made, RANK) == ()


@given(three=st.tuples(blocks, blocks, blocks))
def test_as_strict_as_is_an_order(three: tuple[Handling, Handling, Handling]) -> None:
    one, two, last = three
    assert lowered(one, one, RANK) == ()
    for a, b, c in itertools.permutations((one, two, last)):
        if not lowered(a, b, RANK) and not lowered(b, c, RANK):
            assert not lowered(a, c, RANK)
