"""What FastAPI calls, and what its parameters mean to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from bglint import members
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.hints import is_marker, parsed, providers
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.signature import MARKERS
from bglint.roles import Role
from bglint.sites import TASK, TASKS
from bglint.values import Annotation, Class, Cls, Frame, Func, Instance, Outside, Value, Values

Kind = Literal["tasks", "subclass", "task", "optional", "collection", "typing only", "anything", "other"]
_UNIONS = ("Optional", "Union")


@by_identity
class Meaning:
    """What an annotation is to FastAPI: `klass` is the subclass of BackgroundTasks, `marker` a Depends() or Query()."""

    kind: Kind
    klass: Class | None = None
    marker: t.Call | None = None
    frame: Frame | None = None


def outer(project: Project, function: t.Function) -> Frame:
    """The frame in which a function's annotations and defaults are read."""
    frame = project.frame(function)
    return frame.closure or project.names.module_frame(frame.path)


# -------------------------------------------------------------- registration


def called_by_fastapi(project: Project, function: t.Function) -> Role | None:
    """The role of a route, a websocket endpoint or a dependency; None where only its name looks like one."""
    role = project.role(function)
    if role is None and function.name in ("__init__", "__call__"):
        role = Role("dependency", function)
    if role is None or role.kind not in ("route", "websocket", "dependency"):
        return None
    if role.router is not None:
        return role
    words = (
        "Depends|Security" if role.kind == "dependency" else "add_api_route|add_api_websocket_route|APIRoute"
    )
    return role if is_registered(project, function, words) else None


def is_registered(project: Project, function: t.Function, words: str) -> bool:
    """True where a call of one of these names is really given this function, what it is made by, or its object."""
    factory = project.roles.factory(function)
    if factory is not None and _is_given(project, factory, factory.name, words, called=True):
        return True
    first, *objects = project.roles.registered_as(function)
    made = function.name == "__call__"
    if any(_is_given(project, function, name, words, called=False) for name in objects if made):
        return True
    annotated = rf"(?<![\w.])((?:\w+\.)*{first})\s*[=,]\s*(?:fastapi\.)?(?:{words})(\()\s*\)"
    return _is_given(project, function, first, words, called=made) or (
        not made and _names_it(project, function, first, words, annotated, called=True)
    )


def _is_given(project: Project, function: t.Function, name: str, words: str, *, called: bool) -> bool:
    """Does a call name the function itself, or (`called`) what a call of that name gives?"""
    given = rf"(?:{words})\s*[(=]\s*{_PARTIAL}[^()]*?(?<![\w.])((?:\w+\.)*{name})\b(?!\.)(\(|(?!\s*=))"
    return _names_it(project, function, name, words, given, called=called)


_PARTIAL = r"(?:(?:functools\.)?partial\()?"


@memo
def registrations(project: Project, words: str) -> dict[str, str]:
    """The calls of these names in each file, with what stands before them: all that a registration is written in."""
    found: dict[str, str] = {}
    for file in project.sources.mentioning(re.compile(words.encode())):
        text = project.sources.scan(file).decode("utf-8", "replace")
        calls = re.finditer(rf"(?:{words})\s*[(=]\s*{_PARTIAL}[^()]*", text)
        found[file.path] = "\n".join(text[max(0, call.start() - _BEFORE) : call.end() + 1] for call in calls)
    return found


_BEFORE = 200
"""Characters: `service: Annotated[Service, Depends()]` names the class before the call."""


def _names_it(
    project: Project, function: t.Function, name: str, words: str, pattern: str, *, called: bool
) -> bool:
    """Whether the text names the function; for `__call__` an object of its class, made on the spot."""
    for path, text in registrations(project, words).items():
        for match in re.finditer(pattern, text) if name in text else ():
            if bool(match[2]) is not called:
                continue
            if "<locals>" in function.qualname or _is_it(project, function, path, match[1]):
                return True
    return False


