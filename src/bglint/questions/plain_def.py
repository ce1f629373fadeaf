"""`async def` made `def`, where nothing in the task awaits and nobody awaits the task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bglint import edits, members
from bglint import tree as t
from bglint.discover import SourceFile
from bglint.memo import memo
from bglint.model import Edit, Fix, Span
from bglint.project import Project, task_function
from bglint.questions.contacts import awaits, own_function
from bglint.sites import TaskSite
from bglint.values import Cls

Place = tuple[str, int, int]
"""Path, line and column of a name."""


def may_be_def(project: Project, site: TaskSite, task: t.Function) -> bool:
    """True where nothing in the task needs the event loop, and nobody awaits it."""
    if site.kind == "create_task" or task.is_lambda or task.is_generator or awaits(task):
        return False
    return not _needs_loop(project, site) and not project.roles.callers(task)


@memo
def _needs_loop(project: Project, site: TaskSite) -> bool:
    return any(contact.effect == "needs-loop" for contact in project.contacts(site))


def plain_def(project: Project, site: TaskSite) -> Fix | None:
    """The fix that takes the `async` away, where the function is known to be a task and nothing else."""
    task = own_function(site)
    if task is None or not task.is_async or task.decorators or not may_be_def(project, site, task):
        return None
    if (
        _is_override(project, task)
        or used_elsewhere(project, task)
        or _uses_a_connection_from_elsewhere(project, site)
    ):
        return None
    edit = _without_async(project, task)
    title = f"Make `{task.name}` a `def`: FastAPI runs it in a thread"
    return Fix(title, (edit,), safe=False) if edit else None


def _without_async(project: Project, task: t.Function) -> Edit | None:
    path, name = task.source.path, project.program.span(task, task.source)
    module = project.program.module(path)
    line = module.text(name.line, name.line) if module is not None else ""
    found = re.search(r"\basync\s+(?=def\s+$)", line[: name.column - 1])
    if found is None:
        return None
    return edits.replace(path, Span(name.line, found.start() + 1, name.line, found.end() + 1), "")


def _uses_a_connection_from_elsewhere(project: Project, site: TaskSite) -> bool:
    """True for SQLite connections that the task does not make: they refuse any other thread than their own."""
    names = {contact.name for contact in project.contacts(site)}
    return "sqlite3.connect" not in names and any(name.startswith("sqlite3.") for name in names)


def _is_override(project: Project, task: t.Function) -> bool:
    """True for a method that a base class may have, too: who calls that awaits what comes back."""
    if not task.owner:
        return False
    klass = members.owner(project.names, task, project.frame(task))
    if klass is None:
        return True
    above = members.lineage(project.names, klass)
    if any(members.own_method(project.names, part, task.name) for part in above[1:]):
        return True
    return not all(isinstance(v, Cls) for part in above for v in members.base_values(project.names, part))


@memo
def used_elsewhere(project: Project, task: t.Function) -> bool:
    """True where its name stands anywhere but in its `def`, in imports and where it is handed over as a task."""
    own = project.program.span(task, task.source)
    known = {(task.source.path, own.line, own.column), *_handed(project, task)}
    return any(place not in known for place in _places(project, task.name))


def _handed(project: Project, task: t.Function) -> Iterator[Place]:
    """Where the name stands in `add_task(name)` and `BackgroundTask(name)`."""
    for site in project.sites:
        named = site.kind != "create_task" and isinstance(site.handed, (t.Name, t.Attribute))
        if named and site.handed and any(task_function(value) is task for value in site.targets):
            span = project.span(site.handed, site.frame)
            yield site.frame.path, span.end_line, span.end_column - len(task.name)


def _places(project: Project, name: str) -> Iterator[Place]:
    """Every use of a name in the code of the project, at last in its tests."""
    pattern = re.compile(rb"\b%s\b" % name.encode())
    code = project.sources.mentioning(pattern)
    yield from _uses(project, name, code)
    yield from _uses(project, name, set(project.sources.mentioning(pattern, tests=True)).difference(code))


def _uses(project: Project, name: str, files: Iterable[SourceFile]) -> Iterator[Place]:
    for file in files:
        if project.program.module(file.path) is not None:
            yield from ((file.path, *place) for place in edits.uses(project.source(file.path), name))
