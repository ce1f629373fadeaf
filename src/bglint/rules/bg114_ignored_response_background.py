"""BG114: a background set on the response that FastAPI injects."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.rule import finding, rule
from bglint.rules._injection import called_by_fastapi
from bglint.rules._responses import is_response
from bglint.values import Const, Frame


@rule("BG114", level="error")
def ignored_response_background(project: Project) -> Iterator[Finding]:
    """A background set on the injected `Response` is ignored.

    ## What it does

    Finds `response.background = ...` where `response` is the `Response` that FastAPI injects into a route
    or dependency, and the function does not return it. A response that you build or return yourself
    carries its background.

    ## Why is this bad?

    From the injected `Response` FastAPI takes the status code and the headers (cookies with them) over
    into the real response, and nothing else. The task is set on an object that is thrown away; nothing is
    logged.

    ## Example

    ```python
    import logging

    from fastapi import FastAPI, Response
    from starlette.background import BackgroundTask

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(email: str) -> None:
        logger.info("welcome mail to %s", email)


    @app.post("/signup")
    def signup(email: str, response: Response) -> dict[str, str]:
        response.status_code = 201
        response.background = BackgroundTask(send_welcome, email)
        return {"email": email}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, Response

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(email: str) -> None:
        logger.info("welcome mail to %s", email)


    @app.post("/signup")
    def signup(email: str, response: Response, tasks: BackgroundTasks) -> dict[str, str]:
        response.status_code = 201
        tasks.add_task(send_welcome, email)
        return {"email": email}
    ```

    ## Verified by

    The witness sends the request and finds the task not run. FastAPI merges
    `solved_result.response.headers` in fastapi/routing.py, nothing else.
    """
    for function in project.functions(r"\.background\s*=[^=]"):
        found = list(_assignments(project, function))
        if found and called_by_fastapi(project, function) is not None:
            frame = project.frame(function)
            for node, name in found:
                yield finding(
                    project, "BG114", node, frame,
                    f"FastAPI takes only headers and status from the injected `{name}`: the background is ignored, "
                    "its task never runs",
                    "take a `tasks: BackgroundTasks` parameter and write `tasks.add_task(...)`", trace=(),
                )  # fmt: skip


def _assignments(project: Project, function: t.Function) -> Iterator[tuple[t.Assign, str]]:
    """The `response.background = ...` of the parameter that FastAPI fills, unless the function hands it out."""
    frame = project.frame(function)
    for node in t.walk_function(function):
        name = _target(node)
        if not isinstance(node, t.Assign) or not _is_injected(project, function, frame, name):
            continue
        if not _is_handed_out(function, name) and not _is_nothing(project, node, frame):
            yield node, name


def _target(node: t.Node) -> str:
    """`response` of `response.background = ...`."""
    target = node.targets[0] if isinstance(node, t.Assign) and len(node.targets) == 1 else None
    if isinstance(target, t.Attribute) and target.name == "background" and isinstance(target.value, t.Name):
        return target.value.id
    return ""


def _is_injected(project: Project, function: t.Function, frame: Frame, name: str) -> bool:
    parameter = function.parameter(name)
    if parameter is None or parameter.annotation is None or name in project.scope(function).bindings:
        return False
    values = project.evaluate(t.Name(parameter.at, name), frame)
    return bool(values) and all(
        is_response(project, value) and value.birth is not None and value.birth.kind == "parameter"
        for value in values
    )


def _is_handed_out(function: t.Function, name: str) -> bool:
    """A response that is returned, or given to somebody who may return it, carries its background."""
    for node in t.walk_function(function):
        parts: tuple[t.Expr, ...] = ()
        if isinstance(node, (t.Return, t.Yield)) and node.value is not None:
            parts = (
                tuple(p for p in t.walk(node.value) if isinstance(p, t.Expr)) if _is_plain(node.value) else ()
            )
        elif isinstance(node, t.Call):
            parts = tuple(argument.value for argument in node.arguments)
        if any(isinstance(part, t.Name) and part.id == name for part in parts):
            return True
    return False


def _is_plain(expr: t.Expr) -> bool:
    return isinstance(expr, (t.Name, t.Conditional, t.Call, t.Await))


def _is_nothing(project: Project, node: t.Assign, frame: Frame) -> bool:
    return all(value == Const(value=None) for value in project.evaluate(node.value, frame))
