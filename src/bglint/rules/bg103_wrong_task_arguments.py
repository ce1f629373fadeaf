"""BG103: arguments that the task does not take."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.model import Finding, Step
from bglint.project import Project
from bglint.questions.signature import Mismatch, mismatch, resolved
from bglint.questions.told import told
from bglint.questions.written import Given, given, handed, is_plain
from bglint.rule import rule
from bglint.sites import TASKS, TaskSite
from bglint.values import Frame, Func, Instance

_RESERVED = ("func", "self")


@rule("BG103", level="error")
def wrong_task_arguments(project: Project) -> Iterator[Finding]:
    """The task is given arguments that it does not take, and this comes out only after the response.

    ## What it does

    Compares the arguments of `add_task`, `BackgroundTask` and helpers that hand theirs on with what the
    task accepts, through `partial`, methods, classes and objects with `__call__`: an argument is missing,
    there is one too many, the name is unknown (options such as `delay=` or `name=`, which `add_task` does
    not have, are handed to the task), or it is given twice. Also reported: the keywords `func` and
    `self`, which collide with `add_task`'s own, a call that gives no task at all, such as
    `add_task(target=f, args=(x,))` in the manner of `Thread`, and a `Depends(...)`, `Query(...)` or
    `Header(...)` of the task that no argument replaces. Calls with `*args` or `**kwargs` and tasks behind
    decorators that bglint cannot read are left alone.

    ## Why is this bad?

    `add_task` takes anything. The mistake shows as a TypeError when the task is called, after the client
    was told that all is well; the work is not done, and the tasks added after it are dropped. Nothing is
    injected into a task either: a parameter `= Depends(get_settings)` receives the marker object itself,
    and the task fails as soon as it uses it.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def credit(customer: int, points: int, reason: str) -> None:
        logger.info("%d points for %d: %s", points, customer, reason)


    @app.post("/purchase")
    def purchase(customer: int, total: int, tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(credit, customer, total // 10)
        return {"total": total}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def credit(customer: int, points: int, reason: str) -> None:
        logger.info("%d points for %d: %s", points, customer, reason)


    @app.post("/purchase")
    def purchase(customer: int, total: int, tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(credit, customer, total // 10, "purchase")
        return {"total": total}
    ```

    ## Verified by

    The witness sends the request and finds the task's work undone. `BackgroundTask.__call__` in
    starlette/background.py passes on what `add_task` was given; FastAPI resolves dependencies only for
    routes.
    """
    for site in project.sites:
        if site.kind not in ("add_task", "BackgroundTask") or not is_plain(project, site):
            continue
        if _has_no_task(project, site):
            yield _without_task(project, site)
            continue
        arguments = given(project, site)
        reserved = _collision(site, arguments)
        found = None if reserved else _misfit(project, site, arguments)
        if reserved:
            yield _reserved(project, site, arguments, reserved)
        elif found is not None:
            yield _finding(project, site, arguments, found)


def _has_no_task(project: Project, site: TaskSite) -> bool:
    """`add_task()` or `add_task(target=f, args=(x,))`: nothing is given for the parameter `func`."""
    is_sure = site.receiver is None or project.is_a(site.receiver, *TASKS)
    return is_sure and site.handed is None and not site.call.spread


def _without_task(project: Project, site: TaskSite) -> Finding:
    method = _method(site)
    message = f"`{method}` is given no task: the call itself fails with a TypeError, and nothing is added"
    if site.kind == "BackgroundTask":
        message = f"`{method}` is given no task: the call itself fails with a TypeError"
    cure = f"write the function first, and what it takes after it: `{method}(function, argument, name=value)`"
    return told(project, "BG103", site.call, site.frame, message, cure, site=site, trace=())


def _collision(site: TaskSite, arguments: Given) -> str:
    """A keyword that `add_task` takes for itself."""
    first = site.call.arguments[0] if site.call.arguments else None
    by_position = first is not None and first.keyword is None and not first.star
    names = [name for name, _ in arguments.keywords if name in _RESERVED]
    return next((name for name in names if name == "self" or by_position), "")


def _reserved(project: Project, site: TaskSite, arguments: Given, name: str) -> Finding:
    task = project.task_name(site)
    message = f"`{name}=` is a parameter of `{_method(site)}` itself: the call fails, `{task}` is never added"
    cure = f"write `{_method(site)}(partial({task}, {name}=...))`, or rename the parameter of `{task}`"
    return told(project, "BG103", arguments.call, arguments.frame, message, cure, site=site, trace=())


def _method(site: TaskSite) -> str:
    return "add_task" if site.kind == "add_task" else "BackgroundTask"


def _misfit(project: Project, site: TaskSite, arguments: Given) -> Mismatch | None:
    """What does not fit, if nothing that the task may be takes these arguments."""
    if arguments.opaque or not site.targets or _may_be_bound_later(project, site):
        return None
    names = tuple(name for name, _ in arguments.keywords)
    bounds = [resolved(project, value) for value in site.targets]
    found = [
        mismatch(project, bound, len(arguments.positional), names) if bound else None for bound in bounds
    ]
    return found[0] if all(found) else None


def _may_be_bound_later(project: Project, site: TaskSite) -> bool:
    """A function that is an attribute of an object: whether it gets `self` depends on where it was put."""
    if not isinstance(site.handed, t.Attribute):
        return False
    owners = project.evaluate(site.handed.value, site.frame)
    functions = [v for v in site.targets if isinstance(v, Func) and v.bound is None]
    loose = [v for v in functions if not members.has_decorator(v.function, "staticmethod")]
    return bool(loose) and any(isinstance(owner, Instance) for owner in owners)


def _finding(project: Project, site: TaskSite, arguments: Given, found: Mismatch) -> Finding:
    task = project.task_name(site)
    message = (
        f"the task `{task}` {found.problem}: it fails after the response, and the tasks behind it are dropped"
    )
    span = project.program.span(found.place, found.function.source)
    words = (
        f"`{found.function.name}` asks for this" if found.place is not found.function else f"`{task}` is this"
    )
    declared = Step(found.function.source.path, span, words)
    node, frame = _place(project, site, arguments)
    return told(project, "BG103", node, frame, message, found.cure, site=site, trace=(declared,))


def _place(project: Project, site: TaskSite, arguments: Given) -> tuple[t.Node, Frame]:
    """The registration; where a helper adds arguments of its own, the place that chose the task."""
    chosen = handed(project, site)
    if chosen is not None and chosen.frame is not site.frame and arguments.frame is site.frame:
        return chosen.expr, chosen.frame
    return arguments.call, arguments.frame
