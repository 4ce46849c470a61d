"""Valid feedback on earlier packets."""

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONSIGNMENT,
    PACKET_REF,
    PLACE,
    TEXT,
    TIMES,
    Document,
    joined,
    record,
)

HELD = st.sampled_from(
    [
        {},
        {"held_from": "2026-02-21T03:15:00Z"},
        {"held_from": "2026-02-21T03:15:00Z", "released_at": "2026-02-21T03:15:00Z"},
        {"held_from": "2026-02-21T03:15:00Z", "released_at": "2036-02-19T03:15:00Z"},
    ]
)


@st.composite
def reports(draw: st.DrawFn) -> Document:
    outcome = draw(
        st.sampled_from(["used", "arrest", "seizure", "prosecution", "no-trace", "false-positive", "expired"])
    )
    made = {
        "target": draw(PACKET_REF),
        "outcome": outcome,
        "usefulness": draw(st.integers(1, 5)),
        "public_credit": draw(st.booleans()),
    }
    if draw(st.booleans()):
        made |= {"consignment": draw(CONSIGNMENT), **draw(HELD)}
        lawful = draw(
            st.sampled_from({"false-positive": [True], "seizure": [False, None]}.get(outcome, [True, False, None]))
        )
        made |= {} if lawful is None else {"lawful": lawful}
    if outcome != "no-trace" and draw(st.booleans()):
        seen = sorted(draw(st.lists(TIMES, min_size=2, max_size=2)))
        made["sighting"] = {
            "seen_at": seen[0],
            "seen_until": seen[1],
            "place": draw(PLACE),
            "count": draw(st.integers(1, 999)),
        }
    return made  # fmt: skip


PAYLOADS = joined(reports(), record({}, {"remarks": TEXT}), COMMON)
