"""How often a loop turns: the question behind sleeping, computing and calling in loops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bglint import tree as t
from bglint.filling import is_filled
from bglint.project import Project
from bglint.questions.contacts import number, path
from bglint.questions.injection import outer
from bglint.reach import Visit
from bglint.scope import dominates
from bglint.steps import Edge
from bglint.values import Const, Frame, Items, Outside, Value

Loop = t.For | t.While

DEPTH = 8
_BOUNDS = {"limit": 0, "fetchmany": 0, "to_list": 0, "most_common": 0}
"""Methods that give no more than a number, with its position."""

_OUTSIDE = {"itertools.islice": 2, "heapq.nlargest": 0, "heapq.nsmallest": 0, "random.sample": 1}
_RUNS = {"exec", "execute", "scalars", "stream", "stream_scalars", "fetch", "fetch_all"}
_GIVES = {"all", "scalars", "mappings", "tuples", "unique", "fetchall", "to_list", "order_by", "where", "filter",
          "options", "offset", "skip", "sort", "with_for_update", "join", "distinct"}  # fmt: skip


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


def length(project: Project, expr: t.Expr, frame: Frame, depth: int = DEPTH) -> float | None:
    """How many elements an iterable has at most: a display, a constant text, a `range` of numbers, a slice, a `zip`, a
    query with `.limit(20)`.
    """
    if not depth:
        return None
    if isinstance(expr, t.Subscript):
        return _slice_length(project, expr, frame)
    known = None
    if isinstance(expr, t.Await):
        known = length(project, expr.value, frame, depth - 1)
    elif isinstance(expr, t.Comprehension) and len(expr.loops) == 1:
        known = length(project, expr.loops[0].iterable, frame, depth - 1)
    elif isinstance(expr, t.Name):
        known = _named_length(project, expr, frame, depth - 1)
    elif isinstance(expr, t.Call):
        known = _call_length(project, expr, frame, depth - 1)
    return known if known is not None else _displayed(project, expr, frame)


def _displayed(project: Project, expr: t.Expr, frame: Frame) -> float | None:
    return _most(_size(value) for value in project.evaluate(expr, frame))


def _most(lengths: Iterable[float | None]) -> float | None:
    """The largest; None where there is none, or one that is not known."""
    found = list(lengths)
    known = [each for each in found if each is not None]
    return max(known) if known and len(known) == len(found) else None


def _named_length(project: Project, name: t.Name, frame: Frame, depth: int) -> float | None:
    """By what the function itself gives the name: `due = query.limit(20).all()`."""
    if frame.function is None or is_filled(frame.function, name.id):
        return None
    bindings = project.scope(frame.function).visible(name.id, name.at)
    chain = project.chain(name, frame.function)
    if frame.function.parameter(name.id) and not any(dominates(b.chain, chain) for b in bindings):
        return None
    given = [binding.value if not binding.steps else None for binding in bindings]
    return _most(length(project, expr, frame, depth) if expr is not None else None for expr in given)


def _call_length(project: Project, call: t.Call, frame: Frame, depth: int) -> float | None:
    if is_range(project, call, frame):
        return _range_length(project, call, frame)
    if _keeps_length(project, call, frame):
        return length(project, call.arguments[0].value, frame, depth)
    if _is_call_of(project, call, frame, {"zip"}):
        return _least(length(project, argument.value, frame, depth) for argument in call.arguments)
    bound = _least((_bound(project, call, frame), _handed_length(project, call, frame, depth)))
    return bound if bound is not None else _returned_length(project, call, frame, depth)


def _least(lengths: Iterable[float | None]) -> float | None:
    return min((each for each in lengths if each is not None), default=None)


def _bound(project: Project, call: t.Call, frame: Frame) -> float | None:
    """The number that the call itself names: `.limit(20)`, `fetchmany(20)`, `islice(x, 20)`, `find(limit=20)`."""
    method = _BOUNDS.get(call.func.name) if isinstance(call.func, t.Attribute) else None
    outside = (v.name for v in project.evaluate(call.func, frame) if isinstance(v, Outside))
    positions = [_OUTSIDE[name] for name in outside if name in _OUTSIDE]
    position = positions[0] if positions else method
    given = call.keyword("limit") if position is None else _argument(call, position)
    return _number(project, given, frame)


def _number(project: Project, expr: t.Expr | None, frame: Frame) -> float | None:
    """A number, or the default of a parameter of whose callers nothing else is known: `def relay(limit: int = 20)`."""
    function = frame.function
    if isinstance(expr, t.Name) and function is not None and frame.binding(expr.id) is None:
        parameter = function.parameter(expr.id)
        if parameter is not None and parameter.default is not None:
            return number(project, parameter.default, outer(project, function))
    return number(project, expr, frame)


def _argument(call: t.Call, position: int) -> t.Expr | None:
    """The argument at this position, else the last one: `to_list(length=20)`."""
    if call.spread or not call.arguments:
        return None
    return call.arguments[min(position, len(call.arguments) - 1)].value


def _handed_length(project: Project, call: t.Call, frame: Frame, depth: int) -> float | None:
    """What a method makes of its object, or of the query that it runs: `session.scalars(query.limit(20)).all()`."""
    if not isinstance(call.func, t.Attribute):
        return None
    if call.arguments and call.func.name in _RUNS:
        return length(project, call.arguments[0].value, frame, depth)
    return length(project, call.func.value, frame, depth) if call.func.name in _GIVES else None


def _returned_length(project: Project, call: t.Call, frame: Frame, depth: int) -> float | None:
    """What a function of the project gives back, where each of its returns has a known length."""
    edges = (edge for edge in project.steps(frame)[0] if isinstance(edge, Edge) and edge.node is call)
    targets = (
        edge.target for edge in edges if edge.target.function and not edge.target.function.is_generator
    )
    returns = [(node.value, target) for target in targets for node in project.nodes_of(target, t.Return)]
    return _most(length(project, value, target, depth) if value else None for value, target in returns)


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
