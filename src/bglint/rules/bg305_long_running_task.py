"""BG305: tasks that take minutes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.questions.async_programs import MINUTE, outlasts_a_minute
from bglint.questions.contacts import Meeting, argument, is_none, meetings, number, reached, unsure
from bglint.questions.environment import from_environment
from bglint.questions.loops import is_one_text, is_range, length
from bglint.questions.timeouts import given
from bglint.questions.weight import SHORT_PROGRAMS, a_queue, program, runs_heavy_program, to_a_queue
from bglint.reach import Contact, Visit
from bglint.rule import finding, rule
from bglint.values import Frame, Generator, Outside

FEW = 50
PROGRAMS = ("subprocess.", "os.system", "os.popen", "os.spawn")
TRIES = ("attempt", "retry", "trial")
PARALLEL = (
    "append",
    "add",
    "gather",
    "as_completed",
    "wait",
    "create_task",
    "start_soon",
    "ensure_future",
    "submit",
)
_ENDS = (".close", ".aclose", ".quit", ".logout")
_ROWS = re.compile(
    r"tortoise\.queryset\.QuerySet|beanie\.Document\.(all|find|find_all|find_many|aggregate)\(\)"
    r"|(motor|pymongo)\..*(Cursor|\.(find|aggregate)\(\)(\.\w+\(\))*)$"
    r"|sqlalchemy\.ext\.asyncio\.\w+\.stream(_scalars)?\(\)"
)
"""What `async for` takes from a database: it ends, unlike a stream of messages or changes."""


@rule("BG305", level="warning")
def long_running_task(project: Project) -> Iterator[Finding]:
    """A background task takes minutes: every deployment kills it midway, and nobody takes it up again.

    ## What it does
    Finds a single sleep of a minute or more in an `async def` task, a `for` loop that calls other servers one after
    the other over a collection of unknown size (an `async for` only over the rows of a query, not over a stream), and
    another program that is run without a timeout or with one above a minute. A loop of fifty turns at most, by a
    number in the code (`.limit(20)`, `[:20]`), is left alone.

    ## Why is this bad?
    A background task lives in the web server's process. A deployment, a crash or a reload ends it, whatever it was
    doing, and there is no record from which it could go on. A hundred calls of one second each are a minute and a
    half in which the tasks behind it wait; one that hangs stops them all.

    ## Example
    ```python
    import asyncio
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def remind(email: str) -> None:
        await asyncio.sleep(24 * 60 * 60)
        logger.info("reminding %s", email)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import datetime
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()
    reminders: list[tuple[datetime.datetime, str]] = []  # a table in real life, read by a scheduled job


    def plan_reminder(email: str) -> None:
        reminders.append((datetime.datetime.now() + datetime.timedelta(days=1), email))


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(plan_reminder, email)
        return {"status": "success"}
    ```
    Work for later belongs into a scheduler or a task queue. Many calls run at the same time with `asyncio.gather`
    and a limit, in a `def` task with a small `ThreadPoolExecutor`, or as one job each. Another program gets a timeout, or a worker of its own.

    ## Verified by
    The witness counts: a sleep of a minute, a program that may run for more than a minute, or twenty remote calls of
    which no two are under way at the same time. The bad apps have one of these, the others none.
    """
    yield from (_sleep(project, meeting) for meeting in meetings(project, lambda c: _sleeps_long(project, c)))
    yield from (_program(project, meeting) for meeting in meetings(project, lambda c: _runs_long(project, c)))
    yield from _one_by_one(project)


# ------------------------------------------------------------------ sleeps, programs


def _sleeps_long(project: Project, contact: Contact) -> bool:
    if contact.effect != "sleep" or not contact.awaited or _in_endless_loop(project, contact):
        return False
    delay = number(project, argument(contact, 0, "delay"), contact.visit.frame)
    return delay is not None and delay >= MINUTE


def _in_endless_loop(project: Project, contact: Contact) -> bool:
    """A loop without an end is endless-task's; how long it sleeps each time does not matter."""
    function = contact.visit.frame.function
    chain = project.chain(contact.node, function) if function is not None else ()
    return any(isinstance(node, t.While) and isinstance(node.test, t.Constant) for node, _ in chain)


