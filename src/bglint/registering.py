"""What is handed to a function that keeps it: `@register("mail") def send(...)`, `bus.on("mail", send)`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from bglint import members
from bglint import tree as t
from bglint.excerpts import everywhere
from bglint.values import Frame, Func, Values, unique

if TYPE_CHECKING:
    from bglint.names import Names

MOST_PLACES = 100
"""A function that is mentioned more often than this keeps more than can be followed."""


def registered(names: Names, expr: t.Expr, frame: Frame) -> Values:
    """What the project hands to the parameter `expr` of a frame's function, or of one around it."""
    current: Frame | None = frame
    while isinstance(expr, t.Name) and current is not None and current.function is not None:
        if current.function.parameter(expr.id) is not None:
            return _registered(names, current, expr.id)
        current = current.closure
    return ()


def _registered(names: Names, frame: Frame, parameter: str) -> Values:
    function, outer = frame.function, frame.closure.function if frame.closure else None
    assert function is not None
    key = ("registered", function, parameter)
    return names.remember(key, lambda: unique([*_handed(names, function, outer, parameter)]))


def _handed(names: Names, function: t.Function, outer: t.Function | None, parameter: str) -> Iterator[Func]:
    """By decorating, with the function itself or with what it is inside of; by calling it."""
    named = outer or function
    position = [p.name for p in function.parameters].index(parameter) - bool(function.owner)
    for frame, node in islice(_mentions(names, named), MOST_PLACES):
        if node is None:
            yield Func(None, frame.function, frame.closure)  # type: ignore[arg-type]
        elif outer is None and (given := node.argument(position, parameter)) is not None:
            yield from (v for v in names.evaluate(given, frame) if isinstance(v, Func))


def _mentions(names: Names, wanted: t.Function) -> Iterator[tuple[Frame, t.Call | None]]:
    """The calls of a function, each in its frame; None in the frame of a function that it decorates."""
    for frame, nodes in everywhere(names, rf"\b{wanted.name}(?<!def {wanted.name})\b"):
        calls = (node for node in nodes if isinstance(node, t.Call))
        yield from ((frame, call) for call in calls if _means(names, call.func, frame, wanted))
        if _decorates(names, wanted, frame):
            yield frame, None


def _decorates(names: Names, wanted: t.Function, frame: Frame) -> bool:
    heads = members.decorator_heads(frame.function) if frame.function is not None else ()
    around = frame.closure or names.module_frame(frame.path)
    return any(_means(names, head, around, wanted) for head in heads)


def _means(names: Names, expr: t.Expr, frame: Frame, wanted: t.Function) -> bool:
    if t.last_name(expr) != wanted.name:
        return False
    return any(isinstance(v, Func) and v.function is wanted for v in names.evaluate(expr, frame))
