"""The `raise` statements that tasks come to, each with the shortest way there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.reach import Visit
from bglint.sites import TaskSite
from bglint.values import Values

Wanted = Callable[[Visit, t.Raise, Values], bool]


@by_identity
class Raised:
    """A `raise` of these values; `others` counts the other tasks that come to it."""

    visit: Visit
    node: t.Raise
    values: Values
    others: int = 0

    @property
    def site(self) -> TaskSite:
        return self.visit.site


def nearest_raises(project: Project, sites: Iterable[TaskSite], wanted: Wanted) -> Iterator[Raised]:
    """One entry a `raise` statement that is wanted on some way of one of these tasks."""
    found: dict[t.Raise, list[Visit]] = {}
    for visit, node in _raises(project, sites):
        raised = project.evaluate(node.value, visit.frame)
        ways = (way for way in (visit, *project.other_ways(visit)) if wanted(way, node, raised))
        if (way := next(ways, None)) is not None:
            found.setdefault(node, []).append(way)
    for node, visits in found.items():
        first = min(visits, key=lambda visit: visit.depth + len(visit.site.context.hops))
        others = len({visit.site.call for visit in visits}) - 1
        yield Raised(first, node, project.evaluate(node.value, first.frame), others)


def _raises(project: Project, sites: Iterable[TaskSite]) -> Iterator[tuple[Visit, t.Raise]]:
    for site in sites:
        for visit in project.visits(site):
            for node in project.nodes_of(visit.frame, t.Raise) if visit.where != "process" else ():
                if node.value is not None:
                    yield visit, node
