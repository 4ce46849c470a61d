"""Every difference between two objects of JSON types, in words: what a key holder is shown before it signs.

Nothing is left out because nobody thought of it: rows are matched by what identifies them, everything else is compared
as it stands. Text is written as JSON with escapes, so that what somebody else wrote cannot rewrite the screen.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from schemas.canonical import unb64u
from schemas.realm import OPERATOR

COUNTRY: Final = "x-setu-country"
"""The member of a key in the root that says whose it is (ISO 3166-1 alpha-3); absent for the operator's."""

_DATES = ("not_before", "not_after", "compromised_since")
_YEAR_9999 = 253_370_764_800
ALGORITHMS: Mapping[str, str] = {"ed25519": "Ed25519", "ml-dsa-65": "ML-DSA-65"}
"""Key types of TUF metadata -> algorithms of the format."""

_IDENTITIES = ("id", "fingerprint", "sha256", "gateway", "name")
_SHOWN = 240
"""Longer texts are shown by their SHA-256, longer objects and arrays member by member."""


def changes(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """A line for each difference, none for equal objects."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            if name not in after:
                yield f"{_at(path, name)}: removed, was {said(before[name])}"
            elif name not in before:
                yield from _added(after[name], (*path, str(name)))
            else:
                yield from changes(before[name], after[name], (*path, str(name)))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, path)
    elif type(before) is not type(after) or before != after:
        yield f"{_at(path)}: {said(before)} becomes {said(after)}"


def readable(signed: Mapping[str, Any]) -> dict[str, Any]:
    """What countries sign (`root`, `targets`, `directory`, where there) as people compare it: keys by role under the
    fingerprint that is compared by voice, which is their id and so stands for their bytes; the hash of the directory
    left out, where the directory itself is there.
    """
    found: dict[str, Any] = {}
    if "root" in signed:
        root = dict(signed["root"])
        keys, roles = root.pop("keys"), root.pop("roles")
        for name, role in roles.items():
            root[name] = {"threshold": role["threshold"], "keys": {spoken(k): _key(keys[k]) for k in role["keyids"]}}
        found["root"] = root
    if "targets" in signed:
        found["targets"] = {name: each for name, each in signed["targets"].items() if name != "targets"}
        if "delegations" in signed["targets"]:
            found["targets"]["delegations"] = _delegated(**signed["targets"]["delegations"])
    if "directory" in signed:
        agencies = [
            {**each, **{name: [_row(row) for row in each[name]] for name in ("keys", "certificates") if name in each}}
            for each in signed["directory"]["agencies"]
        ]
        found["directory"] = {**signed["directory"], "agencies": agencies}
    return found


def spoken(kid: str) -> str:
    """A kid in hex, in groups of four, to be compared by voice."""
    text = unb64u(kid).hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _delegated(keys: Mapping[str, Any], roles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Roles by name, each with its keys as those of root are."""
    return {
        role["name"]: {name: each for name, each in role.items() if name not in ("name", "keyids")}
        | {"keys": {spoken(kid): _key(keys[kid]) for kid in role["keyids"]}}
        for role in roles
    }


def _key(key: Mapping[str, Any]) -> str:
    return f"{key.get(COUNTRY, OPERATOR)} {ALGORITHMS.get(key['keytype'], 'unknown')}"


def _row(key: Mapping[str, Any]) -> dict[str, Any]:
    """A key or certificate: the one by its fingerprint, and dates of both as such."""
    found = {name: value for name, value in key.items() if name not in ("kid", "public")}
    found |= {name: datetime.fromtimestamp(key[name], UTC).isoformat() for name in _DATES if _is_date(key.get(name))}
    return {"fingerprint": spoken(key["kid"]), **found} if "kid" in key else found


def _is_date(value: Any) -> bool:
    return isinstance(value, int) and value < _YEAR_9999


def _added(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    long = len(json.dumps(value)) > _SHOWN
    if long and isinstance(value, Mapping | list):
        yield from changes(type(value)(), value, path)
    else:
        yield f"{_at(path)}: added, {said(value)}"


def said(value: Any) -> str:
    """A value as JSON in ASCII; a long one by the SHA-256 of its text."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True)
    if len(text) <= _SHOWN:
        return text
    whole = value if isinstance(value, str) else text
    return f"{len(whole)} characters, SHA-256 {hashlib.sha256(whole.encode()).hexdigest()}"


def _lists(before: Sequence[Any], after: Sequence[Any], path: tuple[str, ...]) -> Iterator[str]:
    for identity in _IDENTITIES:
        if (old := _rows(before, identity)) is not None and (new := _rows(after, identity)) is not None:
            found = list(changes(old, new, path))
            yield from found
            if not found and list(old) != list(new):
                yield f"{_at(path)}: another order"
            return
    texts = [[json.dumps(each, sort_keys=True) for each in values] for values in (before, after)]
    old_texts, new_texts = texts
    gone = [each for text, each in zip(old_texts, before, strict=True) if text not in new_texts]
    come = [each for text, each in zip(new_texts, after, strict=True) if text not in old_texts]
    for each in gone:
        yield f"{_at(path)}: without {said(each)}"
    for each in come:
        yield f"{_at(path)}: with {said(each)}"
    if not gone and not come and old_texts != new_texts:
        yield f"{_at(path)}: another order, or one more often than before"


def _rows(values: Sequence[Any], identity: str) -> dict[str, Any] | None:
    """The rows by what identifies them; None where they are not all identified by it, each once."""
    if not all(isinstance(each, Mapping) and isinstance(each.get(identity), str) for each in values):
        return None
    found = {each[identity]: {name: each[name] for name in each if name != identity} for each in values}
    return found if len(found) == len(values) else None


def _at(path: tuple[str, ...], *more: str) -> str:
    return " ".join(_name(each) for each in (*path, *more)) or "all of it"


def _name(text: str) -> str:
    plain = text.isascii() and text.isprintable() and " " not in text and text
    return text if plain else json.dumps(text)
