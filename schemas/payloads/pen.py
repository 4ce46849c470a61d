"""Kind `pen`: pre-export notification of precursors, from the notice to what became of the goods; a model per stage."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.act import Act, Answers, Asks
from schemas.base import Line, Reference, Text
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Consignment, Place, Quantity, Substance
from schemas.payloads.pen_parts import Discrepancy, FormLetter, Ground, Iec, PenStage, Trader
from schemas.payloads.shape import wrong
from schemas.payloads.values import Date

DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()
EARLIEST, LATEST = "1970-01-01", "9998-12-31"
"""Days whose end is a time that every program can write (`Asks.due`)."""


class PenNotifyV1(PenStage):
    """The notice, by the exporting country's authority, before the export.

    Source: 1988 UN Convention, Article 12(10)(a): (i) name and address of exporter, importer and, when available,
    consignee, (ii) name of the substance, (iii) quantity, (iv) expected point of entry and date of dispatch, (v) other
    information mutually agreed upon. A substance in neither table is notified voluntarily (PEN Online Light).

    It asks for an answer by the end of the day `response_due`, UTC: the header's act is `asks`, due at 24:00.
    """

    stage: Literal["notify"]
    issued_on: Date
    exporter: Trader
    importer: Trader
    consignee: Trader | None = None
    substance: Substance
    point_of_entry: Place
    dispatch_date: Date
    arrival_by: Date | None = None
    response_due: Date
    permit_no: Reference | None = None
    import_permit_no: Reference | None = None
    end_use: Line
    iec: Iec | None = None
    consignment: Consignment | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if not EARLIEST <= self.response_due <= LATEST:
            wrong("response_due", f"expected a date from {EARLIEST} to {LATEST}, found another; correct it")
        if self.response_due < self.issued_on:
            wrong("response_due", "expected a date on or after issued_on; correct it")
        if self.dispatch_date < self.response_due:
            wrong("dispatch_date", "expected a date on or after response_due: the answer comes before the export")
        if self.arrival_by is not None and self.arrival_by < self.dispatch_date:
            wrong("arrival_by", "expected a date on or after dispatch_date; correct it")
        return self

    @model_validator(mode="after")
    def _what_the_article_asks(self) -> Self:
        if self.substance.quantity is None:
            wrong("substance/quantity", "expected the quantity to be exported; add it")
        if self.substance.cas is None:
            wrong("substance/cas", "expected the substance's CAS number beside its name; add it")
        if self.substance.un_list not in (None, "1988-I", "1988-II"):
            wrong("substance/un_list", "expected a table of the 1988 Convention; drugs need permits of 1961 or 1971")
        if self.exporter.address.country == self.importer.address.country:
            wrong("importer/address/country", "expected another country than the exporter's; correct it")
        if self.point_of_entry.country == self.exporter.address.country:
            wrong("point_of_entry/country", "expected a country other than the exporter's; correct it")
        return self

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return Asks(does="asks", due=(date.fromisoformat(self.response_due).toordinal() + 1 - EPOCH) * DAY)

    def replies(self) -> bool:
        return False


class PenAcknowledgeV1(PenStage):
    """The importing country's authority has the notice (Article 12(10)(a)) and looks into it; no answer yet."""

    stage: Literal["acknowledge"]
    received_on: Date
    answer_by: Date | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.answer_by is not None and self.answer_by < self.received_on:
            wrong("answer_by", "expected a date on or after received_on; correct it")
        return self


class PenAnswer(PenStage):
    """What stops the notice's clock: the header's act is `answers`."""

    def act(self, in_reply_to: str | None) -> Act | None:
        return Answers.model_validate({"does": "answers", "of": in_reply_to})


class PenObjectV1(PenAnswer):
    """The importing country's authority objects: the export must not go ahead (Article 12(9)(c), 12(10))."""

    stage: Literal["object"]
    decided_on: Date
    ground: Ground
    explanation: Text


