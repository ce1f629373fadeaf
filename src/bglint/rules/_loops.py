"""How often a loop turns: the question behind sleeping, computing and calling in loops."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.reach import Visit
from bglint.rules._contacts import number, path
from bglint.values import Const, Frame, Items, Outside, Value

Loop = t.For | t.While


def loops_around(project: Project, visit: Visit, node: t.Node) -> Iterator[tuple[Frame, Loop]]:
    """The loops that repeat `node` on the way from the task down to it, the outermost first."""
    for frame, place in path(visit, node):
        if frame.function is not None:
            for holder, part in project.chain(place, frame.function):
                if isinstance(holder, (t.For, t.While)) and part == "body":
                    yield frame, holder


def turns(project: Project, loop: Loop, frame: Frame) -> float | None:
    """How often a loop turns at most; None where that is not known."""
    return length(project, loop.iterable, frame) if isinstance(loop, t.For) else None


def length(project: Project, expr: t.Expr, frame: Frame) -> float | None:
    """How many elements an iterable has at most: a display, a constant text, a `range` of numbers, a slice, a `zip`."""
    values = project.evaluate(expr, frame)
    if isinstance(expr, t.Call) and is_range(project, expr, frame):
        return _range_length(project, expr, frame)
    if isinstance(expr, t.Call) and _keeps_length(project, expr, frame):
        return length(project, expr.arguments[0].value, frame)
    if isinstance(expr, t.Call) and _is_call_of(project, expr, frame, {"zip"}):
        sides = [length(project, argument.value, frame) for argument in expr.arguments]
        return min((side for side in sides if side is not None), default=None)
    if isinstance(expr, t.Subscript):
        return _slice_length(project, expr, frame)
    sizes = [_size(value) for value in values]
    known = [size for size in sizes if size is not None]
    return max(known) if known and len(known) == len(sizes) else None


def is_range(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for a call of the builtin `range`."""
    return isinstance(expr, t.Call) and _is_call_of(project, expr, frame, {"range"})


def _is_call_of(project: Project, call: t.Call, frame: Frame, builtins: set[str]) -> bool:
    values = project.evaluate(call.func, frame)
    names = {value.name for value in values if isinstance(value, Outside)}
    return bool(names & {f"builtins.{name}" for name in builtins})


def is_one_text(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for the pieces of one text: `[text[i : i + n] for i in range(0, len(text), n)]`."""
    if isinstance(expr, t.Call) and _keeps_length(project, expr, frame):
        expr = expr.arguments[0].value
    return any(_is_cut_text(project, value, frame) for value in project.evaluate(expr, frame))


def _is_cut_text(project: Project, value: Value, frame: Frame) -> bool:
    made = value.birth.node if value.birth is not None else None
    if not isinstance(made, t.Comprehension) or not is_range(project, made.loops[0].iterable, frame):
        return False
    piece = made.elements[0]
    if not isinstance(piece, t.Subscript) or not isinstance(piece.index[0], t.Slice):
        return False
    whole = project.evaluate(piece.value, frame)
    return any(isinstance(v, Outside) and v.name == "builtins.str" for v in whole)


def at_least(project: Project, call: t.Call, frame: Frame) -> float:
    """The turns of a `range` as far as its numbers tell: the whole length, else the largest literal factor."""
    known = _range_length(project, call, frame)
    if known is not None:
        return known
    stop = call.argument(1) or call.argument(0)
    return _largest_factor(project, stop, frame) if stop is not None else 0


def _largest_factor(project: Project, expr: t.Expr, frame: Frame) -> float:
    if isinstance(expr, t.Operation) and expr.kind == "*":
        return max(_largest_factor(project, operand, frame) for operand in expr.operands)
    known = number(project, expr, frame)
    return known if known is not None else 0


def _range_length(project: Project, call: t.Call, frame: Frame) -> float | None:
    numbers = [number(project, argument.value, frame) for argument in call.arguments]
    known = [int(n) for n in numbers if n is not None and n == int(n)]
    if not known or len(known) != len(numbers) or len(known) > 3 or (len(known) == 3 and known[2] == 0):
        return None
    return len(range(*known))


def _slice_length(project: Project, expr: t.Subscript, frame: Frame) -> float | None:
    """`names[:10]` has ten elements at most."""
    first = expr.index[0] if len(expr.index) == 1 else None
    if not isinstance(first, t.Slice) or len(first.parts) != 1:
        return None
    text = project.text(expr, frame).replace(" ", "")
    return number(project, first.parts[0], frame) if "[:" in text else None


def _keeps_length(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for `enumerate(x)`, `sorted(x)` and their like."""
    same = {"enumerate", "sorted", "reversed", "list", "tuple", "set", "iter"}
    return bool(call.arguments) and _is_call_of(project, call, frame, same)


def _size(value: object) -> int | None:
    if isinstance(value, Items) and value.whole and value.items:
        return len(value.items)
    return len(value.value) if isinstance(value, Const) and isinstance(value.value, (str, bytes)) else None
