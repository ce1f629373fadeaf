"""Where an object of a library was made, if nothing stands between."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.values import Frame, Outside, Value


def maker(project: Project, value: Value | None) -> tuple[t.Call, Frame] | None:
    """The call that made it; None where a function of the project did, and may hand out one object for another."""
    birth = value.birth if value is not None else None
    if birth is None or not isinstance(birth.node, t.Call):
        return None
    called = project.evaluate(birth.node.func, birth.frame)
    is_outside = bool(called) and all(isinstance(each, Outside) for each in called)
    return (birth.node, birth.frame) if is_outside else None
