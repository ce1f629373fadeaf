"""A tasks object that a class makes for itself, `self.tasks = BackgroundTasks()`: all that is done with it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.rules._handmade import Use, is_made_by_hand, uses_in
from bglint.rules._parents import parent
from bglint.sites import TaskSite
from bglint.values import Frame, Unknown


@by_identity
class Kept:
    """The attribute, the construction that it holds, and the method that makes it."""

    name: str
    call: t.Call
    frame: Frame
    method: t.Function


def kept_on_self(site: TaskSite) -> Kept | None:
    """The attribute of its own object that a task is added to, if a method of the class fills it by hand."""
    receiver = site.receiver
    if site.kind != "add_task" or receiver is None or receiver.birth is None or not is_made_by_hand(receiver):
        return None
    frame, call = receiver.birth.frame, receiver.birth.node
    if frame.function is None or not frame.function.owner or not isinstance(call, t.Call):
        return None
    above = parent(call, frame.function)
    target = above.targets[0] if isinstance(above, t.Assign) and len(above.targets) == 1 else None
    if not isinstance(target, t.Attribute) or not _is_self(target.value, frame.function):
        return None
    return Kept(target.name, call, frame, frame.function)


def uses(project: Project, kept: Kept) -> Iterator[Use]:
    """What is done with the attribute anywhere; one whose object is not known counts, and so does setting it anew."""
    for module in project.modules(rf"\.{re.escape(kept.name)}\b"):
        lines = module.lines_with(re.compile(rf"\.{re.escape(kept.name)}"))
        for function in project.roles.functions_in(module, lines):
            yield from _in_function(project, kept, function)
        for statement in project.module_statements(module):
            if any(isinstance(node, t.Attribute) and node.name == kept.name for node in t.walk(statement)):
                yield Use("escapes", statement, kept.frame)


def _in_function(project: Project, kept: Kept, function: t.Function) -> Iterator[Use]:
    frame = project.frame(function)
    nodes = [n for n in t.nodes_of(function, t.Attribute) if n.name == kept.name]
    read = {id(node) for node in nodes if not _is_set(node, function)}
    mine = {id(node) for node in nodes if id(node) in read and _may_be(project, node, kept, frame)}
    yield from uses_in(function, frame, mine)
    for node in nodes:
        if id(node) not in read and not _is_of_other_class(node, kept, function):
            yield Use("escapes", node, frame)


def _is_set(node: t.Attribute, function: t.Function) -> bool:
    above = parent(node, function)
    return isinstance(above, t.Assign) and node in above.targets


def _is_of_other_class(node: t.Attribute, kept: Kept, function: t.Function) -> bool:
    """True for the construction itself, and for what other classes call by the same name."""
    above = parent(node, function)
    own = isinstance(above, t.Assign) and above.value is kept.call
    return own or (_is_self(node.value, function) and function.owner != kept.method.owner)


def _is_self(expr: t.Expr, function: t.Function) -> bool:
    first = function.parameters[0].name if function.parameters else ""
    return isinstance(expr, t.Name) and expr.id == first and bool(function.owner)


def _may_be(project: Project, node: t.Expr, kept: Kept, frame: Frame) -> bool:
    values = project.evaluate(node, frame)
    mine = any(value.birth is not None and value.birth.node is kept.call for value in values)
    return mine or not values or any(isinstance(value, Unknown) for value in values)
