"""BG406: a task started with `create_task` that nobody looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.model import Finding, Step
from bglint.project import Project, dotted
from bglint.questions.contained import contains
from bglint.questions.failing import weak_spot
from bglint.questions.subtasks import Kept, kept
from bglint.reach import Contact, Visit
from bglint.rule import finding, rule
from bglint.sites import SPAWNERS, TaskSite, awaited_there
from bglint.values import Coroutine, Frame

CURE = (
    "Hand the work to BackgroundTasks, which keeps and awaits it; or keep the task in a set and add a callback "
    "that logs `task.exception()`."
)
CURE_HANDLED = (
    "Hand the work to BackgroundTasks, which keeps and awaits it; or keep the task in a set until it is done."
)


@by_identity
class Subtask:
    """A started task, the way there, and why nobody hears of its failure."""

    site: TaskSite
    visit: Visit | None
    node: t.Call
    frame: Frame
    fails_at: tuple[Step, ...] = ()

    @property
    def length(self) -> int:
        return len(self.site.context.hops) + (self.visit.depth + 1 if self.visit else 0)


@rule("BG406", level="warning")
def unobserved_subtask(project: Project) -> Iterator[Finding]:
    """A task started with `create_task` fails, and nobody looks at it.

    ## What it does
    Finds `asyncio.create_task`, `asyncio.ensure_future` and `loop.create_task` in handlers, dependencies and tasks, whose
    result nobody keeps; and those that only a set or a dict keeps, with `discard` or `pop` as the only callback, while
    the coroutine can fail and handles nothing. Silent where anybody may take the task out of the dict to wait for it.

    ## Why is this bad?
    The event loop holds its tasks weakly: one that nobody keeps may be thrown away half-way. And its exception shows
    only when the task is thrown away, as asyncio's "Task exception was never retrieved", without the request that it
    belongs to.

    ## Example
    ```python
    import asyncio

    import httpx
    from fastapi import FastAPI

    app = FastAPI()


    async def forward(event: str) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            await client.post("https://events.example.com", json={"event": event})


    @app.post("/events/{event}")
    async def receive(event: str) -> dict[str, str]:
        asyncio.create_task(forward(event))
        return {"event": event}
    ```

    ## Use instead
    ```python
    import logging

    import httpx
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def forward(event: str) -> None:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                await client.post("https://events.example.com", json={"event": event})
        except Exception:
            logger.exception("%s was not forwarded", event)


    @app.post("/events/{event}")
    async def receive(event: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(forward, event)
        return {"event": event}
    ```

    ## Verified by
    The witness collects garbage after the request, and finds "exception was never retrieved" in asyncio's log, or
    "was destroyed but it is pending" of a task that handles its errors.
    """
    found: dict[t.Call, Subtask] = {}
    for subtask in (*_in_handlers(project), *_in_tasks(project)):
        if subtask.node not in found or subtask.length < found[subtask.node].length:
            found[subtask.node] = subtask
    for subtask in found.values():
        yield _told(project, subtask)


def _in_handlers(project: Project) -> Iterator[Subtask]:
    for site in project.sites:
        if site.kind == "create_task":
            yield from _unseen(project, Subtask(site, None, site.call, site.frame))


def _in_tasks(project: Project) -> Iterator[Subtask]:
    for site in project.sites:
        for contact in project.contacts(site):
            if _starts(contact) and contact.node is not site.call:
                yield from _unseen(project, Subtask(site, contact.visit, contact.node, contact.visit.frame))


def _starts(contact: Contact) -> bool:
    known = contact.name.startswith("asyncio.") and "TaskGroup" not in contact.name
    function = contact.visit.frame.function
    return (
        known
        and t.last_name(contact.node.func) in SPAWNERS
        and function is not None
        and contact.visit.where == "event loop"
        and not awaited_there(contact.node, function)
    )


def _unseen(project: Project, subtask: Subtask) -> Iterator[Subtask]:
    by = kept(project, subtask.node, subtask.frame)
    if by is Kept.BY_NOBODY:
        yield subtask
    elif by is Kept.BY_A_SET and subtask.visit is None:
        spot = weak_spot(project, subtask.site)
        if spot is not None:
            steps = spot.trace(project)[len(subtask.site.context.hops) + 1 :]
            yield Subtask(subtask.site, None, subtask.node, subtask.frame, steps)


def _told(project: Project, subtask: Subtask) -> Finding:
    what, cure = _what(subtask), CURE
    message = f"{what}; its error shows only as asyncio's `Task exception was never retrieved`, without the request."
    if not subtask.fails_at and _handles_all(project, subtask):
        message, cure = f"{what}.", CURE_HANDLED
    found = finding(
        project, "BG406", subtask.node, subtask.frame, message, cure,
        site=subtask.site, visit=subtask.visit, last=what,
    )  # fmt: skip
    return replace(found, trace=(*found.trace, *subtask.fails_at))


def _what(subtask: Subtask) -> str:
    started = f"`{dotted(subtask.node.func)}`"
    if subtask.fails_at:
        return f"{started} starts a task that can fail, and its only callback takes it out of its collection"
    return f"{started} starts a task that nobody keeps: it may vanish half-way"


def _handles_all(project: Project, subtask: Subtask) -> bool:
    """True where the coroutine that is started keeps its failures to itself."""
    started = project.evaluate(subtask.node.argument(0, "coro"), subtask.frame)
    return bool(started) and all(isinstance(v, Coroutine) and contains(project, v.call) for v in started)
