"""A rule: one decorated function that asks the project and yields findings. Its docstring is its page."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from inspect import getdoc
from typing import TYPE_CHECKING

from bglint import tree as t
from bglint.frozen import by_value
from bglint.model import Finding, Fix, Level, Step
from bglint.values import Frame

if TYPE_CHECKING:
    from bglint.project import Project
    from bglint.reach import Visit
    from bglint.sites import TaskSite

Check = Callable[["Project"], Iterator[Finding]]
Fixable = str
"""Which fixes a rule offers: "", "safe", "unsafe" or "safe, unsafe"."""


@by_value
class Rule:
    """`name` is the function's name with dashes, `doc` its page in Markdown, `level` the usual one."""

    code: str
    name: str
    level: Level
    check: Check
    doc: str
    fixable: Fixable = ""

    @property
    def summary(self) -> str:
        """The first line of the page."""
        return self.doc.partition("\n")[0]


_REGISTERED: dict[str, Rule] = {}


def rule(code: str, *, level: Level, fixable: Fixable = "") -> Callable[[Check], Check]:
    """Register a check under a code. The check's name and docstring become the rule's name and page."""

    def register(check: Check) -> Check:
        name = check.__name__.replace("_", "-")
        _REGISTERED[code] = Rule(code, name, level, check, getdoc(check) or "", fixable)
        return check

    return register


@cache
def registry() -> dict[str, Rule]:
    """All rules by code, found by scanning the package `bglint.rules`."""
    package = importlib.import_module("bglint.rules")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"bglint.rules.{module.name}")
    return dict(sorted(_REGISTERED.items()))


def finding(
    project: Project,
    code: str,
    node: t.Node,
    frame: Frame,
    message: str,
    cure: str,
    *,
    level: Level | None = None,
    site: TaskSite | None = None,
    visit: Visit | None = None,
    trace: tuple[Step, ...] | None = None,
    last: str = "",
    fix: Fix | None = None,
    others: int = 0,
) -> Finding:
    """A finding on `node` of the function of `frame`.

    With a `site` (and a `visit`) the trace leads from the handler over the registration to the visit; `trace` replaces
    it. The guilty line is appended as last step, with the words `last`, unless the path ends there already.
    """
    entry = _REGISTERED[code]
    span = project.span(node, frame)
    steps = trace if trace is not None else project.trace(site, visit) if site is not None else ()
    if not steps or (steps[-1].path, steps[-1].span.line) != (frame.path, span.line):
        steps = (*steps, Step(frame.path, span, last or message))
    symbol = frame.function.qualname if frame.function is not None else ""
    return Finding(
        code, entry.name, level or entry.level, message, frame.path, span, cure,
        project.task_id(site) if site is not None else "", steps, fix, symbol,
        project.text(node, frame), others,
    )  # fmt: skip
