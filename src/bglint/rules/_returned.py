"""What a helper really returns, where its annotation only names the type."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.values import Frame, Func, Instance, Outside, Value, Values, unique

DEPTH = 3
"""How many helpers may call each other."""


def really(project: Project, expr: t.Expr, frame: Frame, depth: int = DEPTH) -> Values:
    """What an expression stands for; objects that an annotation declares are followed to where they are made."""
    values = project.evaluate(expr, frame)
    if not depth or not any(map(_is_declared, values)):
        return values
    sources = list(_sources(project, expr, frame))
    return unique([v for e, where in sources for v in really(project, e, where, depth - 1)]) or values


def _is_declared(value: Value) -> bool:
    """True for an object of which nothing but its type is known."""
    is_object = isinstance(value, Instance) or (isinstance(value, Outside) and value.instance)
    return is_object and value.birth is None


def _sources(project: Project, expr: t.Expr, frame: Frame) -> Iterator[tuple[t.Expr, Frame]]:
    """The expressions that an expression takes its value from; none where they are not all known."""
    call = expr.value if isinstance(expr, t.Await) else expr
    if isinstance(expr, t.Conditional):
        yield from ((arm, frame) for arm in (expr.body, expr.orelse))
    elif isinstance(expr, t.Name):
        yield from ((value, frame) for value in _bound(project, expr, frame))
    elif isinstance(call, t.Call):
        yield from _handed_back(project, call, frame)


def _bound(project: Project, name: t.Name, frame: Frame) -> list[t.Expr]:
    """What a local name is given."""
    function = frame.function
    if function is None or function.parameter(name.id) is not None:
        return []
    bindings = project.scope(function).visible(name.id, name.at)
    values = [binding.value for binding in bindings if binding.value is not None and not binding.steps]
    return values if len(values) == len(bindings) else []


def _handed_back(project: Project, call: t.Call, frame: Frame) -> Iterator[tuple[t.Expr, Frame]]:
    """The `return` values of the first-party functions that a call may run."""
    called = project.evaluate(call.func, frame)
    helpers = [v for v in called if isinstance(v, Func) and not v.function.is_generator]
    for helper in helpers if len(helpers) == len(called) else ():
        inside = project.bind(helper, *project.arguments(call, frame))
        for node in project.nodes_of(inside, t.Return):
            yield node.value or t.Constant(node.at, None), inside
