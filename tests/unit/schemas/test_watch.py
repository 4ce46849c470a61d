"""The precursor watch: what does not fit between notices, answers, arrivals, movements and diversions."""

from typing import Any

import pytest

from schemas import registry
from schemas.precursors import Fact, Source, facts_of
from schemas.quantities import normalised, written
from schemas.watch import ORDER, UnreadRow, Watch, watch

DAY = 86_400
DUE = 1_773_100_800  # 2026-03-10T00:00:00Z
REF = "PEN-1"


def source(number: int, at: int = DUE - 30 * DAY, sender: str = "in-ncb", to: str = "us-dea") -> Source:
    return Source(digest=f"{number:064}", index=number, sender=sender, recipients=(to,), at=at, thread="t")


def fact(number: int, event: str, *, at: int = DUE - 10 * DAY, **members: Any) -> Fact:
    sides = ("in-ncb", "us-dea") if event == "notice" else ("us-dea", "in-ncb")
    return Fact.model_validate({"source": source(number, at, *sides), "event": event, "pen_ref": REF, **members})


def notice(**members: Any) -> Fact:
    usual = {
        "substance": "NPP",
        "cas": "39742-60-4",
        "cluster": "fentanyl",
        "quantity": {"value": "25", "unit": "KGM"},
        "route": "IND>USA",
        "on": "2026-03-12",
        "by": "2026-03-20",
        "due": DUE,
    }
    return fact(0, "notice", **usual | members)


def kilograms(value: str, unit: str = "KGM") -> dict[str, Any]:
    return {"substance": "NPP", "cas": "39742-60-4", "cluster": "fentanyl", "quantity": {"value": value, "unit": unit}}


def told(*facts: Fact, now: int = DUE - DAY) -> Watch:
    return watch(facts, now)


AGREED = fact(1, "no-objection", on="2026-03-01")
ARRIVED = fact(2, "arrival", **kilograms("25"))


@pytest.mark.parametrize(
    ("facts", "now", "troubles"),
    [
        pytest.param([], DUE - DAY, [], id="not-due-yet"),
        pytest.param([], DUE, ["overdue"], id="due"),
        pytest.param([fact(1, "acknowledged")], DUE, ["overdue"], id="an-acknowledgement-is-no-answer"),
        pytest.param([AGREED], DUE + DAY, [], id="answered-in-time"),
        pytest.param([fact(1, "no-objection", at=DUE)], DUE + DAY, ["answered-late"], id="answered-late"),
        pytest.param([fact(1, "objection")], DUE + 60 * DAY, [], id="objected-and-nothing-came"),
        pytest.param([], DUE + 4 * DAY, ["overdue", "sent-unanswered"], id="dispatch-day-without-an-answer"),
        pytest.param([ARRIVED], DUE - DAY, ["sent-unanswered"], id="arrived-without-an-answer"),
        pytest.param([fact(1, "objection"), ARRIVED], DUE, ["sent-against-objection"], id="arrived-after-an-objection"),
        pytest.param([AGREED, fact(3, "suspended"), fact(4, "arrival", **kilograms("25"))], DUE, ["sent-against-objection"], id="arrived-while-suspended"),
        pytest.param([fact(1, "objection"), fact(3, "cleared"), fact(4, "arrival", **kilograms("25"))], DUE, [], id="cleared-and-arrived"),
        pytest.param([AGREED], DUE + 10 * DAY, [], id="last-day-for-it"),
        pytest.param([AGREED], DUE + 11 * DAY, ["not-arrived"], id="last-day-is-over"),
        pytest.param([AGREED, ARRIVED], DUE + 60 * DAY, [], id="all-as-it-should-be"),
        pytest.param([AGREED, fact(2, "arrival", **kilograms("24900", "GRM"))], DUE, [], id="within-the-tolerance"),
        pytest.param([AGREED, fact(2, "arrival", **kilograms("24000", "GRM"))], DUE, ["arrived-short"], id="a-kilogram-short"),
        pytest.param([AGREED, fact(2, "arrival", **kilograms("26"))], DUE, ["arrived-over"], id="a-kilogram-over"),
        pytest.param([AGREED, fact(2, "arrival", **kilograms("10")), fact(3, "arrival", **kilograms("15"))], DUE, [], id="arrived-in-two-parts"),
        pytest.param([AGREED, fact(2, "arrival", **kilograms("1", "U2"))], DUE, [], id="units-that-do-not-compare"),
        pytest.param([AGREED, ARRIVED, fact(3, "movement", **kilograms("20"))], DUE, [], id="part-of-it-moved-on"),
        pytest.param([AGREED, ARRIVED, fact(3, "movement", **kilograms("26"))], DUE, ["moved-over"], id="more-moved-than-arrived"),
        pytest.param([AGREED, fact(2, "arrival", declared=True, **kilograms("25"))], DUE, ["declared"], id="they-say-so-themselves"),
        pytest.param([AGREED, ARRIVED, fact(3, "diversion", **kilograms("5"))], DUE, ["diverted"], id="diverted"),
        pytest.param([AGREED.model_copy(update={"pen_ref": "PEN-2"})], DUE, ["overdue"], id="another-notice-was-answered"),
    ],
)  # fmt: skip
def test_troubles(facts: list[Fact], now: int, troubles: list[str]) -> None:
    (row,) = told(notice(), *facts, now=now).notices
    assert list(row.troubles) == troubles


