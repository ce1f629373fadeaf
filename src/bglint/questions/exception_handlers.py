"""The exceptions that the app turns into a response: HTTPException, and classes with a handler of their own."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.questions.module_calls import statements
from bglint.values import Cls, Frame, Instance, Outside, Value, Values

_ALWAYS = (
    "fastapi.HTTPException",
    "fastapi.exceptions.HTTPException",
    "starlette.exceptions.HTTPException",
    "fastapi.exceptions.RequestValidationError",
)
"""Every FastAPI app has a handler for these."""

DEPTH = 3
_METHODS = ("exception_handler", "add_exception_handler")
_REGISTERS = r"\bexception_handler\(|\badd_exception_handler\(|\bexception_handlers\s*[=\[]"


def answered(project: Project, values: Values) -> str:
    """The name of the class among `values` that a handler of the app would answer; "" where there is none."""
    return next((name for value in values if (name := _answered(project, value))), "")


def _answered(project: Project, value: Value) -> str:
    if project.is_a(value, *_ALWAYS):
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
    for expr, frame in _registering(project):
        for value in _kinds(project, expr, frame):
            if isinstance(value, Cls) and not project.is_a(value, *_ALWAYS):
                yield value


def _registering(project: Project) -> Iterator[tuple[t.Node, Frame]]:
    """Everything that is written where a handler is registered."""
    for function in project.functions(_REGISTERS):
        frame = project.frame(function)
        yield from ((node, frame) for node in t.walk_function(function))
        yield from ((node, frame) for node in t.walk(*function.decorators))
    for statement, module_frame in statements(project, _REGISTERS):
        yield from ((node, module_frame) for node in t.walk(statement))


def _kinds(project: Project, node: t.Node, frame: Frame) -> Iterator[Value]:
    """What a node registers a handler for: a call, `exception_handlers={...}`, `app.exception_handlers[...] = ...`."""
    if isinstance(node, t.Assign):
        for target in node.targets:
            if isinstance(target, t.Subscript) and t.last_name(target.value) == "exception_handlers":
                yield from project.evaluate(target.index[0], frame)
    if not isinstance(node, t.Call):
        return
    table = node.keyword("exception_handlers")
    if table is not None:
        yield from _keys(project, table, frame)
    if isinstance(node.func, t.Attribute) and node.func.name in _METHODS:
        yield from _each(project, node.argument(0, "exc_class_or_status_code"), frame)


# ------------------------------------------------------------------ the keys of a table


def _keys(project: Project, table: t.Expr, frame: Frame, depth: int = DEPTH) -> Iterator[Value]:
    """The keys of a dict that is written somewhere: here, or where its name comes from."""
    births = (value.birth for value in project.evaluate(table, frame) if value.birth is not None and depth)
    for birth in births:
        for key, value in birth.node.items if isinstance(birth.node, t.Mapping) else ():
            yield from (
                project.evaluate(key, birth.frame) if key else _keys(project, value, birth.frame, depth - 1)
            )


def _each(project: Project, expr: t.Expr | None, frame: Frame) -> Iterator[Value]:
    """The values of an expression; those of `for error, handler in HANDLERS.items()` one by one."""
    yield from project.evaluate(expr, frame)
    if isinstance(expr, t.Name) and frame.function is not None:
        for binding in project.scope(frame.function).visible(expr.id, expr.at):
            table = _gone_through(binding.value) if binding.steps in (("element",), ("element", 0)) else None
            yield from _keys(project, table, frame) if table is not None else ()


def _gone_through(expr: t.Expr | None) -> t.Expr | None:
    """`TABLE` of `TABLE.items()`, `TABLE.keys()` and `TABLE`."""
    if isinstance(expr, t.Call) and isinstance(expr.func, t.Attribute):
        return expr.func.value if expr.func.name in ("items", "keys") else None
    return expr
