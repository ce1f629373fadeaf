"""Do these arguments fit this task? The same answer as Python's, as far as both can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import members
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.questions.callable import wrappers
from bglint.questions.written import Given
from bglint.values import Cls, Func, Instance, Outside, Partial, Value

MARKERS = {"Depends", "Security", "Query", "Path", "Header", "Cookie", "Body", "Form", "File"}
_KEEPS_SIGNATURE = {
    "functools.lru_cache", "functools.lru_cache()", "functools.cache", "tenacity.retry", "tenacity.retry()",
    "backoff.on_exception()", "backoff.on_predicate()",
}  # fmt: skip


@by_identity
class Bound:
    """A function with what is given to it before the task's own arguments."""

    function: t.Function
    positional: int = 0
    keywords: frozenset[str] = frozenset()


@by_identity
class Mismatch:
    """What does not fit, and the parameter (or function) that says so."""

    function: t.Function
    place: t.Node
    problem: str
    cure: str
    injected: bool = False


def resolved(project: Project, value: Value) -> Bound | None:
    """The function that a task runs; None where it, or a decorator around it, cannot be read."""
    if isinstance(value, Partial):
        inner = resolved(project, value.target)
        keywords = frozenset(name for name, _ in value.keywords)
        return inner and replace(
            inner, positional=inner.positional + len(value.positional), keywords=inner.keywords | keywords
        )
    if isinstance(value, Func):
        return _function(project, value)
    if isinstance(value, Cls):
        return _method(project, value, "__init__")
    return _method(project, value, "__call__") if isinstance(value, Instance) else None


def _method(project: Project, value: Cls | Instance, name: str) -> Bound | None:
    found = members.method(project.names, value.klass, name)
    if found is None or (isinstance(value, Cls) and value.klass.decorators):
        return None
    if isinstance(value, Cls) and members.method(project.names, value.klass, "__new__") is not None:
        return None
    return Bound(found[1], 1) if not found[1].decorators else None


def _function(project: Project, value: Func) -> Bound | None:
    if value.function.owner and members.is_abstract(value.function):
        return None
    if not wrappers(value) <= _KEEPS_SIGNATURE or _is_defined_twice(project, value.function):
        return None
    inner = _wrapped(project, value)
    if inner is not None:
        return inner
    return Bound(value.function, 1 if value.bound is not None else 0)


def _is_defined_twice(project: Project, function: t.Function) -> bool:
    """Two definitions in the arms of an `if`: which of them it is cannot be said."""
    module = project.program.module(function.source.path)
    if module is None or function.owner or "<locals>" in function.qualname:
        return False
    return len([entry for entry in module.outline.named(function.name) if entry.kind == "function"]) > 1


def _wrapped(project: Project, value: Func) -> Bound | None:
    """What a decorator's `wrapper(*args, **kwargs)` calls with exactly these."""
    function = value.function
    kinds = [parameter.kind for parameter in function.parameters]
    if kinds != ["*", "**"] or value.closure is None:
        return None
    calls = [node for node in t.nodes_of(function, t.Call) if _hands_on(node, function)]
    names = {call.func.id for call in calls if isinstance(call.func, t.Name)}
    if len(names) != 1:
        return None
    targets = value.closure.binding(names.pop()) or ()
    found = [resolved(project, target) for target in targets]
    return found[0] if len(found) == 1 else None


def _hands_on(call: t.Call, function: t.Function) -> bool:
    """True for `func(*args, **kwargs)`."""
    names = [p.name for p in function.parameters]
    given = [(a.star, a.value.id) for a in call.arguments if isinstance(a.value, t.Name) and a.star]
    return given == [("*", names[0]), ("**", names[1])] and len(call.arguments) == 2


# ----------------------------------------------------------------- comparing


def mismatch(project: Project, bound: Bound, positional: int, keywords: tuple[str, ...]) -> Mismatch | None:
    """The first thing that Python would complain about; None where the call fits."""
    return next(_mismatches(project, bound, positional, keywords), None)


def _mismatches(
    project: Project, bound: Bound, positional: int, keywords: tuple[str, ...]
) -> Iterator[Mismatch]:
    function = bound.function
    yield from _surplus(bound, positional)
    yield from _unknown(bound, keywords)
    filled = _filled(bound, positional)
    yield from _doubled(bound, filled, keywords)
    for parameter in function.parameters:
        if parameter.name not in {p.name for p in filled} | set(keywords) | bound.keywords:
            yield from _left_out(project, bound, parameter)


