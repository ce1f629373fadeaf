"""Does a function keep all that fails in it to itself?"""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.questions.catching import Catch, catches
from bglint.questions.except_clauses import is_log, raises
from bglint.sites import TaskSite
from bglint.values import Frame, Outside

_SOUND = ("builtins.", "time.", "datetime.", "uuid.", "logging.")
"""What is called before and behind a `try` without a thought."""


def is_contained(project: Project, site: TaskSite) -> bool:
    """True where each function that a task starts with keeps its failures to itself."""
    starts = [visit for visit in project.visits(site) if visit.before is None]
    return bool(starts) and all(contains(project, visit.frame) for visit in starts)


def contains(project: Project, frame: Frame) -> bool:
    """True where all that a function does stands in a `try` that takes everything and raises nothing."""
    if frame.function is None or not project.nodes_of(frame, t.Guard):
        return False
    return all(_is_kept(project, node, frame) for node in project.nodes_of(frame, t.Raise, t.Call, t.Await))


def _is_kept(project: Project, node: t.Node, frame: Frame) -> bool:
    if isinstance(node, t.Call) and _is_sound(project, node, frame):
        return True
    assert frame.function is not None
    guards = [(a, part) for a, part in project.chain(node, frame.function) if isinstance(a, t.Guard)]
    if isinstance(node, t.Call | t.Await) and any(part.startswith("handler") for _, part in guards):
        return True
    return any(part == "body" and _takes_all(project, guard, frame) for guard, part in guards)


def _is_sound(project: Project, call: t.Call, frame: Frame) -> bool:
    values = project.evaluate(call.func, frame)
    named = [value.name for value in values if isinstance(value, Outside)]
    plain = bool(named) and len(named) == len(values) and all(name.startswith(_SOUND) for name in named)
    return plain or is_log(project, call, frame)


def _takes_all(project: Project, guard: t.Guard, frame: Frame) -> bool:
    """True for a `try` with a handler that takes every exception, where no handler raises one."""
    if any(map(raises, guard.handlers)):
        return False
    return any(catches(project, handler, frame, None) is Catch.YES for handler in guard.handlers)