def _is_it(project: Project, function: t.Function, path: str, text: str) -> bool:
    frame = project.names.module_frame(path)
    expr = parsed(project.names, t.Constant(0, text), frame)
    values = project.evaluate(expr, frame) if expr is not None else ()
    if _same_name_inside(function, text):
        return True
    return any(_runs(project, value, function) or _wraps(value, function) for value in values)


def _runs(project: Project, value: Value, function: t.Function) -> bool:
    if isinstance(value, Cls) and function.name == "__call__":
        found = members.method(project.names, value.klass, "__call__")
        return found is not None and found[1] is function
    return behind(project, value) is function


def _same_name_inside(function: t.Function, text: str) -> bool:
    """A method registered as `self.handle`: its object cannot be evaluated here."""
    return bool(function.owner) and text.startswith("self.")


def _wraps(value: Value, function: t.Function) -> bool:
    closure = value.closure if isinstance(value, Func) else None
    bindings = closure.bindings if closure else ()
    return any(isinstance(v, Func) and v.function is function for _, values in bindings for v in values)


def behind(project: Project, value: Value) -> t.Function | None:
    """The first-party function that FastAPI runs for a provider or endpoint."""
    if isinstance(value, Func):
        return value.function
    if isinstance(value, (Cls, Instance)):
        name = "__init__" if isinstance(value, Cls) else "__call__"
        found = members.method(project.names, value.klass, name)
        return found[1] if found is not None else None
    return None


# -------------------------------------------------------------- dependencies


def dependencies(project: Project, function: t.Function) -> set[t.Function]:
    """The functions that FastAPI runs for the parameters and decorator of a function, at any depth."""
    found: set[t.Function] = set()
    waiting = [function]
    while waiting and len(found) < 100:
        for value in _direct(project, waiting.pop()):
            provider = behind(project, value)
            if provider is not None and provider not in found:
                found.add(provider)
                waiting.append(provider)
    return found


def _direct(project: Project, function: t.Function) -> Iterator[Value]:
    frame = outer(project, function)
    for parameter in function.parameters:
        yield from providers(project.names, parameter, frame)
    role = project.role(function)
    if role is not None and role.router is not None:
        yield from listed(project, role.router, frame)
        yield from _of_routers(project, role.router, frame)


def listed(project: Project, call: t.Call, frame: Frame) -> Iterator[Value]:
    """The providers in a `dependencies=[Depends(...), ...]`."""
    given = call.keyword("dependencies")
    for node in t.walk(given) if given is not None else ():
        if isinstance(node, t.Call) and is_marker(project.names, node, frame):
            yield from project.evaluate(node.argument(0, "dependency"), frame)


def _of_routers(project: Project, decorator: t.Call, frame: Frame) -> Iterator[Value]:
    """The providers of the router, and of every router or app that includes it."""
    owner = decorator.func.value if isinstance(decorator.func, t.Attribute) else None
    waiting = list(project.evaluate(owner, frame)) if owner is not None else []
    seen: set[t.Node] = set()
    while waiting:
        router = waiting.pop()
        made = _construction(router)
        if made is None or made[0] in seen:
            continue
        seen.add(made[0])
        yield from listed(project, *made)
        for call, where, including in _inclusions(project, made[0]):
            yield from listed(project, call, where)
            waiting.extend(including)


def _construction(router: Value) -> tuple[t.Call, Frame] | None:
    birth = router.birth
    if birth is None or birth.kind != "call" or not isinstance(birth.node, t.Call):
        return None
    return birth.node, birth.frame


def _inclusions(project: Project, made: t.Call) -> Iterator[tuple[t.Call, Frame, Values]]:
    """Each `include_router` of the router made there, with the routers that include it."""
    for call, frame in project.method_calls(r"\.include_router\(", "include_router"):
        given = project.evaluate(call.argument(0, "router"), frame)
        if any((found := _construction(value)) is not None and found[0] is made for value in given):
            assert isinstance(call.func, t.Attribute)
            yield call, frame, project.evaluate(call.func.value, frame)


