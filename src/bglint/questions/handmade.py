"""Tasks objects that FastAPI did not make: where they are constructed, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.program import Module
from bglint.project import Project
from bglint.questions.parents import parent
from bglint.values import Frame, Value

Fate = Literal["adds", "runs", "asks", "escapes"]


@by_identity
class Use:
    """A place where a tasks object is mentioned: it adds a task, lets a response run it, only asks, or anything else."""

    fate: Fate
    node: t.Node
    frame: Frame


def is_made_by_hand(receiver: Value) -> bool:
    """True where the construction of a tasks object was seen."""
    return receiver.birth is not None and receiver.birth.kind == "call"


def uses_in(function: t.Function, frame: Frame, mentions: set[int]) -> Iterator[Use]:
    """What a function does with the expressions in `mentions` (by `id`); assigning to a name is no use."""
    for node in t.walk_function(function):
        if id(node) in mentions:
            yield _use(node, frame, function)


def mentions_of(project: Project, call: t.Node, function: t.Function, frame: Frame) -> list[t.Expr]:
    """The expressions of a function that stand for the object made by a call, each as a whole: `tasks or made`."""
    targets = {target for node in t.nodes_of(function, t.Assign) for target in node.targets}
    found = [n for n in t.nodes_of(function, t.Expr) if n not in targets and _is_it(project, n, call, frame)]
    return [node for node in found if parent(node, function) not in found]


def _use(node: t.Node, frame: Frame, function: t.Function) -> Use:
    above = parent(node, function)
    if isinstance(above, t.Attribute):
        return Use(_of_attribute(above, function), parent(above, function) or above, frame)
    if _is_looked_at(node, above, function):
        return Use("asks", node, frame)
    if isinstance(above, t.Argument) and above.keyword == "background":
        return Use("runs", parent(above, function) or node, frame)
    if isinstance(above, t.Assign) and node is above.value and _sets_background(above):
        return Use("runs", above, frame)
    wait = parent(above, function) if isinstance(above, t.Call) and node is above.func else None
    if isinstance(wait, t.Await):
        return Use("runs", wait, frame)
    return Use("escapes", node, frame)


def _is_looked_at(node: t.Node, above: t.Node | None, function: t.Function) -> bool:
    """Tested, compared, written to a log, or a statement of its own: whoever gets the answer has no tasks."""
    if isinstance(above, (t.Branch, t.While, t.Assert, t.Evaluate, t.Text)):
        return True
    if isinstance(above, t.Operation):
        flows = above.kind in ("and", "or")
        return _is_looked_at(above, parent(above, function), function) if flows else above.kind in _COMPARES
    if isinstance(above, t.Argument):
        return _only_shows(_call_of(above, function))
    return isinstance(above, t.Conditional) and above.test is node


_COMPARES = ("not", "is", "is not", "==", "!=")
_SHOWS = {"print", "repr", "str", "bool", "len", "id", "type", "isinstance"}
_LOGS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_LOGGERS = {"log", "logger", "logging"}


def _only_shows(func: t.Expr) -> bool:
    """True for `print`, `repr`, `logger.info` and their like."""
    if isinstance(func, t.Attribute):
        return func.name in _LOGS and t.last_name(func.value).lower().strip("_") in _LOGGERS
    return isinstance(func, t.Name) and func.id in _SHOWS


def _of_attribute(node: t.Attribute, function: t.Function) -> Fate:
    """`tasks.add_task(...)`, `tasks.tasks.append(...)`, `len(tasks.tasks)`."""
    above = parent(node, function)
    if node.name == "add_task":
        return "adds" if isinstance(above, t.Call) and above.func is node else "escapes"
    if node.name != "tasks":
        return "escapes"
    if isinstance(above, t.Attribute) and above.name == "append":
        return "adds"
    return "asks" if _is_looked_at(node, above, function) else "escapes"


def _call_of(argument: t.Argument, function: t.Function) -> t.Expr:
    call = parent(argument, function)
    return call.func if isinstance(call, t.Call) else argument.value


def _sets_background(node: t.Assign) -> bool:
    return any(isinstance(target, t.Attribute) and target.name == "background" for target in node.targets)


def is_mentioned_inside(function: t.Function, names: Collection[str]) -> bool:
    """True where a function, lambda or class written inside a function reads one of these names."""
    return any(
        isinstance(part, t.Name) and part.id in names
        for node in t.walk_function(function)
        for part in _inside(node)
    )


def _inside(node: t.Node) -> Iterator[t.Node]:
    """All that stands in a nested function, lambda or class; nothing for another node."""
    if isinstance(node, (t.Define, t.Lambda)):
        inner = node.function
        defaults = [p.default for p in inner.parameters if p.default is not None]
        parts = [*t.walk(*inner.decorators, *defaults), *t.walk_function(inner)]
    else:
        parts = list(t.walk(*node.body, *node.decorators)) if isinstance(node, t.DefineClass) else []
    for part in parts:
        yield part
        yield from _inside(part)


# ------------------------------------------------- objects of a module or class


@by_identity
class Shared:
    """A `BackgroundTasks()` that a module or class keeps: its construction, its name, and all its uses."""

    call: t.Call
    source: t.Source
    name: str
    uses: tuple[Use, ...]

    def having(self, fate: Fate) -> list[Use]:
        """The uses of one kind, in the order of the source."""
        return [use for use in self.uses if use.fate == fate]


def shared(project: Project) -> Iterator[Shared]:
    """Every tasks object that lives as long as the server."""
    for module in project.modules(r"BackgroundTasks\("):
        for name, call, source in _constructions(project, module):
            yield Shared(call, source, name, tuple(_all_uses(project, name, call, source)))


def _constructions(project: Project, module: Module) -> Iterator[tuple[str, t.Call, t.Source]]:
    frame = project.names.module_frame(module.path)
    entries = [(entry, "") for entry in module.outline.entries]
    entries += [
        (inner, entry.name) for entry, _ in entries if entry.kind == "class" for inner in entry.members
    ]
    for entry, owner in entries:
        text = module.text(entry.start, entry.end)
        if entry.kind != "assign" or "BackgroundTasks(" not in text or len(entry.names) != 1:
            continue
        for statement in project.program.statements(module, entry, owner):
            value = statement.value if isinstance(statement, t.Assign) else None
            if isinstance(value, t.Call) and project.tasks_object(value, frame) is not None:
                yield entry.name, value, project.program.source(module, entry)


def _all_uses(project: Project, name: str, call: t.Call, source: t.Source) -> Iterator[Use]:
    """What all functions that mention the name do with this object; anything outside of functions is an escape."""
    for module in project.modules(rf"\b{re.escape(name)}\b"):
        if module.path != source.path and not _knows(module, source):
            continue
        lines = module.lines_with(re.compile(re.escape(name)))
        for function in project.roles.functions_in(module, lines):
            frame = project.frame(function)
            mentions = {
                id(node) for node in t.walk_function(function) if _means(project, node, name, call, frame)
            }
            yield from uses_in(function, frame, mentions)
        yield from _outside_functions(project, module, name, call)


def _knows(module: Module, source: t.Source) -> bool:
    """True where a module mentions the one that keeps the object, or that package."""
    parts = source.module.split(".")
    return any(part in line for part in parts[-2:] for line in module.source.splitlines() if "import" in line)


def _means(project: Project, node: t.Node, name: str, call: t.Call, frame: Frame) -> bool:
    last = node.id if isinstance(node, t.Name) else node.name if isinstance(node, t.Attribute) else ""
    return last == name and isinstance(node, t.Expr) and _is_it(project, node, call, frame)


def _is_it(project: Project, node: t.Expr, call: t.Node, frame: Frame) -> bool:
    values = project.evaluate(node, frame)
    return any(value.birth is not None and value.birth.node is call for value in values)


def _outside_functions(project: Project, module: Module, name: str, call: t.Call) -> Iterator[Use]:
    frame = project.names.module_frame(module.path)
    for entry in module.outline.entries:
        if entry.kind == "import" and any(n != name and x.endswith(f".{name}") for n, x in _pairs(entry)):
            yield Use("escapes", call, frame)
    for statement in project.module_statements(module):
        value = statement.value if isinstance(statement, (t.Assign, t.Evaluate)) else None
        for node in t.walk(value) if value is not None and value is not call else ():
            if _means(project, node, name, call, frame):
                yield Use("escapes", node, frame)


def _pairs(entry: object) -> list[tuple[str, str]]:
    names, targets = getattr(entry, "names", ()), getattr(entry, "targets", ())
    return list(zip(names, targets, strict=False))
