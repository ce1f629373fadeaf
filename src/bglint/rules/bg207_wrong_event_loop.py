"""BG207: event loops where there is one already, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding, Level
from bglint.project import Project, dotted, name_of
from bglint.questions.contacts import Meeting, argument, meetings, path, reached
from bglint.questions.foreign_loop import foreign_object, made_elsewhere
from bglint.reach import Contact
from bglint.rule import finding, rule
from bglint.values import Frame, Outside

NEEDS_A_RUNNING_LOOP = (
    "asyncio.create_task", "asyncio.ensure_future", "asyncio.get_running_loop", "asyncio.get_event_loop",
    "asyncio.current_task", "asyncio.gather",
)  # fmt: skip
BACK_TO_THE_LOOP = (
    "asyncio.AbstractEventLoop.call_soon_threadsafe", "anyio.from_thread.run", "anyio.from_thread.run_sync",
    "asyncio.run_coroutine_threadsafe",
)  # fmt: skip
_LOOPS = re.compile(r"asyncio\.|anyio\.|.*\brun(_\w+)?$")
ASKS_FOR_A_LOOP = ("get_running_loop", "get_event_loop", "current_task", "is_running")


@rule("BG207", level="error")
def wrong_event_loop(project: Project) -> Iterator[Finding]:
    """A task starts an event loop where one runs already, or asks for one where there is none.

    ## What it does
    In what an `async def` task runs: `asyncio.run`, `run_until_complete`, `anyio.run`, `anyio.from_thread.run`, asgiref's
    `async_to_sync`. In what a `def` task runs, in its thread: `asyncio.create_task`, `ensure_future`, `gather`,
    `get_running_loop`, `get_event_loop`, and `set`, `release` or `put_nowait` of an asyncio object that belongs to the
    app's loop. As a warning: an `asyncio.run` (or a loop of its own) in a `def` task whose coroutine uses a client, an
    engine or a lock that the app's loop uses, too. An engine with `poolclass=NullPool` keeps nothing and is left alone.

    ## Why is this bad?
    The server's event loop runs in one thread. Inside of it a second loop is refused:
    `RuntimeError: asyncio.run() cannot be called from a running event loop`. In the thread of a `def` task there is
    no loop at all: `RuntimeError: no running event loop`. The client has its 200 already, the work is not done. And
    asyncio's own objects belong to one loop: used from another they raise `... is bound to a different event loop`,
    some of the time, or wake nobody.

    ## Example
    ```python
    import asyncio
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def summarise(source: str) -> str:
        await asyncio.sleep(0.1)
        return source.title()


    async def process(source: str) -> None:
        logger.info("summary: %s", asyncio.run(summarise(source)))


    @app.post("/sources/{source}")
    async def add_source(source: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(process, source)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import asyncio
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def summarise(source: str) -> str:
        await asyncio.sleep(0.1)
        return source.title()


    async def process(source: str) -> None:
        logger.info("summary: %s", await summarise(source))


    @app.post("/sources/{source}")
    async def add_source(source: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(process, source)
        return {"status": "success"}
    ```
    From a `def` task `anyio.from_thread.run(function, ...)` runs a coroutine on the app's loop, and
    `asyncio.run(...)` is fine for work that makes everything it uses itself.

    ## Verified by
    The witness runs the task: the bad apps raise a RuntimeError about event loops, or use an asyncio object in
    another thread than the one that made it; the others do neither.
    """
    if not _loops_are_patched(project):
        yield from (
            _second_loop(project, m) for m in meetings(project, lambda c: _starts_second_loop(project, c))
        )
    yield from (_no_loop(project, m) for m in meetings(project, lambda c: _has_no_loop(project, c)))
    for meeting in meetings(project, _starts_own_loop):
        yield from _shared_object(project, meeting)


def _loops_are_patched(project: Project) -> bool:
    """`nest_asyncio.apply()` allows a loop inside a loop."""
    return any(True for _ in project.modules(r"nest_asyncio"))


def _starts_second_loop(project: Project, contact: Contact) -> bool:
    on_loop = contact.effect == "loop" and contact.visit.where == "event loop"
    return on_loop and not _asked_before(project, contact)


def _starts_own_loop(contact: Contact) -> bool:
    is_own = contact.name not in BACK_TO_THE_LOOP
    return contact.effect == "loop" and contact.visit.where == "thread" and is_own


def _has_no_loop(project: Project, contact: Contact) -> bool:
    if contact.effect != "needs-loop" or contact.visit.where != "thread":
        return False
    if _inside_coroutine(contact) or _sent_back(project, contact):
        return False
    if contact.name in NEEDS_A_RUNNING_LOOP:
        return not _asked_before(project, contact) and not _sets_own_loop(project, contact)
    owner = contact.value.of
    frames = [visit.frame for visit in project.visits(contact.visit.site)]
    return owner is not None and made_elsewhere(owner, frames)


def _inside_coroutine(contact: Contact) -> bool:
    """True where a loop of its own runs on the way: below `asyncio.run(...)` in a thread."""
    frames = [frame for frame, _ in path(contact.visit, contact.node)]
    return any(frame.function is not None and frame.function.is_async for frame in frames)


def _sent_back(project: Project, contact: Contact) -> bool:
    """True for what `loop.call_soon_threadsafe` or `anyio.from_thread` runs: that is done on the app's loop."""
    return any(_is_handed_back(project, node, frame) for frame, node in path(contact.visit, contact.node))