# ---------------------------------------------------------------- parameters


def meaning(project: Project, expr: t.Expr | None, frame: Frame) -> Meaning:
    """What FastAPI takes an annotation for."""
    if isinstance(expr, t.Constant) and isinstance(expr.value, str):
        return meaning(project, parsed(project.names, expr, frame), frame)
    if isinstance(expr, t.Operation) and expr.kind == "|":
        return _of_union(project, expr.operands, frame)
    if isinstance(expr, t.Subscript):
        return _of_subscript(project, expr, frame)
    if isinstance(expr, (t.Name, t.Attribute)):
        return _of_name(project, expr, frame)
    return Meaning("other")


def _of_union(project: Project, parts: tuple[t.Expr, ...], frame: Frame) -> Meaning:
    kinds = {meaning(project, part, frame).kind for part in parts}
    return Meaning("optional" if kinds & {"tasks", "subclass", "optional", "typing only"} else "other")


def _of_subscript(project: Project, expr: t.Subscript, frame: Frame) -> Meaning:
    names = {v.name.rpartition(".")[2] for v in project.evaluate(expr.value, frame) if isinstance(v, Outside)}
    parts = _parts(expr)
    if names & set(_UNIONS):
        return _of_union(project, parts, frame)
    inner = meaning(project, parts[0], frame) if parts else Meaning("other")
    if "Annotated" in names:
        return _annotated(project, inner, parts[1:], frame)
    return (
        Meaning("collection") if names and inner.kind in ("tasks", "subclass", "task") else Meaning("other")
    )


def _parts(expr: t.Subscript) -> tuple[t.Expr, ...]:
    only = expr.index[0] if len(expr.index) == 1 else None
    return only.items if isinstance(only, t.Collection) and only.kind == "tuple" else expr.index


def _annotated(project: Project, inner: Meaning, extras: tuple[t.Expr, ...], frame: Frame) -> Meaning:
    marker = next((e for e in extras if isinstance(e, t.Call) and is_fastapi_marker(project, e, frame)), None)
    return Meaning(inner.kind, inner.klass, marker or inner.marker, frame)


def is_fastapi_marker(project: Project, expr: t.Expr | None, frame: Frame) -> bool:
    """True for a call of Depends, Query, Body and their like."""
    if not isinstance(expr, t.Call):
        return False
    values = project.evaluate(expr.func, frame)
    return any(
        isinstance(v, Outside) and v.name.startswith("fastapi.") and v.name.rpartition(".")[2] in MARKERS
        for v in values
    )


def _of_name(project: Project, expr: t.Name | t.Attribute, frame: Frame) -> Meaning:
    for value in project.evaluate(expr, frame):
        if isinstance(value, Annotation):
            return meaning(project, value.expr, value.frame)
        if isinstance(value, Cls) and project.is_a(value, *TASKS):
            vendored = f"{value.klass.source.module}.{value.klass.name}" in TASKS
            return Meaning("tasks") if vendored else Meaning("subclass", value.klass)
        if isinstance(value, Outside) and value.name in TASKS:
            return Meaning("typing only" if _is_for_typing(project, expr, frame) else "tasks")
        if isinstance(value, Outside) and value.name in TASK:
            return Meaning("task")
        if isinstance(value, Outside) and value.name in ("typing.Any", "builtins.object"):
            return Meaning("anything")
    return Meaning("other")


def _is_for_typing(project: Project, expr: t.Name | t.Attribute, frame: Frame) -> bool:
    """True for a name that is imported under `if TYPE_CHECKING:` only."""
    first: t.Expr = expr
    while isinstance(first, t.Attribute):
        first = first.value
    module = project.program.module(frame.path)
    if module is None or not isinstance(first, t.Name):
        return False
    entries = module.outline.named(first.id)
    return bool(entries) and all(entry.typing_only for entry in entries)
