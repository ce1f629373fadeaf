"""BG114: a background set on the response that FastAPI injects."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, name_of
from bglint.questions.injection import called_by_fastapi
from bglint.questions.responses import is_response
from bglint.questions.told import told
from bglint.rule import rule
from bglint.sites import TASKS, Context
from bglint.values import Const, Frame, Value


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
        for node in t.walk_function(function):
            owner = _owner(node)
            for context in project.contexts(function) if owner is not None else ():
                name = _injected(project, node, owner, context)
                if name:
                    yield _finding(project, node, context, name)
                    break


def _owner(node: t.Node) -> t.Expr | None:
    """`response` of `response.background = ...`."""
    target = node.targets[0] if isinstance(node, t.Assign) and len(node.targets) == 1 else None
    return target.value if isinstance(target, t.Attribute) and target.name == "background" else None


def _injected(project: Project, node: t.Node, owner: t.Expr | None, context: Context) -> str:
    """The name of the parameter that FastAPI fills and the route does not return; "" for any other response."""
    frame = context.frame
    values = project.evaluate(owner, frame)
    births = {value.birth for value in values if is_response(project, value)}
    birth = births.pop() if len(births) == len(values) == 1 else None
    function = birth.frame.function if birth is not None and birth.kind == "parameter" else None
    if birth is None or function is None or called_by_fastapi(project, function) is None:
        return ""
    holders = [frame.function, function] if frame.function is not function else [function]
    if any(holder is not None and _is_handed_out(holder, owner, birth.name) for holder in holders):
        return ""
    return "" if _is_nothing(project, node, frame) else birth.name


def _is_handed_out(function: t.Function, owner: t.Expr | None, name: str) -> bool:
    """A response that is returned, or given to somebody who may return it, carries its background."""
    names = {name, owner.id if isinstance(owner, t.Name) else name}
    returned = [node.value for node in t.nodes_of(function, t.Return, t.Yield)]
    return any(
        isinstance(part, t.Name) and part.id in names
        for value in returned
        if isinstance(value, (t.Name, t.Conditional, t.Call, t.Await))
        for part in t.walk(value)
    )


def _is_nothing(project: Project, node: t.Node, frame: Frame) -> bool:
    """None, or the injected tasks themselves: they run in any case."""
    values = project.evaluate(node.value, frame) if isinstance(node, t.Assign) else ()
    return all(value == Const(value=None) or _is_injected_too(project, value) for value in values)


def _is_injected_too(project: Project, value: Value) -> bool:
    return project.is_a(value, *TASKS) and value.birth is not None and value.birth.kind == "parameter"


def _finding(project: Project, node: t.Node, context: Context, name: str) -> Finding:
    message = (
        f"FastAPI takes only headers and status from the injected `{name}`: the background is ignored, "
        "its task never runs"
    )
    cure = "take a `tasks: BackgroundTasks` parameter and write `tasks.add_task(...)`"
    steps = tuple(
        project.step(hop.node, hop.frame, f"`{name_of(hop.frame)}` hands the response on")
        for hop in context.hops
    )
    return told(project, "BG114", node, context.frame, message, cure, trace=steps)