def _runs_long(project: Project, contact: Contact) -> bool:
    """A program of asyncio, or one in a thread: on the event loop that is blocking-process's, and a heavy one heavy-processing's."""
    if outlasts_a_minute(project, contact):
        return True
    fact = contact.fact
    if fact is None or fact.effect != "process" or not fact.blocks or contact.visit.where != "thread":
        return False
    if (
        not contact.name.startswith(PROGRAMS)
        or unsure(project, contact)
        or runs_heavy_program(project, contact)
        or program(project, contact) in SHORT_PROGRAMS
    ):
        return False
    timeout = given(contact, fact) if fact.timeout else None
    if timeout is None or is_none(project.evaluate(timeout, contact.visit.frame)):
        return not contact.name.startswith("subprocess.Popen.")
    limit = number(project, timeout, contact.visit.frame)
    return limit is not None and limit > MINUTE


def _sleep(project: Project, meeting: Meeting) -> Finding:
    message = f"{meeting.called} sleeps for a minute or more: {reached(project, meeting)}, and a restart forgets it."
    cure = (
        f"Store what is to be done and when, and let a scheduler or {a_queue(project, meeting.frame)} do it."
    )
    return _told(project, meeting, message, cure)


def _program(project: Project, meeting: Meeting) -> Finding:
    message = (
        f"{meeting.called} may run for more than a minute: {reached(project, meeting)}, "
        "and a restart kills it midway."
    )
    cure = f"{to_a_queue(project, meeting.frame)} If it is short, give it a timeout of a minute or less."
    return _told(project, meeting, message, cure)


def _told(project: Project, meeting: Meeting, message: str, cure: str) -> Finding:
    return finding(
        project, "BG305", meeting.node, meeting.frame, message, cure,
        site=meeting.site, visit=meeting.contact.visit, others=meeting.others,
    )  # fmt: skip


# ----------------------------------------------------------------- one after the other


def _one_by_one(project: Project) -> Iterator[Finding]:
    """One finding a loop, by the shortest way to a call that each of its turns waits for."""
    found: dict[t.For, tuple[Contact, Visit]] = {}
    for contact in _remote(project):
        place = _long_loop(project, contact)
        if place is not None and (place[1] not in found or _way(contact) < _way(found[place[1]][0])):
            found[place[1]] = contact, place[0]
    for loop, (contact, visit) in found.items():
        yield _loop(project, contact, visit, loop)


def _remote(project: Project) -> Iterator[Contact]:
    for site in project.sites:
        yield from (c for c in project.contacts(site) if c.effect == "network" and _is_done_here(c))


def _way(contact: Contact) -> int:
    return contact.visit.depth + len(contact.visit.site.context.hops)


def _is_done_here(contact: Contact) -> bool:
    """True for a call that is waited for, and does more than to end what others began."""
    if contact.name.endswith(_ENDS):
        return False
    return contact.fact is not None and (contact.awaited or not contact.fact.is_async)


def _loop(project: Project, contact: Contact, visit: Visit, loop: t.For) -> Finding:
    assert contact.fact is not None
    called = Meeting(contact, contact.fact, 0).called
    message = (
        f"This loop waits for {called} in each turn, one after the other, in the task "
        f"`{project.task_name(visit.site)}`: with many elements it runs for minutes, and a restart ends it midway."
    )
    together = "`asyncio.gather`" if visit.where == "event loop" else "a small `ThreadPoolExecutor`"
    cure = f"Let them run at the same time, with a limit ({together}). {to_a_queue(project, visit.frame)}"
    return finding(project, "BG305", loop, visit.frame, message, cure, site=visit.site, visit=visit)


