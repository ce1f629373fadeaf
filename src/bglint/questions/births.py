"""Where a value was made, and how that is written: for the reader who has to go there."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.values import Birth, Frame


def birthplace(project: Project, birth: Birth) -> str:
    """`path:line`; the path alone for what the body of a class makes."""
    source = _source(project, birth.node, birth.frame)
    if source is None:
        return birth.frame.path
    return f"{birth.frame.path}:{project.program.span(birth.node, source).line}"


def written(project: Project, expr: t.Expr, frame: Frame) -> str:
    """The text of an expression of a function or a module; "" elsewhere."""
    source = _source(project, expr, frame)
    return project.program.source_text(expr, source) if source is not None else ""


def _source(project: Project, node: t.Node, frame: Frame) -> t.Source | None:
    if frame.function is not None:
        return frame.function.source
    module = project.program.module(frame.path)
    assert module is not None
    plain = (entry for entry in module.outline.entries if entry.kind in ("assign", "statement"))
    for entry in plain:
        if node in t.walk(*project.program.statements(module, entry)):
            return project.program.source(module, entry)
    return None
