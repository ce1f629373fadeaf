"""BG201: `time.sleep` on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.memo import memo
from bglint.model import Finding, Fix
from bglint.project import Project
from bglint.questions.contacts import Meeting, argument, blocking, number
from bglint.questions.offload import blocked
from bglint.rule import rule


@rule("BG201", level="error", fixable="safe, unsafe")
def blocking_sleep(project: Project) -> Iterator[Finding]:
    """An async task sleeps with `time.sleep`, and the whole server sleeps with it.

    ## What it does
    Finds `time.sleep` in what an `async def` task runs, at any depth, in any module of the project. A `def` task
    runs in a thread, and so does what is handed to `asyncio.to_thread` and its like: both may sleep.

    ## Why is this bad?
    An `async def` task runs on the event loop, the one thread that serves all requests. `time.sleep` does not give
    that thread back: for as long as it sleeps, no request is accepted, read or answered. The client that started
    the task has its answer already; everybody else waits.

    ## Example
    ```python
    import time

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    async def remind(email: str) -> None:
        time.sleep(5)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import asyncio

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    async def remind(email: str) -> None:
        await asyncio.sleep(5)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Verified by
    The witness notes in which thread `time.sleep` is called: in the bad apps an event loop runs in that thread, in
    the others none does. Starlette awaits an async task (`BackgroundTask.__call__` in `starlette/background.py`)
    and runs any other in a thread.
    """
    for meeting in blocking(project, "sleep"):
        if _lasts(project, meeting):
            yield blocked(project, "BG201", meeting, "sleeps", fix=_fix(project, meeting))


def _lasts(project: Project, meeting: Meeting) -> bool:
    """False for `time.sleep(0)`, which only lets other threads have their turn."""
    return number(project, argument(meeting.contact, 0), meeting.frame) != 0


def _fix(project: Project, meeting: Meeting) -> Fix | None:
    """`await asyncio.sleep(...)`, where the sleep is a statement of the async task itself."""
    function, frame = meeting.frame.function, meeting.frame
    if function is None or not function.is_async or not _is_statement(meeting.node, function):
        return None
    source = project.source(frame.path)
    if meeting.contact.visit.before is not None or not edits.can_import(source, "import asyncio"):
        return None
    wanted = edits.add_import(source, frame.path, "import asyncio")
    sleep = edits.replace(frame.path, project.span(meeting.node.func, frame), "await asyncio.sleep")
    title = "Sleep with `await asyncio.sleep`"
    return Fix(title, (sleep, wanted) if wanted else (sleep,), safe=True)


def _is_statement(call: t.Call, function: t.Function) -> bool:
    return call in _statements(function)


@memo
def _statements(function: t.Function) -> frozenset[t.Node]:
    """The expressions that are statements of their own."""
    return frozenset(node.value for node in t.nodes_of(function, t.Evaluate))