def _long_loop(project: Project, contact: Contact) -> tuple[Visit, t.For] | None:
    """The outermost loop around the call whose turns nobody has bounded, if each turn waits for the call."""
    up = list(contact.visit.up(contact.node))
    if not all(_is_awaited(visit.frame, node, below.frame) for (below, _), (visit, node) in pairwise(up)):
        return None
    ways = [(visit, node) for visit, node in reversed(up) if visit.frame.function is not None]
    if not all(
        _waits(visit.frame, node) and not _is_exceptional(project, visit, node) for visit, node in ways
    ):
        return None
    for visit, node in ways:
        for loop in _loops_around(project, visit.frame, node):
            if isinstance(loop, t.While):
                return None  # a consumer, which takes what comes
            if (
                _is_unbounded(project, loop, visit.frame)
                and not _left_after(project, loop, node, visit.frame)
                and not _is_chain(loop, node)
            ):
                return visit, loop
    return None


def _is_awaited(frame: Frame, node: t.Node, called: Frame) -> bool:
    """False for a coroutine that is made here and waited for elsewhere: `jobs.append(fetch(url))`."""
    if frame.function is None or called.function is None or not called.function.is_async:
        return True
    waits = (wait.value for wait in t.nodes_of(frame.function, t.Await))
    return called.function.is_generator or any(node in t.walk(value) for value in waits)


def _is_exceptional(project: Project, visit: Visit, node: t.Node) -> bool:
    """True in an `except`: what is done there is not done in each turn."""
    assert visit.frame.function is not None
    return any(part.startswith("handler") for _, part in project.chain(node, visit.frame.function))


def _loops_around(project: Project, frame: Frame, node: t.Node) -> Iterator[t.For | t.While]:
    assert frame.function is not None
    for holder, part in project.chain(node, frame.function):
        if isinstance(holder, (t.For, t.While)) and part == "body":
            yield holder


def _waits(frame: Frame, node: t.Node) -> bool:
    """False where the call is only collected, or started beside others."""
    function = frame.function
    if function is None or not isinstance(node, t.Call):
        return function is not None
    starters = (call for call in t.nodes_of(function, t.Call) if t.last_name(call.func) in PARALLEL)
    started = any(node in t.walk(*call.arguments) for call in starters if call is not node)
    return not started and not _collected(function, node)


def _collected(function: t.Function, call: t.Call) -> bool:
    """True for `jobs = [send(x) for x in ...]` and `job = send(x)` of a coroutine."""
    return any(call in node.elements for node in t.nodes_of(function, t.Comprehension))


def _is_unbounded(project: Project, loop: t.For, frame: Frame) -> bool:
    """Silent for `range` (attempts, pages), for the pieces of a text, for settings, for streams and for what is short."""
    if loop.is_async and not _are_rows(project, loop.iterable, frame):
        return False
    if is_range(project, loop.iterable, frame) or _is_a_try(loop):
        return False
    most = length(project, loop.iterable, frame)
    if (most is not None and most <= FEW) or is_one_text(project, loop.iterable, frame):
        return False
    return not from_environment(project, loop.iterable, frame)


def _are_rows(project: Project, expr: t.Expr, frame: Frame, depth: int = 2) -> bool:
    """True for the rows of a query: `Customer.all()`, `users.find({})`, and where a function of the project yields them."""
    values = project.evaluate(expr, frame)
    if any(isinstance(v, Generator) and depth and _yields_rows(project, v.call, depth - 1) for v in values):
        return True
    return any(isinstance(v, Outside) and v.instance and _is_query(v) for v in values)


def _yields_rows(project: Project, call: Frame, depth: int) -> bool:
    """`async for user in User.find_all(): yield user`, of as many as there are."""
    loops = (loop for loop in project.nodes_of(call, t.For) if loop.is_async)
    yielding = (loop for loop in loops if any(isinstance(node, t.Yield) for node in t.walk(*loop.body)))
    return any(
        _are_rows(project, loop.iterable, call, depth) and length(project, loop.iterable, call) is None
        for loop in yielding
    )


