"""BG704: a context variable that the task does not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeGuard

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.injection import called_by_fastapi
from bglint.reach import Contact, Visit
from bglint.rule import finding, rule
from bglint.values import Frame, Outside, Value

CURE = "Pass the value to the task as an argument; or set the variable in an `async def` dependency."
DEPTH = 3
_SET = re.compile(r"\.set\(")
_VARIABLE = "contextvars.ContextVar"


@rule("BG704", level="advice")
def context_not_carried(project: Project) -> Iterator[Finding]:
    """The task reads a context variable that was set in a copy of the context.

    ## What it does
    Finds tasks that read a `ContextVar` which the project sets only in `def` handlers and `def` dependencies, or in
    what these alone call.
    Off by default: it is a question.

    ## Why is this bad?
    A `def` handler or dependency runs in a worker thread, in a copy of the request's context. What it sets there is gone
    when it returns, and the task reads the default, or a LookupError.

    ## Example
    ```python
    import logging
    from contextvars import ContextVar

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()
    tenant: ContextVar[str | None] = ContextVar("tenant", default=None)


    def export() -> None:
        logger.info("export for %s", tenant.get())


    @app.post("/exports/{name}")
    def start(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tenant.set(name)
        tasks.add_task(export)
        return {"name": name}
    ```

    ## Use instead
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def export(name: str) -> None:
        logger.info("export for %s", name)


    @app.post("/exports/{name}")
    def start(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(export, name)
        return {"name": name}
    ```

    ## Verified by
    The witness sees the task log the default of the variable, not what the request set.
    """
    found: dict[t.Node, Contact] = {}
    for site in project.sites:
        reads = (contact for contact in project.contacts(site) if contact.name == f"{_VARIABLE}.get")
        for contact in reads if site.kind != "create_task" else ():
            if _is_lost(project, contact):
                found.setdefault(contact.node, contact)
    for contact in found.values():
        yield _told(project, contact)


def _is_lost(project: Project, contact: Contact) -> bool:
    variable = _variable(contact.value)
    if variable is None or _sets(project, contact.visit, variable):
        return False
    setters = _setters(project, variable, _names(project, contact, variable))
    in_copy = (_in_copy(project, function) for function in setters)
    return next(in_copy, False) and all(in_copy)


def _variable(value: Outside) -> t.Node | None:
    """The expression that made the variable."""
    of = value.of
    return of.birth.node if isinstance(of, Outside) and of.birth is not None else None


def _sets(project: Project, visit: Visit, variable: t.Node) -> bool:
    """True where the task sets the variable itself, on the way to the place that reads it."""
    way = visit.up(visit.site.call)
    return any(_sets_here(project, each.frame, variable) for each, _ in way)


def _sets_here(project: Project, frame: Frame, variable: t.Node) -> bool:
    calls = (node.func for node in project.nodes_of(frame, t.Call) if t.last_name(node.func) == "set")
    values = (value for func in calls for value in project.evaluate(func, frame))
    return any(_is_setter(value) and _variable(value) is variable for value in values)


def _is_setter(value: Value) -> TypeGuard[Outside]:
    return isinstance(value, Outside) and value.name == f"{_VARIABLE}.set"


def _names(project: Project, contact: Contact, variable: t.Node) -> set[str]:
    """What the variable is called where the task reads it, and where it is made."""
    read = contact.node.func
    names = {t.last_name(read.value)} if isinstance(read, t.Attribute) else set()
    birth = contact.value.of.birth if contact.value.of is not None else None
    made_in = project.program.module(birth.frame.path) if birth is not None else None
    for statement in project.module_statements(made_in) if made_in is not None else ():
        if isinstance(statement, t.Assign) and statement.value is variable:
            names |= {t.last_name(target) for target in statement.targets}
    return names - {""}


def _setters(project: Project, variable: t.Node, names: set[str]) -> Iterator[t.Function]:
    """The functions that set the variable, in modules that speak of it."""
    modules = project.modules(rf"\b({'|'.join(sorted(names))})\b" if names else _SET.pattern)
    functions = (f for m in modules for f in project.roles.functions_in(m, m.lines_with(_SET)))
    yield from (f for f in functions if _sets_here(project, project.frame(f), variable))


def _in_copy(project: Project, function: t.Function, depth: int = DEPTH) -> bool:
    """True where only `def` handlers and dependencies come here: they run in a thread, in a copy of the context."""
    role = called_by_fastapi(project, function)
    if role is not None:
        return role.kind in ("route", "dependency") and not function.is_async
    callers = project.roles.callers(function) if depth else ()
    return bool(callers) and all(_in_copy(project, caller.chain[-1], depth - 1) for caller in callers)


def _told(project: Project, contact: Contact) -> Finding:
    site = contact.visit.site
    message = (
        f"The task `{project.task_name(site)}` reads `{dotted(contact.node.func)}`, which only `def` handlers or "
        "dependencies set: they ran in a copy of the context, and the task sees the default. Is it meant to?"
    )
    return finding(
        project, "BG704", contact.node, contact.visit.frame, message, CURE,
        site=site, visit=contact.visit, last=f"`{dotted(contact.node.func)}` gives the default",
    )  # fmt: skip
