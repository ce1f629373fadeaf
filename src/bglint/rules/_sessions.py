"""Database sessions of a request: whose they are, what they expire, what was written and committed."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.rules._deeds import Deed, given
from bglint.rules._handed import spread
from bglint.rules._owners import Owner, owner
from bglint.values import Func, Generator, Outside, Value

SYNC = ("sqlalchemy.orm.Session", "sqlalchemy.orm.scoped_session", "sqlmodel.Session")
ASYNC = (
    "sqlalchemy.ext.asyncio.AsyncSession",
    "sqlalchemy.ext.asyncio.async_scoped_session",
    "sqlmodel.ext.asyncio.session.AsyncSession",
)
CONNECTIONS = ("sqlalchemy.engine.Connection", "sqlalchemy.ext.asyncio.AsyncConnection", "sqlite3.Connection")
_WRITERS = {"add", "add_all", "merge", "delete", "bulk_save_objects", "bulk_insert_mappings", "executemany"}
_STATEMENTS = ("sqlalchemy.insert", "sqlalchemy.update", "sqlalchemy.delete", "sqlalchemy.dialects.")
_WRITING_SQL = ("insert", "update", "delete", "merge", "replace")


def session_of(project: Project, deed: Deed) -> Outside | None:
    """The session or connection that a method is called on."""
    of = deed.value.of if deed.value is not None else None
    known = isinstance(of, Outside) and of.instance and project.is_a(of, *SYNC, *ASYNC, *CONNECTIONS)
    return of if known and isinstance(of, Outside) else None


def owner_of(project: Project, value: Value | None) -> Owner | None:
    """The dependency that a session comes from."""
    return owner(project, value) if value is not None else None


def is_given(project: Project, deed: Deed, provider: Func) -> bool:
    """True where a call is given the session of a provider."""
    owners = (owner(project, value) for value in spread(tuple(given(project, deed))))
    return any(found is not None and found.provider.function is provider.function for found in owners)


def writes(project: Project, deed: Deed) -> bool:
    """True for what changes the database at the next flush or at once."""
    if deed.last in _WRITERS:
        return True
    return deed.last.startswith("exec") and any(_is_writing(project, value) for value in given(project, deed))


def _is_writing(project: Project, statement: Value) -> bool:
    value = getattr(statement, "value", None)
    if isinstance(value, str):
        return value.lstrip().lower().startswith(_WRITING_SQL)
    if not isinstance(statement, Outside):
        return False
    if statement.name.startswith(_STATEMENTS):
        return True
    birth = statement.birth
    if statement.name.startswith("sqlalchemy.") and "text" in statement.name.lower() and birth is not None:
        texts = birth.node.arguments if isinstance(birth.node, t.Call) else ()
        return any(
            _is_writing(project, v) for text in texts for v in project.evaluate(text.value, birth.frame)
        )
    return False


def commits_on_exit(project: Project, provider: Func, depth: int = 3) -> bool:
    """True for a generator function that commits what it yields, when it goes on after the yield."""
    function = provider.function
    for node in t.nodes_of(function, t.Yield):
        if node.value is not None:
            chain = project.chain(node, function)
            if node.delegates:
                return bool(depth) and any(
                    commits_on_exit(project, inner, depth - 1)
                    for inner in _inner(project, node.value, function)
                )
            if _commits_after(node, function) or any(
                _begins(around) for around, part in chain if part == "body"
            ):
                return True
            loops = [around for around, _ in chain if isinstance(around, t.For)]
            if depth and any(
                commits_on_exit(project, inner, depth - 1)
                for loop in loops
                for inner in _inner(project, loop.iterable, function)
            ):
                return True
    return False


def _inner(project: Project, expr: t.Expr, function: t.Function) -> Iterator[Func]:
    for value in project.evaluate(expr, project.frame(function)):
        if isinstance(value, Generator):
            yield value.func


def _commits_after(node: t.Yield, function: t.Function) -> bool:
    calls = (call for call in t.nodes_of(function, t.Call) if call.at > node.at)
    return any(isinstance(call.func, t.Attribute) and call.func.name == "commit" for call in calls)


def _begins(around: t.Node) -> bool:
    """`with factory.begin() as session`, `with session.begin()`: the block commits at its end."""
    items = around.items if isinstance(around, t.With) else ()
    calls = (item.value for item in items if isinstance(item.value, t.Call))
    return any(isinstance(call.func, t.Attribute) and call.func.name == "begin" for call in calls)
