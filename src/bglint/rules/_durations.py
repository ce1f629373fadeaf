"""How long something takes: a sleep given as a `timedelta`, a program that asyncio has started."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.reach import Contact
from bglint.rules._contacts import number
from bglint.rules._timeouts import has_deadline
from bglint.rules._weight import SHORT_PROGRAMS
from bglint.values import Birth, Const, Frame, Outside

MINUTE = 60.0
_UNITS = {
    "days": 86400.0, "seconds": 1.0, "microseconds": 1e-6, "milliseconds": 1e-3, "minutes": 60.0, "hours": 3600.0,
    "weeks": 604800.0,
}  # fmt: skip
_WAITS = ("asyncio.subprocess.Process.wait", "asyncio.subprocess.Process.communicate")
_ENDS = ("kill", "terminate", "send_signal")


def seconds(project: Project, expr: t.Expr | None, frame: Frame) -> float | None:
    """The number of seconds that an expression stands for; None where it is not known."""
    whole = isinstance(expr, t.Call) and t.last_name(expr.func) == "total_seconds"
    func = expr.func if isinstance(expr, t.Call) and whole else expr
    if not isinstance(func, t.Attribute) or not (whole or func.name == "seconds"):
        return number(project, expr, frame)
    spans = [_span(project, value.birth) for value in project.evaluate(func.value, frame) if _is_span(value)]
    known = [span for span in spans if span is not None]
    if not known or len(known) < len(spans):
        return None if spans else number(project, expr, frame)
    return max(known) if whole else max(known) % 86400


def _is_span(value: object) -> bool:
    return (
        isinstance(value, Outside)
        and value.instance
        and value.name.removesuffix("()") == "datetime.timedelta"
    )


def _span(project: Project, birth: Birth | None) -> float | None:
    """The length of `timedelta(hours=24)`."""
    call = birth.node if birth is not None else None
    if birth is None or not isinstance(call, t.Call) or call.spread:
        return None
    total = 0.0
    for unit, given in zip(_UNITS, call.arguments, strict=False):
        found = number(project, given.value, birth.frame)
        if found is None:
            return None
        total += found * _UNITS[given.keyword or unit]
    return total


def outlasts_a_minute(project: Project, contact: Contact) -> bool:
    """True for a wait for a program of asyncio that nothing ends, or that ends after more than a minute."""
    if contact.name not in _WAITS or contact.visit.where != "event loop":
        return False
    if _is_ended_before(contact) or _is_short(project, contact):
        return False
    if not has_deadline(project, contact.visit, contact.node):
        return contact.awaited
    limit = _limit(project, contact)
    return limit is not None and limit > MINUTE


def _is_ended_before(contact: Contact) -> bool:
    """`process.kill()` and then `await process.wait()`: that is over at once."""
    function = contact.visit.frame.function
    calls = t.nodes_of(function, t.Call) if function is not None else ()
    return any(t.last_name(call.func) in _ENDS and call.at < contact.node.at for call in calls)


def _is_short(project: Project, contact: Contact) -> bool:
    process = contact.value.of
    birth = process.birth if process is not None else None
    started = birth.node if birth is not None else None
    if birth is None or not isinstance(started, t.Call) or not started.arguments:
        return True
    words = (
        v.value for v in project.evaluate(started.arguments[0].value, birth.frame) if isinstance(v, Const)
    )
    first = (word.split()[0].rpartition("/")[2] for word in words if isinstance(word, str) and word.strip())
    return any(word in SHORT_PROGRAMS for word in first)


def _limit(project: Project, contact: Contact) -> float | None:
    """The seconds that the `wait_for` around a wait gives it."""
    function = contact.visit.frame.function
    for call in t.nodes_of(function, t.Call) if function is not None else ():
        if t.last_name(call.func) == "wait_for" and call.argument(0, "fut") is contact.node:
            return seconds(project, call.argument(1, "timeout"), contact.visit.frame)
    return None
