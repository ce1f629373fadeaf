"""BG701: state that lives in one process."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.excerpts import inside
from bglint.frozen import by_identity
from bglint.memo import memo
from bglint.model import Finding
from bglint.project import Project, short_function
from bglint.questions.deeds import root, way_to
from bglint.questions.global_state import State, flag, reads, sets, written
from bglint.questions.injection import dependencies
from bglint.questions.live_objects import stores_live
from bglint.questions.weight import a_queue
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.sites import Context, Hop, TaskSite
from bglint.steps import Edge
from bglint.values import Frame, Func

DEPTH = 4
_STORE = re.compile(r"(?i)redis|valkey|memcache|etcd|zookeeper")
"""What all workers share, by the names that are given to it."""

_STORAGE = re.compile(
    r"(?i)(^|_)(store|storage|repo|repository|persistence|db|database|session_?(factory|maker))$"
)
_SAVING = re.compile(r"_*(save|persist|dump|write|flush)(_|$)")

_REQUESTS = ("route", "websocket", "dependency")
CURE_STATE = (
    "Keep it where every worker and the next start can read it: the database, Redis, the results of {queue}."
)
CURE_FLAG = (
    "Claim it in the handler, before the answer, in one step that all workers see: a row, a lock in Redis."
)


@by_identity
class Write:
    """A task changes a state that a handler reads."""

    state: State
    visit: Visit
    node: t.Node
    reader: t.Function

    @property
    def length(self) -> int:
        return self.visit.depth + len(self.visit.site.context.hops)


@rule("BG701", level="warning")
def process_local_state(project: Project) -> Iterator[Finding]:
    """What the task writes down exists in one process only.

    ## What it does
    Finds tasks that write to a module-level dict, list, set or global (or to a name of an imported module:
    `state.progress = 10`) which a handler reads, such as the states of jobs, also where `app.state` or an object that
    is made once for the whole server keeps it (`store = JobStore()`, a memoised getter); and handlers that test a flag
    (a module-level name, an attribute of a module-level object, a lock) which only the task sets. It stays silent
    where the handler, or what it calls, claims the flag before it answers, where a function that looks at the state
    looks into Redis or the like, too, and where what is kept are clients and connections.

    ## Why is this bad?
    Two workers have two dicts: the one that is asked for a job does not know it. A restart forgets all of them. And a
    flag that the task sets is set after the response: two quick requests both find it unset, and both start the job.

    ## Example
    ```python
    from uuid import uuid4

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()
    states: dict[str, str] = {}


    def convert(job: str, text: str) -> None:
        states[job] = text.upper()


    @app.post("/jobs", status_code=202)
    def start(text: str, tasks: BackgroundTasks) -> dict[str, str]:
        job = uuid4().hex
        tasks.add_task(convert, job, text)
        return {"job": job}


    @app.get("/jobs/{job}")
    def state(job: str) -> dict[str, str]:
        return {"state": states.get(job, "unknown")}
    ```

    ## Use instead
    ```python
    import logging
    import sqlite3
    from contextlib import closing
    from uuid import uuid4

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def set_state(job: str, state: str) -> None:
        with closing(sqlite3.connect("jobs.db")) as database, database:
            database.execute("insert or replace into jobs values (?, ?)", (job, state))


    def convert(job: str, text: str) -> None:
        try:
            set_state(job, text.upper())
        except sqlite3.Error:
            logger.exception("job %s failed", job)


    @app.post("/jobs", status_code=202)
    def start(text: str, tasks: BackgroundTasks) -> dict[str, str]:
        job = uuid4().hex
        set_state(job, "queued")
        tasks.add_task(convert, job, text)
        return {"job": job}


    @app.get("/jobs/{job}")
    def state(job: str) -> dict[str, str]:
        with closing(sqlite3.connect("jobs.db")) as database:
            row = database.execute("select state from jobs where job = ?", (job,)).fetchone()
        return {"state": row[0] if row else "unknown"}
    ```

    ## Verified by
    The witness compares what the modules of the app hold before the task starts and while it runs.
    """
    flags = tuple(_flags(project))
    tested = {state.key for state, _ in flags}
    yield from (_told_write(project, write) for write in _writes(project) if write.state.key not in tested)
    yield from (found for _, found in flags)


# ------------------------------------------------------------------ containers


def _writes(project: Project) -> Iterator[Write]:
    """One entry for a state and the function that changes it, by the shortest way."""
    found: dict[tuple[object, object], Write] = {}
    readers: dict[object, t.Function | None] = {}
    in_tasks = {visit.frame.function for site in project.sites for visit in project.visits(site)}
    changes = list(_changes(project))
    live = {state.key for state, visit, node in changes if stores_live(project, node, visit.frame)}
    for state, visit, node in (change for change in changes if change[0].key not in live):
        if state.key not in readers:
            readers[state.key] = _reader(project, state, in_tasks)
        reader, key = readers[state.key], (state.key, visit.frame.function)
        if reader is not None and not _is_claimed_flag(project, visit.site, state, node):
            write = Write(state, visit, node, reader)
            if key not in found or write.length < found[key].length:
                found[key] = write
    yield from found.values()


def _changes(project: Project) -> Iterator[tuple[State, Visit, t.Node]]:
    for site in project.sites:
        for visit in project.visits(site):
            if visit.where != "process":
                changes = (*written(project, visit.frame), *_changed_where_kept(project, site, visit.frame))
                yield from ((state, visit, node) for state, node in changes)


def _changed_where_kept(project: Project, site: TaskSite, frame: Frame) -> Iterator[tuple[State, t.Node]]:
    """`run.state = ...` of an object that the handler has put into a container, and hands to the task."""
    kept = _put_away(project, site)
    for node in project.nodes_of(frame, t.Assign) if kept else ():
        targets = (
            x
            for x in node.targets
            if isinstance(x, t.Attribute) and not _is_taken_out(project, x.value, frame)
        )
        for target in targets:
            for value in project.evaluate(target.value, frame):
                if value.birth is not None and value.birth.node in kept:
                    yield kept[value.birth.node], node


def _is_taken_out(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for what `run = RUNS.pop(key)` has taken out: nobody finds it there any more."""
    if not isinstance(expr, t.Name) or frame.function is None:
        return False
    bound = (binding.value for binding in project.scope(frame.function).bindings.get(expr.id, ()))
    return any(isinstance(value, t.Call) and t.last_name(value.func) == "pop" for value in bound)


