"""The rules of a model that no JSON Schema holds, read from its validators: each `wrong(member, message)` is one.

What a validator hands to a function that calls `wrong` itself (`unique_refs("parties", ...)`) is followed.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from schemas.base import Model

_DEEP = 4
_ADVICE = re.compile(
    r"; (add|change|choose|compare|correct|cut|exchange|give|join|keep|leave|look|mend|move|name|put|remove|say|send"
    r"|spell|take|use|write)\b.*"
)
_VALIDATORS = ("model_validator", "field_validator")
Names = dict[str, list[str]]
"""What a name may stand for, as texts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """members: paths of a model's members, `transactions/*/asset`; expected: what is expected there, in words."""

    members: tuple[str, ...]
    expected: str


@dataclass(slots=True)
class _Scope:
    """A function that is being read: where its names are looked up, and what they are known to be."""

    functions: Mapping[str, Any]
    owner: type[Model]
    names: Names = field(default_factory=dict)
    depth: int = 0


def rules(model: type[Model]) -> tuple[Rule, ...]:
    """In the order in which they are written, those of a base class first."""
    found: dict[Rule, None] = {}
    for owner in reversed(model.__mro__):
        if isinstance(owner, type) and issubclass(owner, Model) and owner is not Model:
            scope = _Scope(vars(sys.modules[owner.__module__]), model)
            for each in _parsed(owner).body:
                if isinstance(each, ast.ClassDef):
                    for function in filter(_validates, each.body):
                        found |= dict.fromkeys(_of(function, scope))
    return tuple(found)


def constructed(function: Callable[..., Any], among: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of `among` that a function calls, in its order."""
    called = (_called(node) for node in ast.walk(_parsed(function)) if isinstance(node, ast.Call))
    return tuple(dict.fromkeys(name for name in called if name in among))


def always_true(function: Callable[..., Any]) -> bool:
    """Whether all that a function does is to return True."""
    (definition,) = _parsed(function).body
    body = [each for each in getattr(definition, "body", []) if not _is_text(each)]
    match body:
        case [ast.Return(value=ast.Constant(value=True))]:
            return True
    return False


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _parsed(thing: Any) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))


def _validates(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        _called(each) in _VALIDATORS for each in node.decorator_list if isinstance(each, ast.Call)
    )


def _called(node: ast.Call) -> str:
    """The name that is called, itself or by a method of it: `Asks(...)`, `Asks.model_validate(...)`."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name)):
            return name
    return ""


def _of(function: ast.stmt, scope: _Scope) -> Iterator[Rule]:
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[target], value=value):
                _assigned(target, value, scope)
            case ast.For(target=ast.Name(id=name), iter=ast.Tuple(elts=elements)):
                scope.names[name] = [text for each in elements for text in _texts(each, scope)]
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if isinstance(node.func, ast.Name) and node.func.id == "wrong":
            yield from _rule(node, scope)
        else:
            yield from _through(node, scope)


def _assigned(target: ast.expr, value: ast.expr, scope: _Scope) -> None:
    match target, value:
        case ast.Name(id=name), _:
            scope.names[name] = _texts(value, scope)
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for one, other in zip(targets, values, strict=False):
                _assigned(one, other, scope)


def _rule(node: ast.Call, scope: _Scope) -> Iterator[Rule]:
    member, message = node.args
    for text in _texts(message, scope):
        if text != "*":
            yield Rule(tuple(dict.fromkeys(_texts(member, scope))), _expected(text))


def _through(node: ast.Call, scope: _Scope) -> Iterator[Rule]:
    """Rules of a function of ours that a validator calls, with what it is given."""
    match node.func:
        case ast.Name(id=name):
            called, skipped = scope.functions.get(name), 0
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            called, skipped = getattr(scope.owner, name, None), 1
        case _:
            return
    if scope.depth == _DEEP or not inspect.isfunction(called):
        return
    if called.__module__ != scope.owner.__module__ and not called.__module__.startswith("schemas."):
        return
    (definition,) = _parsed(called).body
    if not isinstance(definition, ast.FunctionDef):
        return
    named = [each.arg for each in definition.args.args[skipped:]]
    given = dict(zip(named, node.args, strict=False)) | {each.arg: each.value for each in node.keywords if each.arg}
    names = {name: _texts(value, scope) for name, value in given.items()}
    yield from _of(definition, _Scope(vars(sys.modules[called.__module__]), scope.owner, names, scope.depth + 1))


def _texts(node: ast.expr, scope: _Scope) -> list[str]:
    """What an expression may be as text; what is not known before it runs is `*`."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Name(id=name):
            return scope.names.get(name, ["*"])
        case ast.IfExp(body=body, orelse=other):
            return [*_texts(body, scope), *_texts(other, scope)]
        case ast.FormattedValue(value=value):
            return _texts(value, scope)
        case ast.JoinedStr(values=values):
            return ["".join(each) for each in product(*(_texts(value, scope) for value in values))]
    return ["*"]


def _expected(message: str) -> str:
    """The part of a refusal that says what is expected: without what was found, and without advice."""
    said = re.sub(r", found [^;]*", "", message.removeprefix("expected "))
    return _ADVICE.sub("", said).strip().replace("*", "...")
