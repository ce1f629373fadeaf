"""BG109: tasks where no response will run them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.model import Finding, Level, Step
from bglint.project import Project, name_of
from bglint.questions.handmade import is_made_by_hand
from bglint.questions.injection import dependencies, is_registered, meaning, outer
from bglint.questions.parents import parent
from bglint.questions.told import told
from bglint.questions.written import is_given
from bglint.roles import Role, RoleKind
from bglint.rule import rule
from bglint.scope import scope
from bglint.sites import Hop, TaskSite, awaited_there

_WORDS = {
    "exception handler": "add_exception_handler|exception_handlers",
    "middleware": "add_middleware|middleware|dispatch",
    "startup": "lifespan|add_event_handler|on_startup|on_shutdown",
    "starlette route": "add_route|Route",
}
_KEYWORDS: dict[RoleKind, str] = {
    "exception handler": "exception_handlers",
    "startup": "on_startup|on_shutdown",
}
_PLACES = {
    "exception handler": "an exception handler",
    "middleware": "a middleware",
    "startup": "a startup function",
    "starlette route": "a plain Starlette endpoint",
}


@rule("BG109", level="error")
def no_response_to_follow(project: Project) -> Iterator[Finding]:
    """Tasks are asked for where no response will run them.

    ## What it does

    Finds tasks that are added in a websocket endpoint or its dependencies, in a function that FastAPI
    does not inject into (exception handlers, middleware, lifespan and startup functions, endpoints of
    `add_route`), in a coroutine that was started with `create_task`, and after the `yield` of a
    dependency (an error up to FastAPI 0.105 and from 0.118, fine in between and with `scope="function"`,
    a warning where the version is not known).

    ## Why is this bad?

    Tasks start after a response has been sent, and only those that it carries. A websocket has no
    response, so its tasks are accepted and never run. Exception handlers, middleware and startup
    functions are called without a BackgroundTasks: the parameter either breaks the call or stays at its
    default, which nobody runs. A coroutine started with `create_task`, and in most versions the part of a
    dependency after its `yield`, run when the response's tasks have been taken already.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, WebSocket

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def keep_history(board: str, move: str) -> None:
        logger.info("%s on %s", move, board)


    @app.websocket("/boards/{board}")
    async def play(websocket: WebSocket, board: str, tasks: BackgroundTasks) -> None:
        await websocket.accept()
        tasks.add_task(keep_history, board, "joined")
        await websocket.close()
    ```

    ## Use instead

    ```python
    import asyncio
    import logging

    from fastapi import FastAPI, WebSocket

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def keep_history(board: str, move: str) -> None:
        logger.info("%s on %s", move, board)


    @app.websocket("/boards/{board}")
    async def play(websocket: WebSocket, board: str) -> None:
        await websocket.accept()
        await asyncio.to_thread(keep_history, board, "joined")
        await websocket.close()
    ```

    ## Verified by

    The witness is served to the end and finds the task not run. FastAPI's `solve_dependencies` in
    fastapi/dependencies/utils.py makes the object for websockets too; only `Response.__call__` in
    starlette/responses.py runs it.
    """
    told: set[t.Function] = set()
    for site in project.sites:
        if (
            site.kind in ("add_task", "append")
            and site.receiver is not None
            and not is_made_by_hand(site.receiver)
            and is_given(project, site)
        ):
            for found in _of_site(project, site):
                told.add(_handler(site))
                yield found
    yield from _of_parameters(project, told)


def _by_keyword(project: Project, site: TaskSite) -> Role | None:
    """The role of a function that is given to the app as `exception_handlers={...}` and the like."""
    birth = site.receiver.birth if site.receiver is not None else None
    if (
        site.context.hops
        or birth is None
        or birth.kind != "parameter"
        or birth.frame.function is not site.function
    ):
        return None
    return _given_to_the_app(project, site.function)


def _given_to_the_app(project: Project, function: t.Function | None) -> Role | None:
    for kind, words in _KEYWORDS.items():
        if (
            function is not None
            and "<locals>" not in function.qualname
            and is_registered(project, function, words)
        ):
            return Role(kind, function)
    return None


def _handler(site: TaskSite) -> t.Function:
    """The function that the framework calls, on the way to a registration."""
    frame = site.context.hops[0].frame if site.context.hops else site.frame
    assert frame.function is not None
    return frame.function


def _of_site(project: Project, site: TaskSite) -> Iterator[Finding]:
    role = site.role or _by_keyword(project, site)
    if _started(site) is not None or _is_started_inside(project, site):
        yield _by_created_task(project, site)
    elif role is None:
        return
    elif role.kind == "websocket" and _is_real(project, role):
        yield _report(
            project,
            site,
            _WEBSOCKET,
            "run the work itself, or start it with `asyncio.create_task` and keep it",
        )
    elif role.kind in _PLACES and _is_its_parameter(site, role) and _is_real(project, role):
        yield _report(project, site, *_elsewhere(role))
    elif role.kind == "dependency":
        yield from _in_dependency(project, site, role)


_WEBSOCKET = "a websocket has no response that could run it: FastAPI accepts `{task}` and never starts it"


def _elsewhere(role: Role) -> tuple[str, str]:
    place = _PLACES[role.kind]
    cure = "make a `BackgroundTasks()` here and give it to the response: `background=tasks`"
    if role.kind == "startup":
        cure = "await the work, or start it with `asyncio.create_task` and keep it"
    return f"FastAPI injects nothing into {place}: `{{task}}` never runs", cure


def _is_real(project: Project, role: Role) -> bool:
    """A role that comes from a decorator, or from a registration that was found again."""
    if role.router is not None or role.kind not in _WORDS:
        return True
    if any(isinstance(decorator, (t.Call, t.Attribute)) for decorator in role.function.decorators):
        return True
    if role.function.name == "dispatch":
        return _is_of_middleware(project, role.function)
    return is_registered(project, role.function, _WORDS[role.kind])


def _is_of_middleware(project: Project, function: t.Function) -> bool:
    klass = members.owner(project.names, function, project.frame(function))
    bases = members.outside_bases(project.names, klass) if klass is not None else ()
    return any(base.rpartition(".")[2].endswith("Middleware") for base in bases)


def _is_its_parameter(site: TaskSite, role: Role) -> bool:
    """The tasks object is a parameter of the function that the framework calls."""
    birth = site.receiver.birth if site.receiver is not None else None
    return birth is not None and birth.kind == "parameter" and birth.frame.function is role.function


# --------------------------------------------------------------- create_task(f(tasks))


def _started(site: TaskSite) -> Hop | None:
    """The call on the way that runs in an asyncio task of its own, which nobody waits for."""
    for hop in site.context.hops:
        if hop.frame.function is not None and _is_started(hop.node, hop.frame.function):
            return hop
    return None


def _is_started_inside(project: Project, site: TaskSite) -> bool:
    """A function inside the route that the route starts as an asyncio task."""
    function = site.function
    around = project.roles.parent(function) if function is not None and not site.context.hops else None
    if function is None or around is None or not function.is_async:
        return False
    calls = t.nodes_of(around, t.Call)
    own = [call for call in calls if isinstance(call.func, t.Name) and call.func.id == function.name]
    return bool(own) and all(_is_started(call, around) for call in own)


def _is_started(node: t.Node, function: t.Function) -> bool:
    argument = parent(node, function)
    call = parent(argument, function) if isinstance(argument, t.Argument) else None
    func = call.func if isinstance(call, t.Call) else None
    name = func.name if isinstance(func, t.Attribute) else func.id if isinstance(func, t.Name) else ""
    if name not in ("create_task", "ensure_future") or not isinstance(call, t.Call):
        return False
    owner = func.value if isinstance(func, t.Attribute) else None
    plain = owner is None or (isinstance(owner, t.Name) and owner.id in ("asyncio", "loop"))
    return plain and not awaited_there(call, function)


def _by_created_task(project: Project, site: TaskSite) -> Finding:
    message = "`{task}` is added by a coroutine that runs on its own: the response is gone by then, and it never runs"
    return _report(project, site, message, "await the work in the coroutine itself, instead of adding it")


# ------------------------------------------------------------------- dependencies


def _in_dependency(project: Project, site: TaskSite, role: Role) -> Iterator[Finding]:
    socket = _websocket_with(project, role.function)
    if socket is not None:
        message = (
            f"the websocket `{socket.name}` has no response that could run it: `{{task}}` never starts there"
        )
        yield _report(project, site, message, "do the work in the dependency itself")
    elif role.function.is_generator and _is_after_yield(site, role):
        level = _level(project, site, role.function)
        if level is not None:
            yield _report(
                project, site, _AFTER[level], "add it before the `yield`, or do the work here", level
            )


_AFTER: dict[Level, str] = {
    "error": "after the `yield` the response has been sent and its tasks were run: `{task}` never runs",
    "warning": "after the `yield` the tasks have been run already in FastAPI up to 0.105 and from 0.118: "
    "`{task}` never runs there",
}


def _websocket_with(project: Project, dependency: t.Function) -> t.Function | None:
    """A websocket endpoint that depends on a function."""
    for function in project.functions(r":\s*[\w.]*\bWebSocket\b"):
        role = project.role(function)
        if role is not None and role.kind == "websocket" and dependency in dependencies(project, function):
            return function
    return None


def _is_after_yield(site: TaskSite, role: Role) -> bool:
    """The place stands behind a `yield` of the dependency, in no other arm of an `if`."""
    place: t.Node = site.context.hops[0].node if site.context.hops else site.call
    frame = site.context.hops[0].frame if site.context.hops else site.frame
    function = frame.function
    if function is None or function is not role.function:
        return False
    yields = t.nodes_of(function, t.Yield)
    return any(node.at < place.at and not _are_alternatives(node, place, function) for node in yields)


def _are_alternatives(first: t.Node, second: t.Node, function: t.Function) -> bool:
    one, other = scope(function).chain(first.at), scope(function).chain(second.at)
    pairs = zip(one, other, strict=False)
    return any(
        a is b and isinstance(a, (t.Branch, t.Match)) and part != section for (a, part), (b, section) in pairs
    )


def _level(project: Project, site: TaskSite, function: t.Function) -> Level | None:
    if _has_function_scope(project, function):
        return None
    closes_first = project.framework(site.frame.path).closes_before_tasks
    if closes_first is None:
        return "warning"
    return None if closes_first else "error"


def _has_function_scope(project: Project, function: t.Function) -> bool:
    """`Depends(f, scope="function")` ends before the response is sent."""
    name = re.escape(function.name)
    pattern = rf"""\b{name}\s*,[^()]*scope\s*=\s*["']function"""
    return any(True for _ in project.modules(pattern))


# --------------------------------------------------------------------- parameters


def _of_parameters(project: Project, told: set[t.Function]) -> Iterator[Finding]:
    """A tasks parameter that breaks the call, or is used somewhere that cannot be followed."""
    for function in project.functions(r"BackgroundTasks"):
        role = project.role(function) or _given_to_the_app(project, function)
        if role is None or function in told or role.kind not in (*_PLACES, "websocket") or _is_nested(role):
            continue
        frame = outer(project, function)
        for parameter in function.parameters:
            if meaning(project, parameter.annotation, frame).kind != "tasks" or not _matters(
                parameter, function, role
            ):
                continue
            if _is_real(project, role):
                yield _on_parameter(project, function, parameter, role)


def _is_nested(role: Role) -> bool:
    """Nested functions have the roles of nobody."""
    return "<locals>" in role.function.qualname and role.router is None


def _matters(parameter: t.Parameter, function: t.Function, role: Role) -> bool:
    if parameter.default is None and role.kind != "websocket":
        return True
    nodes = t.walk_function(function)
    return any(isinstance(node, t.Name) and node.id == parameter.name for node in nodes)


def _on_parameter(project: Project, function: t.Function, parameter: t.Parameter, role: Role) -> Finding:
    frame, name = project.frame(function), parameter.name
    if role.kind == "websocket":
        message = f"a websocket has no response that could run them: what is added to `{name}` never runs"
        cure = "run the work itself, or start it with `asyncio.create_task` and keep it"
    else:
        place = _PLACES[role.kind]
        breaks = "calling it fails" if parameter.default is None else f"what is added to `{name}` never runs"
        message, cure = f"FastAPI injects nothing into {place}: {breaks}", _elsewhere(role)[1]
    return told(project, "BG109", parameter, frame, message, cure, trace=())


# ------------------------------------------------------------------------ telling


def _report(project: Project, site: TaskSite, message: str, cure: str, level: Level | None = None) -> Finding:
    hops = tuple(_hop(project, hop) for hop in site.context.hops)
    said = message.format(task=project.task_name(site))
    return told(
        project, "BG109", site.call, site.frame, said, cure, level=level, site=site, trace=hops, last=said
    )


def _hop(project: Project, hop: Hop) -> Step:
    return project.step(hop.node, hop.frame, f"`{name_of(hop.frame)}` leads to it")
