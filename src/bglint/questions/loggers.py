"""The logger that a fix writes to: the module's own or imported one, made where there is none."""

from __future__ import annotations

import re

from bglint import edits
from bglint.frozen import by_value
from bglint.model import Edit
from bglint.project import Project
from bglint.values import Frame, Outside

_CALLED = re.compile(r"_*log(ger)?", re.IGNORECASE)
_PLACEHOLDERS = {"logging.Logger": "%s", "structlog.BoundLogger": "%s", "loguru.logger": "{}"}
_USED = r"\b{}\.(debug|info|warning|error|exception)\("


@by_value
class Logger:
    """A logger by name, what has to be written to have it, and what stands in its messages for a value.

    `placeholder` is "" where that is not known.
    """

    name: str
    made: tuple[Edit, ...] = ()
    placeholder: str = "%s"


def logger(project: Project, path: str) -> Logger:
    """The logger of a module."""
    names = [name for name in _names(project, path) if _CALLED.fullmatch(name)]
    found = (_known(project, path, name) or _used(project, path, name) for name in names)
    return next(filter(None, found), None) or Logger(*edits.add_logger(project.source(path), path))


def _names(project: Project, path: str) -> list[str]:
    """What a module binds at its top level."""
    module = project.program.module(path)
    entries = module.outline.entries if module else ()
    return [name for entry in entries if not entry.typing_only for name in entry.names]


def _known(project: Project, path: str, name: str) -> Logger | None:
    for value in project.names.lookup(name, project.names.module_frame(path)):
        if isinstance(value, Outside) and value.name in _PLACEHOLDERS:
            return Logger(name, placeholder=_PLACEHOLDERS[value.name])
    return None


def _used(project: Project, path: str, name: str) -> Logger | None:
    """A logger of a kind that is not known, but that the module writes to already."""
    used = re.search(_USED.format(re.escape(name)), project.source(path))
    return Logger(name, placeholder="") if used else None


def is_local(project: Project, name: str, frame: Frame | None) -> bool:
    """True where a function, or one around it, binds a name itself: it does not mean the module's."""
    while frame is not None and frame.function is not None:
        if frame.function.parameter(name) or name in project.scope(frame.function).bindings:
            return True
        frame = frame.closure
    return False
