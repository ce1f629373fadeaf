"""Local names that are written and never read again."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.memo import memo
from bglint.project import Project


def is_unread(project: Project, assign: t.Assign, function: t.Function) -> bool:
    """True where an assignment only gives values to local names that no later step of the function reads."""
    names = {target.id for target in assign.targets if isinstance(target, t.Name)}
    if len(names) < len(assign.targets) or names & project.scope(function).declared.keys():
        return False
    if names & _read_inside(function):
        return False
    again = {id(node) for loop in _loops(project, assign, function) for node in t.walk(loop)}
    return not any(
        name.id in names and (name.at > assign.at or id(name) in again) for name in _reads(function, assign)
    )


def _loops(project: Project, node: t.Node, function: t.Function) -> Iterator[t.Node]:
    yield from (around for around, _ in project.chain(node, function) if isinstance(around, t.For | t.While))


def _reads(function: t.Function, assign: t.Assign) -> Iterator[t.Name]:
    """The names that a function reads, other than for the assignment itself."""
    own = {id(part) for part in t.walk(assign)}
    written = {id(target) for node in t.nodes_of(function, t.Assign) for target in node.targets}
    for name in t.nodes_of(function, t.Name):
        if id(name) not in own | written:
            yield name


@memo
def _read_inside(function: t.Function) -> frozenset[str]:
    """The names that nested functions and classes mention."""
    inner = [node.function for node in t.nodes_of(function, t.Define, t.Lambda)]
    classes = [part for node in t.nodes_of(function, t.DefineClass) for part in t.walk(*node.body)]
    own = {part.id for part in classes if isinstance(part, t.Name)}
    own |= {name.id for nested in inner for name in t.nodes_of(nested, t.Name)}
    return frozenset(own).union(*map(_read_inside, inner))