class PenNoObjectionV1(PenAnswer):
    """The importing country's authority does not object to a notice of Article 12(10)(a), where it wishes under
    conditions or up to a quantity.
    """

    stage: Literal["no-objection"]
    decided_on: Date
    import_permit_no: Reference | None = None
    quantity: Quantity | None = None
    valid_until: Date | None = None
    conditions: Text | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.decided_on:
            wrong("valid_until", "expected a date on or after decided_on; correct it")
        return self


class PenSuspendV1(PenStage):
    """Either authority holds the shipment while facts are checked, with a date to look at it again, so that lawful
    trade is not held for ever (Article 12(9)(c)).
    """

    stage: Literal["suspend"]
    decided_on: Date
    ground: Ground
    explanation: Text
    review_on: Date
    held_at: Place | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.review_on < self.decided_on:
            wrong("review_on", "expected a date on or after decided_on; correct it")
        return self


class PenClearedV1(PenStage):
    """An objection or suspension is lifted, for Article 12 is not to hinder lawful trade: the shipment may go, whole or
    in part.
    """

    stage: Literal["cleared"]
    decided_on: Date
    lifts: Literal["object", "suspend"]
    explanation: Text
    quantity: Quantity | None = None


class PenArrivedV1(PenStage):
    """The importing country's authority says what arrived of what was notified: when, where, how much
    (`substance.quantity`), and in what it differs (Article 12(9)(c), 12(10)).
    """

    stage: Literal["arrived"]
    arrived_on: Date
    place: Place
    substance: Substance
    consignment: Consignment | None = None
    discrepancy: Discrepancy | None = None

    @model_validator(mode="after")
    def _how_much(self) -> Self:
        if self.substance.quantity is None:
            wrong("substance/quantity", "expected the quantity that arrived; add it")
        return self


class PenMovedV1(PenStage):
    """A notified precursor moved on inside the importing or exporting country (Article 12(8)(a): manufacture and
    distribution are monitored), from consignor to consignee. In India every movement of a substance of schedule A goes
    under a consignment note, and both ends have a unique registration number (scheme `in-ndps-urn`): NDPS
    (Regulation of Controlled Substances) Order 2013. What is of another schedule says so (`ndps_schedule`), and needs
    none. `form` is the letter of the Order's form, as printed on the note.
    """

    stage: Literal["moved"]
    moved_on: Date
    received_on: Date | None = None
    consignor: Trader
    consignee: Trader
    substance: Substance
    consignment_note: Reference | None = None
    form: FormLetter | None = None
    consignment: Consignment | None = None
    discrepancy: Discrepancy | None = None

    @model_validator(mode="after")
    def _inside_one_country(self) -> Self:
        if self.consignee.address.country != self.consignor.address.country:
            wrong("consignee/address/country", "expected the consignor's country: an export is notified, not moved")
        noted = self.substance.ndps_schedule in (None, "A")
        if self.consignor.address.country == "IND" and noted and self.consignment_note is None:
            wrong(
                "consignment_note",
                "expected the number of the consignment note under the Order of 2013; add it, or ndps_schedule where "
                "the substance is of another schedule than A",
            )
        if self.form is not None and self.consignment_note is None:
            wrong("consignment_note", "expected the number of the note that is of this form; add it")
        return self

    @model_validator(mode="after")
    def _what_and_when(self) -> Self:
        if self.substance.quantity is None:
            wrong("substance/quantity", "expected the quantity that moved; add it")
        if self.substance.cas is None:
            wrong("substance/cas", "expected the substance's CAS number beside its name; add it")
        if self.received_on is not None and self.received_on < self.moved_on:
            wrong("received_on", "expected a date on or after moved_on; correct it")
        return self

    def replies(self) -> bool:
        return False


PenV1 = Annotated[
    PenNotifyV1
    | PenAcknowledgeV1
    | PenObjectV1
    | PenNoObjectionV1
    | PenSuspendV1
    | PenClearedV1
    | PenArrivedV1
    | PenMovedV1,
    Field(discriminator="stage"),
]
"""The model for the stage its member `stage` names."""

KIND = PayloadKind(
    "pen", "Pre-export notification of precursors, from the notice to what became of the goods", {1: PenV1}
)
