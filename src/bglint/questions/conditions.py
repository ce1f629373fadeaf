"""Which conditions hold where, to see that two places are never passed in the same call."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.questions.parents import around
from bglint.values import Frame

Condition = tuple[str, bool]
"""A piece of source text, and whether it is true."""


def exclude_each_other(project: Project, one: t.Node, other: t.Node, frame: Frame) -> bool:
    """True where what must hold at one place is what must not hold at the other."""
    held = set(_held_at(project, one, frame))
    return any((text, not truth) in held for text, truth in _held_at(project, other, frame))


def _held_at(project: Project, node: t.Node, frame: Frame) -> Iterator[Condition]:
    assert frame.function is not None
    for statement, part in project.chain(node, frame.function):
        if isinstance(statement, t.Branch):
            yield from _of(project, statement.test, part == "body", frame)
    yield from _filled(project, node, frame)
    yield from _chosen(project, node, frame)


def _chosen(project: Project, node: t.Node, frame: Frame) -> Iterator[Condition]:
    """`name = Task() if a else None`: where the task is made, `a` holds, and `name` does from then on."""
    assert frame.function is not None
    for above in around(node, frame.function):
        if isinstance(above, t.Conditional) and node is not above.test:
            yield from _of(project, above.test, node is above.body, frame)
            node = above
        elif isinstance(above, t.Assign):
            yield from ((project.text(target, frame), True) for target in above.targets)
        else:
            return


def _of(project: Project, test: t.Expr, truth: bool, frame: Frame) -> Iterator[Condition]:
    """`a and not b` holds: a is true, b is false."""
    if not isinstance(test, t.Operation):
        yield project.text(test, frame), truth
    elif test.kind == "not":
        yield from _of(project, test.operands[0], not truth, frame)
    elif test.kind == ("and" if truth else "or"):
        for operand in test.operands:
            yield from _of(project, operand, truth, frame)
    elif test.kind in ("is", "is not") and _is_none(test.operands[1]):
        yield project.text(test.operands[0], frame), (test.kind == "is not") is truth
    elif test.kind in ("==", "!="):
        sides = " == ".join(project.text(operand, frame) for operand in test.operands)
        yield sides, (test.kind == "==") is truth


def _is_none(expr: t.Expr) -> bool:
    return isinstance(expr, t.Constant) and expr.value is None


def _filled(project: Project, node: t.Node, frame: Frame) -> Iterator[Condition]:
    """A list that was appended to just before, or an object whose attributes are read here, is there."""
    if isinstance(node, t.Call):
        for part in t.walk(*node.arguments):
            if isinstance(part, t.Attribute) and isinstance(part.value, t.Name):
                yield part.value.id, True
    for beside in _beside(project, node, frame):
        for noted in _noted(beside):
            text = project.text(noted, frame)
            yield from ((text, True), (f"{text} == 0", False), (f"len({text}) == 0", False))


def _noted(statement: t.Statement) -> Iterator[t.Expr]:
    """What a statement fills, counts up or sets: `found.append(x)`, `count += 1`, `done = True`."""
    if isinstance(statement, t.Assign):
        is_set = isinstance(statement.value, t.Constant) and bool(statement.value.value)
        yield from (
            statement.targets if statement.operator == "+=" or (is_set and not statement.operator) else ()
        )
    call = statement.value if isinstance(statement, t.Evaluate) else None
    if (
        isinstance(call, t.Call)
        and isinstance(call.func, t.Attribute)
        and call.func.name in ("append", "add")
    ):
        yield call.func.value


def _beside(project: Project, node: t.Node, frame: Frame) -> Iterator[t.Statement]:
    """The statements that are passed with a place: those of its own block, and those before it in the same loop."""
    assert frame.function is not None
    own = True
    for statement, part in reversed(project.chain(node, frame.function)):
        block = getattr(statement, part, ()) if part in ("body", "orelse") else ()
        yield from (each for each in block if own or each.at < node.at)
        own = own and not block
        if isinstance(statement, (t.For, t.While)):
            return
