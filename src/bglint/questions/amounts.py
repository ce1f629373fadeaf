"""The number that an expression stands for: written, computed, or at least so much."""

from __future__ import annotations

import math
from collections.abc import Callable

from bglint import settled
from bglint import tree as t
from bglint.project import Project
from bglint.values import Const, Frame, Outside, Value, Values, unique

DEPTH = 4
_SECONDS = {
    "days": 86_400, "seconds": 1, "microseconds": 1e-6, "milliseconds": 1e-3, "minutes": 60, "hours": 3_600,
    "weeks": 604_800,
}  # fmt: skip
"""The parameters of `timedelta` in their order."""


def amount(project: Project, expr: t.Expr | None, frame: Frame) -> float | None:
    """The number, the largest of several; of what chance decides the least, if that is one or more."""
    exact = _exact(project, expr, frame)
    if exact is not None or expr is None:
        return exact
    least = _least(project, expr, frame, DEPTH)
    return least if least is not None and least >= 1 else None


def _exact(project: Project, expr: t.Expr | None, frame: Frame) -> float | None:
    if expr is None:
        return None
    said = _largest(project.evaluate(expr, frame))
    return _largest(_held(project, expr, frame)) if said is None else said


def _held(project: Project, expr: t.Expr, frame: Frame) -> Values:
    """What an attribute holds that nobody sets again: `SETTINGS.pause` of a dataclass."""
    holders = project.evaluate(expr.value, frame) if isinstance(expr, t.Attribute) else ()
    found = [settled.attribute(project.names, holder, t.last_name(expr)) for holder in holders]
    return unique([value for values in found for value in values]) if all(found) else ()


def _largest(values: Values) -> float | None:
    numbers = [_plain(value) for value in values]
    known = [n for n in numbers if n is not None]
    return max(known) if known and len(known) == len(numbers) else None


def _plain(value: Value) -> float | None:
    inner = value.value if isinstance(value, Const) else None
    return inner if isinstance(inner, (int, float)) and not isinstance(inner, bool) else None


def _least(project: Project, expr: t.Expr, frame: Frame, depth: int) -> float | None:
    exact = _exact(project, expr, frame)
    if exact is not None or not depth:
        return exact
    if isinstance(expr, t.Operation) and expr.kind in _JOINED:
        return _joined(expr.kind, [_least(project, operand, frame, depth - 1) for operand in expr.operands])
    found = [_called(project, value, depth - 1) for value in project.evaluate(expr, frame)]
    known = [n for n in found if n is not None]
    return min(known) if known and len(known) == len(found) else None


_JOINED: dict[str, Callable[[list[float]], float]] = {"+": sum, "*": math.prod}


def _joined(kind: str, numbers: list[float | None]) -> float | None:
    """What the least of several come to; a product only where none of them is below zero."""
    known = [n for n in numbers if n is not None and (kind == "+" or n >= 0)]
    return _JOINED[kind](known) if len(known) == len(numbers) else None


def _called(project: Project, value: Value, depth: int) -> float | None:
    """What a call of the standard library gives, by the call that made the value."""
    if not isinstance(value, Outside) or value.birth is None or not isinstance(value.birth.node, t.Call):
        return None
    call, frame = value.birth.node, value.birth.frame
    if _called_name(value) == "datetime.timedelta.total_seconds":
        lengths = project.evaluate(call.func.value, frame) if isinstance(call.func, t.Attribute) else ()
        return _seconds(project, lengths[0]) if len(lengths) == 1 else None
    count, choose = _CHOOSERS.get(_called_name(value), (-1, min))
    if len(call.arguments) != count or call.spread:
        return None
    numbers = [_least(project, argument.value, frame, depth) for argument in call.arguments]
    return choose([n for n in numbers if n is not None]) if None not in numbers else None


def _called_name(value: Outside) -> str:
    return value.name.replace("()", "")


_CHOOSERS: dict[str, tuple[int, Callable[[list[float]], float]]] = {
    "random.random": (0, lambda none: 0),
    **dict.fromkeys(("random.uniform", "random.randint", "random.randrange"), (2, min)),
    "builtins.max": (2, max),
    "builtins.min": (2, min),
}
"""How many arguments are understood, and the least that the call may give of them."""


def _seconds(project: Project, value: Value) -> float | None:
    """How long a `timedelta` is."""
    if not isinstance(value, Outside) or _called_name(value) != "datetime.timedelta" or value.birth is None:
        return None
    call = value.birth.node
    if not isinstance(call, t.Call) or call.spread:
        return None
    units = [argument.keyword or [*_SECONDS][place] for place, argument in enumerate(call.arguments)]
    numbers = [_exact(project, argument.value, value.birth.frame) for argument in call.arguments]
    pairs = zip(units, numbers, strict=True)
    return _joined("+", [n * _SECONDS[unit] if n is not None else None for unit, n in pairs])
