"""BG107: tasks that the response's own background replaces."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.model import Finding, Step
from bglint.project import Project, name_of
from bglint.rule import rule
from bglint.rules._deeds import way_to
from bglint.rules._handmade import is_made_by_hand
from bglint.rules._injection import dependencies
from bglint.rules._paths import Call, Walker, Way
from bglint.rules._responses import backgrounds, is_response
from bglint.rules._told import told
from bglint.rules._written import is_given
from bglint.sites import TASK, TASKS, TaskSite
from bglint.values import Cls, Frame, Func, Value


@rule("BG107", level="error")
def replaced_by_response_background(project: Project) -> Iterator[Finding]:
    """The returned response has a `background` of its own, and the tasks added before are thrown away.

    ## What it does

    Finds routes in which tasks were added to the injected BackgroundTasks, by the route itself or by a
    dependency of the route, its router or the app, and which then return a response that has its own
    `background=`. Passing the injected object itself as `background=` is fine, and so is a response
    without any.

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
        for own in _own_backgrounds(project, route):
            lost = _lost(project, route, own)
            if lost is not None:
                yield _finding(project, own, lost)


@by_identity
class Own:
    """A background of its own that a route returns: where it stands, and the return that carries it.

    `needed` are further nodes that must be passed on the way, such as a `response.background = ...`.
    """

    node: t.Node
    frame: Frame
    leaves: t.Return
    needed: tuple[t.Node, ...] = ()


# ----------------------------------------------------------------------- routes


def _routes(project: Project) -> Iterator[t.Function]:
    """The routes in which, or below which, a response gets a background."""
    seen: set[t.Function] = set()
    builders = dict.fromkeys(background.frame.function for background in backgrounds(project))
    for function in builders:
        for context in project.contexts(function) if function is not None else ():
            role = context.role
            if role is not None and role.kind == "route" and role.function not in seen:
                seen.add(role.function)
                yield role.function


def _own_backgrounds(project: Project, route: t.Function) -> Iterator[Own]:
    """What the returned responses are built with, or are given before they are returned."""
    frame = project.frame(route)
    for node in t.nodes_of(route, t.Return):
        if node.value is not None:
            for value in project.evaluate(node.value, frame):
                if is_response(project, value):
                    yield from _built_with(project, value, node)
                    yield from _set_before(project, node, route, frame)


def _built_with(project: Project, value: Value, leaves: t.Return) -> Iterator[Own]:
    birth = value.birth
    call = birth.node if birth is not None and birth.kind == "call" else None
    given = call.keyword("background") if isinstance(call, t.Call) else None
    if birth is not None and given is not None and _is_own(project, given, birth.frame):
        yield Own(given, birth.frame, leaves)


def _set_before(project: Project, leaves: t.Return, route: t.Function, frame: Frame) -> Iterator[Own]:
    """`response.background = ...` on the name that is returned."""
    if not isinstance(leaves.value, t.Name):
        return
    for node in t.walk_function(route):
        target = node.targets[0] if isinstance(node, t.Assign) and len(node.targets) == 1 else None
        if (
            not isinstance(node, t.Assign)
            or not isinstance(target, t.Attribute)
            or target.name != "background"
        ):
            continue
        same = isinstance(target.value, t.Name) and target.value.id == leaves.value.id
        if same and node.value is not None and _is_own(project, node.value, frame):
            yield Own(node, frame, leaves, (node,))


def _is_own(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for a BackgroundTask, a hand-made BackgroundTasks or an async function; never for the injected object."""
    values = project.evaluate(expr, frame)
    return bool(values) and all(_is_own_value(project, value) for value in values)


def _is_own_value(project: Project, value: Value) -> bool:
    if isinstance(value, Func):
        return project.runs_on_loop(value)
    if isinstance(value, Cls) or not project.is_a(value, *TASK, *TASKS):
        return False
    return not project.is_a(value, *TASKS) or is_made_by_hand(value)


# ------------------------------------------------------------------------- tasks


def _lost(project: Project, route: t.Function, own: Own) -> TaskSite | None:
    """A task that is added on the way to the return, or before the route by one of its dependencies."""
    frame = project.frame(route)
    ways = [
        way for way in _ways(project, route, frame, own) if way.end == "return" and way.node is own.leaves
    ]
    ways = [way for way in ways if all(id(node) in way.passed for node in own.needed)]
    if not ways:
        return None
    for site in _sites_of(project, route):
        if any(id(_place(site)) in way.passed for way in ways) and _comes_to(project, site, own):
            return site
    return _by_dependency(project, route)


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
    places |= {id(node): Call() for node in own.needed}
    return Walker(project, frame, places).ways()


def _sites_of(project: Project, function: t.Function) -> list[TaskSite]:
    """The tasks that a route or dependency adds to the injected object, itself or further down."""
    return [
        site
        for site in project.sites
        if site.role is not None
        and site.role.function is function
        and _is_injected(site)
        and is_given(project, site)
        and _stands_in(site, function)
    ]


def _is_injected(site: TaskSite) -> bool:
    return (
        site.kind in ("add_task", "append")
        and site.receiver is not None
        and not is_made_by_hand(site.receiver)
    )


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
    return next(
        (s for s in adding if _is_injected(s) and s.role is not None and s.role.function in known), None
    )


# ----------------------------------------------------------------------- telling


def _finding(project: Project, own: Own, site: TaskSite) -> Finding:
    added = Step(
        site.frame.path,
        project.span(site.call, site.frame),
        f"`{name_of(site.frame)}` adds `{project.task_name(site)}` to the injected tasks",
    )
    message = (
        f"the returned response has a background of its own, so FastAPI drops the injected tasks: "
        f"`{project.task_name(site)}` never runs"
    )
    cure = "leave `background=` out and add its work to the injected tasks as well, or pass the injected object itself"
    return told(project, "BG107", own.node, own.frame, message, cure, site=site, trace=(added,))
