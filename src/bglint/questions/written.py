"""Where a value was written: from a helper's parameter back to what its callers gave."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.sites import Hop, TaskSite
from bglint.values import Cls, Frame, Func, Instance, Value


@by_identity
class Written:
    """An expression and the frame it is read in; `hops` are the calls that lead to that frame's function."""

    expr: t.Expr
    frame: Frame
    hops: tuple[Hop, ...] = ()


@by_identity
class Given:
    """The arguments meant for a task, where they were written; `opaque` where some of them cannot be read."""

    call: t.Call
    frame: Frame
    positional: tuple[Written, ...]
    keywords: tuple[tuple[str, Written], ...]
    opaque: bool


def is_plain(project: Project, site: TaskSite) -> bool:
    """False for a subclass of the project that takes arguments of its own, or has an `add_task` of its own."""
    if site.kind == "BackgroundTask":
        made = [v for v in project.evaluate(site.call.func, site.frame) if isinstance(v, Cls)]
        return not any(members.method(project.names, value.klass, "__init__") for value in made)
    if isinstance(site.receiver, Instance):
        return members.method(project.names, site.receiver.klass, "add_task") is None
    return True


def handed(project: Project, site: TaskSite) -> Written | None:
    """The task as it was written: for a helper that hands its parameter on, the helper's caller's argument."""
    if site.handed is None or not is_plain(project, site):
        return None
    return traced(project, Written(site.handed, site.frame, site.context.hops))


def traced(project: Project, written: Written) -> Written:
    """Follow a parameter to the argument that the caller wrote, through as many callers as are known."""
    function, hops = written.frame.function, written.hops
    if not isinstance(written.expr, t.Name) or function is None or not hops:
        return written
    parameter = function.parameter(written.expr.id)
    if parameter is None or written.expr.id in project.scope(function).bindings:
        return written
    argument = argument_of(project, hops[-1], function, parameter)
    return traced(project, Written(argument, hops[-1].frame, hops[:-1])) if argument is not None else written


def is_given(project: Project, site: TaskSite) -> bool:
    """False where a helper's tasks parameter is left to its default on the way from the handler."""
    receiver = site.call.func.value if isinstance(site.call.func, t.Attribute) else None
    if not isinstance(receiver, t.Name):
        return True
    origin = traced(project, Written(receiver, site.frame, site.context.hops))
    function = origin.frame.function
    own = function.parameter(origin.expr.id) if function and isinstance(origin.expr, t.Name) else None
    return own is None or own.default is None or not origin.hops


def argument_of(project: Project, hop: Hop, function: t.Function, parameter: t.Parameter) -> t.Expr | None:
    """What the call of a hop gives for a parameter of the function that it calls."""
    if not isinstance(hop.node, t.Call):
        return None
    skip = _bound(project, hop, function)
    positions = [p for p in function.parameters if p.kind in ("positional-only", "normal")]
    if parameter not in positions:
        return hop.node.keyword(parameter.name)
    position = positions.index(parameter) - skip
    return hop.node.argument(position, parameter.name) if position >= 0 else None


def _bound(project: Project, hop: Hop, function: t.Function) -> int:
    """1 where `self` or `cls` is given by the call itself."""
    assert isinstance(hop.node, t.Call)
    values = project.evaluate(hop.node.func, hop.frame)
    return 1 if any(_gives_self(value, function) for value in values) else 0


def _gives_self(value: Value, function: t.Function) -> bool:
    if isinstance(value, Cls):
        return function.name in ("__init__", "__new__")
    if isinstance(value, Instance):
        return function.name == "__call__"
    return isinstance(value, Func) and value.bound is not None


# ------------------------------------------------------------ a task's arguments


def given(project: Project, site: TaskSite) -> Given:
    """The arguments of a task; `*args, **kwargs` of a helper are those that its caller wrote."""
    return _spread(project, site.call, site.arguments, site.context.frame, site.context.hops)


def _spread(
    project: Project, call: t.Call, arguments: tuple[t.Argument, ...], frame: Frame, hops: tuple[Hop, ...]
) -> Given:
    found = Given(call, frame, (), (), False)
    for argument in arguments:
        if not argument.star:
            found = _with(found, argument, Written(argument.value, frame, hops))
        else:
            found = _with_rest(project, found, argument, frame, hops)
    return found


def _with(found: Given, argument: t.Argument, written: Written) -> Given:
    positional, keywords = found.positional, found.keywords
    if argument.keyword is None:
        positional = (*positional, written)
    else:
        keywords = (*keywords, (argument.keyword, written))
    return Given(found.call, found.frame, positional, keywords, found.opaque)


def _with_rest(
    project: Project, found: Given, argument: t.Argument, frame: Frame, hops: tuple[Hop, ...]
) -> Given:
    """Add what the caller of a helper gave beyond its named parameters."""
    rest = _rest(project, argument, frame, hops)
    if rest is None:
        return Given(found.call, found.frame, found.positional, found.keywords, True)
    return Given(
        rest.call, rest.frame, (*found.positional, *rest.positional), (*found.keywords, *rest.keywords),
        found.opaque or rest.opaque,
    )  # fmt: skip


def _rest(project: Project, argument: t.Argument, frame: Frame, hops: tuple[Hop, ...]) -> Given | None:
    function = frame.function
    kind = argument.star
    if function is None or not hops or not isinstance(argument.value, t.Name):
        return None
    parameter = function.parameter(argument.value.id)
    call = hops[-1].node
    if parameter is None or parameter.kind != kind or not isinstance(call, t.Call):
        return None
    beyond = tuple(_beyond(project, call, function, hops[-1], kind))
    return _spread(project, call, beyond, hops[-1].frame, hops[:-1])


def _beyond(
    project: Project, call: t.Call, function: t.Function, hop: Hop, kind: str
) -> Iterator[t.Argument]:
    """The arguments that end up in `*args` or in `**kwargs`."""
    named = [p for p in function.parameters if p.kind in ("positional-only", "normal")]
    room = len(named) - _bound(project, hop, function)
    taken = {p.name for p in function.parameters if p.kind in ("normal", "keyword-only")}
    for argument in call.arguments:
        if argument.keyword is not None:
            if kind == "**" and argument.keyword not in taken:
                yield argument
        elif argument.star == "**":
            if kind == "**":
                yield argument
        elif argument.star == "*" or room <= 0:
            if kind == "*":
                yield argument
        else:
            room -= 1
