"""The only place that spells a topic's name: `setu.<recipient>.<kind>`."""

import re

_TOPIC = re.compile(r"setu\.([a-z]{2}-[a-z0-9-]{1,29})\.([a-z-]{1,32})\Z")


def topic(recipient: str, kind: str) -> str:
    return f"setu.{recipient}.{kind}"


def prefix(recipient: str) -> str:
    """What all topics of one recipient start with; it ends with the separator, so that no other id extends it."""
    return f"setu.{recipient}."


def everything() -> str:
    """What every topic starts with."""
    return "setu."


def split(name: str) -> tuple[str, str] | None:
    """(recipient, kind) of a topic's name, or None where it is no such name."""
    found = _TOPIC.match(name)
    return (found[1], found[2]) if found else None
