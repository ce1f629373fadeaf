"""The `BaseHTTPMiddleware` of a project, and what its Starlette does with the exception of a task behind one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bglint import members
from bglint import tree as t
from bglint.frozen import by_value
from bglint.model import Span
from bglint.program import Module
from bglint.project import Project
from bglint.values import Cls, Frame, Func, Value

BASE = "starlette.middleware.base.BaseHTTPMiddleware"
_BASES = (BASE, "fastapi.middleware.base.BaseHTTPMiddleware")


@by_value
class Middleware:
    """Where an HTTP middleware stands: its class, the decorator of its function, or the call that adds it.

    `condition` is the test of the `if` under which it is added, "" where it always is.
    """

    path: str
    span: Span
    text: str
    condition: str = ""


def middlewares(project: Project) -> Iterator[Middleware]:
    """The HTTP middlewares that an app of the project uses, and that let a request through."""
    yield from _decorated(project)
    yield from _added_in_functions(project)
    yield from _added_in_modules(project)


def swallows(project: Project, path: str) -> bool:
    """True where an exception of a task vanishes without a log line, by the version and the middleware."""
    swallowing = project.framework(path).middleware_swallows_errors
    return bool(swallowing) and any(not each.condition for each in middlewares(project))


def _decorated(project: Project) -> Iterator[Middleware]:
    for function in project.functions(r"\.middleware\("):
        frame = project.frame(function)
        for decorator in function.decorators:
            if isinstance(decorator, t.Call) and _is_http(decorator) and _lets_through(function):
                span, text = project.span(decorator, frame), project.text(decorator, frame)
                yield Middleware(frame.path, span, text, _condition(project, frame.path, span.line))


def _is_http(decorator: t.Expr) -> bool:
    """`app.middleware("http")`."""
    if not isinstance(decorator, t.Call):
        return False
    kind = decorator.argument(0, "middleware_type")
    named = isinstance(decorator.func, t.Attribute) and decorator.func.name == "middleware"
    return named and isinstance(kind, t.Constant) and kind.value == "http"


_ADDING = (
    r"\b(add_middleware|Middleware)\("
    r"|\.middleware\(\s*[\"']http[\"']\s*\)\s*\("  # app.middleware("http")(log)
)
_AROUND = re.compile(r"=\s*[\w.]+\(\s*(?:app\s*=\s*)?\w*app\b")
"""`asgi = Log(app)`, where the app is made."""

_MAKES = r"\b(?:FastAPI|Starlette)\("
_APPS = ("fastapi.FastAPI", "fastapi.applications.FastAPI", "starlette.applications.Starlette")


def _added_in_functions(project: Project) -> Iterator[Middleware]:
    for function in dict.fromkeys((*project.functions(_ADDING), *_around_an_app(project))):
        frame = project.frame(function)
        for call in _adding(t.walk_function(function)):
            yield from _of(project, call, frame, function.source)


def _around_an_app(project: Project) -> Iterator[t.Function]:
    for module in project.modules(_MAKES):
        yield from project.roles.functions_in(module, module.lines_with(_AROUND))


def _added_in_modules(project: Project) -> Iterator[Middleware]:
    for module in {m.path: m for pattern in (_ADDING, _MAKES) for m in project.modules(pattern)}.values():
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
        if isinstance(node, t.Call) and (_adds(node) or _is_http(node.func) or _takes_an_app(node)):
            yield node


def _takes_an_app(call: t.Call) -> bool:
    around = call.argument(0, "app")
    return around is not None and t.last_name(around).endswith("app")


def _adds(call: t.Call) -> bool:
    return t.last_name(call.func) in ("add_middleware", "Middleware")


def _of(project: Project, call: t.Call, frame: Frame, source: t.Source) -> Iterator[Middleware]:
    if _is_http(call.func):
        handlers = (v for a in call.arguments[:1] for v in project.evaluate(a.value, frame))
        if any(isinstance(value, Func) and _lets_through(value.function) for value in handlers):
            yield _at(project, call, source)
        return
    for value in project.evaluate(_class_given(project, call, frame), frame):
        if project.is_a(value, *_BASES) and all(
            map(_lets_through, _dispatching(project, value, call, frame))
        ):
            yield _place(project, value, call, source)


def _class_given(project: Project, call: t.Call, frame: Frame) -> t.Expr | None:
    """`Log` of `app.add_middleware(Log)`, `Middleware(Log)`, and of `Log(app)`, which is served in place of the app."""
    if _adds(call):
        return call.argument(0, "middleware_class")
    around = project.evaluate(call.argument(0, "app"), frame)
    return call.func if any(project.is_a(value, *_APPS) for value in around) else None


def _place(project: Project, value: Value, call: t.Call, source: t.Source) -> Middleware:
    here = _at(project, call, source)
    if isinstance(value, Cls):
        span = project.program.span(t.Node(value.klass.at), value.klass.source)
        return Middleware(value.klass.source.path, span, value.klass.name, here.condition)
    return here


def _at(project: Project, call: t.Call, source: t.Source) -> Middleware:
    """A middleware that is named by the call that adds it."""
    span = project.program.span(call, source)
    condition = _condition(project, source.path, span.line)
    return Middleware(source.path, span, project.program.source_text(call, source), condition)


# ------------------------------------------------------------- what it does, and when


def _dispatching(project: Project, value: Value, call: t.Call, frame: Frame) -> Iterator[t.Function]:
    """The function to which a request comes first: the class's own, or the one that is given; none where not known."""
    found = members.method(project.names, value.klass, "dispatch") if isinstance(value, Cls) else None
    if found is not None:
        yield found[1]
    given = call.keyword("dispatch")
    for each in project.evaluate(given, frame) if given is not None and found is None else ():
        if isinstance(each, Func):
            yield each.function


def _lets_through(function: t.Function) -> bool:
    """False for a function that answers every request itself: it never mentions its `call_next`."""
    handed_on = function.parameter("call_next") or next(reversed(function.parameters), None)
    return handed_on is None or _mentions(function, handed_on.name)


def _mentions(function: t.Function, name: str) -> bool:
    nested = (node.function for node in t.nodes_of(function, t.Define, t.Lambda))
    named = any(node.id == name for node in t.nodes_of(function, t.Name))
    return named or any(_mentions(inner, name) for inner in nested)


_BRANCH = re.compile(r"(?:el)?if\b\s*(.+?)\s*:\s*(?:#.*)?$")
_SCOPE = re.compile(r"(?:async\s+)?def\b|class\b")


def _condition(project: Project, path: str, line: int) -> str:
    """The test of the innermost `if` around a line; "" where there is none in its function or module."""
    lines = project.source(path).splitlines()
    width = _indent(lines[line - 1])
    for text in reversed(lines[: line - 1]):
        if not text.strip() or _indent(text) >= width:
            continue
        width, branch = _indent(text), _BRANCH.match(text.strip())
        if branch or _SCOPE.match(text.strip()):
            return branch[1] if branch else ""
    return ""


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
