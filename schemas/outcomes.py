"""What exchanged packets led to, counted from the log: what `GET /v1/audit/outcomes` answers.

Everything is counted from `accepted` entries and what they say their packets do (`schemas.act`), so it is the same in
open and in sealed mode, and from a mirror.
"""

from typing import Annotated

from pydantic import Field

from schemas.act import Outcome
from schemas.base import AgencyId, Count, Kind, Model

Ratio = Annotated[str, Field(pattern=r"^(0\.[0-9]{3}|1\.000)$")]
"""Thousandths as text, 0.000 to 1.000, rounded to the nearest."""


class OutcomeRow(Model):
    """The packets of one kind that one agency sent.

    packets: accepted in the period. asked: of these, how many asked for an answer; answered: of `asked`, how many have
    one from at least one recipient. median_answer_seconds: from acceptance to the first answer or, where none was
    asked for, the first report of another agency, over the packets that have one.
    reported: packets of which at least one recipient said what they led to. outcomes: for each outcome, how many
    packets led to it by the newest word of at least one recipient.
    consignments: reports that say whether the consignment they are about was lawful; lawful: how many say that it was;
    false_positive_rate: lawful / consignments, absent without any. held_hours, median_held_hours: for how long lawful
    consignments were held, over the reports that say so.
    """

    agency: AgencyId
    kind: Kind
    packets: Count
    asked: Count
    answered: Count
    median_answer_seconds: Count | None = None
    reported: Count
    outcomes: dict[Outcome, Count]
    consignments: Count
    lawful: Count
    false_positive_rate: Ratio | None = None
    held_hours: Count
    median_held_hours: Count | None = None


class Outcomes(Model):
    """entries: accepted packets that were looked at; rows: by agency and kind."""

    entries: Count
    rows: tuple[OutcomeRow, ...]
