"""BG703: a middleware that loses what tasks raise, or makes the connection wait for them."""

from __future__ import annotations

from collections.abc import Iterator

from bglint.model import Finding, Step
from bglint.project import Project
from bglint.questions.middleware import Middleware, middlewares
from bglint.rule import rule

LOST = (
    "With this middleware and this Starlette an exception of a background task vanishes: "
    "no log line, no exception handler, no Sentry."
)
DELAYED = "With this middleware and this Starlette the client's connection waits until the background tasks are over."
EITHER = (
    "With this middleware and a Starlette below 0.46 an exception of a background task vanishes, "
    "or the client's connection waits for the tasks."
)
CURE = "Upgrade to Starlette 0.46 or later (any FastAPI from 0.135 on), or write the middleware as a plain ASGI class."


@rule("BG703", level="warning")
def middleware_breaks_tasks(project: Project) -> Iterator[Finding]:
    """With this middleware and this Starlette, the exception of a task vanishes without a trace.

    ## What it does
    Finds `@app.middleware("http")` (also called by hand) and classes on `BaseHTTPMiddleware` in a project with
    background tasks, where the installed Starlette is below 0.46. Reported once, and only where the version is known:
    read from Starlette's own pin, or from FastAPI's (0.108 to 0.115.9 can only have Starlette 0.29 to 0.45). Silent
    for one that never mentions `call_next`: behind it nothing runs.

    ## Why is this bad?
    From 0.29 to 0.45 the middleware keeps whatever a task raises to itself: no log line, no exception handler, no
    Sentry, and a test client that shows 200. Below 0.29 the client's connection waits until the tasks are over.

    ## Example
    ```python
    # fastapi-version: 0.110.3
    import logging
    from collections.abc import Awaitable, Callable

    from fastapi import BackgroundTasks, FastAPI, Request, Response

    logger = logging.getLogger(__name__)
    app = FastAPI()


    @app.middleware("http")
    async def no_store(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["cache-control"] = "no-store"
        return response


    def count(word: str) -> None:
        logger.info("%d letters", len(word))


    @app.post("/words/{word}")
    def start(word: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(count, word)
        return {"word": word}
    ```

    ## Use instead
    A Starlette of 0.46 or later (FastAPI 0.135 and later require it), or a middleware that speaks ASGI itself:

    ```python
    # fastapi-version: 0.110.3
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from starlette.datastructures import MutableHeaders
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    logger = logging.getLogger(__name__)


    class NoStore:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def with_header(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["cache-control"] = "no-store"
                await send(message)

            await self.app(scope, receive, with_header)


    app = FastAPI()
    app.add_middleware(NoStore)


    def count(word: str) -> None:
        logger.info("%d letters", len(word))


    @app.post("/words/{word}")
    def start(word: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(count, word)
        return {"word": word}
    ```

    ## Verified by
    `starlette/middleware/base.py`, `BaseHTTPMiddleware.__call__`: `raise app_exc` after the task group came with 0.46,
    the end of the body at `more_body=False` with 0.29.
    """
    services = {_service(project, s.frame.path) for s in project.sites if s.kind != "create_task"}
    beside = (
        (place for place in middlewares(project) if _service(project, place.path) in services)
        if services
        else ()
    )
    always_first = sorted(beside, key=lambda place: bool(place.condition))
    found = ((place, _harm(project, place)) for place in always_first)
    worst = next(((place, harm) for place, harm in found if harm), None)
    if worst is not None:
        yield _told(*worst)


def _service(project: Project, path: str) -> str:
    """Where it is written which FastAPI a file runs on, without the line: the same for all files of one service."""
    return project.framework(path).source.rpartition(":")[0]


def _harm(project: Project, place: Middleware) -> str:
    framework = project.framework(place.path)
    if framework.middleware_swallows_errors:
        return LOST
    if framework.middleware_delays_connection:
        return DELAYED
    return EITHER if framework.starlette.inside(None, (0, 46, 0)) else ""


def _told(place: Middleware, harm: str) -> Finding:
    if place.condition:
        harm = f"When `{place.condition}` is true, {harm[0].lower()}{harm[1:]}"
    steps = (Step(place.path, place.span, harm),)
    return Finding(
        "BG703", "middleware-breaks-tasks", "warning", harm, place.path, place.span, CURE,
        trace=steps, expression=place.text,
    )  # fmt: skip
