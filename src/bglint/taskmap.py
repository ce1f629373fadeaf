"""`bglint tasks`: what runs after which response, where, and what it touches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bglint import tree as t
from bglint.config import Config
from bglint.discover import discover
from bglint.frozen import by_value
from bglint.project import Project, name_of
from bglint.routes import Routes
from bglint.sites import TaskSite

EFFECTS = {
    "sleep": "sleep",
    "network": "network",
    "database": "database",
    "file": "files",
    "process": "processes",
    "cpu": "heavy",
    "wait": "waits",
    "queue": "queue",
}
"""What a task may touch, in the order in which it is told."""


@by_value
class Task:
    """One registration: the task's name, where it is added, where it runs ("event loop", "thread" or "unknown")."""

    name: str
    path: str
    line: int
    where: str
    effects: tuple[str, ...]


@by_value
class Origin:
    """What the tasks belong to: a route ("POST /signup"), a dependency, or a function that no route was found for."""

    title: str
    handler: str
    path: str
    line: int
    tasks: tuple[Task, ...]


def task_map(paths: Sequence[str | Path], config: Config) -> tuple[Origin, ...]:
    """The origins of all tasks in the given files, by file and line; the tasks of each in source order."""
    sources = discover(paths, config)
    project = Project(sources, config)
    sites = [site for site in project.sites if _is_shown(site, sources.shown)]
    ordered = sorted(sites, key=lambda site: (_place(project, site), _added_at(project, site)))
    groups = [list(group) for _, group in groupby(ordered, lambda site: _place(project, site))]
    routes = Routes(project)
    return tuple(_origin(project, routes, group) for group in groups)


def _is_shown(site: TaskSite, shown: frozenset[str]) -> bool:
    handler = _handler(site)
    return site.frame.path in shown or (handler is not None and handler.source.path in shown)


def _handler(site: TaskSite) -> t.Function | None:
    """The function that the framework calls, else the one that adds the task."""
    return site.role.function if site.role else site.function


def _place(project: Project, site: TaskSite) -> tuple[str, int]:
    handler = _handler(site)
    if handler is None:
        return site.frame.path, 0
    return handler.source.path, project.program.span(handler, handler.source).line


def _added_at(project: Project, site: TaskSite) -> int:
    """The line of the handler from which the task is added, itself or through helpers."""
    hop = site.context.hops[0] if site.context.hops else None
    return project.span(hop.node if hop else site.call, hop.frame if hop else site.frame).line


def _origin(project: Project, routes: Routes, sites: list[TaskSite]) -> Origin:
    path, line = _place(project, sites[0])
    handler = _handler(sites[0])
    name = handler.qualname.rpartition("<locals>.")[2] if handler else name_of(sites[0].frame)
    tasks = dict.fromkeys(_task(project, site) for site in sites)
    return Origin(_title(routes, sites[0]), name, path, line, tuple(tasks))


def _title(routes: Routes, site: TaskSite) -> str:
    role = site.role
    if role is None:
        return "not called by a route"
    return (routes.title(role) if role.kind == "route" else "") or role.kind


def _task(project: Project, site: TaskSite) -> Task:
    span = project.span(site.call, site.frame)
    return Task(
        project.task_name(site), site.frame.path, span.line, _where(project, site), _effects(project, site)
    )


def _where(project: Project, site: TaskSite) -> str:
    if not site.followed:
        return "unknown"
    on_loop = site.kind == "create_task" or any(map(project.runs_on_loop, site.targets))
    return "event loop" if on_loop else "thread"


def _effects(project: Project, site: TaskSite) -> tuple[str, ...]:
    reached = {contact.effect for contact in project.contacts(site)}
    return tuple(word for effect, word in EFFECTS.items() if effect in reached)
