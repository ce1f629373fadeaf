"""BG106: tasks that no response carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from bglint import tree as t
from bglint.model import Finding, Step
from bglint.project import Project, dotted, name_of
from bglint.questions.handmade import Shared, Use, is_made_by_hand, is_mentioned_inside, shared, uses_in
from bglint.questions.kept_on_self import Kept, kept_on_self, uses
from bglint.questions.left_out import LeftOut, left_out
from bglint.questions.nowhere import leads_nowhere
from bglint.questions.parents import parent
from bglint.questions.told import told
from bglint.questions.written import is_plain
from bglint.rule import rule
from bglint.scope import Binding
from bglint.sites import TaskSite
from bglint.values import Frame

_CURE = "take `{name}: BackgroundTasks` as a parameter of the route and hand it down, or give it to a response: `background={name}`"


@rule("BG106", level="error")
def unattached_tasks(project: Project) -> Iterator[Finding]:
    """Tasks are added to an object that no response carries, so they never run.

    ## What it does

    Finds a `BackgroundTasks()` or `BackgroundTask(f)` made by hand that is never given to a response,
    returned, stored, passed on or awaited; to compare or to log it is none of these, nor is an attribute of
    a response that is not `background`, nor a place beside the body in what a route returns. Finds functions
    with `tasks: BackgroundTasks = None` or `= BackgroundTasks()` that the project itself calls, or registers
    as a task, without it: helpers, routes and dependencies that others call, and constructors of objects that
    keep it. Code that skips the work when it has no tasks (`if tasks:`) is a warning; code that does the work
    itself in that case is fine.

    ## Why is this bad?

    Tasks run because a response carries them: FastAPI attaches the object that it injects, nothing else.
    An object of your own collects its tasks and is forgotten when the function ends, without an
    exception, a warning or a log line. FastAPI injects only where it makes the call, so a helper or another
    route that you call yourself gets its default: None, or one shared object that nobody runs.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def notify_team(ticket: int) -> None:
        logger.info("team knows about %d", ticket)


    @app.post("/tickets")
    def open_ticket(subject: str) -> dict[str, int]:
        tasks = BackgroundTasks()
        tasks.add_task(notify_team, len(subject))
        return {"id": len(subject)}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def notify_team(ticket: int) -> None:
        logger.info("team knows about %d", ticket)


    @app.post("/tickets")
    def open_ticket(subject: str, tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(notify_team, len(subject))
        return {"id": len(subject)}
    ```

    ## Verified by

    The witness sends the request and finds the work undone. Tasks start in `Response.__call__` of
    starlette/responses.py, from its own `background`.
    """
    seen: set[t.Node] = set()
    for site in filter(partial(is_plain, project), project.sites):
        call = _construction(site)
        if call is not None and call not in seen:
            seen.add(call)
            yield from _forgotten(project, site, call)
        elif (own := kept_on_self(project, site)) is not None and own.call not in seen:
            seen.add(own.call)
            yield from _forgotten_on_self(project, site, own)
        elif site.kind == "BackgroundTask" and site.call not in seen:
            seen.add(site.call)
            yield from _single(project, site)
    yield from (_without(project, left) for left in left_out(project))
    for kept in shared(project):
        if kept.having("adds") and not kept.having("runs") and not kept.having("escapes"):
            yield _kept(project, kept)


# ------------------------------------------------------- tasks = BackgroundTasks()


def _construction(site: TaskSite) -> t.Call | None:
    """The `BackgroundTasks()` that a task is added to, if the same function makes it."""
    if site.kind not in ("add_task", "append") or site.receiver is None or not is_made_by_hand(site.receiver):
        return None
    birth = site.receiver.birth
    if birth is None or birth.frame.function is not site.function or not isinstance(birth.node, t.Call):
        return None
    return birth.node


def _forgotten(project: Project, site: TaskSite, call: t.Call) -> Iterator[Finding]:
    function = site.function
    assert function is not None
    name = _name(call, function)
    if name is None:
        if _is_chained(call, function):
            what = "this object"
            yield _report(project, site, what, (_made(project, call, site.frame, what),))
        return
    if function.parameter(name) is not None or not _is_made_or_none(project, site, function, name):
        return
    lost = _lost(project, _uses(site, function, name))
    if lost is not None:
        what = f"`{name}`"
        yield _report(project, site, what, (_made(project, call, site.frame, what), *lost))


def _lost(project: Project, uses: Iterable[Use]) -> tuple[Step, ...] | None:
    """None where something may run the object; else the hand-overs that reach nobody."""
    found: list[Step] = []
    for use in uses:
        nowhere = leads_nowhere(project, use) if use.fate == "escapes" else None
        if use.fate == "runs" or (use.fate == "escapes" and nowhere is None):
            return None
        found += [nowhere.step(project)] if nowhere is not None else []
    return tuple(found)


def _forgotten_on_self(project: Project, site: TaskSite, kept: Kept) -> Iterator[Finding]:
    fates = {use.fate for use in uses(project, kept)}
    if "adds" not in fates or fates & {"runs", "escapes"}:
        return
    what, owner = f"`{dotted(site.call.func).rpartition('.')[0]}`", kept.owner
    when = f"where `{owner}` is built without tasks, " if kept.is_spare else ""
    built = [project.step(*place, f"`{owner}` is built without tasks") for place in kept.built]
    maker = name_of(kept.frame) if kept.method is not None else owner
    span = project.program.span(kept.call, kept.source)
    made = Step(kept.source.path, span, f"`{maker}` makes {what} itself")
    yield _report(project, site, what, (*built, made), when)


def _is_made_or_none(project: Project, site: TaskSite, function: t.Function, name: str) -> bool:
    """True for a name that never stands for anything but None and objects that this function makes."""
    bindings = project.scope(function).bindings.get(name, ())
    every = [part for binding in bindings for part in _branches(binding)]
    return all(_is_none(part) or _is_object(project, part, site.frame) for part in every)


def _branches(binding: Binding) -> tuple[t.Expr | None, ...]:
    """What a plain assignment gives to its one name; None among them for any other binding."""
    node = binding.node
    if not isinstance(node, t.Assign) or len(node.targets) != 1 or binding.steps:
        return (None,)
    return (node.value.body, node.value.orelse) if isinstance(node.value, t.Conditional) else (node.value,)


def _is_none(part: t.Expr | None) -> bool:
    return isinstance(part, t.Constant) and part.value is None


def _is_object(project: Project, part: t.Expr | None, frame: Frame) -> bool:
    return isinstance(part, t.Call) and project.tasks_object(part, frame) is not None


def _name(call: t.Call, function: t.Function) -> str | None:
    """The local name that is given to the object, and nothing else."""
    above = parent(call, function)
    if isinstance(above, t.Conditional):
        above = parent(above, function)
    if isinstance(above, t.Assign) and len(above.targets) == 1 and isinstance(above.targets[0], t.Name):
        return above.targets[0].id
    return None


def _is_chained(call: t.Call, function: t.Function) -> bool:
    """`BackgroundTasks().add_task(...)`."""
    return isinstance(parent(call, function), t.Attribute)


def _uses(site: TaskSite, function: t.Function, name: str) -> Iterator[Use]:
    """What the function does with the object; whatever a nested function or class does with it is an escape."""
    mentions = {
        id(node)
        for node in t.nodes_of(function, t.Name)
        if node.id == name and not _is_target(node, function)
    }
    yield from uses_in(function, site.frame, mentions)
    if is_mentioned_inside(function, {name}):
        yield Use("escapes", function, site.frame)


def _is_target(node: t.Name, function: t.Function) -> bool:
    above = parent(node, function)
    return isinstance(above, t.Assign) and node in above.targets


def _report(project: Project, site: TaskSite, what: str, steps: tuple[Step, ...], when: str = "") -> Finding:
    name = what.strip("`").rpartition(".")[2].lstrip("_") if what.startswith("`") else "tasks"
    message = (
        f"{when}{what} is made by hand and no response ever gets it: `{project.task_name(site)}` never runs"
    )
    cure = _CURE.format(name=name)
    return told(project, "BG106", site.call, site.frame, message, cure, site=site, trace=steps)


def _made(project: Project, call: t.Call, maker: Frame, what: str) -> Step:
    return project.step(call, maker, f"`{name_of(maker)}` makes {what} itself")


# ------------------------------------------------------------- BackgroundTask(f)


def _single(project: Project, site: TaskSite) -> Iterator[Finding]:
    """A `BackgroundTask(f)` that stands alone, or that nobody gets who could run it."""
    function = site.function
    assert function is not None
    name = _name(site.call, function)
    if name is not None and _is_outer(function, name):
        return
    here = uses_in(function, site.frame, {id(site.call)}) if name is None else _uses(site, function, name)
    lost = _lost(project, here)
    if lost is not None:
        reason = f"{lost[0].message}, so " if lost else ""
        message = (
            f"{reason}this `BackgroundTask` is given to no response: `{project.task_name(site)}` never runs"
        )
        cure = "take a `tasks: BackgroundTasks` parameter and write `tasks.add_task(...)`, or write `background=` of a response"
        yield told(project, "BG106", site.call, site.frame, message, cure, site=site, trace=lost)


def _is_outer(function: t.Function, name: str) -> bool:
    """True for a name that is declared global or nonlocal."""
    return any(isinstance(node, t.Declare) and name in node.names for node in t.walk_function(function))


# --------------------------------------------------- helper(tasks=None), called without


def _without(project: Project, left: LeftOut) -> Finding:
    site, name = left.site, left.name
    task, helper = project.task_name(site), left.owner or name_of(site.frame)
    how = "builds" if left.owner else "runs"
    calls = project.step(left.node, left.frame, f"`{name_of(left.frame)}` {how} `{helper}` without `{name}`")
    message = (
        f"{_PAST[how]} without `{name}`, `{helper}` {left.what}: `{task}` never runs, "
        "FastAPI injects only where it makes the call itself"
    )
    taker = "the route or dependency" if left.owner else "the route"
    cure = f"take `{name}: BackgroundTasks` as a parameter of {taker} and hand it to `{helper}`"
    return told(
        project, "BG106", site.call, site.frame, message, cure, level=left.level, site=site, trace=(calls,)
    )


_PAST = {"builds": "built", "runs": "run"}


# ------------------------------------------------------- kept by module or class


def _kept(project: Project, kept: Shared) -> Finding:
    use = kept.having("adds")[0]
    span = project.program.span(kept.call, kept.source)
    made = Step(kept.source.path, span, f"`{kept.name}` is made here, once for all requests")
    message = f"`{kept.name}` belongs to the module and no response ever gets it: its tasks never run"
    return told(project, "BG106", use.node, use.frame, message, _CURE.format(name=kept.name), trace=(made,))
