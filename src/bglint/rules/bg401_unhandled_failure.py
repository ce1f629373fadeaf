"""BG401: a task fails and nobody hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import tree as t
from bglint.model import Finding, Fix
from bglint.project import Project, short_function
from bglint.questions.contacts import path as way
from bglint.questions.failing import Spot, definition, weak_spot
from bglint.questions.in_try import in_try
from bglint.questions.inert import why_inert
from bglint.questions.loggers import is_local, logger
from bglint.questions.middleware import swallows
from bglint.questions.plain_def import used_elsewhere
from bglint.questions.sequence import comes_after
from bglint.rule import finding, rule

CURE = (
    "Catch it in the task: `except Exception: logger.exception(...)`, and write down a failed state "
    "where the user can see it."
)


@rule("BG401", level="warning", fixable="unsafe")
def unhandled_failure(project: Project) -> Iterator[Finding]:
    """The client has its 200, the task fails, and nobody hears of it.

    ## What it does
    Finds tasks that reach a call which fails for reasons outside the program (network, database, other processes,
    mail, queues), or that set a state and then reach a `raise`, while nothing on the way catches the error.
    The finding stands on the task, its path ends at the first such call.
    A `try` that catches `Exception`, `OSError` or the library's own base error counts, wherever on the path it stands;
    so does a decorator or a context manager of the project that catches, `gather(..., return_exceptions=True)`, and a
    logged error that is raised again. A handler that only raises another error in its place does not: that one is
    followed on. What fails in a task group leaves its `async with`. A decorator of tenacity or backoff that gives up
    after some tries raises as well, unless a callback hears of the last error. Local files and the making of clients
    count as safe.

    ## Why is this bad?
    The response is gone. The exception ends in the server's error log, if there is one; the tasks queued after it never
    start; uvicorn closes the client's connection, so that the next request on it dies; a job that said "running" says so
    for ever. With `@app.middleware("http")` on Starlette 0.29 to 0.45 there is not even a log line. From FastAPI 0.118 on
    (and up to 0.105) the exception also rolls back the `yield` dependencies of the request that was answered.

    ## Example
    ```python
    import httpx
    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    def announce(version: str) -> None:
        httpx.post("https://chat.example.com/deploys", json={"version": version}, timeout=10)


    @app.post("/deploys")
    def deploy(version: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(announce, version)
        return {"version": version}
    ```

    ## Use instead
    ```python
    import logging

    import httpx
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def announce(version: str) -> None:
        try:
            httpx.post("https://chat.example.com/deploys", json={"version": version}, timeout=10)
        except Exception:
            logger.exception("%s was not announced", version)


    @app.post("/deploys")
    def deploy(version: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(announce, version)
        return {"version": version}
    ```

    ## Verified by
    The witness sees a success go to the client, then the exception leave the app, and no log record that carries it.
    """
    for spot in _spots(project):
        yield _told(project, spot)


def _spots(project: Project) -> Iterator[Spot]:
    """One place a task, by the shortest path."""
    found: dict[t.Node, Spot] = {}
    for site in project.sites:
        runs = site.kind != "create_task" and why_inert(project, site) is None
        spot = weak_spot(project, site) if runs else None
        if spot is not None:
            written = definition(project, site)
            key = written[0] if written else site.call
            if key not in found or spot.length < found[key].length:
                found[key] = spot
    yield from found.values()


def _told(project: Project, spot: Spot) -> Finding:
    written = definition(project, spot.site)
    node, frame = written or (spot.site.call, spot.site.frame)
    name = short_function(written[0]) if written else project.task_name(spot.site)
    place = f" at {spot.called}" if written else ""
    message = f"`{name}` can fail{place} and nothing catches it: {_price(project, spot)}."
    fix = _fix(project, spot, written[0]) if written else None
    found = finding(project, "BG401", node, frame, message, CURE, site=spot.site, fix=fix)
    return replace(found, trace=spot.trace(project))


def _price(project: Project, spot: Spot) -> str:
    """What the failure costs on the way that is shown."""
    drops = comes_after(project, spot.site)
    dropped = ", and the tasks after this one are dropped" if drops else ""
    price = f"the client already has its success{dropped}"
    if swallows(project, spot.site.frame.path):
        return f"{price}; with this project's HTTP middleware not even a log line is left"
    return price if drops else f"{price} when the exception leaves the app"


def _fix(project: Project, spot: Spot, task: t.Function) -> Fix | None:
    """The task's body in a `try` that logs; none where others call the task and may want its exception."""
    if task.is_lambda or task.is_generator or not _passes(spot, task) or used_elsewhere(project, task):
        return None
    path, place = task.source.path, project.program.span(task, task.source)
    log = logger(project, path)
    if is_local(project, log.name, project.frame(task)):
        return None
    statement = f'{log.name}.exception("{task.name} failed")'
    wrapped = in_try(project.source(path), path, place.line, place.column, statement)
    return Fix("Catch and log what fails in the task", (*log.made, *wrapped), safe=False) if wrapped else None


def _passes(spot: Spot, task: t.Function) -> bool:
    """True where the error comes through the task's own body, and not through a decorator around it."""
    return any(frame.function is task for frame, _ in way(spot.visit, spot.node))
