"""Where the error of a call comes up in the function that makes the call.

A plain call raises where it stands. A coroutine raises where it is awaited; what another task, thread or
process runs raises for nobody until its result is asked for. A task group asks its tasks when it is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.questions.parents import around
from bglint.sites import SPAWNERS
from bglint.values import Coroutine, Frame, Outside

LATER = SPAWNERS | {
    "submit", "start_soon", "run_coroutine_threadsafe", "call_soon", "call_soon_threadsafe", "call_later", "call_at",
    "add_done_callback", "add_signal_handler", "add_task", "Thread", "Process", "Timer", "apply_async", "map_async",
}  # fmt: skip
"""Calls that run what they are given elsewhere or later: its error does not come back to the caller."""

_GROUP = re.compile(r"(^|\.)(TaskGroup|create_task_group|open_nursery)(\(\))?$")
_QUIET = {"wait", "as_completed"}


def surfaces(project: Project, frame: Frame, node: t.Node) -> tuple[t.Node, ...]:
    """The places in the frame's function where an error of `node` comes up; none where it never does."""
    if frame.function is None or not isinstance(node, t.Call):
        return (node,)
    holders = list(around(node, frame.function))
    keepers = [h for h in holders if isinstance(h, t.Call) and _is_given(node, h)]
    if any(_returns_exceptions(h) or t.last_name(h.func) in _QUIET for h in keepers):
        return ()
    starting = [call for call in (node, *keepers) if t.last_name(call.func) in LATER]
    groups = tuple(group for call in starting for group in _groups(project, frame, call))
    if groups:
        return groups
    started = bool(starting)
    if not started and (any(map(_waits_here, holders)) or not _is_lazy(project, frame, node)):
        return (node,)
    if not started and any(isinstance(h, (t.Return, t.Yield)) for h in holders):
        return (node,)
    return tuple(_awaited_later(frame.function, node))


def _groups(project: Project, frame: Frame, call: t.Call) -> Iterator[t.With]:
    """The `async with` of the task group that is to run something: all its tasks have ended where it ends."""
    owner = call.func.value if isinstance(call.func, t.Attribute) else None
    if not isinstance(owner, t.Name) or frame.function is None:
        return
    for block, _ in project.chain(call, frame.function):
        items = block.items if isinstance(block, t.With) else ()
        bound = (item for item in items if t.last_name(item.target) == owner.id)
        if isinstance(block, t.With) and any(_is_group(project, item.value, frame) for item in bound):
            yield block


def _is_group(project: Project, expr: t.Expr, frame: Frame) -> bool:
    values = project.evaluate(expr, frame)
    return any(isinstance(v, Outside) and bool(_GROUP.search(v.name)) for v in values)


def _waits_here(holder: t.Node) -> bool:
    """`await f()`, `async with f()` and `async for x in f()`."""
    return isinstance(holder, (t.Await, t.WithItem)) or (isinstance(holder, t.For) and holder.is_async)


def _is_given(node: t.Node, call: t.Call) -> bool:
    """True where the node stands in the arguments of the call, not in what is called."""
    return any(part is node for argument in call.arguments for part in t.walk(argument))


def _returns_exceptions(call: t.Call) -> bool:
    value = call.keyword("return_exceptions")
    return value is not None and not (isinstance(value, t.Constant) and not value.value)


def _is_lazy(project: Project, frame: Frame, call: t.Call) -> bool:
    """True where the call only makes something to await."""
    if any(isinstance(value, Coroutine) for value in project.evaluate(call, frame)):
        return True
    called = (v for v in project.evaluate(call.func, frame) if isinstance(v, Outside))
    facts = (project.knowledge.fact(v.name) for v in called)
    return any(fact is not None and fact.is_async for fact in facts)


def _awaited_later(function: t.Function, node: t.Call) -> Iterator[t.Node]:
    """Where the function awaits what holds the coroutine or task that `node` made."""
    names = _holders(function, node)
    for part in t.nodes_of(function, t.Await):
        if _mentions(part, names) and not _is_quiet(part):
            yield part


def _holders(function: t.Function, node: t.Call) -> set[str]:
    """The local names that hold what a call gives, or a collection of it."""
    found: set[str] = set()
    for part in t.nodes_of(function, t.Assign, t.For, t.Call):
        if isinstance(part, t.Assign) and part.value is not None and _holds(part.value, node, found):
            found.update(target.id for target in part.targets if isinstance(target, t.Name))
        elif isinstance(part, t.For) and _mentions(part.iterable, found) and isinstance(part.target, t.Name):
            found.add(part.target.id)
        elif isinstance(part, t.Call) and _collects(part, node, found):
            found.update(name.id for name in t.walk(part.func) if isinstance(name, t.Name))
    return found


def _collects(call: t.Call, node: t.Call, names: set[str]) -> bool:
    """`tasks.append(...)` of what holds the coroutine."""
    if not isinstance(call.func, t.Attribute) or call.func.name not in ("append", "add", "extend"):
        return False
    return any(_holds(argument.value, node, names) for argument in call.arguments)


def _holds(expr: t.Expr, node: t.Call, names: set[str]) -> bool:
    return any(part is node for part in t.walk(expr)) or _mentions(expr, names)


def _mentions(node: t.Node, names: set[str]) -> bool:
    return any(isinstance(part, t.Name) and part.id in names for part in t.walk(node))


def _is_quiet(node: t.Await) -> bool:
    """`await gather(..., return_exceptions=True)` and `await wait(...)` hand errors over as values."""
    calls = [part for part in t.walk(node) if isinstance(part, t.Call)]
    return any(_returns_exceptions(call) or t.last_name(call.func) in _QUIET for call in calls)
