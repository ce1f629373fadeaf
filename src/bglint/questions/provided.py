"""A tasks object that a provider makes by hand: what all that get it in a request do with it."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.hints import provide, providers
from bglint.project import Project
from bglint.questions.handmade import Fate, is_made_by_hand, is_mentioned_inside, mentions_of, uses_in
from bglint.questions.injection import behind, dependencies, outer
from bglint.questions.parents import parent
from bglint.sites import TASKS
from bglint.values import Outside, Value


def is_lost(
    project: Project, function: t.Function, parameter: t.Parameter, makers: tuple[Value, ...]
) -> bool:
    """True where every provider makes a new object, and everybody who has it only adds tasks to it."""
    objects = [value for maker in makers for value in provide(project.names, maker)]
    if not objects or not all(_is_new(value) for value in objects):
        return False
    fates = _fates(project, function, parameter)
    if "adds" not in fates or fates & {"runs", "escapes"}:
        return False
    kept = any(_is_kept(project, maker, value) for maker in makers for value in objects)
    return not kept and not _is_run_beside(project, function, makers)


def _is_new(value: Value) -> bool:
    """A plain object made by hand; one of a subclass may do the work in its own way."""
    return isinstance(value, Outside) and value.name in TASKS and value.instance and is_made_by_hand(value)


def _fates(project: Project, function: t.Function, parameter: t.Parameter) -> set[Fate]:
    names = {id(node) for node in t.nodes_of(function, t.Name) if node.id == parameter.name}
    return {use.fate for use in uses_in(function, project.frame(function), names)}


# ---------------------------------------------------------------- in the provider


def _is_kept(project: Project, maker: Value, value: Value) -> bool:
    """True where the provider, or what makes the object for it, does more than to give it out."""
    if value.birth is None:
        return True
    places = {behind(project, maker), value.birth.frame.function}
    return any(_does_more(project, place, value.birth.node) for place in places if place is not None)


def _does_more(project: Project, function: t.Function, made: t.Node) -> bool:
    frame = project.frame(function)
    mentions = mentions_of(project, made, function, frame)
    names = {node.id for node in mentions if isinstance(node, t.Name)}
    passed = {id(node) for node in mentions if not _is_passed(node, function)}
    more = any(use.fate in ("runs", "escapes") for use in uses_in(function, frame, passed))
    return more or is_mentioned_inside(function, names)


def _is_passed(node: t.Expr, function: t.Function) -> bool:
    """Given out, or put under a name."""
    above = parent(node, function)
    if isinstance(above, t.Assign):
        return all(isinstance(target, t.Name) for target in above.targets)
    return isinstance(above, (t.Return, t.Yield, t.Evaluate))


# ------------------------------------------------------------------ in the request


def _is_run_beside(project: Project, function: t.Function, makers: tuple[Value, ...]) -> bool:
    """True where another function gets the same object, FastAPI makes one for a request, and runs or keeps it."""
    wanted = {behind(project, maker) for maker in makers}
    for other in _beside(project, function):
        frame = outer(project, other)
        for parameter in other.parameters:
            given = {behind(project, value) for value in providers(project.names, parameter, frame)}
            if given & wanted and _fates(project, other, parameter) & {"runs", "escapes"}:
                return True
    return False


def _beside(project: Project, function: t.Function) -> Iterator[t.Function]:
    """What FastAPI may run in the same request: of a dependency it is not known in which."""
    yield from dependencies(project, function)
    role = project.role(function)
    if role is None or role.kind == "dependency":
        yield from project.functions(r"\bDepends\b")
