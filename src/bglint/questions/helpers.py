"""Functions that FastAPI does not call, and the calls that leave their tasks parameter out."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.questions.injection import called_by_fastapi
from bglint.questions.written import argument_of
from bglint.sites import Hop


def has_role(project: Project, function: t.Function) -> bool:
    """True for what the framework calls itself; for a dependency its registration must have been seen."""
    role = project.role(function)
    if role is not None and role.kind != "dependency":
        return True
    return called_by_fastapi(project, function) is not None


def is_called_without(project: Project, function: t.Function, parameter: t.Parameter) -> bool:
    """True where some call of a helper leaves a parameter to its default."""
    return any(True for _ in calls_without(project, function, parameter))


def calls_without(project: Project, function: t.Function, parameter: t.Parameter) -> Iterator[Hop]:
    """The calls that leave a parameter to its default, as far as they are reached from a route."""
    for context in project.contexts(function):
        hop = context.hops[-1] if context.hops else None
        if hop is not None and leaves_out(project, hop, function, parameter):
            yield hop


def leaves_out(project: Project, hop: Hop, function: t.Function, parameter: t.Parameter) -> bool:
    """True where a call does not give a parameter, and hides nothing behind `*` or `**`."""
    call = hop.node
    if not isinstance(call, t.Call) or call.spread:
        return False
    return argument_of(project, hop, function, parameter) is None
