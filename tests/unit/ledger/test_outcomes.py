"""What packets led to, counted from entries."""

from typing import Any

import pytest

from broker.ledger.outcomes import Counting
from schemas.outcomes import Outcomes


def digest(name: str) -> str:
    return name[0] * 64


def accepted(name: str, sender: str, minute: int, act: Any = None, **packet: Any) -> dict[str, Any]:
    found = {
        "type": "accepted",
        "actor": sender,
        "time": f"2026-02-10T{minute // 60:02}:{minute % 60:02}:00.000000Z",
        "packet": {"from": sender, "digest": digest(name), "kind": "tip", "exercise": False, **packet},
    }
    return found | ({} if act is None else {"act": act})


def reports(of: str, outcome: str, **members: Any) -> dict[str, Any]:
    return {"does": "reports", "of": digest(of), "outcome": outcome, **members}


def counted(*entries: dict[str, Any], **asked: Any) -> Outcomes:
    counting = Counting(**asked)
    for each in entries:
        counting.entry(each)
    return counting.report()


ASKS = {"does": "asks", "due": 1}
ANSWERS = {"does": "answers", "of": digest("r")}


def test_an_answer_is_the_first_of_another_agency_to_what_asked() -> None:
    found = counted(
        accepted("r", "in-ncb", 0, ASKS, kind="rfi"),
        accepted("s", "in-ncb", 1, ASKS, kind="rfi"),
        accepted("x", "in-ncb", 5, ANSWERS, kind="note"),
        accepted("a", "us-dea", 30, ANSWERS, kind="rfi"),
        accepted("b", "us-cbp", 40, ANSWERS, kind="rfi"),
    )
    (asked,) = [row for row in found.rows if (row.agency, row.kind) == ("in-ncb", "rfi")]
    assert (asked.packets, asked.asked, asked.answered, asked.median_answer_seconds) == (2, 2, 1, 1800)
    assert found.entries == 5


def test_what_asked_for_nothing_is_answered_by_the_first_report() -> None:
    found = counted(
        accepted("t", "in-ncb", 0),
        accepted("u", "in-ncb", 0),
        accepted("f", "us-dea", 10, reports("t", "used"), kind="feedback"),
        accepted("g", "us-dea", 20, reports("u", "arrest"), kind="feedback"),
    )
    row = found.rows[0]
    assert (row.packets, row.asked, row.answered, row.median_answer_seconds) == (2, 0, 0, 900)


def test_the_newest_word_of_each_recipient_counts_and_a_packet_once_for_each_outcome() -> None:
    found = counted(
        accepted("t", "in-ncb", 0),
        accepted("f", "us-dea", 1, reports("t", "no-trace"), kind="feedback"),
        accepted("g", "us-dea", 2, reports("t", "seizure"), kind="feedback"),
        accepted("h", "us-cbp", 3, reports("t", "seizure"), kind="feedback"),
        accepted("i", "us-hsi", 4, reports("t", "arrest"), kind="feedback"),
    )
    row = found.rows[0]
    assert (row.reported, row.outcomes) == (1, {"seizure": 1, "arrest": 1})


def test_lawful_consignments_and_the_hours_they_were_held() -> None:
    found = counted(
        *(accepted(name, "in-ncb", 0) for name in "tuvw"),
        accepted("f", "us-cbp", 1, reports("t", "false-positive", lawful=True, held_hours=70), kind="feedback"),
        accepted("g", "us-cbp", 2, reports("u", "seizure", lawful=False, held_hours=900), kind="feedback"),
        accepted("h", "us-cbp", 3, reports("v", "false-positive", lawful=True, held_hours=2), kind="feedback"),
        accepted("i", "us-cbp", 4, reports("w", "used"), kind="feedback"),
    )
    row = found.rows[0]
    assert (row.consignments, row.lawful, row.false_positive_rate) == (3, 2, "0.667")
    assert (row.held_hours, row.median_held_hours) == (72, 36)


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        pytest.param({}, [("in-ncb", "tip"), ("us-dea", "feedback")], id="all"),
        pytest.param({"agency": "us-dea"}, [("us-dea", "feedback")], id="a-sender"),
        pytest.param({"kind": "tip"}, [("in-ncb", "tip")], id="a-kind"),
        pytest.param({"until": "2026-02-10T00:30:00.000000Z"}, [("in-ncb", "tip")], id="a-period"),
        pytest.param({"exercise": True}, [("us-hsi", "tip")], id="drill-traffic"),
    ],
)
def test_what_is_counted_and_what_else_is_said_about_it(asked: dict[str, Any], rows: list[tuple[str, str]]) -> None:
    found = counted(
        accepted("t", "in-ncb", 0),
        accepted("e", "us-hsi", 0, exercise=True),
        accepted("f", "us-dea", 60, reports("t", "used"), kind="feedback"),
        accepted("g", "us-dea", 60, reports("e", "used"), kind="feedback"),
        **asked,
    )
    assert [(row.agency, row.kind) for row in found.rows] == rows
    for row in found.rows:
        if row.agency == "in-ncb":
            assert row.outcomes == {"used": 1}, "a word after the period is about a packet in it"
        if row.agency == "us-hsi":
            assert row.outcomes == {}, "what is no drill traffic says nothing of drill traffic"


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(accepted("f", "in-ncb", 1, reports("t", "used")), id="by-its-own-sender"),
        pytest.param(accepted("f", "us-dea", 1, reports("z", "used")), id="about-what-was-not-counted"),
        pytest.param(accepted("f", "us-dea", 1, {"does": "withdraws", "of": digest("t"), "due": 1}), id="another-act"),
        pytest.param(accepted("f", "us-dea", 1, {"does": "answers", "of": digest("t")}), id="answer-to-no-question"),
    ],
)
def test_what_does_not_count(word: dict[str, Any]) -> None:
    (row,) = counted(accepted("t", "in-ncb", 0), word, agency="in-ncb", kind="tip").rows[:1]
    assert (row.reported, row.median_answer_seconds if "answers" not in str(word) else None) == (0, None)


def test_without_packets_there_are_no_rows() -> None:
    assert counted().to_object() == {"entries": 0, "rows": []}
