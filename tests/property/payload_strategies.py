"""Valid payloads of every kind: the strategy of each stands in `tests/property/kinds/<kind>.py` as `PAYLOADS`."""

import importlib
from typing import Any

from hypothesis import strategies as st

from schemas import registry

BY_KIND: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    kind: importlib.import_module(f"tests.property.kinds.{kind.replace('-', '_')}").PAYLOADS
    for kind in registry.kinds()
}
PAYLOADS = st.sampled_from(sorted(BY_KIND)).flatmap(lambda kind: st.tuples(st.just(kind), BY_KIND[kind]))