def _is_handed_back(project: Project, node: t.Node, frame: Frame) -> bool:
    handed = {node, node.func} if isinstance(node, t.Call) else {node}
    body = project.nodes_of(frame, t.Call)
    calls = [call for call in body if call is node or handed & {*t.walk(*call.arguments)}]
    called = (value for call in calls for value in project.evaluate(call.func, frame))
    return any(isinstance(value, Outside) and value.name in BACK_TO_THE_LOOP for value in called)


def _sets_own_loop(project: Project, contact: Contact) -> bool:
    """True where a function on the way calls `asyncio.set_event_loop`."""
    called = (c.name for c in project.contacts(contact.visit.site))
    return "asyncio.set_event_loop" in called


def _asked_before(project: Project, contact: Contact) -> bool:
    """True in a function that asks first: `try: get_running_loop() except RuntimeError`, `if loop.is_running()`."""
    function = contact.visit.frame.function
    if function is None:
        return False
    tried = [n for n in t.nodes_of(function, t.Guard) if any(map(_goes_another_way, n.handlers))]
    tested = [n for n, _ in project.chain(contact.node, function) if isinstance(n, t.Branch)]
    asked = [*(part for guard in tried for part in guard.body), *(branch.test for branch in tested)]
    return any(map(_is_question, t.walk(*asked)))


def _goes_another_way(handler: t.Handler) -> bool:
    """True for `except RuntimeError`, and for one of any failure that gives an answer or does something with loops."""
    if any(
        t.last_name(kind) == "RuntimeError" for kind in t.walk(*handler.types) if isinstance(kind, t.Expr)
    ):
        return True
    calls = (dotted(part.func) for part in t.walk(*handler.body) if isinstance(part, t.Call))
    answers = any(isinstance(part, t.Assign | t.Return) for part in t.walk(*handler.body))
    return answers or any(_LOOPS.match(name) for name in calls)


def _is_question(node: t.Node) -> bool:
    called = node.func if isinstance(node, t.Call) else None
    return called is not None and dotted(called).rpartition(".")[2] in ASKS_FOR_A_LOOP


# ------------------------------------------------------------------ what is said


def _second_loop(project: Project, meeting: Meeting) -> Finding:
    message = (
        f"{meeting.called} is refused: {reached(project, meeting)}, on an event loop that runs already; "
        "it raises RuntimeError and the work is not done."
    )
    return _told(project, meeting, message, "Await the coroutine instead: `await ...`.")


def _no_loop(project: Project, meeting: Meeting) -> Finding:
    if meeting.contact.name in NEEDS_A_RUNNING_LOOP:
        what = "there is no event loop in the thread of a `def` task; it raises RuntimeError"
        cure = "Make the task an `async def`; or run the coroutine with `anyio.from_thread.run(...)`."
    else:
        what = "asyncio objects are not safe in the thread of a `def` task; what waits on the app's loop may never wake"
        cure = "Call it through `anyio.from_thread.run_sync(...)`; or make the task an `async def`."
    message = f"{meeting.called} is called in a thread, {reached(project, meeting)}: {what}."
    return _told(project, meeting, message, cure)


def _shared_object(project: Project, meeting: Meeting) -> Iterator[Finding]:
    used = foreign_object(project, argument(meeting.contact, 0), meeting.frame)
    if used is None or _asked_before(project, meeting.contact):
        return
    expr, frame = used
    place = f"{frame.path}:{project.span(expr, frame).line}"
    message = (
        f"{meeting.called} runs an event loop of its own ({reached(project, meeting)}), but `{name_of(frame)}` "
        f"uses `{dotted(expr)}` ({place}), which the app's loop uses, too: sooner or later it is "
        "bound to a different event loop."
    )
    cure = "Make the task an `async def` and await it; or make the object inside the coroutine."
    yield _told(project, meeting, message, cure, "warning")


def _told(project: Project, meeting: Meeting, message: str, cure: str, level: Level | None = None) -> Finding:
    return finding(
        project, "BG207", meeting.node, meeting.frame, message, cure, level=level,
        site=meeting.site, visit=meeting.contact.visit, others=meeting.others,
    )  # fmt: skip
