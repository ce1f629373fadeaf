"""Places that a call switches off: `if raise_if_missing:` where the caller did not ask for it."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.reach import Visit
from bglint.rules._written import argument_of
from bglint.sites import Hop
from bglint.values import Const


def is_switched_off(project: Project, visit: Visit, node: t.Node) -> bool:
    """True where an `if` around `node`, or around a call on the way to it, asks for a parameter that is given false."""
    function = visit.frame.function
    chain = project.chain(node, function) if function is not None else ()
    for around, part in chain:
        if isinstance(around, t.Branch) and part in ("body", "orelse"):
            answer = _answer(project, around.test, visit)
            if answer is not None and answer != (part == "body"):
                return True
    return (
        visit.before is not None
        and visit.node is not None
        and is_switched_off(project, visit.before, visit.node)
    )


def _answer(project: Project, test: t.Expr, visit: Visit) -> bool | None:
    """What a test of parameters comes to; None where that is not known."""
    if isinstance(test, t.Operation) and test.kind in ("and", "or"):
        stop = test.kind == "or"
        answers = [_answer(project, operand, visit) for operand in test.operands]
        return stop if stop in answers else None if None in answers else not stop
    if isinstance(test, t.Operation) and test.kind == "not":
        inner = _answer(project, test.operands[0], visit)
        return None if inner is None else not inner
    return _given(project, test, visit) if isinstance(test, t.Name) else None


def _given(project: Project, name: t.Name, visit: Visit) -> bool | None:
    """Whether the caller gave a parameter something true: a literal, or its literal default."""
    function = visit.frame.function
    parameter = function.parameter(name.id) if function is not None else None
    if function is None or parameter is None or name.id in project.scope(function).bindings:
        return None
    if visit.before is None or not isinstance(visit.node, t.Call) or visit.node.spread:
        return None
    given = argument_of(project, Hop(visit.before.frame, visit.node), function, parameter)
    values = (
        project.evaluate(given or parameter.default, visit.before.frame) if given or parameter.default else ()
    )
    return bool(values[0].value) if len(values) == 1 and isinstance(values[0], Const) else None
