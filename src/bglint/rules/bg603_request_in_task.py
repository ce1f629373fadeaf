"""The rule BG603; what it means stands in its docstring."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.hints import is_marker
from bglint.model import Finding, Level
from bglint.project import Project, dotted
from bglint.questions.deeds import deeds, may_follow, root, way_to
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Frame, Instance, Items, Outside, Value, Values

CODE = "BG603"
REQUEST = ("fastapi.Request", "fastapi.requests.Request", "starlette.requests.Request")
RESPONSE = ("fastapi.Response", "fastapi.responses.Response", "starlette.responses.Response")
_BODY = {"body", "json", "form", "stream"}
_CHANGES = {"update", "clear", "pop", "popitem", "setdefault", "append"}
_COOKIES = {"set_cookie", "delete_cookie"}
_UPLOADS = ("fastapi.UploadFile", "fastapi.datastructures.UploadFile", "starlette.datastructures.UploadFile")
_FROM_BODY = ("Body", "Form", "File")


@rule(CODE, level="error")
def request_in_task(project: Project) -> Iterator[Finding]:
    """The task reads the request's body, or writes to its session or response, when both are done with.

    ## What it does
    Finds tasks that call `body()`, `json()`, `form()` or `stream()` of the request, that change `request.session`, or
    that change the `Response` which FastAPI has injected (headers, cookies, status).

    ## Why is this bad?
    The task runs when the answer has been sent. The server then says of the request that the client has gone:
    reading its body raises `ClientDisconnect`. Tests do not show it, because the test client still serves the body.
    Only what the handler has read before is still there; leaning on that is a warning, since the reading can move
    away, and a form that was read cannot be read again as bytes.

    Session and response headers have left with the answer. What the task writes to them is lost without a word.

    `.url`, `.headers`, `.client`, `.app`, `.state` and reading the session are fine.

    ## Example
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, Request

    app = FastAPI()
    logger = logging.getLogger(__name__)


    async def store_event(request: Request) -> None:
        try:
            event = await request.json()
            logger.info("event %s", event["kind"])
        except Exception:
            logger.exception("event not stored")


    @app.post("/events", status_code=202)
    async def receive(request: Request, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(store_event, request)
        return {"state": "accepted"}
    ```

    ## Use instead
    Read the body in the handler (or declare it as a parameter), and pass what the task needs.
    ```python
    import logging
    from typing import Any

    from fastapi import BackgroundTasks, FastAPI, Request

    app = FastAPI()
    logger = logging.getLogger(__name__)


    async def store_event(event: dict[str, Any]) -> None:
        logger.info("event %s", event.get("kind"))


    @app.post("/events", status_code=202)
    async def receive(request: Request, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(store_event, await request.json())
        return {"state": "accepted"}
    ```

    ## Verified by
    The witness serves each app with uvicorn and sends the request over HTTP: the task logs `ClientDisconnect` (or
    "Stream consumed"), the session is empty at the next visit, the header has the value of before.
    """
    found: dict[t.Node, list[tuple[Visit, Level, str, str]]] = {}
    for site in project.sites:
        visits = project.visits(site)
        own = frozenset(visit.frame for visit in visits)
        for visit in visits:
            for node, level, message, cure in _deeds(project, site, visit, own):
                found.setdefault(node, []).append((visit, level, message, cure))
    for node, group in found.items():
        visit, level, message, cure = min(group, key=lambda each: (each[1], each[0].depth))
        others = len({project.task_id(each[0].site) for each in group}) - 1
        yield finding(
            project,
            CODE,
            node,
            visit.frame,
            message,
            cure,
            level=level,
            site=visit.site,
            visit=visit,
            others=others,
        )


def _deeds(
    project: Project, site: TaskSite, visit: Visit, own: frozenset[Frame]
) -> Iterator[tuple[t.Node, Level, str, str]]:
    task = f"`{project.task_name(site)}`"
    for node in _body_reads(project, visit.frame, own):
        method = f"`{dotted(node.func)}()`"
        cure = "Read it in the handler, or declare it as a parameter, and pass what the task needs."
        if _has_been_read(project, site):
            yield (
                node,
                "warning",
                f"{method} in the task {task} only gives what the handler has read before.",
                cure,
            )
        else:
            message = f"{method} fails with ClientDisconnect: the task {task} runs when the request is over."
            yield node, "error", message, cure
    for changed in _changes(project, visit.frame, own):
        what = f"`{_deed(project, changed, visit.frame)}`"
        message = f"{what} in the task {task} is lost: the response has been sent with the cookies and headers it had."
        yield changed, "error", message, "Do it in the handler, or keep it in your database."


# ----------------------------------------------------------------------- body


def _body_reads(project: Project, frame: Frame, own: frozenset[Frame]) -> Iterator[t.Call]:
    for node in project.nodes_of(frame, t.Call):
        if _reads_body(project, node.func, frame, own) and not _depends_on_route(project, node, frame):
            yield node


def _reads_body(project: Project, func: t.Expr, frame: Frame, own: frozenset[Frame]) -> bool:
    if not isinstance(func, t.Attribute) or func.name not in _BODY:
        return False
    return _injected(project, project.evaluate(func.value, frame), REQUEST, own)


def _depends_on_route(project: Project, node: t.Call, frame: Frame) -> bool:
    """True behind a test of the request's path or method: whether it holds for this handler, nobody knows."""
    assert frame.function is not None
    around = [each for each, _ in project.chain(node, frame.function) if isinstance(each, t.Branch)]
    before = [each for each in frame.function.body if isinstance(each, t.Branch) and each.at < node.at]
    tests = (part for branch in (*around, *before) for part in t.walk(branch.test))
    return any(isinstance(part, t.Attribute) and part.name in ("url", "method", "scope") for part in tests)


def _injected(
    project: Project, values: Values, kind: tuple[str, ...], own: frozenset[Frame] = frozenset()
) -> bool:
    """True where a value is the request or response of the handler.

    Not one that somebody made, nor a parameter of one of the task's `own` functions that nobody gave it.
    """
    return any(
        isinstance(value, Outside)
        and value.instance
        and project.is_a(value, *kind)
        and value.birth is not None
        and value.birth.kind in ("parameter", "dependency")
        and value.birth.frame not in own
        for value in values
    )


def _has_been_read(project: Project, site: TaskSite) -> bool:
    """True where the handler reads the body before, or FastAPI does for one of its parameters."""
    frame = root(site)
    parameters = frame.function.parameters if frame.function is not None else ()
    if any(_comes_from_body(project, parameter, frame) for parameter in parameters):
        return True
    way = way_to(site)
    return any(
        deed.last in _BODY
        and deed.value is not None
        and deed.value.of is not None
        and _injected(project, (deed.value.of,), REQUEST)
        and may_follow(project, deed.way, way)
        for deed in deeds(project, frame)
    )


def _comes_from_body(project: Project, parameter: t.Parameter, frame: Frame) -> bool:
    """True for a model, an upload, or a parameter with `Body()`, `Form()` or `File()`."""
    outer = frame.closure or project.names.module_frame(frame.path)
    markers = [parameter.default, *_metadata(parameter.annotation)]
    for call in (marker for marker in markers if isinstance(marker, t.Call)):
        if is_marker(project.names, call, outer):
            return False
        names = (v.name for v in project.evaluate(call.func, outer) if isinstance(v, Outside))
        if any(name.startswith("fastapi.") and name.endswith(_FROM_BODY) for name in names):
            return True
    return any(_is_body(project, value) for value in project.names.parameter(parameter, frame))


def _metadata(annotation: t.Expr | None) -> tuple[t.Expr, ...]:
    """What stands behind the type in `Annotated[...]`."""
    if not isinstance(annotation, t.Subscript) or len(annotation.index) != 1:
        return annotation.index[1:] if isinstance(annotation, t.Subscript) else ()
    only = annotation.index[0]
    return only.items[1:] if isinstance(only, t.Collection) else ()


def _is_body(project: Project, value: Value) -> bool:
    if value.birth is not None and value.birth.kind == "dependency":
        return False
    if isinstance(value, Instance):
        return project.is_a(value, "pydantic.BaseModel", "pydantic.main.BaseModel") or bool(
            value.klass.decorators
        )
    if isinstance(value, Items):
        return value.kind == "dict" or any(_is_body(project, inner) for inner in value.elements())
    return isinstance(value, Outside) and project.is_a(value, *_UPLOADS)


# -------------------------------------------------------------------- changes


def _changes(project: Project, frame: Frame, own: frozenset[Frame]) -> Iterator[t.Node]:
    for node in project.nodes_of(frame, t.Assign, t.Delete, t.Call):
        if isinstance(node, (t.Assign, t.Delete)):
            yield from (node for target in node.targets if _is_lost(project, target, frame, own))
        elif isinstance(node, t.Call) and _is_lost_call(project, node.func, frame, own):
            yield node


def _deed(project: Project, node: t.Node, frame: Frame) -> str:
    if isinstance(node, t.Call):
        return f"{dotted(node.func)}(...)"
    targets = node.targets if isinstance(node, (t.Assign, t.Delete)) else ()
    return project.text(targets[0], frame) + (" = ..." if isinstance(node, t.Assign) else "")


def _is_lost(project: Project, target: t.Expr, frame: Frame, own: frozenset[Frame]) -> bool:
    """`request.session[...] = `, `response.headers[...] = `, `response.status_code = `."""
    if isinstance(target, t.Subscript):
        return _is_part(project, target.value, frame, own)
    if isinstance(target, t.Attribute) and target.name in ("status_code", "headers"):
        return _injected(project, project.evaluate(target.value, frame), RESPONSE, own)
    return False


def _is_lost_call(project: Project, func: t.Expr, frame: Frame, own: frozenset[Frame]) -> bool:
    if not isinstance(func, t.Attribute):
        return False
    if func.name in _COOKIES:
        return _injected(project, project.evaluate(func.value, frame), RESPONSE, own)
    return func.name in _CHANGES and _is_part(project, func.value, frame, own)


def _is_part(project: Project, expr: t.Expr, frame: Frame, own: frozenset[Frame]) -> bool:
    """True for the session of the request, and the headers of the response."""
    for value in project.evaluate(expr, frame):
        if isinstance(value, Outside) and value.of is not None:
            part = value.name.rpartition(".")[2]
            kind = {"session": REQUEST, "headers": RESPONSE}.get(part)
            if kind is not None and _injected(project, (value.of,), kind, own):
                return True
    return False
