"""BG110: tasks that run again with other responses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.calling import handed_back
from bglint.model import Finding, Step
from bglint.project import Project, dotted, name_of
from bglint.questions.handmade import Shared, Use, shared, uses_in
from bglint.questions.helpers import has_role, is_called_without
from bglint.questions.injection import outer
from bglint.questions.one_object import is_kept
from bglint.questions.responses import Background, backgrounds
from bglint.questions.told import sentence, told
from bglint.rule import registry, rule
from bglint.sites import TASKS
from bglint.values import Birth, Frame, Func, Instance, Value

_ANNOTATED = re.compile("BackgroundTasks")
_CURE = "take a `{name}: BackgroundTasks` parameter in the route: FastAPI makes a new one for each request"


@rule("BG110", level="error")
def tasks_run_again(project: Project) -> Iterator[Finding]:
    """The same tasks run again with other responses.

    ## What it does

    Finds a `BackgroundTasks()` of a module or class, or as the default of a helper that FastAPI does not
    call, that responses run (`background=`, `await`), and `await tasks()` on the object that FastAPI
    injects. The default of a route parameter with an annotation is fine: FastAPI replaces it.

    ## Why is this bad?

    Nothing is ever taken out of a BackgroundTasks. An object that lives as long as the server keeps the
    tasks of all requests, and every response runs all of them again: one mail, then two, then three, some
    of them those of other users. The injected object is run by FastAPI in any case: whoever awaits it
    runs its tasks twice.

    ## Example

    ```python
    import logging

    from fastapi import FastAPI
    from fastapi.responses import JSONResponse
    from starlette.background import BackgroundTasks

    logger = logging.getLogger(__name__)
    app = FastAPI()
    tasks = BackgroundTasks()


    def close_gate(gate: str) -> None:
        logger.info("%s closed", gate)


    @app.post("/gates/{gate}/open")
    async def open_gate(gate: str) -> JSONResponse:
        tasks.add_task(close_gate, gate)
        return JSONResponse({"gate": gate}, background=tasks)
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from fastapi.responses import JSONResponse

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def close_gate(gate: str) -> None:
        logger.info("%s closed", gate)


    @app.post("/gates/{gate}/open")
    async def open_gate(gate: str, tasks: BackgroundTasks) -> JSONResponse:
        tasks.add_task(close_gate, gate)
        return JSONResponse({"gate": gate})
    ```

    ## Verified by

    The witness sends two requests with one task each and counts more than two runs.
    `BackgroundTasks.__call__` in starlette/background.py goes through the list and leaves it as it is.
    """
    run = [kept for kept in shared(project) if kept.having("runs")]
    yield from (_kept(project, kept) for kept in run)
    for background in backgrounds(project):
        yield from _of_shared_object(project, background)
        yield from _handed_out(project, background, {kept.call for kept in run})
    for function in project.functions(r"BackgroundTasks\(\)"):
        yield from _defaults(project, function)
    for name in _annotated_names(project):
        for function in project.functions(rf"await\s+(\w+\.)*{name}(\.__call__)?\(\)"):
            yield from _awaited(project, function)


# ------------------------------------------------------- kept by module or class


def _kept(project: Project, kept: Shared) -> Finding:
    span = project.program.span(kept.call, kept.source)
    message = (
        f"`{kept.name}` lives as long as the server and keeps the tasks of all requests: "
        "every response that runs it runs all of them again"
    )
    steps = [*(_step(project, use, "adds a task to it") for use in kept.having("adds")[:1])]
    steps += [_step(project, use, "runs all that it holds") for use in kept.having("runs")[:1]]
    last = Step(kept.source.path, span, "one object for all requests is made here")
    entry = registry()["BG110"]
    return Finding(
        "BG110", entry.name, entry.level, sentence(message), kept.source.path, span,
        sentence(_CURE.format(name=kept.name)),
        trace=(*steps, last), symbol=kept.name, expression=project.program.source_text(kept.call, kept.source),
    )  # fmt: skip


def _step(project: Project, use: Use, does: str) -> Step:
    return project.step(use.node, use.frame, f"`{name_of(use.frame)}` {does}")


# ----------------------------------------------------- kept by an object of a module


def _of_shared_object(project: Project, background: Background) -> Iterator[Finding]:
    """`background=self.tasks`, made by the constructor of an object that the module keeps."""
    function = background.frame.function
    for context in project.contexts(function) if function is not None else ():
        if not _is_kept_by_a_module(project, background.value, context.frame):
            continue
        for value in project.evaluate(background.value, context.frame):
            birth = value.birth
            if (
                project.is_a(value, *TASKS)
                and birth is not None
                and birth.kind == "call"
                and _is_made_once(birth)
            ):
                runs = project.step(
                    background.value, context.frame, f"`{name_of(context.frame)}` runs all that it holds"
                )
                name = dotted(background.value)
                message = (
                    f"`{name}` belongs to an object that lives as long as the server and keeps the tasks of all "
                    "requests: every response that runs it runs all of them again"
                )
                cure = (
                    "make a new `BackgroundTasks()` for each response, or take the one that FastAPI injects"
                )
                yield told(project, "BG110", birth.node, birth.frame, message, cure, trace=(runs,))
                return


def _is_kept_by_a_module(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for an attribute of an object that was constructed at the level of a module."""
    owners = project.evaluate(expr.value, frame) if isinstance(expr, t.Attribute) else ()
    births = [owner.birth for owner in owners if isinstance(owner, Instance)]
    return bool(births) and all(
        b is not None and b.kind == "call" and b.frame.function is None for b in births
    )


