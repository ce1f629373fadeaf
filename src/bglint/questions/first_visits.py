"""What tasks come to, each place once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from bglint import tree as t
from bglint.project import Project
from bglint.reach import Visit

N = TypeVar("N", bound=t.Node)


def first_visits(project: Project, found: Callable[[Visit], Iterable[N]]) -> Iterator[tuple[N, Visit]]:
    """Every node that `found` gives of some visit, with the first of these."""
    seen: set[N] = set()
    for site in project.sites:
        for visit in project.visits(site):
            for node in found(visit):
                if node not in seen:
                    seen.add(node)
                    yield node, visit
