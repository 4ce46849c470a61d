"""`setu watch`: what is shown of precursors."""

from broker.cli.output import console
from broker.cli.watch import _show
from schemas.precursors import Fact, Source
from schemas.watch import UnreadRow, watch

DAY = 86_400
DUE = 1_773_100_800  # 2026-03-10T00:00:00Z: the end of 9 March


def source(number):
    return Source(
        digest=f"{number:064}", index=number, sender="in-ncb", recipients=("us-dea",), at=DUE - 9 * DAY, thread="t"
    )


def fact(number, event, **members):
    return Fact.model_validate({"source": source(number), "event": event, "substance": "NPP", **members})


def shown(capsys, *facts, unread=(), by=None):
    _show(console(), watch(facts, DUE - DAY, unread=unread), by)
    return capsys.readouterr().out


def test_what_is_due_at_the_end_of_a_day_is_due_on_that_day(capsys):
    usual = {"route": "IND>USA", "on": "2026-03-12", "quantity": {"value": "25", "unit": "KGM"}}
    said = shown(capsys, fact(0, "notice", pen_ref="PEN-1", due=DUE, **usual))
    assert "2026-03-09" in said
    assert "2026-03-10" not in said
    assert "25 kg" in said


def test_tablets_are_called_tablets(capsys):
    assert "48000 tablets" in shown(capsys, fact(0, "seizure", quantity={"value": "48000", "unit": "U2"}))


def test_that_there_is_nothing_is_said(capsys):
    assert shown(capsys).startswith("No packet that this agency may see says anything of a precursor")
    assert shown(capsys, by="routes") == shown(capsys)


def test_what_could_not_be_read_is_said_where_there_is_nothing_else(capsys):
    row = UnreadRow(
        digest="0" * 64, index=0, kind="pen", sender="in-ncb", recipients=("us-dea",), at="2026-03-01T00:00:00Z"
    )
    assert "1 packet could not be read here" in shown(capsys, unread=[row])
    assert "destroyed" not in shown(capsys, unread=[row])


def test_that_the_gateway_cannot_read_it_any_more_is_said(capsys):
    rows = [
        UnreadRow(
            digest=f"{n:064}",
            index=n,
            kind="pen",
            sender="in-ncb",
            recipients=("us-dea",),
            at="2026-03-01T00:00:00Z",
            destroyed=n > 0,
        )
        for n in range(3)
    ]
    said = shown(capsys, unread=rows)
    assert "3 packets could not be read here" in said
    assert "2 of them the gateway could read once" in said
