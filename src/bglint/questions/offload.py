"""How a call that stops the event loop is told, and its cures: `def`, the async twin, a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import edits
from bglint import tree as t
from bglint.model import Edit, Finding, Fix, Level, Span
from bglint.project import Project
from bglint.questions.contacts import Meeting, own_function, reached
from bglint.questions.parents import around
from bglint.questions.plain_def import may_be_def, plain_def
from bglint.questions.thread_cure import in_a_thread, is_lazy, is_of_one_thread
from bglint.rule import finding
from bglint.values import Frame

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
        last=f"{meeting.called} {does} on the event loop", fix=fix or plain_def(project, meeting.site) or _to_thread(project, meeting), others=meeting.others,
    )  # fmt: skip


def _to_thread(project: Project, meeting: Meeting) -> Fix | None:
    """`await asyncio.to_thread(f, ...)` for a call in an async function, where an `await` may stand."""
    frame, call = meeting.frame, meeting.node
    function, source = frame.function, project.source(frame.path)
    if function is None or not function.is_async or not edits.can_import(source, "import asyncio"):
        return None
    if is_of_one_thread(meeting.contact.name) or is_lazy(project, meeting.contact.name):
        return None
    above = list(around(call, function))
    if any(isinstance(node, (t.Comprehension, t.CompLoop, t.WithItem, t.Await)) for node in above):
        return None
    begun = _begun(project, call, frame)
    if begun is None:
        return None
    bare = isinstance(above[0], (t.Statement, t.Argument))
    wanted = edits.add_import(source, frame.path, "import asyncio")
    changes = [begun] if bare else [*_bracketed(begun, project.span(call, frame))]
    return Fix("Run it with `asyncio.to_thread`", (*changes, *([wanted] if wanted else [])), safe=False)


def _begun(project: Project, call: t.Call, frame: Frame) -> Edit | None:
    """`f(` made `await asyncio.to_thread(f, `."""
    whole, function = project.span(call, frame), project.span(call.func, frame)
    if not call.arguments:
        text = f"await asyncio.to_thread({project.text(call.func, frame)})"
        return edits.replace(frame.path, whole, text)
    first = project.span(call.arguments[0], frame)
    if (function.end_line, first.line) != (whole.line, whole.line):
        return None
    between = Span(whole.line, whole.column, first.line, first.column)
    return edits.replace(frame.path, between, f"await asyncio.to_thread({project.text(call.func, frame)}, ")


def _bracketed(begun: Edit, whole: Span) -> Iterator[Edit]:
    if (begun.span.end_line, begun.span.end_column) == (whole.end_line, whole.end_column):
        yield replace(begun, text=f"({begun.text})")
    else:
        yield replace(begun, text=f"({begun.text}")
        yield edits.insert(begun.path, whole.end_line, whole.end_column, ")")


def cure(project: Project, meeting: Meeting) -> str:
    """What to write instead, the least work first."""
    wording = "; or ".join(_cures(project, meeting))
    return f"{wording[0].upper()}{wording[1:]}."


def _cures(project: Project, meeting: Meeting) -> Iterator[str]:
    task = own_function(meeting.site)
    if task is not None and may_be_def(project, meeting.site, task):
        yield f"write `def {task.name}`, it awaits nothing: a `def` task runs in a thread"
    if meeting.fact.twin and _can_stand_there(meeting.fact.twin, meeting):
        yield f"use {_marked(meeting.fact.twin)}"
    yield in_a_thread(project, meeting)


def _can_stand_there(twin: str, meeting: Meeting) -> bool:
    """False for a whole line that awaits, `await asyncio.wrap_future(future)`, where the call stands in a `def`."""
    function, is_line = meeting.frame.function, twin.startswith("await ") and "..." not in twin
    return not is_line or function is None or function.is_async


def _marked(twin: str) -> str:
    """A twin's phrase as code, unless it is prose."""
    return twin if "`" in twin or " or " in twin else f"`{twin}`"
