"""BG108: a task that is lost because the handler raises."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bglint import tree as t
from bglint.memo import memo
from bglint.model import Finding, Level, Step
from bglint.project import Project, dotted, name_of
from bglint.questions.carried import carries_tasks
from bglint.questions.conditions import exclude_each_other
from bglint.questions.deeds import way_to
from bglint.questions.fallible import raises_always
from bglint.questions.handmade import is_made_by_hand
from bglint.questions.paths import Call, Walker, Way
from bglint.questions.told import told
from bglint.questions.written import is_given
from bglint.rule import rule
from bglint.sites import TaskSite, awaited_there
from bglint.values import Frame


@rule("BG108", level="error")
def dropped_by_exception(project: Project) -> Iterator[Finding]:
    """A task is added and then an exception is raised: the task is lost with the response.

    ## What it does

    Finds `add_task` in a route or dependency after which an exception leaves it: an explicit `raise`, or
    a call of a function that always raises. An error where every way from the add_task ends so, a warning
    where some do. Exceptions that are caught inside the route are fine, and so is a response with an
    error status that is returned.

    ## Why is this bad?

    The tasks travel on the response that the route returns. When it raises, this response is never built;
    the one that the client gets comes from an exception handler, which knows nothing of the tasks. The
    failed log-in that should be recorded, the mail about the rejected payment: exactly the cases that
    matter are missing, without a trace.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, HTTPException

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def journal(user: str, success: bool) -> None:
        logger.info("%s %s", user, success)


    @app.post("/login")
    async def login(user: str, password: str, tasks: BackgroundTasks) -> dict[str, str]:
        if password != user[::-1]:
            tasks.add_task(journal, user, False)
            raise HTTPException(401, "wrong password")
        tasks.add_task(journal, user, True)
        return {"user": user}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from fastapi.responses import JSONResponse

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def journal(user: str, success: bool) -> None:
        logger.info("%s %s", user, success)


    @app.post("/login")
    async def login(user: str, password: str, tasks: BackgroundTasks) -> JSONResponse:
        if password != user[::-1]:
            tasks.add_task(journal, user, False)
            return JSONResponse({"detail": "wrong password"}, status_code=401)
        tasks.add_task(journal, user, True)
        return JSONResponse({"user": user})
    ```

    ## Verified by

    The witness sends a request that takes the raising way and finds the task not run. FastAPI attaches
    the tasks in fastapi/routing.py after the route has returned.
    """
    for site in project.sites:
        if _is_carried_by_the_response(site) and is_given(project, site):
            lost = _lost(project, site)
            if lost is not None:
                yield _finding(project, site, *lost)


def _is_carried_by_the_response(site: TaskSite) -> bool:
    """Added, in a route or dependency or what it calls, to the object that FastAPI injects."""
    if site.kind not in ("add_task", "append") or site.role is None or site.receiver is None:
        return False
    return (
        site.role.kind in ("route", "dependency")
        and not is_made_by_hand(site.receiver)
        and _levels(site)[-1][0].function is site.role.function
        and not _is_apart(site)
    )


def _is_apart(site: TaskSite) -> bool:
    """True where the adding coroutine is given to somebody else to run: what it raises does not come back."""
    levels = _levels(site)
    return any(
        frame.function is not None
        and isinstance(call, t.Call)
        and outer.function is not None
        and frame.function.is_async
        and not awaited_there(call, outer.function)
        for (frame, _), (outer, call) in pairwise(levels)
    )


def _levels(site: TaskSite) -> list[tuple[Frame, t.Node]]:
    """The functions from the one that adds the task up to the handler, each with the place on the way."""
    return list(reversed(way_to(site)))


def _lost(project: Project, site: TaskSite) -> tuple[Level, Way, Frame] | None:
    """How sure it is that the task is lost, and the first raise that loses it."""
    call, first, carried = Call(), None, False
    for frame, place in _levels(site):
        if not call.raises and not _may_raise(project, frame):
            continue
        ways = [way for way in Walker(project, frame, {id(place): call}).ways() if id(place) in way.passed]
        ways = [way for way in ways if not _is_impossible(project, way, place, frame)]
        leaving = [way for way in ways if way.end == "raise"]
        raising = [way for way in leaving if not carries_tasks(project, way, frame)]
        goes_on, carried = len(leaving) < len(ways), carried or len(raising) < len(leaving)
        if not goes_on and not raising:
            return None
        first = _nearest(raising, frame, first)
        raises = tuple((way.node, way.raised) for way in raising if way.node is not None)
        call = Call(goes_on=goes_on, raises=raises)
    if first is None or not call.raises:
        return None
    return ("warning" if call.goes_on or carried else "error"), *first


@memo
def _may_raise(project: Project, frame: Frame) -> bool:
    """Does a function raise anywhere? Where it does not, its ways need not be walked for each of its tasks."""
    nodes = t.nodes_of(frame.function, t.Raise, t.Call) if frame.function is not None else ()
    return any(isinstance(node, t.Raise) or bool(raises_always(project, node, frame)) for node in nodes)


def _is_impossible(project: Project, way: Way, place: t.Node, frame: Frame) -> bool:
    """`if created: tasks.add_task(...)` and then `if not created: raise ...`."""
    return way.end == "raise" and way.node is not None and exclude_each_other(project, place, way.node, frame)


def _nearest(raising: list[Way], frame: Frame, known: tuple[Way, Frame] | None) -> tuple[Way, Frame] | None:
    """The raise that comes first in the source; one further down the calls is nearer to the task."""
    placed = [way for way in raising if way.node is not None]
    if known is not None or not placed:
        return known
    return min(placed, key=lambda way: way.node.at if way.node is not None else 0), frame


def _finding(project: Project, site: TaskSite, level: Level, way: Way, frame: Frame) -> Finding:
    assert way.node is not None
    task, where = project.task_name(site), name_of(frame)
    sure = "then" if level == "error" else "then on some ways"
    message = (
        f"`{where}` adds `{task}` and {sure} raises: the response that carries the task "
        "is never built, the task never runs"
    )
    cure = "do the work before raising, or return a response with the error status: it keeps the tasks"
    does = f"`{where}` raises" if isinstance(way.node, t.Raise) else f"`{_called(way.node)}` always raises"
    raises = Step(frame.path, project.span(way.node, frame), f"{does}, and the task is lost")
    return told(
        project, "BG108", site.call, site.frame, message, cure, level=level, site=site, trace=(raises,)
    )


def _called(node: t.Node) -> str:
    return dotted(node.func) if isinstance(node, t.Call) else "it"
