"""The outside calls of a request in the order in which they are written, first-party functions read in place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar, cast

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.scope import Chain
from bglint.sites import TaskSite
from bglint.steps import Edge, Outer
from bglint.values import Frame, Outside, Unknown, Value

DEPTH = 5

Way = tuple[tuple[Frame, t.Node], ...]
"""From the first function to a call: each frame with its node."""


Step = TypeVar("Step", Edge, Outer)


@by_identity
class Deed:
    """One outside call. `value` is what is called; None where nobody knows what that is."""

    way: Way
    value: Outside | None

    @property
    def frame(self) -> Frame:
        return self.way[-1][0]

    @property
    def call(self) -> t.Call:
        node = self.way[-1][1]
        assert isinstance(node, t.Call)
        return node

    @property
    def name(self) -> str:
        return self.value.name if self.value is not None else ""

    @property
    def last(self) -> str:
        """The method or function without what stands before it."""
        return self.name.rpartition(".")[2]


def root(site: TaskSite) -> Frame:
    """The frame of the handler (or dependency) in which a registration begins."""
    return site.context.hops[0].frame if site.context.hops else site.frame


def way_to(site: TaskSite) -> Way:
    """From the handler to the registering call."""
    return (*((hop.frame, hop.node) for hop in site.context.hops), (site.frame, site.call))


def deeds(project: Project, frame: Frame) -> Iterator[Deed]:
    """What a function does, and what it calls does."""
    yield from _deeds(project, frame, (), frozenset())


def _deeds(project: Project, frame: Frame, way: Way, inside: frozenset[Frame]) -> Iterator[Deed]:
    if frame.function is None or frame in inside:
        return
    edges, outers = cast("tuple[tuple[Edge, ...], tuple[Outer, ...]]", project.steps(frame))
    called, reached = _by_node(edges), _by_node(outers)
    for node in project.nodes_of(frame, t.Call, t.Attribute, t.WithItem):
        here = (*way, (frame, node))
        yield from (Deed(here, outer.value) for outer in reached[node])
        targets = [edge.target for edge in called[node]]
        for target in targets if len(here) < DEPTH else ():
            yield from _deeds(project, target, here, inside | {frame})
        if isinstance(node, t.Call) and ((targets and len(here) >= DEPTH) or _is_dark(project, node, frame)):
            yield Deed(here, None)


def _by_node(steps: tuple[Step, ...]) -> dict[t.Node, list[Step]]:
    found: dict[t.Node, list[Step]] = defaultdict(list)
    for step in steps:
        found[step.node].append(step)
    return found


def _is_dark(project: Project, call: t.Call, frame: Frame) -> bool:
    values = project.evaluate(call.func, frame)
    return not values or any(isinstance(value, Unknown) for value in values)


def given(project: Project, deed: Deed) -> Iterator[Value]:
    """The values of a call's arguments."""
    for argument in deed.call.arguments:
        yield from project.evaluate(argument.value, deed.frame)


def may_follow(project: Project, first: Way, second: Way) -> bool:
    """May the second call run after the first, in one run of the handler?"""
    for (frame, one), (other, two) in zip(first, second, strict=False):
        if one is not two:
            assert frame.function is not None
            return frame is other and _follows(project, frame.function, one, two)
    return len(first) < len(second)


def _follows(project: Project, function: t.Function, one: t.Node, two: t.Node) -> bool:
    before, after = project.chain(one, function), project.chain(two, function)
    common = 0
    while common < min(len(before), len(after)) and before[common] == after[common]:
        common += 1
    if _are_arms(before[common:], after[common:]):
        return False
    return one.at < two.at and not any(_leaves(node, part) for node, part in before[common:])


def _are_arms(one: Chain, other: Chain) -> bool:
    """True for two arms of one `if` or `match`: only one of them runs."""
    if not one or not other:
        return False
    return one[0][0] is other[0][0] and isinstance(one[0][0], (t.Branch, t.Match))


def _leaves(node: t.Node, part: str) -> bool:
    """True for an arm of an `if` that never goes on behind it."""
    block: t.Block = getattr(node, part, ()) if isinstance(node, t.Branch) else ()
    return bool(block) and isinstance(block[-1], (t.Return, t.Raise))