def _put_away(project: Project, site: TaskSite) -> dict[t.Node, State]:
    """Where the handler keeps what it makes, by the call that makes it: `RUNS[run.id] = run`."""
    found: dict[t.Node, State] = {}
    for frame in site.context.frames:
        for state, node in written(project, frame):
            for value in project.evaluate(node.value, frame) if isinstance(node, t.Assign) else ():
                if value.birth is not None and value.birth.kind == "call":
                    found[value.birth.node] = state
    return found


def _is_claimed_flag(project: Project, site: TaskSite, state: State, node: t.Node) -> bool:
    """True for a flag that the handler, or what leads from it to the registration, has set already."""
    if not isinstance(node, t.Assign) or not isinstance(node.value, t.Constant):
        return False
    if not isinstance(state.key, tuple):
        return False
    return any(_claims(project, f, state) for f in (*site.context.frames, *_provided(project, site)))


def _reader(project: Project, state: State, in_tasks: set[t.Function | None]) -> t.Function | None:
    """A handler, or something that a handler calls, which looks at the state; None where a store has it, too."""
    functions = [
        f for f in project.functions(rf"\b{state.name}\b") if reads(project, state, project.frame(f))
    ]
    if any(_knows_a_store(f) or _is_written_down(f) for f in functions):
        return None
    return next((f for f in functions if _is_of_request(project, state, f, in_tasks)), None)


def _knows_a_store(function: t.Function) -> bool:
    """`if redis: return await redis.get(...)`, and the state of this process where there is none."""
    return any(_STORE.search(t.last_name(node)) for node in t.nodes_of(function, t.Name, t.Attribute))


