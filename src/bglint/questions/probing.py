"""A `try` that only looks whether there is a better value than the default."""

from __future__ import annotations

import re
import sys

from bglint import tree as t
from bglint.project import Project
from bglint.steps import Edge, Outer
from bglint.values import Frame

DEPTH = 3
_READERS = {"builtins", "pydantic", "dateutil", "numpy", "pandas", "orjson", "yaml", "pytz", "bs4", "lxml"}
_LOOKS_UP = re.compile(r"(?i)^(get|pop|peek|find|current|look_?up|parse|loads?|decode)(_|$)")
"""Of a call into a library that no table knows only the name is left to go by."""


def is_remote(outer: Outer) -> bool:
    """A call with an effect, or into a library that is no part of Python."""
    if outer.fact is not None and outer.fact.effect:
        return outer.fact.effect not in ("log", "print", "cpu")
    return outer.value.name.partition(".")[0] not in sys.stdlib_module_names | _READERS


def is_probe(project: Project, guard: t.Guard, frame: Frame) -> bool:
    """True where the one thing that is tried gives a name another value, and nobody outside notices."""
    assign = guard.body[0]
    if len(guard.body) > 1 or not isinstance(assign, t.Assign) or assign.value is None:
        return False
    parts = list(t.walk(assign.value))
    if any(isinstance(part, t.Await | t.Yield) for part in parts):
        return False
    return all(_has_value(project, x, guard, frame) for x in assign.targets) and not _acts(
        project, parts, frame
    )


def _has_value(project: Project, target: t.Expr, guard: t.Guard, frame: Frame) -> bool:
    """True for a name that is bound before the `try`, on every way to it."""
    if not isinstance(target, t.Name) or frame.function is None:
        return False
    before = project.scope(frame.function).visible(target.id, guard.at)
    chain = project.chain(guard, frame.function)
    sure = any(b.at < guard.at and b.value is not None and b.chain == chain[: len(b.chain)] for b in before)
    return sure or frame.function.parameter(target.id) is not None


def _acts(project: Project, parts: list[t.Node], frame: Frame) -> bool:
    """True where one of the calls does something outside of the program, or may."""
    edges, outers = project.steps(frame)
    if any(isinstance(o, Outer) and o.node in parts and _is_felt(o) for o in outers):
        return True
    called = (edge for edge in edges if isinstance(edge, Edge) and edge.node in parts)
    return any(_reaches_out(project, edge.target, DEPTH) for edge in called)


def _is_felt(outer: Outer) -> bool:
    known = outer.fact is not None and bool(outer.fact.effect)
    return is_remote(outer) and (known or not _LOOKS_UP.match(outer.value.name.rpartition(".")[2]))


def _reaches_out(project: Project, frame: Frame, depth: int) -> bool:
    edges, outers = project.steps(frame)
    if any(isinstance(outer, Outer) and is_remote(outer) for outer in outers):
        return True
    targets = (edge.target for edge in edges if isinstance(edge, Edge))
    return bool(depth) and any(_reaches_out(project, target, depth - 1) for target in targets)