def test_the_gravest_trouble_comes_first_and_what_fits_last() -> None:
    def one(number: int, **members: Any) -> Fact:
        return notice(source=source(number), pen_ref=f"PEN-{number}", **members)

    facts = [one(1, due=DUE + 60 * DAY, on="2026-09-01"), one(2), one(3, due=DUE - 5 * DAY)]
    lost = fact(9, "diversion", **kilograms("1")).model_copy(update={"pen_ref": "PEN-1"})
    assert [row.pen_ref for row in told(*facts, now=DUE).notices] == ["PEN-3", "PEN-2", "PEN-1"]
    assert [row.pen_ref for row in told(*facts, lost, now=DUE - DAY).notices] == ["PEN-3", "PEN-1", "PEN-2"]
    assert len(ORDER) == len(set(ORDER))


def test_amounts_and_states() -> None:
    parts = [fact(2, "arrival", **kilograms("10")), fact(3, "arrival", **kilograms("15000", "GRM"))]
    (row,) = told(notice(), AGREED, *parts, fact(4, "movement", **kilograms("2"))).notices
    assert (row.state, row.notified, row.arrived, row.moved) == (
        "no-objection", {"KGM": "25"}, {"KGM": "25"}, {"KGM": "2"},
    )  # fmt: skip
    assert row.due == "2026-03-10T00:00:00Z"


def test_a_fact_that_is_given_twice_counts_once() -> None:
    found = told(notice(), notice(), ARRIVED, ARRIVED)
    assert (len(found.notices), found.notices[0].arrived) == (1, {"KGM": "25"})


def test_two_exhibits_of_one_packet_that_are_alike_count_twice() -> None:
    sample = registry.samples("seizure")["bengali-market"]
    twins = [{**sample["exhibits"][0], "exhibit_id": each} for each in ("A-1", "A-2")]
    facts = facts_of(registry.check("seizure", 1, {**sample, "exhibits": twins}), source(1))
    name, weight = twins[0]["substance"]["name"], twins[0]["substance"]["quantity"]
    (row,) = [each for each in watch([*facts, *facts], DUE).substances if each.value == name]
    assert row.events == {"seizure": 2}
    unit, one = normalised(weight["value"], weight["unit"])
    assert row.amounts == {"seizure": {unit: written(2 * one)}}


STRANGER = source(5, sender="us-cbp", to="in-ncb")


