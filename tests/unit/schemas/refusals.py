"""What the tests of the kinds share: a sample with one change, and the refusal it must meet."""

import copy
import json
from typing import Any

import pytest

from schemas import registry
from schemas.explain import Fault

GONE = object()
MARKER = "Zq7Marker"


def changed(kind: str, sample: str, pointer: str, value: Any) -> dict[str, Any]:
    """A copy of a sample with the member at `pointer` set to `value`, or taken out (`GONE`)."""
    document = copy.deepcopy(registry.samples(kind)[sample])
    *path, last = pointer.split("/")[1:]
    here: Any = document
    for step in path:
        here = here[int(step) if isinstance(here, list) else step]
    key = int(last) if isinstance(here, list) else last
    if value is GONE:
        del here[key]
    else:
        here[key] = value
    return document


def fault(kind: str, document: Any) -> Fault:
    """The first fault the registry finds; that it says what was expected is checked here for all."""
    with pytest.raises(registry.PayloadError) as caught:
        registry.load(kind, 1, json.dumps(document).encode())
    error = caught.value
    assert error.code == "schema"
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert MARKER not in f"{error} {error!r} {error.faults} {error.advice}"
    for each in error.faults:
        assert each.sentence.startswith("expected ")
    return error.faults[0]
