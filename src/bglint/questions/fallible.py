"""What may fail, and what always raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bglint import members
from bglint import tree as t
from bglint.memo import memo
from bglint.project import Project, dotted
from bglint.questions.catching import Catch, catches
from bglint.values import Cls, Frame, Func, Outside, Value, Values

if TYPE_CHECKING:
    from bglint.questions.paths import Way

DEPTH = 3
_OUTWARD = {"file", "network", "database", "process"}
_HARMLESS = {
    "debug", "info", "warning", "error", "exception", "critical", "log", "add_task", "append", "add", "extend",
    "update", "get", "setdefault", "items", "keys", "values", "format", "join", "strip", "lower", "upper", "split",
    "isoformat", "dict", "model_dump", "model_dump_json", "model_validate", "from_orm", "copy", "set_cookie",
    "total_seconds", "startswith", "endswith", "replace",
}  # fmt: skip
"""Of a call that cannot be resolved only the name is left to go by."""

_PARSERS = {
    "builtins.int", "builtins.float", "json.loads", "uuid.UUID", "datetime.datetime.strptime",
    "datetime.datetime.fromisoformat", "datetime.date.fromisoformat",
}  # fmt: skip


def can_fail(project: Project, expr: t.Expr, frame: Frame, depth: int = DEPTH) -> bool:
    """True where evaluating an expression may raise for reasons that are worth a thought: calls, not arithmetic."""
    nodes = (node for node in t.walk(expr) if isinstance(node, t.Call))
    return any(_call_can_fail(project, node, frame, depth) for node in nodes)


def _call_can_fail(project: Project, call: t.Call, frame: Frame, depth: int) -> bool:
    values = project.evaluate(call.func, frame)
    return any(_may_raise(project, value, call, frame, depth) for value in values)


def _may_raise(project: Project, value: Value, call: t.Call, frame: Frame, depth: int) -> bool:
    if isinstance(value, Outside):
        fact = project.knowledge.fact(value.name)
        return fact is not None and (fact.fails or fact.effect in _OUTWARD)
    if isinstance(value, Func):
        return depth > 0 and _function_can_fail(project, value, call, frame, depth)
    if isinstance(value, Cls):
        return False
    return depth == DEPTH and dotted(call.func).rpartition(".")[2] not in _HARMLESS


def _function_can_fail(project: Project, value: Func, call: t.Call, frame: Frame, depth: int) -> bool:
    inner = project.bind(value, *project.arguments(call, frame))
    return any(
        (isinstance(node, t.Raise) or _is_call_that_fails(project, node, inner, depth - 1))
        and not _is_caught(project, node, inner)
        for node in project.nodes_of(inner, t.Raise, t.Call)
    )


def _is_call_that_fails(project: Project, node: t.Node, frame: Frame, depth: int) -> bool:
    return isinstance(node, t.Call) and _call_can_fail(project, node, frame, depth)


def _is_caught(project: Project, node: t.Node, frame: Frame) -> bool:
    """True inside a `try` of the function that takes every exception and raises none."""
    assert frame.function is not None
    guards = (
        holder
        for holder, part in project.chain(node, frame.function)
        if isinstance(holder, t.Guard) and part == "body"
    )
    return any(_takes_all(project, handler, frame) for guard in guards for handler in guard.handlers)


def _takes_all(project: Project, handler: t.Handler, frame: Frame) -> bool:
    raises = any(isinstance(node, t.Raise) for node in t.walk(*handler.body))
    return not raises and catches(project, handler, frame, None) is Catch.YES


def outside_errors(project: Project, expr: t.Expr, frame: Frame) -> Iterator[frozenset[str]]:
    """For each outside call of an expression that is known to fail, the classes of its errors."""
    for node in t.walk(expr):
        called = project.evaluate(node.func, frame) if isinstance(node, t.Call) else ()
        for value in called:
            assert isinstance(node, t.Call)
            errors = _errors(project, value, node) if isinstance(value, Outside) else None
            if errors:
                yield errors


def _errors(project: Project, value: Outside, call: t.Call) -> frozenset[str]:
    if project.knowledge.canonical(value.name) in _PARSERS:
        return frozenset() if _is_number(call) else frozenset({"builtins.ValueError"})
    fact = project.knowledge.fact(value.name)
    return project.knowledge.errors(value.name) if fact is not None and fact.fails else frozenset()


def _is_number(call: t.Call) -> bool:
    """True for `int(end - start)`: what is calculated needs no parsing."""
    given = call.argument(0)
    return isinstance(given, t.Operation) and given.kind in ("-", "*", "/", "//", "**")


def raises_always(project: Project, call: t.Call, frame: Frame) -> Values:
    """What a first-party function raises that never comes back; () for any other call."""
    called = _called(project, call, frame)
    return _always_raised(project, called) if called is not None else ()


def raises_sometimes(project: Project, expr: t.Expr, frame: Frame) -> Iterator[Values]:
    """The exceptions that the first-party functions called by `expr` raise themselves, by name."""
    for node in t.walk(expr):
        called = _called(project, node, frame) if isinstance(node, t.Call) else None
        if called is not None:
            yield from (way.raised for way in _ways(project, called) if way.end == "raise" and way.raised)


def _called(project: Project, call: t.Call, frame: Frame) -> Frame | None:
    """The frame of the one first-party function that a call runs here, if it raises at all."""
    values = project.evaluate(call.func, frame)
    if len(values) != 1 or not isinstance(values[0], Func):
        return None
    function = values[0].function
    if function.is_generator or members.is_abstract(function) or not _raises(function):
        return None
    if function.is_async and not _is_awaited(call, frame):
        return None
    return project.bind(values[0], *project.arguments(call, frame))


def _is_awaited(call: t.Call, frame: Frame) -> bool:
    assert frame.function is not None
    return call in _awaited(frame.function)


@memo
def _awaited(function: t.Function) -> frozenset[t.Node]:
    return frozenset(node.value for node in t.nodes_of(function, t.Await))


@memo
def _raises(function: t.Function) -> bool:
    return any(isinstance(node, t.Raise) for node in t.walk_function(function))


def _always_raised(project: Project, frame: Frame) -> Values:
    ways = _ways(project, frame)
    if any(way.end != "raise" for way in ways):
        return ()
    return tuple(value for way in ways for value in way.raised)


def _ways(project: Project, frame: Frame) -> set[Way]:
    from bglint.questions.paths import Walker

    return Walker(project, frame, {}, deep=False).ways()
