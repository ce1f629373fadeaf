"""A failure that is called a success: an empty result is kept, and behind the `try` the state says "ready"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.questions.except_clauses import LOGS, is_print
from bglint.questions.parents import following

_SUCCESS = re.compile(r"(?i)^(ready|done|completed?|finished|success(ful)?|succeeded)$")


def is_claimed(assign: t.Assign, guard: t.Guard, function: t.Function) -> bool:
    """True for a handler's `job.result = {}` where the steps behind its `try` say that the job is done."""
    kept = all(isinstance(target, t.Attribute | t.Subscript) for target in assign.targets)
    return kept and _is_empty(assign.value) and any(map(_says_success, _behind(guard, function)))


def _is_empty(expr: t.Expr | None) -> bool:
    if isinstance(expr, t.Mapping | t.Collection):
        return not expr.items
    return isinstance(expr, t.Constant) and expr.value in ("", None)


def _behind(guard: t.Guard, function: t.Function) -> Iterator[t.Statement]:
    """The steps of the `try`'s own block that always come after it."""
    step = following(guard, function)
    while step is not None and not isinstance(step, t.Return | t.Raise):
        yield step
        step = following(step, function)


def _says_success(step: t.Statement) -> bool:
    if isinstance(step, t.Assign):
        return isinstance(step.targets[0], t.Attribute | t.Subscript) and _is_success(step.value)
    call = step.value if isinstance(step, t.Evaluate) else None
    call = call.value if isinstance(call, t.Await) else call
    if not isinstance(call, t.Call) or is_print(call) or t.last_name(call.func) in LOGS:
        return False
    return any(_is_success(argument.value) for argument in call.arguments)


def _is_success(expr: t.Expr | None) -> bool:
    if isinstance(expr, t.Attribute):
        return bool(_SUCCESS.match(expr.name)) and expr.name.isupper()
    return isinstance(expr, t.Constant) and isinstance(expr.value, str) and bool(_SUCCESS.match(expr.value))
