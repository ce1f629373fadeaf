"""Who keeps an asyncio task that a function starts, and who looks at how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from bglint import tree as t
from bglint.project import Project
from bglint.questions.looked_up import is_looked_up
from bglint.questions.parents import parent
from bglint.values import Frame, Func

_KEEPING = {"add", "append", "discard", "remove", "set_name", "get_name", "pop"}
_LOOKS = {"exception", "result"}


class Kept(Enum):
    """What the function does with the task that it starts."""

    BY_NOBODY = "nobody keeps it"
    BY_A_SET = "only a set or dict keeps it, and nobody looks at how it ends"
    SEEN = "somebody may look at it"


def kept(project: Project, call: t.Call, frame: Frame) -> Kept:
    """Who keeps the task that `call` starts."""
    function = frame.function
    holder = parent(call, function) if function is not None else None
    if isinstance(holder, t.Evaluate):
        return Kept.BY_NOBODY
    if (
        function is None
        or not isinstance(holder, t.Assign)
        or not all(isinstance(x, t.Name) for x in holder.targets)
    ):
        return Kept.SEEN
    names = {target.id for target in holder.targets if isinstance(target, t.Name)}
    declared = project.scope(function).declared
    if any(name in declared for name in names):
        return Kept.SEEN
    return _by_name(project, names, function, frame)


def _by_name(project: Project, names: set[str], function: t.Function, frame: Frame) -> Kept:
    uses = list(_uses(names, function))
    if not uses:
        return Kept.BY_NOBODY if not _is_captured(names, function) else Kept.SEEN
    dicts = {use: place for use in uses if (place := _entry(use, function)) is not None}
    if any(is_looked_up(project, place) for place in dicts.values()):
        return Kept.SEEN
    calls = [_call_around(use, function) for use in uses if use not in dicts]
    if any(call is None or t.last_name(call.func) not in _KEEPING | {"add_done_callback"} for call in calls):
        return Kept.SEEN
    callbacks = [call for call in calls if call is not None and t.last_name(call.func) == "add_done_callback"]
    if callbacks and all(_forgets(project, call, frame) for call in callbacks):
        return Kept.BY_A_SET
    return Kept.SEEN


def _uses(names: set[str], function: t.Function) -> Iterator[t.Name]:
    """Where the function reads one of the names."""
    targets = {id(x) for node in t.nodes_of(function, t.Assign) for x in node.targets}
    for node in t.nodes_of(function, t.Name):
        if node.id in names and id(node) not in targets:
            yield node


def _is_captured(names: set[str], function: t.Function) -> bool:
    """True where a nested function may read one of the names."""
    inner = [node.function for node in t.nodes_of(function, t.Define, t.Lambda)]
    return any(isinstance(n, t.Name) and n.id in names for f in inner for n in t.walk_function(f))


def _entry(use: t.Name, function: t.Function) -> t.Expr | None:
    """`running` of `running[key] = task`."""
    holder = parent(use, function)
    target = holder.targets[0] if isinstance(holder, t.Assign) and holder.value is use else None
    return target.value if isinstance(target, t.Subscript) else None


def _call_around(use: t.Name, function: t.Function) -> t.Call | None:
    """`task.method(...)` or `something.method(task)` of a use of the name."""
    holder = parent(use, function)
    if isinstance(holder, t.Attribute | t.Argument):
        holder = parent(holder, function)
    return holder if isinstance(holder, t.Call) else None


def _forgets(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for a callback that only takes the task out of its collection."""
    given = call.argument(0)
    if isinstance(given, t.Attribute):
        return given.name in ("discard", "remove") and not _is_function(project, given, frame)
    if isinstance(given, t.Lambda):
        return _only_forgets(given.function)
    functions = [v.function for v in project.evaluate(given, frame) if isinstance(v, Func)] if given else []
    return bool(functions) and all(map(_only_forgets, functions))


def _is_function(project: Project, expr: t.Expr, frame: Frame) -> bool:
    return any(isinstance(value, Func) for value in project.evaluate(expr, frame))


def _only_forgets(function: t.Function) -> bool:
    calls = t.nodes_of(function, t.Call)
    return all(t.last_name(call.func) in ("discard", "remove", "pop") for call in calls)
