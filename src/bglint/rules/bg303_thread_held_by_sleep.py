"""BG303: `def` tasks that sleep."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.questions.contacts import Meeting, argument, is_def_task, meetings, number, path, reached
from bglint.questions.loops import loops_around, turns
from bglint.questions.weight import a_queue
from bglint.reach import Contact
from bglint.rule import finding, rule
from bglint.values import Frame, Outside

LONG = 1.0
TINY = 0.01


@rule("BG303", level="warning")
def thread_held_by_sleep(project: Project) -> Iterator[Finding]:
    """A `def` task sleeps, and holds one of the 40 threads that every `def` endpoint needs.

    ## What it does
    Finds `time.sleep` in what a `def` task runs where it lasts a second or more: once, or in a loop that adds up to a
    second, whose number of turns is unknown (polling), or whose pause is unknown. `asyncio.sleep` counts below an
    `asyncio.run` of the task, which holds the thread as well.

    ## Why is this bad?
    A `def` task runs in a thread of the pool that serves all `def` endpoints and dependencies, 40 threads in all. A
    sleeping task keeps its thread. With 40 of them asleep no `def` endpoint answers any more, and new tasks wait in
    line, while the processor has nothing to do.

    ## Example
    ```python
    import logging
    import time

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def remind(email: str) -> None:
        time.sleep(30)
        logger.info("reminding %s", email)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import asyncio
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def remind(email: str) -> None:
        await asyncio.sleep(30)
        logger.info("reminding %s", email)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```
    An async task sleeps without a thread. Blocking work between the pauses goes through `await asyncio.to_thread(...)`.

    ## Verified by
    The witness adds up what the task asks of `time.sleep`, and of `asyncio.sleep`, in threads of the pool: a second or
    more in the bad apps, less in the others. That 40 such tasks stop every `def` endpoint follows from
    `run_in_threadpool` in `starlette/concurrency.py`, which tasks and endpoints share.
    """
    for meeting in meetings(project, lambda c: c.effect == "sleep" and is_def_task(c)):
        if _holds_its_thread(project, meeting.contact) and _is_long(project, meeting.contact):
            yield _told(project, meeting)


def _told(project: Project, meeting: Meeting) -> Finding:
    message = (
        f"{meeting.called} holds one of the 40 threads that all `def` endpoints share: "
        f"{reached(project, meeting)}."
    )
    cure = (
        "Make the task an `async def` and write `await asyncio.sleep(...)`; "
        f"or hand the waiting to {a_queue(project, meeting.frame)}."
    )
    return finding(
        project, "BG303", meeting.node, meeting.frame, message, cure,
        site=meeting.site, visit=meeting.contact.visit, others=meeting.others,
    )  # fmt: skip


def _holds_its_thread(project: Project, contact: Contact) -> bool:
    if not contact.blocks and not (contact.awaited and _is_in_own_loop(project, contact)):
        return False
    return not _is_in_another_thread(project, contact)


def _is_in_own_loop(project: Project, contact: Contact) -> bool:
    """True below `asyncio.run(...)`: the thread runs a loop until the coroutine is through."""
    return any(_is_given_to_a_loop(project, node, frame) for frame, node in path(contact.visit, contact.node))


def _is_given_to_a_loop(project: Project, node: t.Node, frame: Frame) -> bool:
    calls = [
        call for call in project.nodes_of(frame, t.Call) if call is node or node in t.walk(*call.arguments)
    ]
    called = (value for call in calls for value in project.evaluate(call.func, frame))
    facts = (project.knowledge.fact(value.name) for value in called if isinstance(value, Outside))
    return any(fact is not None and fact.effect == "loop" for fact in facts)


def _is_in_another_thread(project: Project, contact: Contact) -> bool:
    """True below a `Thread(target=...)` or a `pool.submit(...)` of the task: that thread is not one of the 40."""
    calls = ((node, frame) for frame, node in path(contact.visit, contact.node) if isinstance(node, t.Call))
    called = (value for call, frame in calls for value in project.evaluate(call.func, frame))
    facts = (project.knowledge.fact(value.name) for value in called if isinstance(value, Outside))
    return any(fact is not None and fact.where in ("thread", "process") for fact in facts)


def _is_long(project: Project, contact: Contact) -> bool:
    """A second or more in all; in a loop also where the pause or the number of turns is not known."""
    seconds = number(project, argument(contact, 0, "seconds"), contact.visit.frame)
    around = [
        turns(project, loop, frame) for frame, loop in loops_around(project, contact.visit, contact.node)
    ]
    if seconds is not None and seconds < TINY:
        return False
    if seconds is None or None in around:
        return bool(around)
    total = seconds
    for count in around:
        total *= count if count is not None else 1
    return total >= LONG
