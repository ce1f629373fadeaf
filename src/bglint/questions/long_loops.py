"""Loops that turn a million times or more and let nobody else run meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from bglint import tree as t
from bglint.project import Project, dotted
from bglint.questions.contacts import is_async_only, number
from bglint.questions.loops import at_least, is_range, length
from bglint.scope import own_expressions
from bglint.values import Frame, Outside

MANY_TURNS = 1_000_000
QUICK_TURNS = 10 * MANY_TURNS
"""So many that counting alone takes long."""

Turning = t.For | t.While | t.Comprehension | t.Call

_TAKES_ALL = ("sum", "min", "max", "list", "tuple", "set", "frozenset", "sorted", "dict")
_STEPS = {"<": "+=", "<=": "+=", ">": "-=", ">=": "-="}


def long_loops(project: Project, frame: Frame) -> Iterator[Turning]:
    """What turns so often in a function: the outermost of loops in each other that only together do."""
    for loop in project.nodes_of(frame, t.For, t.While):
        own, inside = _turns(project, loop, frame), _turns_inside(project, loop, frame)
        if (own >= MANY_TURNS or inside < MANY_TURNS <= own * inside) and not _gives_way(loop):
            yield loop
    for node in project.nodes_of(frame, t.Comprehension, t.Call):
        if _taken(project, node, frame) >= MANY_TURNS and not any(map(is_async_only, t.walk(node))):
            yield node


def _turns(project: Project, loop: t.For | t.While, frame: Frame) -> float:
    if isinstance(loop, t.While):
        return _counted(project, loop, frame)
    return _range_turns(project, loop.iterable, frame)


def _range_turns(project: Project, iterable: t.Expr, frame: Frame) -> float:
    if isinstance(iterable, t.Call) and is_range(project, iterable, frame):
        return at_least(project, iterable, frame)
    return 0


def _counted(project: Project, loop: t.While, frame: Frame) -> float:
    """The turns of `while i < 1_000_000:` with `i += 1`; 0 where something else moves on or decides."""
    test = loop.test
    if (
        not isinstance(test, t.Operation)
        or test.kind not in _STEPS
        or not isinstance(test.operands[0], t.Name)
    ):
        return 0
    counter, stop = test.operands[0], number(project, test.operands[1], frame)
    start, step = number(project, counter, frame), _step(project, loop, counter.id, _STEPS[test.kind], frame)
    return abs(stop - start) / step if start is not None and stop is not None and step else 0


def _step(project: Project, loop: t.While, name: str, operator: str, frame: Frame) -> float | None:
    """By how much each turn moves the counter on, where one statement of the loop itself does and no other."""
    assigns = [node for node in t.walk(*loop.body) if isinstance(node, t.Assign) and _sets(node, name)]
    only = assigns[0] if len(assigns) == 1 else None
    if only is None or only not in loop.body or only.operator != operator:
        return None
    step = number(project, only.value, frame)
    return step if step is not None and step > 0 else None


def _sets(node: t.Assign, name: str) -> bool:
    return any(isinstance(part, t.Name) and part.id == name for part in t.walk(*node.targets))


def _turns_inside(project: Project, loop: t.For | t.While, frame: Frame) -> float:
    """How often the longest loop in a loop turns at each turn of it; 1 where that is not certain."""
    others = (part for part in loop.body if not isinstance(part, t.For | t.While))
    if any(isinstance(part, t.Continue) for part in t.walk(*others)):
        return 1
    found = [1.0]
    for statement in loop.body:
        if isinstance(statement, t.For):
            known = _known_turns(project, statement.iterable, frame)
            found.append(known * _turns_inside(project, statement, frame))
        elif not isinstance(statement, t.Branch | t.Guard | t.While | t.Match):
            inner = (part for expr in own_expressions(statement) for part in t.walk(expr))
            found += [_taken(project, n, frame) for n in inner if isinstance(n, t.Comprehension | t.Call)]
    return max(found)


def _known_turns(project: Project, iterable: t.Expr, frame: Frame) -> float:
    """The turns over a `range` of which all numbers are known; 1 for anything else."""
    known = length(project, iterable, frame) if is_range(project, iterable, frame) else None
    return known if known is not None else 1


def _taken(project: Project, node: t.Comprehension | t.Call, frame: Frame) -> float:
    """The turns of a comprehension, of `sum(... for ...)`; those of `sum(range(n))` where they are very many."""
    if isinstance(node, t.Comprehension):
        return _comprehended(project, node, frame) if node.kind != "generator" else 0
    given = node.argument(0)
    if given is None or not _takes_all(project, node, frame):
        return 0
    if isinstance(given, t.Comprehension) and given.kind == "generator":
        return _comprehended(project, given, frame)
    counted = _range_turns(project, given, frame)
    return counted if counted >= QUICK_TURNS else 0


def _comprehended(project: Project, node: t.Comprehension, frame: Frame) -> float:
    first = _range_turns(project, node.loops[0].iterable, frame)
    if first >= MANY_TURNS or any(loop.tests for loop in node.loops[:-1]):
        return first
    return first * prod(_known_turns(project, loop.iterable, frame) for loop in node.loops[1:])


def _takes_all(project: Project, call: t.Call, frame: Frame) -> bool:
    if dotted(call.func) not in _TAKES_ALL:
        return False
    called = project.evaluate(call.func, frame)
    return any(isinstance(value, Outside) and value.name.startswith("builtins.") for value in called)


def _gives_way(loop: t.For | t.While) -> bool:
    """True where the loop lets others run, or may be left early."""
    parts = t.walk(*loop.body)
    return any(isinstance(part, t.Break | t.Return | t.Yield) or is_async_only(part) for part in parts)
