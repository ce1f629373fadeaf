"""BG107: tasks that the response's own background replaces."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding, Step
from bglint.project import Project, name_of
from bglint.questions.conditions import exclude_each_other
from bglint.questions.deeds import way_to
from bglint.questions.handmade import is_made_by_hand
from bglint.questions.injection import dependencies
from bglint.questions.own_background import Own, own_backgrounds
from bglint.questions.paths import Call, Walker, Way
from bglint.questions.responses import backgrounds
from bglint.questions.told import told
from bglint.questions.written import Written, is_given, traced
from bglint.rule import rule
from bglint.sites import TaskSite
from bglint.values import Frame


@rule("BG107", level="error")
def replaced_by_response_background(project: Project) -> Iterator[Finding]:
    """The returned response has a `background` of its own, and the tasks added before are thrown away.

    ## What it does

    Finds routes in which tasks were added to the injected BackgroundTasks, by the route itself or by a
    dependency of the route, its router or the app, and which then return a response that has its own
    `background=`, from the route, a helper or the response's class. Passing the injected object itself
    as `background=` is fine, and so is a response without any, or whose background runs the injected
    tasks as well: `BackgroundTasks([*tasks.tasks, BackgroundTask(...)])`.

    ## Why is this bad?

    FastAPI attaches the injected tasks to the response only if the response has no background yet. If it
    has, even an empty `BackgroundTasks()`, the injected tasks are dropped without a word.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from fastapi.responses import JSONResponse
    from starlette.background import BackgroundTask

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def count_download(name: str) -> None:
        logger.info("%s counted", name)


    def remove(name: str) -> None:
        logger.info("%s removed", name)


    @app.get("/exports")
    def download(name: str, background_tasks: BackgroundTasks) -> JSONResponse:
        background_tasks.add_task(count_download, name)
        return JSONResponse({"name": name}, background=BackgroundTask(remove, name))
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from fastapi.responses import JSONResponse

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def count_download(name: str) -> None:
        logger.info("%s counted", name)


    def remove(name: str) -> None:
        logger.info("%s removed", name)


    @app.get("/exports")
    def download(name: str, background_tasks: BackgroundTasks) -> JSONResponse:
        background_tasks.add_task(count_download, name)
        background_tasks.add_task(remove, name)
        return JSONResponse({"name": name})
    ```

    ## Verified by

    The witness sends the request: the response's own task runs, the injected one does not. The line is
    `if raw_response.background is None` in fastapi/routing.py.
    """
    for route in _routes(project):
        for own in own_backgrounds(project, route):
            lost = _lost(project, route, own)
            if lost is not None:
                yield _finding(project, route, own, lost)


def _routes(project: Project) -> dict[t.Function, None]:
    """The routes that add tasks, and those in which, or below which, a response gets a background."""
    builders = dict.fromkeys(background.frame.function for background in backgrounds(project))
    roles = [site.role for site in project.sites if _is_injected(project, site)]
    roles += [context.role for f in builders if f is not None for context in project.contexts(f)]
    return dict.fromkeys(role.function for role in roles if role is not None and role.kind == "route")


# ------------------------------------------------------------------------- tasks


def _lost(project: Project, route: t.Function, own: Own) -> TaskSite | None:
    """A task that is added on the way to the return, or before the route by one of its dependencies."""
    frame = project.frame(route)
    ways = [
        way for way in _ways(project, route, frame, own) if way.end == "return" and way.node is own.leaves
    ]
    ways = [way for way in ways if own.set_at is None or id(own.set_at) in way.passed]
    ways = [way for way in ways if not own.made or any(id(node) in way.passed for node in own.made)]
    if not ways:
        return None
    for site in _sites_of(project, route):
        passed = any(id(_place(site)) in way.passed for way in ways)
        if passed and not _excluded(project, site, own, frame) and _comes_to(project, site, own):
            return site
    return _by_dependency(project, route)


def _excluded(project: Project, site: TaskSite, own: Own, frame: Frame) -> bool:
    """`if keep: tasks.add_task(...)` and `background=BackgroundTask(...) if not keep else None`."""
    others = [exclude_each_other(project, _place(site), node, frame) for node in own.made]
    return bool(others) and all(others)


def _comes_to(project: Project, site: TaskSite, own: Own) -> bool:
    """Is a task that is added in the helper which builds the response added on the way to it?"""
    for frame, place in way_to(site):
        if frame.function is own.frame.function:
            both = {id(place), id(own.node)}
            ways = Walker(project, frame, {node: Call() for node in both}).ways()
            return any(both <= way.passed for way in ways)
    return True


def _ways(project: Project, route: t.Function, frame: Frame, own: Own) -> set[Way]:
    places = {id(_place(site)): Call() for site in _sites_of(project, route)}
    places |= {id(node): Call() for node in (own.set_at, *own.made) if node is not None}
    return Walker(project, frame, places).ways()


def _sites_of(project: Project, function: t.Function) -> list[TaskSite]:
    """The tasks that a route or dependency adds to the injected object, itself or further down."""
    return [
        site
        for site in project.sites
        if site.role is not None
        and site.role.function is function
        and _is_injected(project, site)
        and is_given(project, site)
        and _stands_in(site, function)
    ]


def _is_injected(project: Project, site: TaskSite) -> bool:
    func = site.call.func
    if site.receiver is None or is_made_by_hand(site.receiver) or not isinstance(func, t.Attribute):
        return False
    holder = func.value.value if site.kind == "append" and isinstance(func.value, t.Attribute) else func.value
    origin = traced(project, Written(holder, site.frame, site.context.hops))
    return not any(map(is_made_by_hand, project.evaluate(origin.expr, origin.frame)))


def _stands_in(site: TaskSite, function: t.Function) -> bool:
    return _frame(site).function is function


def _frame(site: TaskSite) -> Frame:
    return site.context.hops[0].frame if site.context.hops else site.frame


def _place(site: TaskSite) -> t.Node:
    """Where the way to the registration leaves the route."""
    return site.context.hops[0].node if site.context.hops else site.call


def _by_dependency(project: Project, route: t.Function) -> TaskSite | None:
    adding = [site for site in project.sites if site.role is not None and site.role.kind == "dependency"]
    if not adding:
        return None
    known = dependencies(project, route)
    served = (s for s in adding if s.role is not None and s.role.function in known)
    return next((site for site in served if _is_injected(project, site)), None)


# ----------------------------------------------------------------------- telling


def _finding(project: Project, route: t.Function, own: Own, site: TaskSite) -> Finding:
    added = Step(
        site.frame.path,
        project.span(site.call, site.frame),
        f"`{name_of(site.frame)}` adds `{project.task_name(site)}` to the injected tasks",
    )
    task = project.task_name(site)
    message = (
        f"the returned response may have a background of its own, and FastAPI then drops the injected tasks: "
        f"`{task}` does not run"
        if own.doubtful
        else f"the returned response has a background of its own, so FastAPI drops the injected tasks: "
        f"`{task}` never runs"
    )
    cure = (
        "build the response without a background and add its work to the injected tasks as well, "
        "or give it the injected object itself"
    )
    trace = (added, *_returned(project, route, own))
    return told(project, "BG107", own.place, own.where, message, cure, site=site, trace=trace)


def _returned(project: Project, route: t.Function, own: Own) -> Iterator[Step]:
    """The `return` of the route, where the response is built elsewhere."""
    if own.where.function is not route:
        span = project.span(own.leaves, project.frame(route))
        yield Step(route.source.path, span, f"`{route.name}` returns the response that is built elsewhere")
