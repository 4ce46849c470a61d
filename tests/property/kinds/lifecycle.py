"""Valid lifecycle packets, every stage."""

from hypothesis import strategies as st

from schemas.handling import Purpose
from tests.property.kinds.parts import COMMON, DEADLINES, PACKET_REF, TEXT, TIMES, Document, joined, record

FREE = ("patch", "*", "value")
"""Where a payload holds any JSON value: there another type and a member nobody named are as good as any."""

NAMES = st.sampled_from(["title", "narrative", "a~b/c", "0"])
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT | st.just(""),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
PATHS = st.sampled_from(["/title", "/parties/0/ref", "/consignments/-", "/a~0b~1c", "/x/0/y"])
CHANGES = record({"op": st.sampled_from(["add", "replace"]), "path": PATHS, "value": VALUES}) | record(
    {"op": st.just("remove"), "path": PATHS}
)
TESTS = record({"op": st.just("test"), "path": PATHS, "value": VALUES})
PATCHES = st.tuples(st.lists(TESTS, max_size=1), st.lists(CHANGES, min_size=1, max_size=2)).map(
    lambda two: [*two[0], *two[1]]
)
CHANGED = st.sampled_from(["error", "misidentification", "obsolete", "new-information"])
PURPOSES = st.lists(st.sampled_from(list(Purpose)).map(str), min_size=1, max_size=3, unique=True)
RELEASE_TO = st.sampled_from([["AUS"], ["us-fincen", "NGA"], ["us-hsi"]])


@st.composite
def decisions(draw: st.DrawFn) -> Document:
    decided, until = sorted(draw(st.lists(DEADLINES, min_size=2, max_size=2, unique=True)))
    made = {
        "stage": "release-decision",
        "agency": "us-dea",
        "release_to": draw(RELEASE_TO),
        "permit": draw(st.booleans()),
        "decided_at": decided,
    }
    if not made["permit"]:
        return {**made, "reason_code": draw(st.sampled_from(["third-party", "purpose", "domestic-law"]))}
    return {**made, **draw(record({}, {"until": st.just(until), "conditions": TEXT}))}


STAGES = st.one_of(
    record({"stage": st.just("amend"), "reason_code": CHANGED, "patch": PATCHES}),
    record({"stage": st.just("supersede"), "reason_code": CHANGED, "replacement": PACKET_REF}),
    record(
        {
            "stage": st.sampled_from(["retract", "destroy"]),
            "reason_code": st.sampled_from(["unreliable", "wrong-recipient", "retention-over"]),
            "deadline": DEADLINES,
        }
    ),
    record(
        {"stage": st.just("release-request"), "release_to": RELEASE_TO, "purpose": PURPOSES, "justification": TEXT},
        {"needed_by": TIMES},
    ),
    decisions(),
    record(
        {
            "stage": st.just("attest"),
            "method": st.sampled_from(["clear", "purge", "cryptographic-erase", "destroy"]),
            "destroyed_at": TIMES,
            "office": st.just("Records section"),
            "copies": st.integers(1, 1_000_000),
            "derived": st.sampled_from(["none", "destroyed", "corrected"]),
        },
        {"told": st.sampled_from([[], ["us-hsi", "us-cbp"]])},
    ),
)
PAYLOADS = joined(record({"target": PACKET_REF}, {"explanation": TEXT}), STAGES, COMMON).filter(
    lambda made: all(made.get("replacement", {}).get(name) != each for name, each in made["target"].items())
)
