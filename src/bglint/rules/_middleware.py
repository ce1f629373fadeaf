"""The `BaseHTTPMiddleware` of a project, and what its Starlette does with the exception of a task behind one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bglint import tree as t
from bglint.frozen import by_value
from bglint.model import Span
from bglint.program import Module
from bglint.project import Project
from bglint.values import Cls, Frame, Outside, Value

BASE = "starlette.middleware.base.BaseHTTPMiddleware"
_BASES = (BASE, "fastapi.middleware.base.BaseHTTPMiddleware")


@by_value
class Middleware:
    """Where an HTTP middleware stands: its class, the decorator of its function, or the call that adds it."""

    path: str
    span: Span
    text: str


def middlewares(project: Project) -> Iterator[Middleware]:
    """The HTTP middlewares that an app of the project uses."""
    yield from _decorated(project)
    yield from _added_in_functions(project)
    yield from _added_in_modules(project)


def swallows(project: Project, path: str) -> bool:
    """True where an exception of a task vanishes without a log line, by the version and the middleware."""
    return bool(project.framework(path).middleware_swallows_errors) and any(
        True for _ in middlewares(project)
    )


def _decorated(project: Project) -> Iterator[Middleware]:
    for function in project.functions(r"\.middleware\("):
        frame = project.frame(function)
        for decorator in function.decorators:
            if isinstance(decorator, t.Call) and _is_http(decorator):
                yield Middleware(frame.path, project.span(decorator, frame), project.text(decorator, frame))


def _is_http(decorator: t.Call) -> bool:
    kind = decorator.argument(0, "middleware_type")
    named = isinstance(decorator.func, t.Attribute) and decorator.func.name == "middleware"
    return named and isinstance(kind, t.Constant) and kind.value == "http"


_ADDING = r"\b(add_middleware|Middleware)\("


def _added_in_functions(project: Project) -> Iterator[Middleware]:
    for function in project.functions(_ADDING):
        frame = project.frame(function)
        for call in _adding(t.walk_function(function)):
            yield from _of(project, call, frame, function.source)


def _added_in_modules(project: Project) -> Iterator[Middleware]:
    for module in project.modules(_ADDING):
        frame = project.names.module_frame(module.path)
        for statement, source in _statements(project, module):
            for call in _adding(t.walk(statement)):
                yield from _of(project, call, frame, source)


def _statements(project: Project, module: Module) -> Iterator[tuple[t.Statement, t.Source]]:
    for entry in module.outline.entries:
        if entry.kind in ("assign", "statement"):
            for statement in project.program.statements(module, entry):
                yield statement, project.program.source(module, entry)


def _adding(nodes: Iterable[t.Node]) -> Iterator[t.Call]:
    for node in nodes:
        if isinstance(node, t.Call) and isinstance(node.func, t.Attribute | t.Name):
            name = node.func.name if isinstance(node.func, t.Attribute) else node.func.id
            if name in ("add_middleware", "Middleware"):
                yield node


def _of(project: Project, call: t.Call, frame: Frame, source: t.Source) -> Iterator[Middleware]:
    given = call.argument(0, "middleware_class")
    for value in project.evaluate(given, frame) if given is not None else ():
        if project.is_a(value, *_BASES):
            yield _place(project, value, call, source)


def _place(project: Project, value: Value, call: t.Call, source: t.Source) -> Middleware:
    program = project.program
    if isinstance(value, Cls):
        at = t.Node(value.klass.at)
        return Middleware(value.klass.source.path, program.span(at, value.klass.source), value.klass.name)
    assert isinstance(value, Outside)
    return Middleware(source.path, program.span(call, source), program.source_text(call, source))
