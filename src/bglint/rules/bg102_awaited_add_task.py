"""BG102: `await tasks.add_task(...)`."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.model import Finding, Fix, Span
from bglint.project import Project
from bglint.questions.parents import parent
from bglint.questions.told import told
from bglint.questions.written import is_plain
from bglint.rule import rule
from bglint.sites import TaskSite
from bglint.values import known


@rule("BG102", level="error", fixable="safe")
def awaited_add_task(project: Project) -> Iterator[Finding]:
    """`add_task` is awaited, which breaks the request: it returns None, and None cannot be awaited.

    ## What it does

    Finds `await tasks.add_task(...)` on FastAPI's and Starlette's BackgroundTasks, also with its result
    kept or used, and an `add_task(...)` handed to `asyncio.gather` or `create_task`. An `add_task` of your
    own that is a coroutine is left alone.

    ## Why is this bad?

    `add_task` only notes the task and returns None. `await None` raises `TypeError: object NoneType can't
    be used in 'await' expression`; the client gets a 500, and since no response is built that could carry
    it, the task that was just noted never runs.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def send_welcome(email: str) -> None:
        logger.info("welcome mail to %s", email)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        await tasks.add_task(send_welcome, email)
        return {"email": email}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def send_welcome(email: str) -> None:
        logger.info("welcome mail to %s", email)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(send_welcome, email)
        return {"email": email}
    ```

    ## Verified by

    The witness sends the request: the answer is a 500 and the task has not run.
    `BackgroundTasks.add_task` in starlette/background.py is a plain `def` that returns nothing.
    """
    for site in project.sites:
        wait = _wait(site)
        if (
            wait is not None
            and site.receiver is not None
            and known((site.receiver,))
            and is_plain(project, site)
        ):
            yield told(
                project, "BG102", wait, site.frame,
                "`add_task` returns None, and waiting for None fails: the request ends in a 500 "
                f"and the task `{project.task_name(site)}` never runs",
                "write the `add_task(...)` by itself: the task is only noted here and runs after the response",
                site=site, trace=(), fix=_fix(project, site, wait) if isinstance(wait, t.Await) else None,
            )  # fmt: skip


_WAITERS = {"gather", "wait_for", "shield", "create_task", "ensure_future", "run_until_complete"}


def _wait(site: TaskSite) -> t.Expr | None:
    """The `await` that stands before an add_task, or the `gather(...)` around it."""
    if site.kind != "add_task" or site.function is None:
        return None
    above = parent(site.call, site.function)
    if isinstance(above, t.Argument):
        around = parent(above, site.function)
        return around if isinstance(around, t.Call) and t.last_name(around.func) in _WAITERS else None
    return above if isinstance(above, t.Await) else None


def _fix(project: Project, site: TaskSite, wait: t.Await) -> Fix | None:
    whole, call = project.span(wait, site.frame), project.span(site.call, site.frame)
    rest = project.text(wait, site.frame).removeprefix("await").lstrip()
    if rest != project.text(site.call, site.frame):
        return None
    before = Span(whole.line, whole.column, call.line, call.column)
    return Fix("Remove `await`", (edits.replace(site.frame.path, before, ""),), safe=True)
