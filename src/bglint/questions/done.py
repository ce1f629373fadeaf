"""Which futures are known to be done where they are asked for their result."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project, dotted
from bglint.questions.parents import around
from bglint.scope import Binding
from bglint.values import Frame


def is_done(project: Project, future: t.Expr, frame: Frame) -> bool:
    """True below `if future.done():`, behind `while not future.done():`, behind `await asyncio.wrap_future(future)`."""
    if frame.function is None:
        return False
    names = {dotted(future), *_kept_in(project, future, frame.function)}
    return _asked_around(project, future, frame.function, names) or any(
        step.at < future.at and _is_same(project, future, step, frame.function)
        for step in (
            *_awaited(frame.function, names),
            *_left_unless_done(project, future, frame.function, names),
        )
    )


def _kept_in(project: Project, future: t.Expr, function: t.Function) -> Iterator[str]:
    """The collection that a loop takes the future from."""
    for binding in _bindings(project, future, future.at, function):
        if binding.steps[:1] == ("element",) and binding.value is not None:
            yield dotted(binding.value)


def _bindings(project: Project, expr: t.Expr, at: int, function: t.Function) -> list[Binding]:
    return project.scope(function).visible(expr.id, at) if isinstance(expr, t.Name) else []


def _is_same(project: Project, future: t.Expr, before: t.Node, function: t.Function) -> bool:
    """True where the name stood for the same future before, or is that of a loop."""
    now = _bindings(project, future, future.at, function)
    from_loop = any(binding.steps for binding in now)
    return from_loop or now == _bindings(project, future, before.at, function)


def _asked_around(project: Project, future: t.Expr, function: t.Function, names: set[str]) -> bool:
    """`if future.done(): ...`, `... if future.done() else None`."""
    blocks = [
        (holder.test, part)
        for holder, part in project.chain(future, function)
        if isinstance(holder, t.Branch)
    ]
    inside = [future, *around(future, function)]
    choices = [
        (choice.test, "body" if choice.body in inside else "orelse")
        for choice in inside
        if isinstance(choice, t.Conditional) and choice.test not in inside
    ]
    return any(_says(test, names, truth=part == "body") for test, part in (*blocks, *choices))


def _awaited(function: t.Function, names: set[str]) -> Iterator[t.Await]:
    """`await asyncio.wrap_future(future)`, alone or with others."""
    for node in t.nodes_of(function, t.Await):
        if _mentions(node.value, names):
            yield node


def _left_unless_done(
    project: Project, future: t.Expr, function: t.Function, names: set[str]
) -> Iterator[t.Branch | t.While]:
    """The questions on the way that nobody gets past before the future is done."""
    holders = {holder for holder, _ in project.chain(future, function)}
    for node in t.nodes_of(function, t.Branch, t.While):
        above = {holder for holder, _ in project.chain(node, function)}
        if node not in holders and above <= holders and _says(node.test, names, truth=False) and _stays(node):
            yield node


def _stays(node: t.Branch | t.While) -> bool:
    if isinstance(node, t.While):
        return not any(isinstance(part, t.Break) for part in t.walk(*node.body))
    return isinstance(node.body[-1], t.Return | t.Raise | t.Continue | t.Break)


def _says(test: t.Expr, names: set[str], *, truth: bool) -> bool:
    """True where the future is done if the test is true, or if it is false."""
    if isinstance(test, t.Operation) and test.kind == "not":
        return _says(test.operands[0], names, truth=not truth)
    if isinstance(test, t.Operation) and test.kind == ("and" if truth else "or"):
        return any(_says(operand, names, truth=truth) for operand in test.operands)
    return truth and isinstance(test, t.Call) and _asks(test) and _mentions(test, names)


def _asks(test: t.Call) -> bool:
    """`future.done()`, `all(future.done() for future in futures)`."""
    called = [node for node in t.walk(test) if isinstance(node, t.Call)]
    asked = any(t.last_name(node.func) == "done" for node in called)
    return asked and (t.last_name(test.func) in ("done", "all"))


def _mentions(expr: t.Expr, names: set[str]) -> bool:
    return any(isinstance(part, t.Name | t.Attribute) and dotted(part) in names for part in t.walk(expr))