def _is_made_once(birth: Birth) -> bool:
    return birth.frame.function is not None and birth.frame.function.name == "__init__"


# ------------------------------------------------- handed out by a function or method


def _handed_out(project: Project, background: Background, known: set[t.Call]) -> Iterator[Finding]:
    """`background=mailer.later(to)`, which gives the object of the class or module, or of an object made once."""
    for value in _given_back(project, background):
        birth = value.birth
        if not project.is_a(value, *TASKS) or birth is None or birth.node in known:
            continue
        if is_kept(project, birth) and not _is_renewed(project, birth):
            yield _shared(project, background, birth)
            return


def _given_back(project: Project, background: Background) -> Iterator[Value]:
    call, frame = background.value, background.frame
    for func in project.evaluate(call.func, frame) if isinstance(call, t.Call) else ():
        if isinstance(func, Func) and isinstance(call, t.Call):
            yield from handed_back(project.names, project.bind(func, *project.arguments(call, frame)))


def _shared(project: Project, background: Background, birth: Birth) -> Finding:
    name = dotted(background.value)
    message = (
        f"`{name}` gives an object that lives as long as the server and keeps the tasks of all requests: "
        "every response that runs it runs all of them again"
    )
    cure = "make a new `BackgroundTasks()` for each response, or take the one that FastAPI injects"
    return told(project, "BG110", background.value, background.frame, message, cure)


def _is_renewed(project: Project, birth: Birth) -> bool:
    """True where somebody puts a new object in its place, or takes the tasks out of it."""
    line = r"=[^=\n]*BackgroundTasks\(\)|\.tasks\s*(?:=[^=]|\.\s*(?:clear|pop)\b)"
    elsewhere = (f for f in project.functions(line) if f is not birth.frame.function)
    return any(f.source.path == birth.frame.path for f in elsewhere)


# ------------------------------------------------------------ a helper's default


def _defaults(project: Project, function: t.Function) -> Iterator[Finding]:
    """`tasks: BackgroundTasks = BackgroundTasks()` of a function that FastAPI does not call."""
    frame = outer(project, function)
    for parameter in function.parameters:
        if parameter.default is None or project.tasks_object(parameter.default, frame) is None:
            continue
        if not has_role(project, function) and is_called_without(project, function, parameter):
            yield from _default(project, function, parameter)


def _default(project: Project, function: t.Function, parameter: t.Parameter) -> Iterator[Finding]:
    frame, name = project.frame(function), parameter.name
    if name in project.scope(function).bindings:
        return
    mentions = {id(node) for node in t.nodes_of(function, t.Name) if node.id == name}
    uses = list(uses_in(function, frame, mentions))
    runs = [use for use in uses if use.fate == "runs"]
    if runs:
        steps = [_step(project, use, "adds a task to it") for use in uses if use.fate == "adds"][:1]
        steps += [_step(project, runs[0], "runs all that it holds")]
        message = (
            f"the default of `{name}` is made once and kept: called without it, `{function.name}` "
            "adds to the tasks of all earlier calls, and all of them run again"
        )
        cure = f"write `{name}: BackgroundTasks | None = None` and make a new object in the function"
        yield told(project, "BG110", parameter, frame, message, cure, trace=tuple(steps))


# ------------------------------------------------------------------ await tasks()


def _annotated_names(project: Project) -> set[str]:
    """The names that are given to parameters and attributes which hold tasks."""
    found = set()
    for module in project.modules(r"BackgroundTasks"):
        for line in module.lines_with(_ANNOTATED):
            found |= set(re.findall(r"(\w+)\s*:[^=,)\n]*BackgroundTasks", module.text(line, line)))
        found |= set(re.findall(r"self\.(\w+)\s*=\s*\w*tasks\b", module.source))
    return found


def _awaited(project: Project, function: t.Function) -> Iterator[Finding]:
    """`await tasks()` on the object that FastAPI injects, in a route, a dependency or what they call."""
    waits = t.nodes_of(function, t.Await)
    for wait in waits:
        call = wait.value
        tasks = _called(call) if isinstance(call, t.Call) and not call.arguments else None
        if tasks is None:
            continue
        for context in project.contexts(function):
            if context.role is None or context.role.kind not in ("route", "dependency"):
                continue
            values = project.evaluate(tasks, context.frame)
            if values and all(project.is_a(v, *TASKS) and _is_injected(v) for v in values):
                yield _twice(project, function, wait, tasks)
                break


def _called(call: t.Call) -> t.Expr | None:
    """`tasks` of `tasks()` and `tasks.__call__()`."""
    func = call.func
    if isinstance(func, t.Attribute) and func.name == "__call__":
        return func.value
    return func if isinstance(func, (t.Name, t.Attribute)) else None


def _is_injected(value: object) -> bool:
    birth = getattr(value, "birth", None)
    return birth is not None and birth.kind == "parameter"


def _twice(project: Project, function: t.Function, wait: t.Await, tasks: t.Expr) -> Finding:
    frame = project.frame(function)
    adds = [
        site for site in project.sites
        if site.function is function and site.kind == "add_task" and isinstance(site.call.func, t.Attribute)
        and project.text(site.call.func.value, site.frame) == project.text(tasks, frame)
    ]  # fmt: skip
    steps = tuple(project.trace(site)[-1] for site in adds[:1])
    message = "FastAPI runs the injected tasks after the response in any case: awaited here, they run twice"
    cure = "leave this line out; what must be done before the response is awaited by itself, not added"
    return told(project, "BG110", wait, frame, message, cure, trace=steps)
