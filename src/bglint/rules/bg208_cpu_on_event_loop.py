"""BG208: hard computing on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding, Level
from bglint.project import Project
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.rules._contacts import Meeting, argument, blocking_again, number
from bglint.rules._loops import at_least, is_range
from bglint.rules._offload import blocked
from bglint.rules._weight import a_queue
from bglint.values import Items

MANY_TURNS = 1_000_000
_LEVELS: dict[str, Level] = {"heavy": "error", "medium": "warning"}


@rule("BG208", level="error", fixable="unsafe")
def cpu_on_event_loop(project: Project) -> Iterator[Finding]:
    """An async task computes for long, and the whole server waits for the result.

    ## What it does
    Finds hard computing in what an `async def` task runs, at any depth. Errors: password hashing and key derivation,
    training and inference of models, video and audio work, a loop over a `range` of a million turns or more that
    awaits nothing. Warnings: images, PDFs, dataframes, embeddings, compression of large data.

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
    seen: set[t.For] = set()
    for site in project.sites:
        for visit in project.visits(site):
            for loop in _loops(project, visit):
                if loop not in seen:
                    seen.add(loop)
                    yield _long_loop(project, loop, visit)


def _loops(project: Project, visit: Visit) -> Iterator[t.For]:
    function = visit.frame.function
    if visit.where != "event loop" or function is None:
        return
    for node in project.nodes_of(visit.frame, t.For):
        if _turns(project, node, visit) >= MANY_TURNS and not _gives_way(node):
            yield node


def _turns(project: Project, loop: t.For, visit: Visit) -> float:
    iterable = loop.iterable
    if isinstance(iterable, t.Call) and is_range(project, iterable, visit.frame):
        return at_least(project, iterable, visit.frame)
    return 0


def _gives_way(loop: t.For) -> bool:
    """True where the loop lets others run, or may be left early."""
    return any(
        isinstance(node, (t.Await, t.Break, t.Return, t.Yield))
        or (isinstance(node, (t.For, t.With)) and node.is_async)
        for node in t.walk(*loop.body)
    )


def _long_loop(project: Project, loop: t.For, visit: Visit) -> Finding:
    task = project.task_name(visit.site)
    message = (
        f"This loop turns a million times or more on the event loop, in the async task `{task}`: "
        "until it is through, the server answers nobody."
    )
    cure = f"Move it to a process: `await anyio.to_process.run_sync(...)`; or hand it to {a_queue(project, visit.frame)}."
    return finding(
        project,
        "BG208",
        loop,
        visit.frame,
        message,
        cure,
        site=visit.site,
        visit=visit,
        last="turns without a pause",
    )
