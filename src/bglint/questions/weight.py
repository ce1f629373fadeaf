"""Work that is too heavy or too long for a background task: how to tell it, which queue to hand it to."""

from __future__ import annotations

import re
from pathlib import Path

from bglint import tree as t
from bglint.framework import queues
from bglint.manifests import QUEUES
from bglint.project import Project
from bglint.questions.contacts import argument
from bglint.reach import Contact
from bglint.values import Const, Frame, Items, Value

SHORT_PROGRAMS = {
    "cat", "chmod", "chown", "cp", "date", "echo", "grep", "head", "hostname", "id", "kill", "ln", "ls", "mkdir", "mv",
    "pgrep", "pkill", "ps", "pwd", "rm", "tail", "test", "touch", "uname", "wc", "which", "whoami",
}  # fmt: skip
"""Programs that are done in no time, whatever they are given."""

HEAVY_PROGRAMS = ("ffmpeg", "whisper", "HandBrakeCLI", "blender", "sox")
_FIRST_WORD = re.compile(r"[A-Za-z]*[\"']+\s*([^\s\"']+)")


def to_a_queue(project: Project, frame: Frame) -> str:
    """The cure, with the task queue that is configured, or that the project depends on already."""
    name = queue(project, frame)
    if not name:
        return "Hand it to a task queue such as Celery or ARQ."
    return (
        f"Hand it to {name}."
        if project.config.queue
        else f"Hand it to {name}, which this project depends on already."
    )


def a_queue(project: Project, frame: Frame) -> str:
    """The project's task queue by its name, or any, inside a sentence."""
    return queue(project, frame) or "a task queue"


def queue(project: Project, frame: Frame) -> str:
    """The name of the task queue that is configured or, else, that the project depends on; "" where there is none."""
    if project.config.queue:
        return QUEUES.get(project.config.queue.lower(), project.config.queue)
    known = queues(Path(frame.path).absolute().parent, project.sources.root)
    return known[0] if known else ""


def runs_heavy_program(project: Project, contact: Contact) -> bool:
    """True where another program is started that computes for long, such as ffmpeg."""
    fact = contact.fact
    if fact is None or fact.effect != "process":
        return False
    return fact.weight == "heavy" or program(project, contact) in HEAVY_PROGRAMS


def program(project: Project, contact: Contact) -> str:
    """The program that a call starts, as far as its first argument tells."""
    command = argument(contact, 0, "args")
    if isinstance(command, t.Text):
        found = _FIRST_WORD.match(project.text(command, contact.visit.frame))
        return _last_part(found[1]) if found else ""
    values = project.evaluate(command, contact.visit.frame) if command is not None else ()
    return next((word for value in values if (word := _word(value))), "")


def _word(value: Value) -> str:
    """The first word of a command line, given as a list or as one text."""
    first = value.items[0] if isinstance(value, Items) and value.items else (value,)
    texts = [each.value for each in first if isinstance(each, Const) and isinstance(each.value, str)]
    return _last_part(texts[0].split()[0]) if texts and texts[0].strip() else ""


def _last_part(path: str) -> str:
    return path.rpartition("/")[2]
