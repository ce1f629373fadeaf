"""Mapped objects: rows of the database as instances of the project's classes."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.values import Class, Cls, Frame, Instance, Outside, Value

_BASES = {
    "sqlalchemy.orm.DeclarativeBase",
    "sqlalchemy.orm.DeclarativeBaseNoMeta",
    "sqlalchemy.orm.declarative_base()",
    "sqlalchemy.ext.declarative.declarative_base()",
    "sqlalchemy.orm.decl_api.DeclarativeBase",
}
_ONE_ROW = (
    "first()",
    "one()",
    "one_or_none()",
    "scalar()",
    "scalar_one()",
    "scalar_one_or_none()",
    "get()",
    "get_one()",
)
DEPTH = 3
_ASKING = {"select", "query", "get", "get_one", "merge"}


def mapped(project: Project, value: Value) -> Class | None:
    """The mapped class whose row a value is; None where it is something else or nobody knows."""
    if isinstance(value, Instance):
        return value.klass if is_mapped(project, value.klass) else None
    if isinstance(value, Outside) and value.instance and value.name.endswith(_ONE_ROW):
        return next(_asked_for(project, value), None)
    return None


def is_mapped(project: Project, klass: Class) -> bool:
    """True for a class with a table: declarative, or SQLModel with `table=True`."""
    bases = members.outside_bases(project.names, klass)
    if any(base in _BASES for base in bases):
        return True
    return any(base.startswith("sqlmodel.") for base in bases) and any(
        argument.keyword == "table" for argument in klass.bases
    )


def _asked_for(project: Project, value: Outside) -> Iterator[Class]:
    """The classes named in `select(User)`, `session.query(User)`, `session.get(User, 5)` behind a result."""
    for of in origins(value):
        if of.birth is not None and isinstance(of.birth.node, t.Call):
            yield from _named(project, of.birth.node, of.birth.frame, DEPTH)


def _named(project: Project, asking: t.Node, frame: Frame, depth: int) -> Iterator[Class]:
    for node in t.walk(asking):
        if isinstance(node, t.Call) and t.last_name(node.func) in _ASKING and node.arguments:
            for value in project.evaluate(node.arguments[0].value, frame):
                if isinstance(value, Cls) and is_mapped(project, value.klass):
                    yield value.klass
        elif isinstance(node, t.Name) and depth:
            for value in project.evaluate(node, frame):
                if (
                    isinstance(value, Outside)
                    and value.birth is not None
                    and value.name.startswith("sqlalchemy.")
                ):
                    yield from _named(project, value.birth.node, value.birth.frame, depth - 1)


def origins(value: Value) -> Iterator[Outside]:
    """An outside value, what it was taken from or called on, what that was taken from ..."""
    of: Value | None = value
    while isinstance(of, Outside):
        yield of
        of = of.of


def is_lazy(project: Project, klass: Class, name: str) -> bool:
    """True for a relationship that is loaded when it is first read."""
    values = members.attribute(project.names, Cls(None, klass), name)
    for of in (of for value in values for of in origins(value)):
        if of.name.rpartition(".")[2] in ("relationship()", "Relationship()"):
            node = of.birth.node if of.birth is not None else None
            return not (isinstance(node, t.Call) and node.keyword("lazy") is not None)
    return False


def is_loaded_with(project: Project, value: Value) -> bool:
    """True where the query that gave a row names what to load with it: `selectinload(User.orders)`."""
    births = (of.birth for of in origins(value) if of.birth is not None)
    return any(_names_more(project, birth.node, birth.frame, DEPTH) for birth in births)


def _names_more(project: Project, asking: t.Node, frame: Frame, depth: int) -> bool:
    for node in t.walk(asking):
        if _loads(node):
            return True
        for value in project.evaluate(node, frame) if isinstance(node, t.Name) and depth else ():
            births = (of.birth for of in origins(value) if of.birth is not None)
            if any(_names_more(project, birth.node, birth.frame, depth - 1) for birth in births):
                return True
    return False


def _loads(node: t.Node) -> bool:
    return isinstance(node, t.Call) and (
        t.last_name(node.func) == "options" or t.last_name(node.func).endswith("load")
    )
