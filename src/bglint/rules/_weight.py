"""What to say of work that is too heavy or too long for a background task: which queue to hand it to."""

from __future__ import annotations

from pathlib import Path

from bglint.framework import queues
from bglint.project import Project
from bglint.values import Frame


def to_a_queue(project: Project, frame: Frame) -> str:
    """The cure, with the task queue that the project depends on already."""
    known = queues(Path(frame.path).absolute().parent, project.sources.root)
    if known:
        return f"Hand it to {known[0]}, which this project depends on already."
    return "Hand it to a task queue such as Celery or ARQ."
