"""Does an error leave the task, or does something on the way handle it?

What handles: a `try` of any function on the path, a context manager of the project, `suppress`, a decorator that
catches or retries without an end, and whatever runs elsewhere and is never asked how it ended. Where a handler or a
manager cannot be read it is given the benefit of the doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bglint import members
from bglint import tree as t
from bglint.frozen import by_value
from bglint.project import Project
from bglint.questions.dropped import is_never_run
from bglint.questions.except_clauses import Told, is_log, raises, told
from bglint.questions.retrying import raises_in_the_end
from bglint.questions.surfacing import surfaces
from bglint.reach import Visit
from bglint.values import (
    Cls,
    Const,
    Frame,
    Generator,
    Instance,
    Items,
    Outside,
    Unknown,
    Value,
    Values,
    known,
)

HTTP_ERRORS = ("fastapi.HTTPException", "starlette.exceptions.HTTPException")
"""What they cost in a task is BG403's."""

_EXITS = ("builtins.SystemExit", "builtins.KeyboardInterrupt")
_ABSORBS = re.compile(
    r"(?i)^builtins\.getattr|retry|retri|backoff|tenacity|stamina|on_exception|(^|\.)catch(\b|_)|suppress"
)


@by_value
class Failure:
    """What may be raised: by an outside call of this dotted name, or a class that a `raise` names.

    With `telling` a handler that logs the error, or writes down a failed state, and raises it again has handled it,
    and an error that is raised in its place is what is left of it. `grouped`: it leaves in an ExceptionGroup.
    """

    call: str = ""
    raised: Values = ()
    telling: bool = False
    grouped: bool = False


def escapes(project: Project, visit: Visit, node: t.Node, failure: Failure) -> bool:
    """True where an error of `node`, in the function of a visit, leaves the task."""
    if is_never_run(project, visit, node):
        return False
    left: Failure | None = failure
    for each, step in visit.up(node):
        left = _outside(project, each.frame, step, left) if left is not None else None
    return left is not None and not _is_answer(project, left)


def _is_answer(project: Project, left: Failure) -> bool:
    """True where an HTTPException was raised in the place of the error, and leaves as such."""
    http = bool(left.raised) and all(project.is_a(value, *HTTP_ERRORS) for value in left.raised)
    return http and left.telling and not left.grouped


def in_aftermath(project: Project, visit: Visit, node: t.Node) -> bool:
    """True for what runs in an `except` or a `finally`, anywhere on the path: it deals with another failure."""
    for frame, step in _path(visit, node):
        chain = project.chain(step, frame.function) if frame.function is not None else ()
        if any(
            isinstance(around, t.Guard) and part.startswith(("handler", "final")) for around, part in chain
        ):
            return True
    return False


def is_told_of_another(project: Project, visit: Visit) -> bool:
    """True where the visit itself is a step of dealing with another failure."""
    return (
        visit.before is not None
        and visit.node is not None
        and in_aftermath(project, visit.before, visit.node)
    )


def _path(visit: Visit, node: t.Node) -> Iterator[tuple[Frame, t.Node]]:
    yield from ((each.frame, step) for each, step in visit.up(node))


def _outside(project: Project, frame: Frame, node: t.Node, failure: Failure) -> Failure | None:
    """What is left of a failure of `node` outside of the frame's function."""
    if frame.function is None:
        return failure
    if any(_absorbs(project, decorator, frame) for decorator in frame.function.decorators):
        return None
    left = (_come_up(project, frame, place, failure) for place in surfaces(project, frame, node))
    return next((each for each in left if each is not None), None)


def _come_up(project: Project, frame: Frame, place: t.Node, failure: Failure) -> Failure | None:
    """What is left of a failure outside of the function, from the place where it comes up there."""
    if not isinstance(place, t.With):
        return _above(project, frame, place, failure)
    grouped = replace(failure, grouped=True)
    is_exit = any(project.is_a(value, *_EXITS) for value in failure.raised)
    return _above(project, frame, place, grouped) if failure.telling or is_exit else None


def _above(project: Project, frame: Frame, node: t.Node, failure: Failure) -> Failure | None:
    """What is left of it behind all that stands around the node."""
    assert frame.function is not None
    left: Failure | None = failure
    for around, part in reversed(project.chain(node, frame.function)):
        if left is not None and part == "body":
            left = _behind(project, around, frame, left)
    return left


def _behind(project: Project, around: t.Node, frame: Frame, failure: Failure) -> Failure | None:
    """What is left of a failure outside of a statement whose body it comes from."""
    if isinstance(around, t.Guard):
        return _after(project, around, frame, failure)
    if isinstance(around, t.With) and _is_managed(project, around, frame, failure):
        return None
    return failure


# ------------------------------------------------------------------------ try


def _after(project: Project, guard: t.Guard, frame: Frame, failure: Failure) -> Failure | None:
    """What is left of a failure behind a `try`: nothing, the same, or what a handler raises instead."""
    for handler in guard.handlers:
        if catches(project, handler.types, frame, failure):
            return _raised_on(project, handler, frame, failure)
    return failure


