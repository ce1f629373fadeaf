"""Exceptions that carry the injected tasks to their handler, which gives them to its response."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.questions.merged import is_injected
from bglint.questions.paths import Way
from bglint.sites import TASKS
from bglint.values import Frame, Instance, Values


def carries_tasks(project: Project, way: Way, frame: Frame) -> bool:
    """True for a way that ends with an exception which has the injected tasks object, or where the request keeps it."""
    raised = way.node.value if isinstance(way.node, t.Raise) else None
    if raised is not None and _mentions_tasks(project, raised, frame):
        return True
    given = (values for value in way.raised if isinstance(value, Instance) for values in _given(value))
    return any(_holds_tasks(project, values) for values in given) or _is_kept(project, raised, frame)


def _mentions_tasks(project: Project, expr: t.Expr, frame: Frame) -> bool:
    parts = (part for part in t.walk(expr) if isinstance(part, (t.Name, t.Attribute)))
    return any(_holds_tasks(project, project.evaluate(part, frame)) for part in parts)


def _given(exception: Instance) -> tuple[Values, ...]:
    """What the constructor of the exception was given."""
    return tuple(values for _, values in exception.init.bindings) if exception.init is not None else ()


def _is_kept(project: Project, raised: t.Expr | None, frame: Frame) -> bool:
    """`error.tasks = tasks` before `raise error`, or `request.state.tasks = tasks`."""
    nodes = t.nodes_of(frame.function, t.Assign) if frame.function is not None else ()
    return any(
        node.value is not None and _mentions_tasks(project, node.value, frame)
        for node in nodes
        for target in node.targets
        if isinstance(target, t.Attribute) and _is_at_hand(target.value, raised)
    )


def _is_at_hand(owner: t.Expr, raised: t.Expr | None) -> bool:
    """True for what an exception handler is given: the exception, the request with its state."""
    if isinstance(owner, t.Name) and isinstance(raised, t.Name):
        return owner.id == raised.id
    return isinstance(owner, t.Attribute) and owner.name == "state"


def _holds_tasks(project: Project, values: Values) -> bool:
    return any(project.is_a(value, *TASKS) and is_injected(value) for value in values)
