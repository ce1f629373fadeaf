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
_REDIRECTS = ("fastapi.responses.RedirectResponse", "starlette.responses.RedirectResponse")


@by_identity
class Background:
    """What a response is given as its background, and where."""

    value: t.Expr
    frame: Frame


_FOUR_ARGUMENTS = r"Response\((?:[^=(),]+(?:\([^()]*\)[^=(),]*)?,){3}[^=(),]+[(),]"
"""A response with four arguments at least that have no keywords: the last may be its background."""


def backgrounds(project: Project) -> Iterator[Background]:
    """Every background that a response is built with, and every `response.background = ...`."""
    named = project.functions(r"\bbackground\s*=", near="Response|Background")
    for function in dict.fromkeys((*named, *project.functions(_FOUR_ARGUMENTS))):
        frame = project.frame(function)
        for node in t.walk_function(function):
            value = _built_with(project, node, frame) or assigned_background(project, node, frame)
            if value is not None:
                yield Background(value, frame)


def _built_with(project: Project, node: t.Node, frame: Frame) -> t.Expr | None:
    """The value of `Response(background=value)`."""
    if not isinstance(node, t.Call) or (value := given_background(project, node, frame)) is None:
        return None
    return value if builds_response(project, node, frame) else None


def given_background(project: Project, call: t.Call, frame: Frame) -> t.Expr | None:
    """What a call of a response class is given as its background, by keyword or by position."""
    value = call.keyword("background")
    if value is not None or len(call.arguments) < 4:
        return value
    positions = {background_position(project, made) for made in project.evaluate(call.func, frame)}
    position = positions.pop() if len(positions) == 1 else None
    return call.argument(position) if position is not None else None


def background_position(project: Project, value: Value) -> int | None:
    """Where a response class takes its background; None for one with a constructor of its own."""
    if not is_response_class(project, value) or _has_constructor(project, value):
        return None
    return 3 if project.is_a(value, *_REDIRECTS) else 4


def _has_constructor(project: Project, value: Value) -> bool:
    return isinstance(value, Cls) and members.method(project.names, value.klass, "__init__") is not None


def assigned_background(project: Project, node: t.Node, frame: Frame) -> t.Expr | None:
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
