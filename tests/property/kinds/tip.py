"""Valid tips."""

from hypothesis import strategies as st

from tests.property.kinds.parts import (
    COMMON,
    CONSIGNMENT,
    EVALUATION,
    LINE,
    NEXUS,
    PLACE,
    SUBSTANCE,
    TEXT,
    TIMES,
    joined,
    parties,
    record,
)

PAYLOADS = joined(
    record(
        {
            "title": LINE,
            "narrative": TEXT,
            "discipline": st.sampled_from(["HUMINT", "OSINT", "FININT", "SIGINT", "IMINT", "MASINT"]),
            "evaluation": EVALUATION,
            "observed_at": TIMES,
        },
        {
            "offence": st.sampled_from(["06", "0601", "060121"]),
            "substances": st.lists(SUBSTANCE, max_size=2),
            "parties": parties(),
            "places": st.lists(PLACE, max_size=2),
            "consignments": st.lists(CONSIGNMENT, max_size=2),
            "terror_nexus": st.lists(NEXUS, max_size=1),
            "collection_requirement": TEXT,
        },
    ),
    COMMON,
)
