"""The exceptions that the app turns into a response: HTTPException, and classes with a handler of their own."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.rules._module_calls import statements
from bglint.values import Cls, Frame, Instance, Outside, Value, Values

_HTTP = ("fastapi.HTTPException", "fastapi.exceptions.HTTPException", "starlette.exceptions.HTTPException")
_REGISTERS = r"\bexception_handler\(|\badd_exception_handler\(|\bexception_handlers\s*="


def answered(project: Project, values: Values) -> str:
    """The name of the class among `values` that a handler of the app would answer; "" where there is none."""
    return next((name for value in values if (name := _answered(project, value))), "")


def _answered(project: Project, value: Value) -> str:
    if project.is_a(value, *_HTTP):
        return _name(value)
    if not isinstance(value, Instance | Cls):
        return ""
    lineage = members.lineage(project.names, value.klass)
    return _name(value) if any(klass in lineage for klass in _registered(project)) else ""


def _name(value: Value) -> str:
    if isinstance(value, Instance | Cls):
        return value.klass.name
    return value.name.rpartition(".")[2].removesuffix("()") if isinstance(value, Outside) else "HTTPException"


def _registered(project: Project) -> list[object]:
    """The first-party classes for which the project registers an exception handler."""
    found = project.names.remember(("exception handlers",), lambda: tuple(_classes(project)))
    return [value.klass for value in found if isinstance(value, Cls)]


def _classes(project: Project) -> Iterator[Value]:
    for expr, frame in _keys(project):
        for value in project.evaluate(expr, frame):
            if isinstance(value, Cls) and not project.is_a(value, *_HTTP):
                yield value


def _keys(project: Project) -> Iterator[tuple[t.Expr, Frame]]:
    """The first arguments of the registering calls, and the keys of `exception_handlers={...}`."""
    for function in project.functions(_REGISTERS):
        frame = project.frame(function)
        yield from ((key, frame) for node in t.walk_function(function) for key in _registering(node))
        yield from ((key, frame) for node in t.walk(*function.decorators) for key in _registering(node))
    for statement, module_frame in statements(project, _REGISTERS):
        for node in t.walk(statement):
            yield from ((key, module_frame) for key in _registering(node))


def _registering(node: t.Node) -> Iterator[t.Expr]:
    if not isinstance(node, t.Call):
        return
    table = node.keyword("exception_handlers")
    if isinstance(table, t.Mapping):
        yield from (key for key, _ in table.items if key is not None)
    if isinstance(node.func, t.Attribute) and node.func.name in (
        "exception_handler",
        "add_exception_handler",
    ):
        first = node.argument(0, "exc_class_or_status_code")
        if first is not None:
            yield first