def _is_query(value: Outside) -> bool:
    """False for a cursor that waits for more."""
    made = value.birth.node if value.birth is not None else None
    waits = isinstance(made, t.Call) and made.keyword("cursor_type") is not None
    return bool(_ROWS.match(value.name)) and not waits


def _left_after(project: Project, loop: t.For, node: t.Node, frame: Frame) -> bool:
    """True where the loop ends with the first call that answers: it looks for one, it does not call all."""
    line, answers = project.span(node, frame).line, _answers(loop, node)
    later = [leaving for leaving in _leaving(loop.body) if project.span(leaving, frame).line >= line]
    return any(_depends_on(project, leaving, loop, frame, answers) for leaving in later)


def _depends_on(project: Project, leaving: t.Node, loop: t.For, frame: Frame, answers: set[str]) -> bool:
    """True where the loop is left without a condition, or with one on the answer."""
    assert frame.function is not None
    inside = set(t.walk(*loop.body))
    holders = [holder for holder, _ in project.chain(leaving, frame.function) if holder in inside]
    tests = [holder.test for holder in holders if isinstance(holder, t.Branch)]
    asked = {name.id for name in t.walk(*tests) if isinstance(name, t.Name)}
    return not tests or bool(asked & answers)


def _answers(loop: t.For, node: t.Node) -> set[str]:
    """The names that hold what the call gave."""
    assigned = [n for n in t.walk(*loop.body) if isinstance(n, t.Assign) and n.value is not None]
    targets = [
        target for n in assigned if n.value is not None and node in t.walk(n.value) for target in n.targets
    ]
    return {name.id for name in t.walk(*targets) if isinstance(name, t.Name)}


def _is_chain(loop: t.For, node: t.Node) -> bool:
    """True where each turn needs what the call gave in the turn before: `text = await step(text)`."""
    nodes = list(t.walk(*loop.body))
    assigns = [assign for assign in nodes if isinstance(assign, t.Assign) and assign.value is not None]
    first = {name: assign for assign in reversed(assigns) for name in _names(assign.targets)}
    results = {name for assign in _made_of(assigns, _answers(loop, node)) for name in _names(assign.targets)}
    given = set(t.walk(*node.arguments)) if isinstance(node, t.Call) else set()
    read = (part for part in nodes if isinstance(part, t.Name) and part.id in results)
    return any(
        part.at < first[part.id].at or (part in given and part in _parts(first[part.id])) for part in read
    )


def _made_of(assigns: list[t.Assign], names: set[str]) -> Iterator[t.Assign]:
    """The assignments of these names, and of what is made of them."""
    known = set(names)
    for assign in assigns:
        read = {part.id for part in _parts(assign) if isinstance(part, t.Name)}
        if read & known or _names(assign.targets) & known:
            known |= _names(assign.targets)
            yield assign


def _parts(assign: t.Assign) -> set[t.Node]:
    return set(t.walk(assign.value)) if assign.value is not None else set()


def _names(targets: tuple[t.Expr, ...]) -> set[str]:
    return {target.id for target in targets if isinstance(target, t.Name)}


def _leaving(block: t.Block) -> list[t.Node]:
    """Each `return` in a block, and each `break` that is not of a loop in it."""
    nodes = list(t.walk(*block))
    inner = {n for loop in nodes if isinstance(loop, (t.For, t.While)) for n in t.walk(*loop.body)}
    return [n for n in nodes if isinstance(n, t.Return) or (isinstance(n, t.Break) and n not in inner)]


def _is_a_try(loop: t.For) -> bool:
    """`for attempt in Retrying(...)`."""
    return isinstance(loop.target, t.Name) and loop.target.id.lstrip("_").startswith(TRIES)
