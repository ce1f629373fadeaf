"""BG207: event loops where there is one already, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from bglint import tree as t
from bglint.model import Finding, Level
from bglint.project import Project, dotted, name_of
from bglint.questions.contacts import Meeting, argument, is_def_task, meetings, path, reached
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
    `async_to_sync`. In what a `def` task runs, or an `async def` task hands to a thread: `asyncio.create_task`, `ensure_future`, `gather`,
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
    return any(
        isinstance(value, Outside) and value.name == "nest_asyncio.apply"
        for call, frame in _calls_of_apply(project)
        for value in project.evaluate(call.func, frame)
    )


def _calls_of_apply(project: Project) -> Iterator[tuple[t.Call, Frame]]:
    """The calls in the modules that speak of `nest_asyncio`."""
    for module in project.modules(r"\bapply\b", near="nest_asyncio"):
        functions = project.roles.functions_in(module, module.lines_with(re.compile(r"\bapply\b")))
        places = [(node, project.frame(function)) for function in functions for node in function.body]
        frame = project.names.module_frame(module.path)
        places += [(statement, frame) for statement in project.module_statements(module)]
        yield from ((n, f) for body, f in places for n in t.walk(body) if isinstance(n, t.Call))


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
    way = (visit for visit, _ in contact.visit.up(contact.node))
    in_thread = takewhile(lambda visit: visit.where == "thread", way)
    return any(v.frame.function is not None and v.frame.function.is_async for v in in_thread)


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
    thread = "the thread of a `def` task" if is_def_task(meeting.contact) else "a worker thread"
    if meeting.contact.name in NEEDS_A_RUNNING_LOOP:
        what = f"there is no event loop in {thread}; it raises RuntimeError"
    else:
        what = f"asyncio objects are not safe in {thread}; what waits on the app's loop may never wake"
    message = f"{meeting.called} is called in a thread, {reached(project, meeting)}: {what}."
    return _told(project, meeting, message, _back_to_the_loop(meeting.contact))


def _back_to_the_loop(contact: Contact) -> str:
    """Where the loop is to be had: a thread of `asyncio.to_thread` does not know the way that anyio's threads know."""
    wants_loop = contact.name in NEEDS_A_RUNNING_LOOP
    if not is_def_task(contact):
        way = (
            "asyncio.run_coroutine_threadsafe(..., loop)" if wants_loop else "loop.call_soon_threadsafe(...)"
        )
        return f"Do this part in the async task itself; or give the thread the app's loop, for `{way}`."
    if wants_loop:
        return "Make the task an `async def`; or run the coroutine with `anyio.from_thread.run(...)`."
    return "Call it through `anyio.from_thread.run_sync(...)`; or make the task an `async def`."


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
