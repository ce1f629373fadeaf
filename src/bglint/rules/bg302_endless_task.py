"""BG302: loops without an end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeGuard

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, short_function
from bglint.questions.contacts import is_async_only, path
from bglint.questions.deeds import way_to
from bglint.questions.endless import Loop, endless_loops, never_returns
from bglint.questions.timeouts import has_deadline
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.sites import SPAWNERS, TaskSite
from bglint.values import Frame, Outside

OWN_THREADS = ("threading.Thread", "threading.Timer", "multiprocessing.Process")


@rule("BG302", level="warning")
def endless_task(project: Project) -> Iterator[Finding]:
    """A background task never ends: each request starts one more, and shutdown waits for all of them.

    ## What it does
    Finds `while True` (or a loop on another constant) without a reachable `break`, `return` or `raise` in what a
    task runs: consumers, pollers, schedulers. So are loops on a flag that nobody ever sets, over `itertools.count()`,
    over what a subscription of Redis or a consumer of Kafka gives, over a generator with such a loop; and calls such as
    `loop_forever()` of an MQTT client. Silent where an `except` around the loop waits for the error that ends
    it: `StopAsyncIteration`, `queue.Empty`; and where a deadline does: `asyncio.timeout`, `asyncio.wait_for`,
    `anyio.move_on_after`.

    ## Why is this bad?
    A background task belongs to one response. Each request starts another copy of the loop; a `def` task takes one
    of the 40 threads of the pool for good. On shutdown the server waits for the tasks of its responses without any
    limit: a reload hangs until somebody kills it, and the loop dies wherever it is.

    ## Example
    ```python
    import asyncio
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()
    events: asyncio.Queue[str] = asyncio.Queue()


    async def consume() -> None:
        while True:
            logger.info("event %s", await events.get())


    @app.post("/consumer")
    async def start_consumer(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(consume)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import asyncio
    import contextlib
    import logging
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    logger = logging.getLogger(__name__)
    events: asyncio.Queue[str] = asyncio.Queue()


    async def consume() -> None:
        while True:
            logger.info("event %s", await events.get())


    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        consumer = asyncio.create_task(consume())
        yield
        consumer.cancel()


    app = FastAPI(lifespan=lifespan)
    ```
    Work that belongs to the application starts in its lifespan, once, and is cancelled at its end. Work that has to
    survive a restart belongs to a worker of its own.

    ## Verified by
    The witness sends the request and looks again five seconds later: in the bad apps the task still runs.
    """
    seen: set[t.Node] = set()
    for site in project.sites:
        if _ends_with_its_handler(site):
            continue
        for node, visit in _endless(project, site):
            if node not in seen and not _is_looked_after(project, node, visit):
                seen.add(node)
                yield _finding(project, node, visit)


def _endless(project: Project, site: TaskSite) -> Iterator[tuple[Loop | t.Call, Visit]]:
    """The loops that a task comes to, and the calls that run such a loop in a library."""
    for visit in project.visits(site):
        if visit.frame.function is not None and not visit.frame.function.is_generator:
            yield from ((loop, visit) for loop in endless_loops(project, visit.frame))
    for contact in project.contacts(site):
        if never_returns(project, contact.name, contact.visit.frame.path):
            yield contact.node, contact.visit


def _finding(project: Project, node: Loop | t.Call, visit: Visit) -> Finding:
    what = "This call never returns" if isinstance(node, t.Call) else "This loop never ends"
    cure = (
        "Start it once, in the application's lifespan, and end it there; "
        "or run it as a worker of its own; or give it an end."
    )
    return finding(
        project, "BG302", node, visit.frame, f"{what}, {_what_runs_on(project, visit)}", cure,
        site=visit.site, visit=visit, last="never ends",
    )  # fmt: skip


def _what_runs_on(project: Project, visit: Visit) -> str:
    task, started = project.task_name(visit.site), _started_beside(visit)
    if started:
        return (
            f"and the task `{task}` starts `{started}` beside itself: each request leaves one more running."
        )
    if visit.site.kind == "create_task":
        return f"so `{task}` never ends: each request leaves one more running."
    return (
        f"so the task `{task}` never ends: each request starts one more, and shutdown waits for all of them."
    )


def _started_beside(visit: Visit) -> str:
    """The function that is started with `create_task` on the way, which the task does not wait for; "" for none."""
    below = list(visit.up(visit.site.call))
    for (inner, _), (outer, node) in pairwise(below):
        body = t.walk_function(outer.frame.function) if outer.frame.function is not None else ()
        if _is_started(node, body) and inner.frame.function is not None:
            return short_function(inner.frame.function)
    return ""


def _is_looked_after(project: Project, node: Loop | t.Call, visit: Visit) -> bool:
    """True where a deadline ends the loop; where it runs beside the task, which ends it or lets only one of it run."""
    if any(map(is_async_only, t.walk(node))) and has_deadline(project, visit, node):
        return True
    return _has_own_thread(project, node, visit) or _is_cancelled(visit) or _is_made_once(project, visit)


def _has_own_thread(project: Project, endless: t.Node, visit: Visit) -> bool:
    """True below `Thread(target=...)`: the task itself goes on."""
    calls = ((call, frame) for frame, node in path(visit, endless) for call in _written(frame, node))
    called = (project.evaluate(call.func, frame) for call, frame in calls)
    return any(isinstance(v, Outside) and v.name in OWN_THREADS for values in called for v in values)


def _written(frame: Frame, node: t.Node) -> Iterator[t.Call]:
    """The call as it is written: what `Thread(target=client.loop_forever)` hands on is told as a call of its own."""
    if isinstance(node, t.Call):
        body = t.nodes_of(frame.function, t.Call) if frame.function is not None else ()
        yield from (call for call in body if call.at == node.at)


def _ends_with_its_handler(site: TaskSite) -> bool:
    """True for `create_task` in a WebSocket endpoint, or in a function that cancels a task again."""
    if site.kind != "create_task" or site.function is None:
        return False
    is_websocket = site.role is not None and site.role.kind == "websocket"
    return is_websocket or any(_cancels(node) for node in t.walk_function(site.function))


def _is_cancelled(visit: Visit) -> bool:
    """True below an asyncio task that the function which starts it cancels again."""
    bodies = ((t.walk_function(f.function), node) for f, node in path(visit, visit.site.call) if f.function)
    return any(_is_started(node, body) and any(map(_cancels, body)) for body, node in bodies)


def _is_started(node: t.Node, body: tuple[t.Node, ...]) -> bool:
    starts = [call for call in body if isinstance(call, t.Call) and t.last_name(call.func) in SPAWNERS]
    return node in starts or any(node is argument.value for call in starts for argument in call.arguments)


def _is_made_once(project: Project, visit: Visit) -> bool:
    """True below an asyncio task that is started only where a question finds none: `if self.flusher is None:`."""
    registered = way_to(visit.site) if visit.site.kind == "create_task" else ()
    below = path(visit, visit.site.call)
    hops = [(f, node) for f, node in (*registered, *below) if f.function is not None]
    bodies = [t.walk_function(f.function) if f.function is not None else () for f, _ in hops]
    started = [n for n, (_, node) in enumerate(hops) if _is_started(node, bodies[n])]
    above = range(started[-1] + 1) if started else ()
    return any(_asked(project, *hops[n]) & _kept(bodies[n]) for n in above)


def _asked(project: Project, frame: Frame, node: t.Node) -> set[str]:
    """What the questions on the way to a place are about: around it, or before it where their answer leaves."""
    assert frame.function is not None
    around = [holder for holder, part in project.chain(node, frame.function) if part == "body"]
    before = [holder for holder in frame.function.body if holder.at < node.at and _may_return(holder)]
    questions = [question for holder in (*around, *before) if (question := _question(holder)) is not None]
    return {name for part in t.walk(*questions) if (name := _thing(part))}


def _question(holder: t.Node) -> t.Expr | None:
    """The test of an `if`; what is searched by a loop: `for one in made: if ...: return one`."""
    if isinstance(holder, t.Branch):
        return holder.test
    return holder.iterable if isinstance(holder, t.For) else None


def _may_return(holder: t.Statement) -> bool:
    if isinstance(holder, t.For):
        return any(isinstance(inner, t.Branch) and _may_return(inner) for inner in holder.body)
    return isinstance(holder, t.Branch) and isinstance(holder.body[-1], t.Return)


def _kept(body: tuple[t.Node, ...]) -> set[str]:
    targets = (target for node in body if isinstance(node, t.Assign) for target in node.targets)
    filled = (node.func.value for node in body if isinstance(node, t.Call) and _fills(node.func))
    return {name for place in (*targets, *filled) if (name := _thing(place))}


def _fills(func: t.Expr) -> TypeGuard[t.Attribute]:
    return isinstance(func, t.Attribute) and func.name in ("append", "add", "setdefault")


def _thing(expr: t.Node) -> str:
    """The name of a global or attribute, also where `hasattr` asks for it, or of the dict that it is kept in."""
    if isinstance(expr, t.Subscript):
        return _thing(expr.value)
    if isinstance(expr, t.Constant):
        return expr.value if isinstance(expr.value, str) else ""
    return expr.name if isinstance(expr, t.Attribute) else expr.id if isinstance(expr, t.Name) else ""


def _cancels(node: t.Node) -> bool:
    return isinstance(node, t.Call) and isinstance(node.func, t.Attribute) and node.func.name == "cancel"
