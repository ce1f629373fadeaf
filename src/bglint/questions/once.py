"""What a process does once, however many tasks run: behind a question for a global that the answer fills, in a memo."""

from __future__ import annotations

from collections.abc import Iterable

from bglint import tree as t
from bglint.members import has_decorator
from bglint.project import Project
from bglint.values import Frame

_MEMOS = ("lru_cache", "cache", "alru_cache")


def is_done_once(project: Project, path: Iterable[tuple[Frame, t.Node]]) -> bool:
    """True for a path that only the first task takes: `if _database is None: _database = connect()`."""
    return any(_is_memoised(frame.function) or _is_filling(project, frame, node) for frame, node in path)


def _is_memoised(function: t.Function | None) -> bool:
    """`@lru_cache def get_settings(): ...`: without arguments there is one answer."""
    return function is not None and not function.parameters and has_decorator(function, *_MEMOS)


def _is_filling(project: Project, frame: Frame, node: t.Node) -> bool:
    if frame.function is None:
        return False
    declared = project.scope(frame.function).declared.items()
    kept = {name for name, kind in declared if kind == "global" and not _is_emptied(frame.function, name)}
    inside = (step for step, part in project.chain(node, frame.function) if part == "body") if kept else ()
    return any(_fills(branch, name) for branch in inside for name in kept) or any(
        _leaves_if_there(before, name) and _sets(frame.function.body, name)
        for before in frame.function.body
        for name in kept
        if before.at < node.at
    )


def _fills(branch: t.Node, name: str) -> bool:
    return isinstance(branch, t.Branch) and _is_missing(branch.test, name) and _sets(branch.body, name)


def _leaves_if_there(statement: t.Statement, name: str) -> bool:
    if not isinstance(statement, t.Branch) or not isinstance(statement.body[-1], t.Return):
        return False
    test = statement.test
    return _is(test, name) or (_is_comparison(test, "is not", name))


def _is_missing(test: t.Expr, name: str) -> bool:
    negated = isinstance(test, t.Operation) and test.kind == "not" and _is(test.operands[0], name)
    return negated or _is_comparison(test, "is", name)


def _is_comparison(test: t.Expr, kind: str, name: str) -> bool:
    if not isinstance(test, t.Operation) or test.kind != kind:
        return False
    left, right = test.operands
    return _is(left, name) and isinstance(right, t.Constant) and right.value is None


def _is(expr: t.Expr, name: str) -> bool:
    return isinstance(expr, t.Name) and expr.id == name


def _sets(block: t.Block, name: str) -> bool:
    """True where a block gives the global a value: a call's result, or that it is ready."""
    assigned = (node for node in t.walk(*block) if isinstance(node, t.Assign))
    return any(_is(target, name) for node in assigned if not _is_empty(node) for target in node.targets)


def _is_emptied(function: t.Function, name: str) -> bool:
    """True where the function takes the value away again: the global says that someone is at it."""
    assigned = (node for node in t.nodes_of(function, t.Assign) if _is_empty(node))
    return any(_is(target, name) for node in assigned for target in node.targets)


def _is_empty(node: t.Assign) -> bool:
    return isinstance(node.value, t.Constant) and not node.value.value
