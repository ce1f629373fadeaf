"""BG206: waiting for threads, locks and keys on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.questions.contacts import Meeting, blocking
from bglint.questions.done import is_done
from bglint.questions.first_visits import first_visits
from bglint.questions.offload import blocked
from bglint.questions.pools import pool_waits
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.values import Const


@rule("BG206", level="error", fixable="unsafe")
def blocking_wait(project: Project) -> Iterator[Finding]:
    """An async task waits for a thread, a lock or a queue, and the whole server waits with it.

    ## What it does
    Finds waits of the threaded world in what an `async def` task runs, at any depth: `result()` of a future that
    `submit` or `run_coroutine_threadsafe` gave, `Thread.join`, `queue.Queue.get`, `threading.Event.wait`,
    `concurrent.futures.wait`, `list(pool.map(...))`, the end of `with ThreadPoolExecutor()`, `input`. `Lock.acquire` is a warning. Waits that cannot last are left alone:
    `blocking=False`, `get_nowait`, a timeout of zero, a future that is known to be done, and everything of asyncio.

    ## Why is this bad?
    An `async def` task runs on the event loop, the one thread that serves all requests. While it waits, the server
    answers nobody. Often it waits for ever: the work it waits for needs the event loop itself, as the coroutine
    does that was given to `run_coroutine_threadsafe`.

    ## Example
    ```python
    import logging
    from concurrent.futures import ThreadPoolExecutor

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()
    pool = ThreadPoolExecutor()


    def measure(name: str) -> int:
        return len(name)


    async def report(name: str) -> None:
        logger.info("size: %s", pool.submit(measure, name).result())


    @app.post("/reports/{name}")
    async def start_report(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(report, name)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import asyncio
    import logging
    from concurrent.futures import ThreadPoolExecutor

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()
    pool = ThreadPoolExecutor()


    def measure(name: str) -> int:
        return len(name)


    async def report(name: str) -> None:
        logger.info("size: %s", await asyncio.wrap_future(pool.submit(measure, name)))


    @app.post("/reports/{name}")
    async def start_report(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(report, name)
        return {"status": "success"}
    ```

    ## Verified by
    The witness watches what all these waits come down to (`threading.Condition.wait`, `Thread.join`, the lock's own
    `acquire`, `input`): in the bad apps they run in the thread of the event loop, in the others they do not.
    """
    for meeting in blocking(project, "wait"):
        if not _returns_at_once(project, meeting) and not _known_done(project, meeting):
            yield blocked(project, "BG206", meeting, "waits")
    for call, visit in first_visits(
        project, lambda visit: pool_waits(project, visit.frame) if visit.where == "event loop" else ()
    ):
        yield _pool(project, call, visit)


def _pool(project: Project, call: t.Call, visit: Visit) -> Finding:
    message = (
        f"Here the async task `{project.task_name(visit.site)}` waits on the event loop for all the work of a pool: "
        "until that is done the server answers nobody."
    )
    cure = "Await each piece instead: `await asyncio.wrap_future(pool.submit(...))`; or `await asyncio.to_thread(...)`."
    return finding(
        project, "BG206", call, visit.frame, message, cure, site=visit.site, visit=visit, last="waits for the pool",
    )  # fmt: skip


def _returns_at_once(project: Project, meeting: Meeting) -> bool:
    """True where False or zero is given: `blocking=False`, `get(False)`, `timeout=0`."""
    given = (project.evaluate(argument.value, meeting.frame) for argument in meeting.node.arguments)
    return any(values == (Const(value=0),) for values in given)


def _known_done(project: Project, meeting: Meeting) -> bool:
    func = meeting.node.func
    return isinstance(func, t.Attribute) and is_done(project, func.value, meeting.frame)
