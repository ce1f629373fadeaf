"""Decorators that try again: after the last try most of them raise what the first try would have raised."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.values import Frame, Outside

_BOUNDS = {"tenacity.retry": {"stop"}, "backoff.on_exception": {"max_tries", "max_time"}}
"""Without one of these they try for ever, and nothing comes out."""

_LISTENERS = {"retry_error_callback", "after", "on_giveup"}
"""What hears of the last error."""


def raises_in_the_end(project: Project, decorator: t.Expr, frame: Frame) -> bool:
    """True for `@retry(stop=...)` of tenacity and `@backoff.on_exception(..., max_tries=...)`: who is told of the error?

    `reraise=True` gives the error itself, its absence tenacity's own RetryError.
    """
    if not isinstance(decorator, t.Call) or decorator.spread:
        return False
    named = {v.name for v in project.evaluate(decorator.func, frame) if isinstance(v, Outside)}
    given = {argument.keyword for argument in decorator.arguments if not _is_none(argument.value)}
    bounds = set().union(*(_BOUNDS.get(project.knowledge.canonical(name), set()) for name in named))
    return bool(bounds & given) and not (_LISTENERS & given) and not _is_quiet(decorator)


def _is_quiet(decorator: t.Call) -> bool:
    """`raise_on_giveup=False`, or a value that only the running program knows."""
    value = decorator.keyword("raise_on_giveup")
    return value is not None and not (isinstance(value, t.Constant) and value.value is True)


def _is_none(expr: t.Expr) -> bool:
    return isinstance(expr, t.Constant) and expr.value is None
