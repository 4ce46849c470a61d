"""Valid requests for information, every stage."""

from hypothesis import strategies as st

from schemas.handling import Purpose
from tests.property.kinds.parts import (
    COMMON,
    CONSIGNMENT,
    DEADLINES,
    LINE,
    REFERENCE,
    SUBSTANCE,
    TEXT,
    TIMES,
    Document,
    joined,
    parties,
    record,
)

PURPOSES = st.lists(st.sampled_from(list(Purpose)).map(str), min_size=1, max_size=3, unique=True)
GROUND = st.sampled_from(["essential-interests", "domestic-law", "ongoing-investigation", "safety"])
MATERIAL = record(
    {}, {"substances": st.lists(SUBSTANCE, max_size=1), "consignments": st.lists(CONSIGNMENT, max_size=1)}
)


@st.composite
def requests(draw: st.DrawFn) -> Document:
    people = draw(parties())
    asked, due = sorted(draw(st.lists(DEADLINES, min_size=2, max_size=2, unique=True)))
    questions = [
        {"id": f"q-{place}", "text": text} for place, text in enumerate(draw(st.lists(TEXT, min_size=1, max_size=3)))
    ]
    if people:
        questions[0]["about"] = [draw(st.sampled_from(people))["ref"]]
    return {
        "stage": "request",
        "title": draw(LINE),
        "background": draw(TEXT),
        "purpose": draw(PURPOSES),
        "questions": questions,
        "asked_at": asked,
        "due_at": due,
        "urgency_reason": draw(TEXT),
        "parties": people,
    }  # fmt: skip


ANSWERS = st.one_of(
    record({"status": st.sampled_from(["full", "partial"]), "text": TEXT}),
    record({"status": st.just("no-hit")}, {"text": TEXT}),
    record({"status": st.just("refused"), "refusal_ground": GROUND}, {"text": TEXT}),
)


@st.composite
def replies(draw: st.DrawFn) -> Document:
    answers = [
        {**each, "question": f"q-{place}"} for place, each in enumerate(draw(st.lists(ANSWERS, min_size=1, max_size=3)))
    ]
    found = {each["status"] for each in answers}
    status = found.pop() if len(found) == 1 else "partial"
    material = draw(MATERIAL) | {"parties": draw(parties())} if status in ("full", "partial") else {}
    return {"stage": "reply", "answered_at": draw(TIMES), "status": status, "answers": answers, **material}  # fmt: skip


OTHERS = st.one_of(
    record(
        {"stage": st.just("decline"), "declined_at": TIMES, "refusal_ground": GROUND},
        {"explanation": TEXT, "ask_instead": st.just("us-fincen")},
    ),
    record({"stage": st.just("extend"), "by": st.just("requester"), "due_at": DEADLINES}, {"reason": TEXT}),
    record({"stage": st.just("extend"), "by": st.just("asked"), "due_at": DEADLINES, "reason": TEXT}),
)
PAYLOADS = joined(
    record({"request_ref": REFERENCE}, {"channel_ref": REFERENCE}),
    joined(requests(), MATERIAL) | replies() | OTHERS,
    COMMON,
)
