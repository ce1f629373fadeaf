"""The responses that the project builds, and the background that it gives them."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.values import Cls, Frame, Instance, Outside, Value

RESPONSES = (
    "Response", "JSONResponse", "HTMLResponse", "PlainTextResponse", "RedirectResponse", "StreamingResponse",
    "FileResponse", "ORJSONResponse", "UJSONResponse", "EventSourceResponse",
)  # fmt: skip
PACKAGES = ("fastapi.", "starlette.", "sse_starlette.")


@by_identity
class Background:
    """What a response is given as its background, and where."""

    value: t.Expr
    frame: Frame


def backgrounds(project: Project) -> Iterator[Background]:
    """Every `background=` that a response is built with, and every `response.background = ...`."""
    for function in project.functions(r"\bbackground\s*=", near="Response|Background"):
        frame = project.frame(function)
        for node in t.walk_function(function):
            value = _built_with(project, node, frame) or _assigned(project, node, frame)
            if value is not None:
                yield Background(value, frame)


def _built_with(project: Project, node: t.Node, frame: Frame) -> t.Expr | None:
    """The value of `Response(background=value)`."""
    if not isinstance(node, t.Call) or (value := node.keyword("background")) is None:
        return None
    return value if builds_response(project, node, frame) else None


def _assigned(project: Project, node: t.Node, frame: Frame) -> t.Expr | None:
    """The value of `response.background = value`."""
    for target in node.targets if isinstance(node, t.Assign) else ():
        if (
            not isinstance(target, t.Attribute)
            or target.name != "background"
            or not isinstance(node, t.Assign)
        ):
            continue
        if any(is_response(project, value) for value in project.evaluate(target.value, frame)):
            return node.value
    return None


def builds_response(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for a call of a response class."""
    return any(is_response_class(project, value) for value in project.evaluate(call.func, frame))


def is_response_class(project: Project, value: Value) -> bool:
    """True for Starlette's and FastAPI's response classes and those derived from them."""
    if isinstance(value, Outside):
        return not value.instance and is_response_name(value.name)
    return isinstance(value, Cls) and any(
        map(is_response_name, members.outside_bases(project.names, value.klass))
    )


def is_response(project: Project, value: Value) -> bool:
    """True for a response object."""
    if isinstance(value, Outside):
        return value.instance and is_response_name(value.name)
    return isinstance(value, Instance) and any(
        map(is_response_name, members.outside_bases(project.names, value.klass))
    )


def is_response_name(name: str) -> bool:
    """True for the dotted name of a response class."""
    return name.startswith(PACKAGES) and name.rpartition(".")[2] in RESPONSES
