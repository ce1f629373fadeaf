"""What makes the tasks behind one wait, or never start."""

from __future__ import annotations

from bglint.memo import memo
from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.failing import weak_spot
from bglint.rule import registry
from bglint.sites import TaskSite

TAKES_LONG = "takes long"
_SLOW = ("BG301", "BG302", "BG303", "BG305")
_WAITS = frozenset({"sleep", "network", "database", "process", "wait", "cpu"})


def burden(project: Project, site: TaskSite) -> str:
    """Why a task holds up those behind it, in words that follow "which"; "" where nothing speaks for it."""
    spot = weak_spot(project, site)
    if spot is not None:
        return f"can fail at {spot.called} unhandled"
    for contact in project.contacts(site):
        if contact.visit.where == "event loop" and contact.blocks and contact.effect in _WAITS:
            written = contact.name if contact.node is site.call else dotted(contact.node.func)
            return f"blocks the event loop at `{written}`"
    return TAKES_LONG if _is_slow(project, site) else ""


def _is_slow(project: Project, site: TaskSite) -> bool:
    place = site.frame.path, project.span(site.call, site.frame)
    return any((step.path, step.span) == place for found in _slow(project) for step in found.trace)


@memo
def _slow(project: Project) -> tuple[Finding, ...]:
    rules = registry()
    return tuple(found for code in _SLOW if code in rules for found in rules[code].check(project))
