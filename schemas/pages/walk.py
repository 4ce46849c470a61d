"""Which models a kind is made of: its stages, and the parts below them."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from schemas.base import Model
from schemas.payloads.parts import Payload


def stages(model: Any) -> tuple[type[Payload], ...]:
    """The classes of a kind's model: one, or one for each stage, in the order of the union."""
    return tuple(each for each in models_in(model) if issubclass(each, Payload))


def parts(model: Any) -> tuple[type[Model], ...]:
    """Every model below those of a kind, each once, in the order in which they are met."""
    found: dict[type[Model], None] = {}
    for each in stages(model):
        _below(each, found)
    return tuple(found)


def common(classes: Iterable[type[Payload]]) -> type[Payload]:
    """The nearest class that all stages extend; `Payload` where it is that alone."""
    first, *others = classes
    return next(
        each
        for each in first.__mro__[1 if others else 0 :]
        if issubclass(each, Payload) and all(issubclass(other, each) for other in others)
    )


def models_in(annotation: Any) -> Iterator[type[Model]]:
    """The models that an annotation names, in its order."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for each in get_args(annotation):
        yield from models_in(each)


def _below(model: type[Model], found: dict[type[Model], None]) -> None:
    for field in model.model_fields.values():
        for each in models_in(field.annotation):
            if each not in found:
                found[each] = None
                _below(each, found)
