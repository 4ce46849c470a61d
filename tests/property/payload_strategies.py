"""Valid payloads of every kind: the strategy of each stands in `tests/property/kinds/<kind>.py` as `PAYLOADS`."""

import importlib
from typing import Any

from hypothesis import strategies as st

from schemas import registry

_MODULES = {
    kind: importlib.import_module(f"tests.property.kinds.{kind.replace('-', '_')}") for kind in registry.kinds()
}
BY_KIND: dict[str, st.SearchStrategy[dict[str, Any]]] = {kind: each.PAYLOADS for kind, each in _MODULES.items()}
PAYLOADS = st.sampled_from(sorted(BY_KIND)).flatmap(lambda kind: st.tuples(st.just(kind), BY_KIND[kind]))
FREE: dict[str, tuple[str, ...]] = {kind: getattr(each, "FREE", ()) for kind, each in _MODULES.items()}
"""Kind -> the path, `*` for any step, from which on it holds any JSON value; most kinds do nowhere."""
