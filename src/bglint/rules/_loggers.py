"""The logger that a fix writes to: the module's own or imported one, made where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bglint import edits
from bglint.model import Edit
from bglint.project import Project
from bglint.values import Frame, Outside

_CALLED = re.compile(r"_*log(ger)?", re.IGNORECASE)
_KINDS = ("logging.Logger", "structlog.BoundLogger", "loguru.logger")


@dataclass(frozen=True, slots=True)
class Logger:
    """A logger by name, what has to be written to have it, and whether it puts values into `{}` and not into `%s`."""

    name: str
    made: tuple[Edit, ...] = ()
    braces: bool = False


def logger(project: Project, path: str) -> Logger:
    """The logger of a module."""
    return next(_known(project, path), None) or Logger(*edits.add_logger(project.source(path), path))


def _known(project: Project, path: str) -> Iterator[Logger]:
    module = project.program.module(path)
    entries = module.outline.entries if module else ()
    names = [name for entry in entries if not entry.typing_only for name in entry.names]
    for name in filter(_CALLED.fullmatch, names):
        for value in project.names.lookup(name, project.names.module_frame(path)):
            if isinstance(value, Outside) and value.name in _KINDS:
                yield Logger(name, braces=value.name == "loguru.logger")


def is_local(project: Project, name: str, frame: Frame | None) -> bool:
    """True where a function, or one around it, binds a name itself: it does not mean the module's."""
    while frame is not None and frame.function is not None:
        if frame.function.parameter(name) or name in project.scope(frame.function).bindings:
            return True
        frame = frame.closure
    return False