@pytest.mark.parametrize("event", ["acknowledged", "no-objection", "objection", "suspended", "cleared", "arrival"])
def test_who_is_no_party_to_a_notice_says_nothing_of_it(event: str) -> None:
    """The number of a notification is no secret, and whoever knows it can write it on a packet of its own."""
    said = {"substance": "NPP", "quantity": {"value": "25", "unit": "KGM"}} if event == "arrival" else {}
    (row,) = told(notice(), fact(5, event, source=STRANGER, **said), now=DUE).notices
    assert (row.state, row.arrived, row.troubles) == ("open", {}, ("overdue",))


@pytest.mark.parametrize("event", ["no-objection", "objection", "acknowledged"])
def test_the_exporting_side_does_not_answer_itself(event: str) -> None:
    (row,) = told(notice(), fact(5, event, source=source(5, sender="in-ncb")), now=DUE).notices
    assert (row.state, row.troubles) == ("open", ("overdue",))


def test_a_strangers_notice_under_the_same_number_draws_nothing_to_itself() -> None:
    other = notice(source=STRANGER)
    found = told(notice(), other, AGREED, ARRIVED, now=DUE + DAY)
    assert {row.sender: (row.state, row.troubles) for row in found.notices} == {
        "in-ncb": ("no-objection", ()),
        "us-cbp": ("open", ("overdue",)),
    }


def test_groups_take_up_what_names_no_notice_and_a_stage_that_names_no_substance() -> None:
    stray = fact(7, "seizure", **kilograms("3")).model_copy(update={"pen_ref": None, "route": "IND>AUS"})
    found = told(notice(), fact(1, "objection"), stray, now=DUE)
    (cluster,) = found.clusters
    assert (cluster.value, cluster.notices, cluster.troubled) == ("fentanyl", 1, 0)
    assert cluster.events == {"notice": 1, "objection": 1, "seizure": 1}
    assert cluster.amounts == {"notice": {"KGM": "25"}, "seizure": {"KGM": "3"}}
    assert [(row.value, row.notices) for row in found.routes] == [("IND>USA", 1), ("IND>AUS", 0)]


def test_unread_ones_come_overdue_first() -> None:
    def row(number: int, due: str | None, *, overdue: bool = False) -> UnreadRow:
        return UnreadRow(
            digest=f"{number:064}", index=number, kind="pen", sender="in-ncb", recipients=("us-dea",), at="t", due=due,
            overdue=overdue,
        )  # fmt: skip

    rows = [row(1, None), row(2, "2026-04-01T00:00:00Z"), row(3, "2026-05-01T00:00:00Z", overdue=True)]
    assert [each.index for each in watch((), DUE, unread=rows).unread] == [3, 2, 1]


@pytest.mark.parametrize("kind", ["diversion", "pen", "seizure", "tip"])
def test_facts_of_every_sample(kind: str) -> None:
    for name, sample in registry.samples(kind).items():
        found = facts_of(registry.check(kind, 1, sample), source(1))
        if kind == "tip":
            assert found == ()
            continue
        assert found, name
        if kind == "pen":
            assert {each.pen_ref for each in found} == {sample["pen_ref"]}
        for each in found:
            assert Fact.from_object(each.to_object()) == each


def test_the_notice_says_when_its_answer_is_due_and_which_way_it_goes() -> None:
    sample = registry.samples("pen")["notify"]
    (found,) = facts_of(registry.check("pen", 1, sample), source(1))
    assert found.event == "notice"
    assert found.route == f"{sample['exporter']['address']['country']}>{sample['importer']['address']['country']}"
    assert found.due is not None
    assert found.quantity is not None
    assert found.quantity.to_object() == sample["substance"]["quantity"]


def test_what_is_missing_counts_where_goods_left_lawful_trade() -> None:
    for sample in registry.samples("diversion").values():
        found = facts_of(registry.check("diversion", 1, sample), source(1))
        missing = [lot["quantity_missing"] for lot in sample["lots"] if "quantity_missing" in lot]
        if sample["type"] in ("diversion", "theft"):
            assert [each.quantity.to_object() for each in found if each.quantity][: len(missing)] == missing
