"""How long a program runs that asyncio has started."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.questions.contacts import number
from bglint.questions.timeouts import has_deadline
from bglint.questions.weight import SHORT_PROGRAMS
from bglint.reach import Contact
from bglint.values import Const

MINUTE = 60.0
_WAITS = ("asyncio.subprocess.Process.wait", "asyncio.subprocess.Process.communicate")
_ENDS = ("kill", "terminate", "send_signal")


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
            return number(project, call.argument(1, "timeout"), contact.visit.frame)
    return None
