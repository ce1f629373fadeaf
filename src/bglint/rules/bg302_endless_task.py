"""BG302: loops without an end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeGuard

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, dotted, short_function
from bglint.questions.contacts import is_async_only, path
from bglint.questions.deeds import way_to
from bglint.questions.ended_by_error import ends_by_error
from bglint.questions.timeouts import has_deadline
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.sites import SPAWNERS, TaskSite
from bglint.values import Const, Frame, Outside

OWN_THREADS = ("threading.Thread", "threading.Timer", "multiprocessing.Process")
EXITS = ("sys.exit", "exit", "quit", "os._exit")
_RECEIVING = re.compile(
    r"\.receive_(text|json|bytes)$|(ws|websocket|socket|connection|conn)\.(recv|receive)$"
)
ENDLESS = ("itertools.count", "itertools.cycle")


@rule("BG302", level="warning")
def endless_task(project: Project) -> Iterator[Finding]:
    """A background task never ends: each request starts one more, and shutdown waits for all of them.

    ## What it does
    Finds `while True` (or a loop on another constant) without a reachable `break`, `return` or `raise` in what a
    task runs: consumers, pollers, schedulers. Silent where an `except` around the loop waits for the error that ends
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
        for visit in project.visits(site):
            for loop in _endless_loops(project, visit):
                if loop not in seen and not _is_looked_after(project, loop, visit):
                    seen.add(loop)
                    yield _finding(project, loop, visit)


def _finding(project: Project, loop: t.For | t.While, visit: Visit) -> Finding:
    message = f"This loop never ends, {_what_runs_on(project, visit)}"
    cure = (
        "Start it once, in the application's lifespan, and cancel it there; "
        "or run it as a worker of its own; or give the loop an end."
    )
    return finding(
        project, "BG302", loop, visit.frame, message, cure, site=visit.site, visit=visit, last="never ends"
    )


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


def _endless_loops(project: Project, visit: Visit) -> Iterator[t.For | t.While]:
    function = visit.frame.function
    if function is None or function.is_generator:
        return
    for node in project.nodes_of(visit.frame, t.For, t.While):
        if _repeats(project, node, visit.frame) and not _ends(project, node, visit.frame):
            yield node


def _ends(project: Project, loop: t.For | t.While, frame: Frame) -> bool:
    return _may_leave(loop) or _ends_with_connection(loop) or ends_by_error(project, loop, frame)


def _repeats(project: Project, loop: t.For | t.While, frame: Frame) -> bool:
    if isinstance(loop, t.While):
        values = project.evaluate(loop.test, frame) if isinstance(loop.test, t.Constant) else ()
        return any(isinstance(value, Const) and bool(value.value) for value in values)
    func = loop.iterable.func if isinstance(loop.iterable, t.Call) else None
    called = project.evaluate(func, frame) if func is not None else ()
    return any(isinstance(value, Outside) and value.name in ENDLESS for value in called)


def _may_leave(loop: t.For | t.While) -> bool:
    """True where a `break` of this loop, a `return` or an uncaught `raise` can be reached."""
    return _leaves(loop.body, inside=False, caught=False)


def _ends_with_connection(loop: t.For | t.While) -> bool:
    """True where the loop reads what a peer sends: when that goes, reading raises, and nothing in the loop catches it."""
    return any(
        isinstance(part, t.Await) and _receives(part.value)
        for statement in loop.body
        if not isinstance(statement, t.Guard)
        for part in t.walk(statement)
    )


def _receives(expr: t.Expr) -> bool:
    name = dotted(expr.func) if isinstance(expr, t.Call) else ""
    return bool(_RECEIVING.search(name))


def _leaves(block: t.Block, *, inside: bool, caught: bool) -> bool:
    """`inside`: in a loop of its own, whose `break` is not ours; `caught`: an `except` here takes what is raised."""
    return any(_leaves_by(statement, inside=inside, caught=caught) for statement in block)


def _leaves_by(node: t.Statement, *, inside: bool, caught: bool) -> bool:
    if isinstance(node, t.Return) or _exits(node):
        return True
    if isinstance(node, (t.Break, t.Raise)):
        return not (inside if isinstance(node, t.Break) else caught)
    if isinstance(node, t.Branch):
        return any(_leaves(part, inside=inside, caught=caught) for part in (node.body, node.orelse))
    if isinstance(node, (t.For, t.While)):
        return _leaves(node.body, inside=True, caught=caught) or _leaves(
            node.orelse, inside=inside, caught=caught
        )
    if isinstance(node, t.With):
        return _leaves(node.body, inside=inside, caught=caught)
    if isinstance(node, t.Match):
        return any(_leaves(case.body, inside=inside, caught=caught) for case in node.cases)
    if isinstance(node, t.Guard):
        return _leaves_guard(node, inside=inside, caught=caught)
    return False


def _exits(node: t.Statement) -> bool:
    value = node.value if isinstance(node, t.Evaluate) else None
    return isinstance(value, t.Call) and dotted(value.func) in EXITS


def _leaves_guard(node: t.Guard, *, inside: bool, caught: bool) -> bool:
    tried = _leaves(node.body, inside=inside, caught=caught or bool(node.handlers))
    others = (node.orelse, node.final, *(handler.body for handler in node.handlers))
    return tried or any(_leaves(part, inside=inside, caught=caught) for part in others)


def _is_looked_after(project: Project, loop: t.For | t.While, visit: Visit) -> bool:
    """True where a deadline ends the loop; where it runs beside the task, which ends it or lets only one of it run."""
    if any(map(is_async_only, t.walk(*loop.body))) and has_deadline(project, visit, loop):
        return True
    return _has_own_thread(project, visit) or _is_cancelled(visit) or _is_made_once(project, visit)


def _has_own_thread(project: Project, visit: Visit) -> bool:
    """True below `Thread(target=...)`: the task itself goes on."""
    hops = [(frame, node) for frame, node in path(visit, visit.frame.function or visit.site.call)][:-1]
    called = (project.evaluate(node.func, frame) for frame, node in hops if isinstance(node, t.Call))
    return any(isinstance(v, Outside) and v.name in OWN_THREADS for values in called for v in values)


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
