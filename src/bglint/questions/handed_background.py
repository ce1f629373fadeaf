"""What the callers of a helper, or of a response class, give it to be the background of a response."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.questions.parents import parent
from bglint.questions.responses import Background, assigned_background, backgrounds, is_response_name
from bglint.questions.written import argument_of
from bglint.sites import Hop
from bglint.values import Frame, Outside

DEPTH = 3
"""How many helpers may call each other."""


@by_identity
class HandedBackground:
    """The caller's value, its call, and the place in the helper where a response gets it."""

    given: Background
    call: t.Call
    inside: Background


def handed_backgrounds(project: Project) -> Iterator[HandedBackground]:
    """Every such value, the helper's only as far as it is handed on as it is."""
    every = {inside.value: inside for inside in (*backgrounds(project), *_of_constructors(project))}
    for inside in every.values():
        yield from _from_callers(project, inside, inside, DEPTH)


def _of_constructors(project: Project) -> Iterator[Background]:
    """`super().__init__(..., background=value)` and `self.background = value` of a response class of the project."""
    for function in project.functions(r"\bbackground\s*=", near="__init__"):
        frame = project.frame(function)
        for node in t.nodes_of(function, t.Call, t.Assign):
            value = assigned_background(project, node, frame)
            if isinstance(node, t.Call) and _is_base(project, node.func, frame):
                value = node.keyword("background")
            if value is not None:
                yield Background(value, frame)


def _is_base(project: Project, func: t.Expr, frame: Frame) -> bool:
    return t.last_name(func) == "__init__" and any(
        isinstance(value, Outside) and is_response_name(value.name.removesuffix(".__init__"))
        for value in project.evaluate(func, frame)
    )


def _from_callers(
    project: Project, given: Background, inside: Background, depth: int
) -> Iterator[HandedBackground]:
    function = given.frame.function
    parameter = _parameter(project, given)
    if function is None or parameter is None or not depth:
        return
    for caller in project.roles.callers(function):
        frame = project.frame(caller.chain[-1]) if caller.chain else None
        value = argument_of(project, Hop(frame, caller.call), function, parameter) if frame else None
        if value is not None and frame is not None:
            outer = Background(value, frame)
            yield HandedBackground(outer, caller.call, inside)
            yield from _from_callers(project, outer, inside, depth - 1)


def _parameter(project: Project, given: Background) -> t.Parameter | None:
    """The parameter that is handed on untouched: the helper sets no other value for it, and looks at it for None at most."""
    function, value = given.frame.function, given.value
    if function is None or not isinstance(value, t.Name) or value.id in project.scope(function).bindings:
        return None
    others = (n for n in t.nodes_of(function, t.Name) if n.id == value.id and n is not value)
    return function.parameter(value.id) if all(_is_compared(n, function) for n in others) else None


def _is_compared(node: t.Name, function: t.Function) -> bool:
    above = parent(node, function)
    return isinstance(above, t.Operation) and above.kind in ("is", "is not")
