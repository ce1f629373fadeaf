"""Backgrounds of their own that the responses of a route have: none that run the injected tasks as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.questions.built import Built, built_with
from bglint.questions.handmade import is_made_by_hand
from bglint.questions.merged import leads_to_injected, takes_in_injected
from bglint.questions.responses import is_response
from bglint.sites import TASK, TASKS
from bglint.steps import Edge
from bglint.values import Cls, Const, Frame, Func, Value

_NONE = Const(value=None)


@by_identity
class Own:
    """A background of its own that a route returns: where the response gets it, and the return that carries it.

    `place` is what to show of it, in the frame `where`. `set_at` is the `response.background = ...` that must be passed
    on the way; `made` are the places in the route that may make the background, of which one must be passed.
    `doubtful` where the response may as well have none.
    """

    node: t.Node
    frame: Frame
    leaves: t.Return
    place: t.Node
    where: Frame
    made: tuple[t.Node, ...]
    set_at: t.Assign | None
    doubtful: bool


def own_backgrounds(project: Project, route: t.Function) -> Iterator[Own]:
    """What the returned responses are built with, or are given before they are returned."""
    frame = project.frame(route)
    for leaves in t.nodes_of(route, t.Return):
        values = project.evaluate(leaves.value, frame) if leaves.value is not None else ()
        responses = [value for value in values if is_response(project, value)]
        later = list(_set_before(leaves, route)) if responses else []
        for node in later:
            yield from _assigned(project, node, leaves, frame)
        for value in responses if not later and not _is_mended(project, leaves, frame) else ():
            for own in _built(project, value, leaves, frame):
                yield replace(own, doubtful=own.doubtful or len(responses) > 1)


def _built(project: Project, value: Value, leaves: t.Return, route: Frame) -> Iterator[Own]:
    """What a response was built with; nothing where that may as well be the injected object."""
    every = [built for built in built_with(project, value) if built.frame.function is not None]
    given = [built for built in every if set(built.values) != {_NONE}]
    if all(_is_own(project, built, route) for built in given):
        yield from (_own(project, built, leaves, route) for built in given)


def _set_before(leaves: t.Return, route: t.Function) -> Iterator[t.Assign]:
    """`response.background = ...` on the name that is returned."""
    if isinstance(leaves.value, t.Name):
        for node in t.nodes_of(route, t.Assign):
            if any(_is_background_of(target, leaves.value.id) for target in node.targets):
                yield node


def _is_background_of(target: t.Expr, name: str) -> bool:
    is_background = isinstance(target, t.Attribute) and target.name == "background"
    return is_background and isinstance(target.value, t.Name) and target.value.id == name  # type: ignore[attr-defined]


def _is_mended(project: Project, leaves: t.Return, route: Frame) -> bool:
    """`attach(response, tasks)`: a helper is given both, and may put them together."""
    if not isinstance(leaves.value, t.Name):
        return False
    for call in project.nodes_of(route, t.Call):
        given = [argument.value for argument in call.arguments]
        others = [x for x in given if not (isinstance(x, t.Name) and x.id == leaves.value.id)]
        if len(others) < len(given) and any(leads_to_injected(project, other, route) for other in others):
            return True
    return False


def _assigned(project: Project, node: t.Assign, leaves: t.Return, route: Frame) -> Iterator[Own]:
    if node.value is None or route.function is None:
        return
    inner = len(project.chain(node, route.function)) > len(project.chain(leaves, route.function))
    built = Built(project.evaluate(node.value, route), node, route, node.value, route, inner)
    if _is_own(project, built, route):
        yield _own(project, built, leaves, route, node)


def _own(
    project: Project, built: Built, leaves: t.Return, route: Frame, set_at: t.Assign | None = None
) -> Own:
    """What a helper only hands on is shown where the route makes it, or gives it to the helper."""
    made = _made_in(built, route)
    is_elsewhere = built.frame.function is not route.function
    shown = (made or _given_in(project, built, route))[:1] if is_elsewhere else ()
    place, where = (shown[0], route) if shown else (built.node, built.frame)
    doubtful = built.doubtful or _NONE in built.values
    return Own(built.node, built.frame, leaves, place, where, made, set_at, doubtful)


def _made_in(built: Built, route: Frame) -> tuple[t.Node, ...]:
    """The places in the route that make the background; none where something else may make it."""
    births = [value.birth for value in built.values if value != _NONE]
    nodes = [birth.node for birth in births if birth is not None and birth.frame.function is route.function]
    return tuple(nodes) if len(nodes) == len(births) else ()


def _given_in(project: Project, built: Built, route: Frame) -> tuple[t.Node, ...]:
    """The arguments by which the route gives the background to the function that builds the response."""
    births = {value.birth.node for value in built.values if value.birth is not None}
    edges = (edge for edge in project.steps(route)[0] if isinstance(edge, Edge))
    calls = (edge.node for edge in edges if edge.target.function is built.frame.function)
    given = (argument.value for call in calls if isinstance(call, t.Call) for argument in call.arguments)
    return tuple(
        expr
        for expr in given
        if any(v.birth is not None and v.birth.node in births for v in project.evaluate(expr, route))
    )


def _is_own(project: Project, built: Built, route: Frame) -> bool:
    """True for a BackgroundTask, a hand-made BackgroundTasks or an async function that leaves the injected ones out."""
    values = [value for value in built.values if value != _NONE]
    if not values or not all(_is_own_value(project, value) for value in values):
        return False
    if built.expr is not None and leads_to_injected(project, built.expr, built.within):
        return False
    return not any(takes_in_injected(project, value, route, built.within) for value in values)


def _is_own_value(project: Project, value: Value) -> bool:
    if isinstance(value, Func):
        return project.runs_on_loop(value)
    if isinstance(value, Cls) or not project.is_a(value, *TASK, *TASKS):
        return False
    return not project.is_a(value, *TASKS) or is_made_by_hand(value)
