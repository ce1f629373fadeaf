"""The background that a response object was built with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.questions.responses import (
    background_position,
    given_background,
    is_response_class,
    is_response_name,
)
from bglint.values import Frame, Func, Instance, Outside, Partial, Value, Values, known

DEPTH = 3
"""How many constructors may call each other."""


@by_identity
class Built:
    """What the background of a response may be, where the response is given it, and the expression, if one is written.

    A class gives its own: `within` is the frame of its constructor then, and `node` the call that makes the response.
    `doubtful` where the response may as well be given none.
    """

    values: Values
    node: t.Node
    frame: Frame
    expr: t.Expr | None
    within: Frame
    doubtful: bool = False


def built_with(project: Project, response: Value) -> Iterator[Built]:
    """The background that a response was given by the call that made it, or by its class."""
    birth = response.birth
    if birth is None or birth.kind != "call" or not isinstance(birth.node, t.Call):
        return
    init = response.init if isinstance(response, Instance) else None
    inside = list(_by_constructor(project, init, DEPTH)) if init is not None else []
    for found in inside:
        doubtful = found.doubtful or _is_on_one_way(project, found)
        yield replace(found, node=birth.node, frame=birth.frame, doubtful=doubtful)
    if not inside:
        yield from _by_call(project, birth.node, birth.frame)


def _is_on_one_way(project: Project, built: Built) -> bool:
    function = built.within.function
    return function is not None and bool(project.chain(built.node, function))


def _by_call(project: Project, call: t.Call, frame: Frame) -> Iterator[Built]:
    expr = given_background(project, call, frame)
    if expr is not None:
        yield Built(project.evaluate(expr, frame), expr, frame, expr, frame)
        return
    for value in project.evaluate(call.func, frame):
        yield from _handed_on(project, value, call, frame)


def _handed_on(project: Project, value: Value, call: t.Call, frame: Frame) -> Iterator[Built]:
    """What `*args` and `**options` hold, or a `partial` around the class."""
    positional, keywords = project.arguments(call, frame)
    while isinstance(value, Partial):
        positional, keywords = (*value.positional, *positional), {**dict(value.keywords), **keywords}
        value = value.target
    if is_response_class(project, value):
        position = background_position(project, value)
        by_position = positional[position : position + 1] if position is not None else ()
        values = keywords.get("background", by_position[0] if by_position else ())
        if known(values):
            yield Built(known(values), call, frame, None, frame, known(values) != values)


# ------------------------------------------------------------------- a class's own


def _by_constructor(project: Project, init: Frame, depth: int) -> Iterator[Built]:
    """What `super().__init__(background=...)` and `self.background = ...` give the response."""
    if init.function is None or not init.function.parameters or not depth:
        return
    for node in project.nodes_of(init, t.Call, t.Assign):
        if isinstance(node, t.Call) and t.last_name(node.func) == "__init__":
            for value in project.evaluate(node.func, init):
                yield from _by_base(project, value, node, init, depth)
        elif isinstance(node, t.Assign) and node.value is not None and _sets_own(node, init.function):
            yield Built(project.evaluate(node.value, init), node, init, node.value, init)


def _by_base(project: Project, value: Value, call: t.Call, init: Frame, depth: int) -> Iterator[Built]:
    if isinstance(value, Func):
        inner = project.bind(value, *project.arguments(call, init))
        yield from _by_constructor(project, inner, depth - 1)
    elif isinstance(value, Outside) and is_response_name(value.name.removesuffix(".__init__")):
        expr = call.keyword("background") or _by_position(project, value, call)
        values = project.arguments(call, init)[1].get("background", ())
        if expr is not None:
            yield Built(project.evaluate(expr, init), expr, init, expr, init)
        elif known(values):
            yield Built(known(values), call, init, None, init, known(values) != values)


def _by_position(project: Project, method: Outside, call: t.Call) -> t.Expr | None:
    """The background among the arguments of `super().__init__`."""
    base = Outside(None, method.name.removesuffix(".__init__"))
    position = background_position(project, base)
    is_bound = isinstance(method.of, Outside) and method.of.instance
    return call.argument(position) if position is not None and is_bound else None


def _sets_own(node: t.Assign, function: t.Function) -> bool:
    own = function.parameters[0].name
    return any(
        isinstance(target, t.Attribute)
        and target.name == "background"
        and isinstance(target.value, t.Name)
        and target.value.id == own
        for target in node.targets
    )
