"""The rule BG601; what it means stands in its docstring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from bglint import tree as t
from bglint.model import Finding, Level
from bglint.project import Project, short_function
from bglint.questions.handed import cancelled_there, handed, spread, worked_with
from bglint.questions.owners import Owner, closes, is_resource, owner
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.steps import Edge
from bglint.values import Frame, Generator, Instance, Outside, Value

CODE = "BG601"


@rule(CODE, level="error")
def request_scoped_resource(project: Project) -> Iterator[Finding]:
    """The task works with a session, connection or client that belongs to the request.

    ## What it does
    Follows what dependencies with `yield` hand out (`db: Session = Depends(get_db)`) into tasks: as an argument, in a
    list or dict, in `partial`, captured by a nested function, as `self.session` of an injected service. The same for
    what a middleware keeps in `request.state` and closes. It also notices `next(get_db())` in a task.

    ## Why is this bad?
    The dependency closes the session, connection or client when the request is over, and the task runs when the
    request is over. What that means depends on the FastAPI version:

    - 0.106 to 0.117: it is closed **before** the task runs. A client raises. An SQLAlchemy session does not: it opens
      again behind your back, and nobody gives its connection back to the pool.
    - up to 0.105, and from 0.118: it stays open **until the task has ended**. The connection is missing in the pool
      for as long as the task takes, and a task that fails rolls back a request whose success was already reported.
    - `Depends(..., scope="function")` (from 0.121) closes it before the task, like 0.106 to 0.117.
    - A session that a middleware keeps in `request.state` and closes behind `call_next` is closed before the task, in
      every version.
    - `asyncio.create_task` is waited for by nobody: in every version the resource is closed under the running task.
    - `next(get_db())`, or `get_db().__next__()`, makes a generator that nobody holds. Python closes it at once, and the
      session with it.

    In the versions that close it first it is an error, else a warning. bglint reads the version from your lock file,
    requirements or `pyproject.toml`; set `fastapi-version` where it cannot.

    ## Example
    ```python
    import logging
    from collections.abc import Iterator

    from fastapi import BackgroundTasks, Depends, FastAPI
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    app = FastAPI()
    engine = create_engine("sqlite:///app.db")
    logger = logging.getLogger(__name__)


    def get_db() -> Iterator[Session]:
        with Session(engine) as db:
            yield db


    def count_visit(db: Session, code: str) -> None:
        try:
            db.execute(text("update links set visits = visits + 1 where code = :code"), {"code": code})
            db.commit()
        except Exception:
            logger.exception("visit of %s not counted", code)


    @app.get("/go/{code}")
    def go(code: str, tasks: BackgroundTasks, db: Session = Depends(get_db)) -> dict[str, str]:
        tasks.add_task(count_visit, db, code)
        return {"code": code}
    ```

    ## Use instead
    Pass ids and plain values; the task opens what it needs and closes it. This is right in every version.
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    app = FastAPI()
    engine = create_engine("sqlite:///app.db")
    logger = logging.getLogger(__name__)


    def count_visit(code: str) -> None:
        try:
            with Session(engine) as db:
                db.execute(text("update links set visits = visits + 1 where code = :code"), {"code": code})
                db.commit()
        except Exception:
            logger.exception("visit of %s not counted", code)


    @app.get("/go/{code}")
    def go(code: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(count_visit, code)
        return {"code": code}
    ```

    ## Verified by
    The witness notes when each session and client is opened, used and closed, and when the answer is sent. Under
    0.115 the task uses what was closed before. Under 0.105 and the newest version what the dependency opened for the
    request is used after the answer, and closed only then.
    """
    for site in project.sites:
        yield from _handed_over(project, site)
        yield from _taken_by_next(project, site)


def _handed_over(project: Project, site: TaskSite) -> Iterator[Finding]:
    if cancelled_there(site):
        return
    values = [*handed(project, site), *(value for value, _ in worked_with(project, site))]
    own = {visit.frame.function for visit in project.visits(site)} - {f.function for f in site.context.frames}
    owners = [found for value in values if not _is_marker(value, own) and (found := owner(project, value))]
    for found in {each.provider.function: each for each in owners}.values():
        verdict = _verdict(project, site, found)
        if verdict is None:
            continue
        level, message = verdict
        if not _is_used(project, site, found):
            if level == "warning":
                continue  # it is kept for the task in these versions, handed over or not
            level, message = "warning", f"{message} The task makes no use of it today."
        cure = _cure(found)
        yield finding(project, CODE, site.call, site.frame, message, cure, level=level, site=site)


def _is_marker(value: Value, own: set[t.Function | None]) -> bool:
    """True for what only a parameter of the task itself asks for: nobody injects it there, as wrong-task-arguments says."""
    birth = value.birth
    return birth is not None and birth.kind == "dependency" and birth.frame.function in own


def _is_used(project: Project, site: TaskSite, found: Owner) -> bool:
    """True where a function of the task does more than hand it on, or nobody knows what the task does."""
    visits = project.visits(site)
    return not visits or any(_works_with(project, visit.frame, found) for visit in visits)


def _works_with(project: Project, frame: Frame, found: Owner) -> bool:
    if frame.function is None:
        return False
    called = {edge.node for edge in cast("tuple[Edge, ...]", project.steps(frame)[0])}
    handed_on = {arg.value for node in called if isinstance(node, t.Call) for arg in node.arguments}
    return any(
        node not in handed_on
        and any(_is_owned(project, value, found) for value in spread(project.evaluate(node, frame)))
        for node in project.nodes_of(frame, t.Name, t.Attribute)
    )


def _is_owned(project: Project, value: Value, found: Owner) -> bool:
    whose = owner(project, value)
    return whose is not None and whose.provider.function is found.provider.function


def _verdict(project: Project, site: TaskSite, found: Owner) -> tuple[Level, str] | None:
    name, task = _what(found), f"`{project.task_name(site)}`"
    subject, ended = f"{name[:1].upper()}{name[1:]}", "deleted" if _is_folder(found) else "closed"
    ending = "deletes" if _is_folder(found) else "closes"
    provider = f"`{short_function(found.provider.function)}`"
    framework = project.framework(site.frame.path)
    if found.middleware:
        return (
            "error",
            f"{subject} is {ended} before the task {task} runs: the middleware {provider} does it.",
        )
    if site.kind == "create_task":
        return "error", (
            f"{provider} {ending} {name} when the request ends; the task {task} is still running then."
        )
    if found.function_scope and framework.function_scope is not False:
        return (
            "error",
            f'{subject} is {ended} before the task {task} runs: {provider} has `scope="function"`.',
        )
    if framework.closes_before_tasks:
        version = f"FastAPI {framework.fastapi}"
        return "error", f"{subject} is {ended} before the task {task} runs: {version} ends {provider} first."
    return _pinned(found, name, task, provider, sure=framework.closes_before_tasks is False)


def _pinned(found: Owner, name: str, task: str, provider: str, *, sure: bool) -> tuple[Level, str] | None:
    """What is wrong where it stays until the task ends, or may do so; nothing with a folder that stays."""
    if sure and _is_folder(found):
        return None
    if sure:
        return "warning", (
            f"The task {task} keeps {name} of the request: {provider} closes it only when the task has ended. Its "
            f"connection is missing until then, and a failing task undoes a request that was already answered."
        )
    then = "deleted it by then, other versions keep it until the task ends"
    if not _is_folder(found):
        then = "closed it by then, other versions keep it, and its connection, until the task ends"
    return "warning", (
        f"{name[:1].upper()}{name[1:]} belongs to the request, and the task {task} runs after it: FastAPI 0.106 to "
        f"0.117 has {then}."
    )


def _what(found: Owner) -> str:
    """What ends with the request: the value itself, or what a service that is handed out works with."""
    is_service = isinstance(found.raw, Instance) and not is_resource(found.raw)
    return f"what `{found.name}` uses" if is_service else f"`{found.name}`"


def _is_folder(found: Owner) -> bool:
    name = found.raw.name if isinstance(found.raw, Outside) else ""
    return name.startswith(("builtins.str", "pathlib.", "tempfile.mkdtemp", "tempfile.TemporaryDirectory"))


def _cure(found: Owner) -> str:
    if _is_folder(found):
        return "Let the task remove it: make it in the handler with `tempfile.mkdtemp()`."
    last = getattr(found.raw, "name", "").rpartition(".")[2].lower()
    kinds = ("session", "connection", "client", "cursor", "file")
    kind = next((kind for kind in kinds if kind in last), "one")
    return f"Pass ids and plain values, and open a new {kind} in the task."


def _taken_by_next(project: Project, site: TaskSite) -> Iterator[Finding]:
    for visit in project.visits(site):
        for call, frame in (*_calls(project, visit), *_defaults(project, visit)):
            for generator in _dropped_generators(project, call, frame):
                provider = short_function(generator.func.function)
                message = (
                    f"Nobody holds the generator of `{provider}`: Python closes it at once, "
                    f"and with it what the task goes on to use."
                )
                cure = f"Use it as a context manager: `with contextmanager({provider})() as ...:`."
                yield finding(
                    project, CODE, call, visit.frame, message, cure, level="warning", site=site, visit=visit
                )


def _calls(project: Project, visit: Visit) -> Iterator[tuple[t.Call, Frame]]:
    yield from ((call, visit.frame) for call in project.nodes_of(visit.frame, t.Call))


def _defaults(project: Project, visit: Visit) -> Iterator[tuple[t.Call, Frame]]:
    """The calls that made the defaults of the parameters which nobody gives."""
    frame, function = visit.frame, visit.frame.function
    outer = frame.closure or project.names.module_frame(frame.path)
    given = visit.node.arguments if isinstance(visit.node, t.Call) else visit.site.arguments
    known = {argument.keyword for argument in given}
    places = sum(argument.keyword is None for argument in given) + bool(function and function.owner)
    left_out = function.parameters[places:] if function and not any(a.star for a in given) else ()
    for parameter in left_out:
        unknown = parameter.name not in known and frame.binding(parameter.name) is None
        if isinstance(parameter.default, t.Call) and unknown:
            yield parameter.default, outer


def _dropped_generators(project: Project, call: t.Call, frame: Frame) -> Iterator[Generator]:
    """The generators of `next(get_db())` and `get_db().__next__()`, which no name holds."""
    source = _drawn_from(project, call, frame)
    if isinstance(source, t.Call):
        for value in project.evaluate(source, frame):
            if isinstance(value, Generator) and closes(project, value.func, value, ""):
                yield value


def _drawn_from(project: Project, call: t.Call, frame: Frame) -> t.Expr | None:
    """What a call takes the next value of."""
    if isinstance(call.func, t.Attribute) and call.func.name in _DRAWING:
        return call.func.value
    values = project.evaluate(call.func, frame)
    drawing = any(isinstance(v, Outside) and v.name in ("builtins.next", "builtins.anext") for v in values)
    return call.argument(0) if drawing else None


_DRAWING = ("__next__", "__anext__", "send", "asend")