def _is_written_down(function: t.Function) -> bool:
    """A method that saves the state, or knows what its object writes it to: `self.repository`."""
    kept = (n.name for n in t.nodes_of(function, t.Attribute) if t.last_name(n.value) == "self")
    return bool(function.owner) and (bool(_SAVING.match(function.name)) or any(map(_STORAGE.search, kept)))


def _is_of_request(
    project: Project, state: State, function: t.Function, in_tasks: set[t.Function | None]
) -> bool:
    """True for a handler, and for what a handler calls: a task calls it, too, only where it does nothing but look."""
    own = project.role(function)
    if own is not None:
        return own.kind in _REQUESTS
    asked = bool(function.owner) and _is_asked_by_a_handler(project, function)
    if function in in_tasks:
        return asked and _only_looks(project, state, function)
    ways = (context for context in project.contexts(function) if _is_waited_for(context))
    return asked or any(way.role is not None and way.role.kind in _REQUESTS for way in ways)


def _is_waited_for(context: Context) -> bool:
    """False where the handler starts what it calls, and does not wait: `create_task(run())`."""
    called = (*(hop.frame.function for hop in context.hops[1:]), context.frame.function)
    return all(
        function is None or not function.is_async or _awaits(hop)
        for hop, function in zip(context.hops, called, strict=False)
    )


def _awaits(hop: Hop) -> bool:
    waits = t.nodes_of(hop.frame.function, t.Await) if hop.frame.function is not None else ()
    return not isinstance(hop.node, t.Call) or any(wait.value is hop.node for wait in waits)


def _only_looks(project: Project, state: State, function: t.Function) -> bool:
    """True for a method that reads a container of its object, and changes nothing in it."""
    if isinstance(state.key, tuple) or _deletes(function, state.name):
        return False
    frame = project.frame(function)
    frames = (frame, *inside(project.names, frame))
    return all(each != state for frame in frames for each, _ in written(project, frame))


def _deletes(function: t.Function, name: str) -> bool:
    """`del self.jobs[key]`"""
    gone = (target for node in t.nodes_of(function, t.Delete) for target in node.targets)
    return any(isinstance(target, t.Subscript) and t.last_name(target.value) == name for target in gone)


@memo
def _is_asked_by_a_handler(project: Project, method: t.Function) -> bool:
    """True for a method of an object that modules hand around: they need not name its class."""
    for handler in project.functions(rf"\.{method.name}\b", handlers=True):
        role = project.role(handler)
        if role is not None and role.kind in _REQUESTS:
            waited = (n.value for n in t.nodes_of(handler, t.Await))
            calls = waited if method.is_async else t.nodes_of(handler, t.Call)
            called = (n.func for n in calls if isinstance(n, t.Call) and t.last_name(n.func) == method.name)
            values = (v for func in called for v in project.evaluate(func, project.frame(handler)))
            if any(isinstance(value, Func) and value.function is method for value in values):
                return True
    return False


def _told_write(project: Project, write: Write) -> Finding:
    message = (
        f"The task `{project.task_name(write.visit.site)}` writes to `{write.state.name}`, which "
        f"`{short_function(write.reader)}` reads: it lives in this process only, another worker does not see it "
        "and a restart forgets it."
    )
    return finding(
        project, "BG701", write.node, write.visit.frame, message,
        CURE_STATE.format(queue=a_queue(project, write.visit.frame)),
        site=write.visit.site, visit=write.visit, last=f"writes to `{write.state.name}`",
    )  # fmt: skip


# ----------------------------------------------------------------------- flags


def _flags(project: Project) -> Iterator[tuple[State, Finding]]:
    told: set[t.Node] = set()
    for site in project.sites:
        for frame, branch, state in _tested(project, site):
            setting = _setting(project, site, state)
            if branch not in told and setting is not None and not _is_claimed(project, site, frame, state):
                told.add(branch)
                yield state, _told_flag(project, site, frame, branch, state, *setting)


def _is_claimed(project: Project, site: TaskSite, frame: Frame, state: State) -> bool:
    return any(_claims(project, each, state) for each in (frame, root(site), *_provided(project, site)))