def _places(function: t.Function) -> list[t.Parameter]:
    return [p for p in function.parameters if p.kind in ("positional-only", "normal")]


def _filled(bound: Bound, positional: int) -> list[t.Parameter]:
    return _places(bound.function)[: bound.positional + positional]


def filled(bound: Bound, arguments: Given) -> set[t.Parameter]:
    """The parameters that a task is given."""
    names = {name for name, _ in arguments.keywords} | bound.keywords
    by_name = {parameter for parameter in bound.function.parameters if parameter.name in names}
    return {*_filled(bound, len(arguments.positional)), *by_name}


def _surplus(bound: Bound, positional: int) -> Iterator[Mismatch]:
    function, room = bound.function, len(_places(bound.function))
    if bound.positional + positional > room and not _has(function, "*"):
        takes = max(room - bound.positional, 0)
        problem = f"is given {positional} positional {_plural('argument', positional)} and takes {takes}"
        yield Mismatch(function, function, problem, "leave out what the task does not take")


def _unknown(bound: Bound, keywords: tuple[str, ...]) -> Iterator[Mismatch]:
    function = bound.function
    accepted = {p.name for p in function.parameters if p.kind in ("normal", "keyword-only")}
    for name in keywords:
        if name not in accepted and not _has(function, "**"):
            cure = (
                f"leave `{name}=` out: `add_task` has no options of its own, it hands everything to the task"
            )
            yield Mismatch(function, function, f"has no parameter `{name}`", cure)


def _doubled(bound: Bound, filled: list[t.Parameter], keywords: tuple[str, ...]) -> Iterator[Mismatch]:
    for parameter in filled:
        if parameter.kind == "normal" and parameter.name in {*keywords, *bound.keywords}:
            problem = f"is given `{parameter.name}` twice, by position and by name"
            yield Mismatch(bound.function, parameter, problem, f"give `{parameter.name}` once")


def _left_out(project: Project, bound: Bound, parameter: t.Parameter) -> Iterator[Mismatch]:
    function, name = bound.function, parameter.name
    if parameter.kind in ("*", "**"):
        return
    if is_marker(project, parameter.default, function):
        yield Mismatch(
            function, parameter,
            f"gets the marker object itself for `{name}`: FastAPI injects nothing into a task",
            f"let the route take `{name}` and hand it to the task, or make it inside the task", True,
        )  # fmt: skip
    elif parameter.default is None and _is_of_the_class(bound):
        yield _without_object(function, parameter)
    elif parameter.default is None:
        yield Mismatch(function, parameter, f"is not given `{name}`", f"give `{name}` to the task")


def _is_of_the_class(bound: Bound) -> bool:
    """`EmailService.send`: a method that waits for its object."""
    function = bound.function
    is_method = bool(function.owner) and not members.has_decorator(function, "staticmethod", "classmethod")
    return is_method and bound.positional == 0 and bool(_places(function))


def _without_object(function: t.Function, parameter: t.Parameter) -> Mismatch:
    own, klass = _places(function)[0], function.owner.rpartition(".")[2]
    lacks = f"`{own.name}` is missing"
    if parameter is not own:
        lacks = f"its first argument becomes `{own.name}` and `{parameter.name}` is missing"
    needed = [
        _asked_for(p) for p in function.parameters if p is not own and p.default is None and p.kind[0] != "*"
    ]
    given = ", ".join([f"{klass}(...).{function.name}", *needed])
    problem = f"is taken from the class, not from an object, so that {lacks}"
    return Mismatch(function, parameter, problem, f"hand over the method of an object: `{given}`")


def _asked_for(parameter: t.Parameter) -> str:
    return f"{parameter.name}=..." if parameter.kind == "keyword-only" else parameter.name


def is_marker(project: Project, default: t.Expr | None, function: t.Function) -> bool:
    """True for a default such as `Depends(...)` or `Query(...)`, which only FastAPI understands."""
    if not isinstance(default, t.Call):
        return False
    frame = project.frame(function)
    outer = frame.closure or project.names.module_frame(frame.path)
    values = project.evaluate(default, outer)
    return bool(values) and all(
        isinstance(v, Outside) and v.name.startswith("fastapi.") and _last(v.name) in MARKERS for v in values
    )


def _last(name: str) -> str:
    return name.removesuffix("()").rpartition(".")[2]


def _has(function: t.Function, kind: str) -> bool:
    return any(parameter.kind == kind for parameter in function.parameters)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
