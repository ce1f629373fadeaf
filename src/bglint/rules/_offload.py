"""How a call that stops the event loop is told, and its cures: `def`, the async twin, a thread."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding, Fix, Level
from bglint.project import Project, dotted, short_function
from bglint.rule import finding
from bglint.rules._contacts import Meeting, awaits, own_function, path, reached
from bglint.sites import TaskSite

_LEVELS: dict[str, Level] = {"error": "error", "warning": "warning"}


def blocked(
    project: Project,
    code: str,
    meeting: Meeting,
    does: str,
    *,
    level: Level | None = None,
    fix: Fix | None = None,
) -> Finding:
    """The finding on one blocking call; `does` says what the call does there: "sleeps"."""
    message = (
        f"{meeting.called} {does} on the event loop: {reached(project, meeting)}, "
        "and until it returns the server answers nobody."
    )
    return finding(
        project, code, meeting.node, meeting.frame, message, cure(project, meeting),
        level=_LEVELS.get(meeting.fact.level, level), site=meeting.site, visit=meeting.contact.visit,
        last=f"{meeting.called} {does} on the event loop", fix=fix, others=meeting.others,
    )  # fmt: skip


def cure(project: Project, meeting: Meeting) -> str:
    """What to write instead, the least work first."""
    wording = "; or ".join(_cures(project, meeting))
    return f"{wording[0].upper()}{wording[1:]}."


def _cures(project: Project, meeting: Meeting) -> Iterator[str]:
    task = own_function(meeting.site)
    if task is not None and _may_be_def(project, meeting.site, task):
        yield f"write `def {task.name}`, it awaits nothing: a `def` task runs in a thread"
    if meeting.fact.twin:
        yield f"use {_marked(meeting.fact.twin)}"
    yield f"move it to a thread: `await asyncio.to_thread({_sync_call(meeting)}, ...)`"


def _may_be_def(project: Project, site: TaskSite, task: t.Function) -> bool:
    """True where nothing in the task needs the event loop, and nobody awaits it."""
    if site.kind == "create_task" or task.is_lambda or awaits(task):
        return False
    needs_loop = any(contact.effect == "needs-loop" for contact in project.contacts(site))
    return not needs_loop and not project.roles.callers(task)


def _marked(twin: str) -> str:
    """A twin's phrase as code, unless it is prose."""
    return twin if "`" in twin or " or " in twin else f"`{twin}`"


def _sync_call(meeting: Meeting) -> str:
    """What to hand to the thread: the first function on the way that cannot await, else the call itself."""
    below = [frame.function for frame, _ in path(meeting.contact.visit, meeting.node)]
    first = next((function for function in below if function is not None and not function.is_async), None)
    return short_function(first) if first is not None else dotted(meeting.node.func)
