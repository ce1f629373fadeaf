"""The statements that a module runs when it is imported."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.values import Frame


def statements(project: Project, pattern: str) -> Iterator[tuple[t.Statement, Frame]]:
    """The top-level assignments and expressions of the modules whose text matches, with the module's frame."""
    for module in project.modules(pattern):
        frame = project.names.module_frame(module.path)
        for statement in project.module_statements(module):
            yield statement, frame
