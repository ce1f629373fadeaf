"""Does anybody take a task out of the dict that keeps it, to see how it ends?"""

from __future__ import annotations

import re

from bglint import tree as t
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.parents import parent

_STOPS = {"cancel", "done", "cancelled", "get_name"}


def is_looked_up(project: Project, kept: t.Expr) -> bool:
    """False where all that the project does with a dict is to fill it, to empty it, and to stop what it holds."""
    name = t.last_name(kept)
    kinds = (t.Attribute,) if isinstance(kept, t.Attribute) else (t.Name, t.Attribute)
    return not name or _is_looked_up(project, name, kinds)


@memo
def _is_looked_up(project: Project, name: str, kinds: tuple[type[t.Expr], ...]) -> bool:
    return any(
        t.last_name(node) == name and not _is_plain(node, function)
        for function in project.functions(rf"\b{re.escape(name)}\b")
        for node in t.nodes_of(function, *kinds)
    )


def _is_plain(kept: t.Expr, function: t.Function) -> bool:
    """True for `kept = {}`, `kept[key] = task`, `kept.pop(key)`, `key in kept` and what only stops the task."""
    holder = parent(kept, function)
    if isinstance(holder, t.Assign):
        return kept in holder.targets
    if isinstance(holder, t.Operation):
        return holder.kind in ("in", "not in")
    if isinstance(holder, t.Attribute) and holder.name in ("get", "pop"):
        holder = parent(holder, function)
    return isinstance(holder, t.Call | t.Subscript) and _is_only_stopped(holder, function)


def _is_only_stopped(task: t.Expr, function: t.Function) -> bool:
    """True where what was found is dropped, set, cancelled, or asked whether it is done."""
    holder = parent(task, function)
    if isinstance(holder, t.Assign) and task in holder.targets:
        return True
    if isinstance(holder, t.Assign | t.Walrus):
        return all(_is_stopped(use, function) for use in _uses(holder, function))
    if isinstance(holder, t.Return):
        return function.is_lambda
    return isinstance(holder, t.Evaluate | t.Delete) or _is_stopped(task, function)


def _uses(named: t.Assign | t.Walrus, function: t.Function) -> list[t.Name]:
    """Where the function mentions the names that were given a value there."""
    targets = named.targets if isinstance(named, t.Assign) else (named.target,)
    names = {t.last_name(target) for target in targets}
    return [name for name in t.nodes_of(function, t.Name) if name.id in names and name not in targets]


def _is_stopped(task: t.Expr, function: t.Function) -> bool:
    """`task.cancel()`, `task.done()`, and a test of whether there is a task at all."""
    holder = parent(task, function)
    if isinstance(holder, t.Attribute):
        return holder.name in _STOPS
    return isinstance(holder, t.Operation | t.Branch | t.Walrus)
