"""Loops that end with an exception: the iterator, the queue or the peer has no more, and the `except` is outside."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.scope import own_expressions, sections
from bglint.values import Frame

Loop = t.For | t.While

_ANY = {"Exception", "BaseException", ""}
_STOPS = {"CancelledError", "KeyboardInterrupt", "SystemExit", "GeneratorExit"}
_EXHAUSTS = {"next", "anext", "__next__", "__anext__", "get_nowait", "popleft", "readexactly", "readuntil"}


def ends_by_error(project: Project, loop: Loop, frame: Frame) -> bool:
    """True where an `except` around the loop waits for what the body of the loop lets out."""
    assert frame.function is not None
    around = [holder for holder, part in project.chain(loop, frame.function) if part == "body"]
    expected = [names for holder in around for names in _caught(holder)]
    return any(_lets_out(loop, names) for names in expected)


def _caught(holder: t.Node) -> Iterator[set[str]]:
    """What each `except` of a `try` takes, or `contextlib.suppress`, by name; the name "" where it takes all."""
    if isinstance(holder, t.Guard):
        yield from (_taken(handler) for handler in holder.handlers)
    elif isinstance(holder, t.With):
        managers = [item.value for item in holder.items if isinstance(item.value, t.Call)]
        suppressed = [call for call in managers if t.last_name(call.func) == "suppress"]
        yield from ({t.last_name(each.value) for each in call.arguments} for call in suppressed)


def _taken(handler: t.Handler) -> set[str]:
    return {t.last_name(kind) for kind in handler.types} or {""}


def _lets_out(loop: Loop, names: set[str]) -> bool:
    """May one of these errors leave the body? A broad `except` waits for an end only where something can run out."""
    if names & _ANY:
        return any(t.last_name(call.func) in _EXHAUSTS for call in _unguarded(loop.body, names))
    return bool(names - _STOPS) and any(True for _ in _unguarded(loop.body, names))


def _unguarded(block: t.Block, names: set[str]) -> Iterator[t.Call]:
    """The calls of a block whose errors of these names no `except` of its own takes."""
    for statement in block:
        own = t.walk(*own_expressions(statement))
        yield from (node for node in own if isinstance(node, t.Call))
        kept = _keeps(statement, names)
        for section, _, inner in sections(statement):
            if not (kept and section == "body"):
                yield from _unguarded(inner, names)


def _keeps(statement: t.Statement, names: set[str]) -> bool:
    return any(taken & (names | _ANY) for taken in _caught(statement))
