"""Coroutines that are made and dropped: what they should do never happens."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.results import is_outside_coroutine
from bglint.reach import Visit
from bglint.scope import scope
from bglint.values import Coroutine, Frame, Func, Values

_ASKS_FIRST = {
    "iscoroutinefunction",
    "iscoroutine",
    "isawaitable",
    "is_async_callable",
    "markcoroutinefunction",
}


def is_never_run(project: Project, visit: Visit, node: t.Node) -> bool:
    """True where a node of a visit is in a coroutine that is dropped on the way to it."""
    return any(
        isinstance(step, t.Call) and step in dropped(project, each.frame, is_task=each.before is None)
        for each, step in visit.up(node)
    )


@memo
def dropped(project: Project, frame: Frame, *, is_task: bool) -> tuple[t.Call, ...]:
    """The async calls of a function whose coroutine nobody takes: nobody takes what a task itself returns."""
    function = frame.function
    if function is None or function.is_generator or asks_first(function, frame):
        return ()
    left = [node.value for node in project.nodes_of(frame, t.Evaluate)]
    given = [_kept_for_return(node, function) for node in project.nodes_of(frame, t.Return) if is_task]
    asked = [expr for node in project.nodes_of(frame, *_ASKING) for expr in _asked(node)]
    found = (call for expr in (*left, *given, *asked) for call in _coroutines(project, expr, frame))
    return tuple(dict.fromkeys(found))


_ASKING = (t.Branch, t.While, t.Assert, t.Conditional, t.CompLoop, t.Operation)


def _asked(node: t.Node) -> tuple[t.Expr, ...]:
    """The expressions of which only is asked whether they are true."""
    if isinstance(node, t.Operation):
        return node.operands[:-1] if node.kind == "and" else node.operands if node.kind == "not" else ()
    if isinstance(node, t.CompLoop):
        return node.tests
    return (node.test,) if isinstance(node, (t.Branch, t.While, t.Assert, t.Conditional)) else ()


def _kept_for_return(node: t.Return, function: t.Function) -> t.Expr | None:
    """What is returned; for `result = f(x)` with `return result` as its only use the call."""
    if not isinstance(node.value, t.Name):
        return node.value
    name = node.value.id
    bound = scope(function).bindings.get(name, ())
    reads = [part for part in t.nodes_of(function, t.Name) if part.id == name]
    if len(bound) != 1 or len(reads) != 2 or bound[0].steps:
        return None
    return bound[0].value


def _coroutines(project: Project, expr: t.Expr | None, frame: Frame) -> Iterator[t.Call]:
    """The calls that make up `expr`, if a coroutine is all that it can give."""
    parts = _alternatives(expr)
    if parts:
        for part in parts:
            yield from _coroutines(project, part, frame)
    elif isinstance(expr, t.Await):
        if _is_coroutine(project, project.evaluate(expr, frame)) and isinstance(expr.value, t.Call):
            yield expr.value
    elif isinstance(expr, t.Call) and (
        _is_coroutine(project, project.evaluate(expr, frame)) or is_outside_coroutine(project, expr, frame)
    ):
        yield expr


def _alternatives(expr: t.Expr | None) -> tuple[t.Expr, ...]:
    """The expressions of which one is the value: `a if x else b`, `x and a`, the elements of a dropped list or dict."""
    if isinstance(expr, t.Conditional):
        return (expr.body, expr.orelse)
    if isinstance(expr, t.Operation) and expr.kind in ("and", "or"):
        return expr.operands[1:] if expr.kind == "and" else expr.operands
    if isinstance(expr, t.Comprehension) and expr.kind != "generator":
        return expr.elements
    if isinstance(expr, t.Collection):
        return expr.items
    return tuple(value for _, value in expr.items) if isinstance(expr, t.Mapping) else ()


def _is_coroutine(project: Project, values: Values) -> bool:
    return bool(values) and all(
        isinstance(value, Coroutine) and not _is_made_sync(project, value.func) for value in values
    )


def _is_made_sync(project: Project, value: Func) -> bool:
    """True below a decorator such as `@async_to_sync`, whose function runs the coroutine itself."""
    facts = (project.knowledge.fact(name.removesuffix("()")) for name in value.decorators)
    return any(fact is not None and fact.wraps is not None and not fact.is_async for fact in facts)


def asks_first(function: t.Function, frame: Frame) -> bool:
    """True where a function, or the decorator around it, looks first whether what it calls is async."""
    outer = frame.closure.function if frame.closure is not None else None
    every = [function, *([outer] if outer is not None else [])]
    return any(map(_mentions_a_question, every))


@memo
def _mentions_a_question(function: t.Function) -> bool:
    return any(map(_mentions, t.walk_function(function)))


def _mentions(node: t.Node) -> bool:
    name = node.id if isinstance(node, t.Name) else node.name if isinstance(node, t.Attribute) else ""
    return name in _ASKS_FIRST


def is_tested(function: t.Function, call: t.Call) -> bool:
    """True where only a test looks at what the call gives."""
    return any(call in _tested(expr) for node in t.nodes_of(function, *_ASKING) for expr in _asked(node))


def _tested(expr: t.Expr) -> Iterator[t.Expr]:
    """A condition, and what its `and` and `or` may leave to it."""
    yield expr
    if isinstance(expr, t.Operation) and expr.kind in ("and", "or"):
        for part in _alternatives(expr):
            yield from _tested(part)
