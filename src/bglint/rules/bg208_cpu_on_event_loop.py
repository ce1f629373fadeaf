"""BG208: hard computing on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding, Level
from bglint.project import Project
from bglint.questions.contacts import Meeting, argument, blocking_again, number
from bglint.questions.first_visits import first_visits
from bglint.questions.long_loops import Turning, long_loops
from bglint.questions.offload import blocked
from bglint.questions.weight import a_queue
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.values import Items

_LEVELS: dict[str, Level] = {"heavy": "error", "medium": "warning"}


@rule("BG208", level="error", fixable="unsafe")
def cpu_on_event_loop(project: Project) -> Iterator[Finding]:
    """An async task computes for long, and the whole server waits for the result.

    ## What it does
    Finds hard computing in what an `async def` task runs, at any depth. Errors: password hashing and key derivation,
    training and inference of models, video and audio work, a loop of a million turns or more that awaits nothing: over a
    `range`, over several in each other, in a comprehension or `sum(...)`, with a counter. Warnings: images, PDFs, dataframes, embeddings, compression of large data.

    ## Why is this bad?
    An `async def` task runs on the event loop, the one thread that serves all requests. While it computes, the
    server answers nobody. A password hash is slow on purpose: a quarter of a second each time in which every other
    user waits.

    ## Example
    ```python
    import hashlib

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()
    keys: dict[str, bytes] = {}


    async def derive(user: str, password: str) -> None:
        keys[user] = hashlib.pbkdf2_hmac("sha256", password.encode(), user.encode(), 600_000)


    @app.post("/users/{user}/password")
    async def change(user: str, password: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(derive, user, password)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import hashlib

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()
    keys: dict[str, bytes] = {}


    def derive(user: str, password: str) -> None:
        keys[user] = hashlib.pbkdf2_hmac("sha256", password.encode(), user.encode(), 600_000)


    @app.post("/users/{user}/password")
    async def change(user: str, password: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(derive, user, password)
        return {"status": "success"}
    ```
    A thread helps where the library computes outside of Python (hashes, images, numpy). For pure Python use a
    process (`anyio.to_process`, `ProcessPoolExecutor`) or a task queue.

    ## Verified by
    The witness reads the processor time of the event loop's thread before and after the task: the bad apps spend
    more than a fifth of a second there, the others do not.
    """
    for meeting in blocking_again(project, "cpu"):
        if meeting.fact.weight and not _only_stores(project, meeting) and not _is_of_lists(project, meeting):
            level = _LEVELS[meeting.fact.weight]
            yield blocked(project, "BG208", meeting, "computes for long", level=level)
    yield from _long_loops(project)


def _only_stores(project: Project, meeting: Meeting) -> bool:
    """True for `zlib.compress(data, 0)`: the level 0 copies."""
    level = argument(meeting.contact, 1, "level")
    return meeting.contact.name == "zlib.compress" and number(project, level, meeting.frame) == 0


def _is_of_lists(project: Project, meeting: Meeting) -> bool:
    """True for `numpy.linalg.lstsq(x, y)` of tuples or lists that Python made: those are short."""
    given = argument(meeting.contact, 0) if meeting.contact.name.startswith("numpy.") else None
    values = project.evaluate(given, meeting.frame) if given is not None else ()
    return any(isinstance(value, Items) for value in values)


def _long_loops(project: Project) -> Iterator[Finding]:
    for loop, visit in first_visits(
        project, lambda visit: long_loops(project, visit.frame) if visit.where == "event loop" else ()
    ):
        yield _long_loop(project, loop, visit)


def _long_loop(project: Project, loop: Turning, visit: Visit) -> Finding:
    what = "loop" if isinstance(loop, t.For | t.While) else "expression"
    message = (
        f"This {what} turns a million times or more on the event loop, in the async task "
        f"`{project.task_name(visit.site)}`: until it is through, the server answers nobody."
    )
    queue = a_queue(project, visit.frame)
    cure = f"Move it to a process: `await anyio.to_process.run_sync(...)`; or hand it to {queue}."
    return finding(
        project, "BG208", loop, visit.frame, message, cure, site=visit.site, visit=visit, last="turns without a pause",
    )  # fmt: skip