def _tested(project: Project, site: TaskSite) -> Iterator[tuple[Frame, t.Branch, State]]:
    """The flags that the handler, or what leads from it to the registration, tests before it registers."""
    for frame, until in way_to(site) if site.role is not None else ():
        for node in _branches(project, frame):
            if node.at < until.at and _decides(project, node, until, frame):
                yield from ((frame, node, state) for state in _named(project, node.test, frame))
    for frame in _guards(project, site) if site.role is not None else ():
        for node in _branches(project, frame):
            if any(isinstance(last, t.Raise) for last in node.body) and not _asks_for_more(node.test):
                yield from ((frame, node, state) for state in _named(project, node.test, frame))


def _asks_for_more(test: t.Expr) -> bool:
    """`if store is None: raise`: refused is what comes too early, not what comes twice."""
    return any(isinstance(part, t.Operation) and part.kind in ("not", "is", "==") for part in t.walk(test))


def _guards(project: Project, site: TaskSite) -> Iterator[Frame]:
    """What may refuse a request before the task is registered: dependencies of the handler, and what it calls."""
    yield from _provided(project, site)
    for frame, until in way_to(site):
        edges = (step for step in project.steps(frame)[0] if isinstance(step, Edge))
        yield from (edge.target for edge in edges if edge.node.at < until.at)


def _provided(project: Project, site: TaskSite) -> Iterator[Frame]:
    handler = root(site).function
    yield from map(project.frame, dependencies(project, handler) if handler is not None else ())


@memo
def _branches(project: Project, frame: Frame) -> tuple[t.Branch, ...]:
    return project.nodes_of(frame, t.Branch)


def _decides(project: Project, branch: t.Branch, until: t.Node, frame: Frame) -> bool:
    """True where the registration stands in the branch, or the branch leaves the function."""
    assert frame.function is not None
    if any(around is branch for around, _ in project.chain(until, frame.function)):
        return True
    return any(isinstance(node, t.Raise | t.Return) for node in branch.body)


def _named(project: Project, test: t.Expr, frame: Frame) -> Iterator[State]:
    for part in t.walk(test):
        state = flag(project, part, frame) if isinstance(part, t.Name | t.Attribute | t.Call) else None
        if state is not None:
            yield state


def _setting(project: Project, site: TaskSite, state: State) -> tuple[Visit, t.Node] | None:
    """Where the task sets the flag."""
    for visit in project.visits(site):
        for other, node in sets(project, visit.frame, state.name):
            if other.key == state.key:
                return visit, node
    return None


@memo
def _claims(project: Project, frame: Frame, state: State, depth: int = DEPTH) -> bool:
    """True where the handler, or what it calls, sets the flag itself."""
    if sets(project, frame, state.name) or _assigns(frame, state):
        return True
    edges = (step for step in project.steps(frame)[0] if isinstance(step, Edge))
    return bool(depth) and any(_claims(project, edge.target, state, depth - 1) for edge in edges)


def _assigns(frame: Frame, state: State) -> bool:
    """A method that sets the attribute of its own object."""
    assigns = t.nodes_of(frame.function, t.Assign) if frame.function is not None else ()
    targets = (target for node in assigns for target in node.targets)
    return any(isinstance(target, t.Attribute) and target.name == state.name for target in targets)


def _told_flag(
    project: Project,
    site: TaskSite,
    frame: Frame,
    branch: t.Branch,
    state: State,
    visit: Visit,
    node: t.Node,
) -> Finding:
    sets_it = (
        "sets" if isinstance(node, t.Assign) or t.last_name(getattr(node, "func", None)) == "set" else "takes"
    )
    message = (
        f"`{state.name}` is tested here, but only the task `{project.task_name(site)}` {sets_it} it, after the answer: "
        "two requests both pass, and another worker never sees it."
    )
    setting = project.step(node, visit.frame, f"{sets_it} `{state.name}`, when the answer is out")
    steps = (*project.trace(site, visit), setting)
    return finding(
        project,
        "BG701",
        branch.test,
        frame,
        message,
        CURE_FLAG,
        site=site,
        trace=steps,
        last=f"tests `{state.name}`",
    )
