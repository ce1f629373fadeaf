"""Does this handler take this exception?"""

from __future__ import annotations

import builtins
from enum import Enum

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.values import Cls, Frame, Instance, Outside, Value, Values


class Catch(Enum):
    """An answer that may be unsure."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


_HTTP = ".HTTPException"


def catches(project: Project, handler: t.Handler, frame: Frame, raised: Values | None) -> Catch:
    """Whether `handler` takes what is raised; of `None` nothing is known but that it is an Exception."""
    if not handler.types:
        return Catch.YES
    answers = [_one(project, type_, frame, raised) for type_ in handler.types]
    if Catch.YES in answers:
        return Catch.YES
    return Catch.MAYBE if Catch.MAYBE in answers else Catch.NO


def expects(project: Project, handler: t.Handler, frame: Frame, errors: frozenset[str]) -> bool:
    """True where `handler` is written for one of these errors, for a kind of it or for what it is a kind of."""
    caught = (value for type_ in handler.types for value in project.evaluate(type_, frame))
    names = {project.knowledge.canonical(value.name) for value in caught if isinstance(value, Outside)}
    return any(name in errors or errors & {*project.knowledge.bases(name)} for name in names)


def _one(project: Project, type_: t.Expr, frame: Frame, raised: Values | None) -> Catch:
    caught = {name for value in project.evaluate(type_, frame) for name in _lineage(project, value)[:1]}
    if caught & {"builtins.Exception", "builtins.BaseException"}:
        return Catch.YES
    answers = {_is_one_of(project, value, caught) for value in raised or ()}
    return answers.pop() if len(answers) == 1 else Catch.MAYBE


def _is_one_of(project: Project, value: Value, caught: set[str]) -> Catch:
    lineage = _lineage(project, value)
    if not lineage or not caught:
        return Catch.MAYBE
    http = any(name.endswith(_HTTP) for name in lineage) and any(name.endswith(_HTTP) for name in caught)
    if http or caught & set(lineage):
        return Catch.YES
    return Catch.NO if all(map(_is_known, lineage)) else Catch.MAYBE


def _is_known(name: str) -> bool:
    """True for a class of which every base is known here: first-party, built in, or FastAPI's."""
    return name.startswith(("builtins.", "/")) or name.endswith(_HTTP)


def _lineage(project: Project, value: Value) -> list[str]:
    """The name of an exception class and those of its bases; a first-party one by its place."""
    if isinstance(value, (Cls, Instance)):
        own = [f"/{part.source.path}:{part.qualname}" for part in members.lineage(project.names, value.klass)]
        outside = members.outside_bases(project.names, value.klass)
        return [*own, *(name for base in outside for name in _outside(base))]
    return _outside(value.name) if isinstance(value, Outside) else []


def _outside(name: str) -> list[str]:
    plain = name.removeprefix("builtins.").removesuffix("()")
    real = getattr(builtins, plain, None)
    if isinstance(real, type) and issubclass(real, BaseException):
        return [f"builtins.{base.__name__}" for base in real.__mro__ if base is not object]
    return [name]
