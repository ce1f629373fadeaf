"""Where code waits for all the work of a thread pool: at the end of its `with`, where its results are collected."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project, dotted
from bglint.questions.contacts import is_async_only
from bglint.values import Frame

EXECUTOR = "concurrent.futures.Executor"
_COLLECT = ("list", "tuple", "set", "sorted", "sum", "min", "max", "dict")
_WAITS = ("result", "exception", "as_completed", "wait", "shutdown")


def pool_waits(project: Project, frame: Frame) -> Iterator[t.Call]:
    """The calls that collect what `pool.map` gives, and the pools that a `with` waits for."""
    for call in project.nodes_of(frame, t.Call):
        given = call.argument(0) if dotted(call.func) in _COLLECT else None
        if given is not None and _is_map(project, given, frame):
            yield call
    for block in project.nodes_of(frame, t.With):
        for item in block.items if not block.is_async else ():
            if (
                isinstance(item.value, t.Call)
                and _is_pool(project, item.value, frame)
                and _waits(block, item)
            ):
                yield item.value


def _is_map(project: Project, expr: t.Expr, frame: Frame) -> bool:
    func = expr.func if isinstance(expr, t.Call) else None
    return isinstance(func, t.Attribute) and func.name == "map" and _is_pool(project, func.value, frame)


def _is_pool(project: Project, expr: t.Expr, frame: Frame) -> bool:
    return any(project.is_a(value, EXECUTOR) for value in project.evaluate(expr, frame))


def _waits(block: t.With, item: t.WithItem) -> bool:
    """True where work is handed over inside, and nothing inside waits for it: that is told there, or done right."""
    parts = list(t.walk(*block.body))
    calls = [part for part in parts if isinstance(part, t.Call)]
    if any(map(is_async_only, parts)) or any(t.last_name(call.func) in _WAITS for call in calls):
        return False
    dropped = [part.value for part in parts if isinstance(part, t.Evaluate)]
    pool = dotted(item.target) if item.target is not None else ""
    submits = any(dotted(call.func) == f"{pool}.submit" for call in calls)
    return bool(pool) and (submits or any(dotted(c.func) == f"{pool}.map" for c in calls if c in dropped))