def _raised_on(project: Project, handler: t.Handler, frame: Frame, failure: Failure) -> Failure | None:
    on = raises(handler)
    if not on or (failure.telling and _has_told(project, handler, frame)):
        return None
    if any(node.value is None or _is_name(node.value, handler.name) for node in on):
        return failure
    raised = tuple(v for node in on for v in project.evaluate(node.value, frame)) or (Unknown(),)
    return Failure(raised=raised, telling=True) if failure.telling else None


def _has_told(project: Project, handler: t.Handler, frame: Frame) -> bool:
    if told(project, handler, frame) is not Told.NOTHING:
        return True
    return any(isinstance(node, t.Call) and is_log(project, node, frame) for node in t.walk(*handler.body))


def _is_name(expr: t.Expr, name: str | None) -> bool:
    return isinstance(expr, t.Name) and expr.id == name


def catches(project: Project, types: tuple[t.Expr, ...], frame: Frame, failure: Failure) -> bool:
    """True where `except types` catches the failure; no types catch everything."""
    values = [value for expr in types for value in project.evaluate(expr, frame)]
    return not types or any(_catches(project, value, failure) for value in values)


def _catches(project: Project, value: Value, failure: Failure) -> bool:
    if isinstance(value, Items):
        return any(_catches(project, element, failure) for element in value.elements())
    if isinstance(value, Outside) and failure.call:
        return project.knowledge.handles(value.name, failure.call) or _same_family(value.name, failure.call)
    if isinstance(value, Outside):
        return any(_is_kind(project, raised, value.name) for raised in failure.raised)
    if isinstance(value, Cls):
        return any(_is_derived(project, raised, value) for raised in failure.raised)
    return isinstance(value, Unknown)


def _same_family(caught: str, call: str) -> bool:
    """`except subprocess.CalledProcessError` is what `check=True` asks for."""
    return call.startswith("subprocess.") and caught.startswith("subprocess.")


def _is_kind(project: Project, raised: Value, caught: str) -> bool:
    if isinstance(raised, Unknown):
        return True
    if caught == "builtins.BaseException" or project.is_a(raised, caught):
        return True
    return caught == "builtins.Exception" and not project.is_a(raised, *_EXITS)


def _is_derived(project: Project, raised: Value, caught: Cls) -> bool:
    if isinstance(raised, Unknown):
        return True
    return isinstance(raised, Instance | Cls) and caught.klass in members.lineage(project.names, raised.klass)


# ----------------------------------------------------------------------- with


def _is_managed(project: Project, block: t.With, frame: Frame, failure: Failure) -> bool:
    """True where a context manager of a `with` keeps the failure from leaving it."""
    managers = ((item, v) for item in block.items for v in known(project.evaluate(item.value, frame)))
    return any(_swallows(project, value, item, frame, failure) for item, value in managers)


def _swallows(project: Project, value: Value, item: t.WithItem, frame: Frame, failure: Failure) -> bool:
    if isinstance(value, Generator):
        return not _leaves_generator(project, value, failure)
    if isinstance(value, Instance):
        return any(_exit_swallows(project, value, name, failure) for name in ("__exit__", "__aexit__"))
    if isinstance(value, Outside) and value.name.startswith("contextlib.suppress"):
        given = item.value.arguments if isinstance(item.value, t.Call) else ()
        return catches(project, tuple(a.value for a in given), frame, failure) if given else False
    return isinstance(value, Outside) and bool(_ABSORBS.search(value.name))


def _leaves_generator(project: Project, value: Generator, failure: Failure) -> bool:
    """An error raised in the `with` block comes up at the `yield` of its context manager."""
    nodes = list(t.walk_function(value.func.function))
    yields = [node for node in nodes if isinstance(node, t.Yield)]
    return not yields or any(_above(project, value.call, node, failure) for node in yields)


def _exit_swallows(project: Project, value: Instance, name: str, failure: Failure) -> bool:
    method = members.bound(project.names, value, name)
    if method is None:
        return False
    frame = project.bind(method, (), {})
    for node in t.walk_function(method.function):
        if (
            isinstance(node, t.Return)
            and node.value is not None
            and not _is_false(project, node.value, frame)
        ):
            return True
        if failure.telling and isinstance(node, t.Call) and is_log(project, node, frame):
            return True
    return False


def _is_false(project: Project, expr: t.Expr, frame: Frame) -> bool:
    values = project.evaluate(expr, frame)
    return all(isinstance(value, Const) and not value.value for value in values)


# ----------------------------------------------------------------- decorators


def _absorbs(project: Project, decorator: t.Expr, frame: Frame) -> bool:
    """A decorator from outside that catches, or retries for ever; one that cannot be read may."""
    outer = frame.closure or project.names.module_frame(frame.path)
    if raises_in_the_end(project, decorator, outer):
        return False
    values = project.evaluate(decorator, outer)
    named = (v.name for v in values if isinstance(v, Outside))
    return any(map(_ABSORBS.search, named)) or (bool(values) and not known(values))
