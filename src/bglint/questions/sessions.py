"""Database sessions of a request: whose they are, what they expire, what was written and committed."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.questions.deeds import Deed, given
from bglint.questions.handed import spread
from bglint.questions.owners import Owner, owner
from bglint.values import Func, Generator, Instance, Outside, Value

SYNC = ("sqlalchemy.orm.Session", "sqlalchemy.orm.scoped_session", "sqlmodel.Session")
ASYNC = (
    "sqlalchemy.ext.asyncio.AsyncSession",
    "sqlalchemy.ext.asyncio.async_scoped_session",
    "sqlmodel.ext.asyncio.session.AsyncSession",
)
COMMITTING = (
    "sqlite3.Connection",
    "psycopg.Connection",
    "psycopg.AsyncConnection",
    "psycopg2.extensions.connection",
)
"""Connections whose `with` block commits at its end."""

CONNECTIONS = (
    "sqlalchemy.engine.Connection", "sqlalchemy.ext.asyncio.AsyncConnection", "asyncpg.Connection", *COMMITTING,
)  # fmt: skip
_WRITERS = {"add", "add_all", "merge", "delete", "bulk_save_objects", "bulk_insert_mappings", "executemany"}
_FETCHERS = {"scalar", "scalars", "stream", "fetch", "fetchrow", "fetchval"}
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


def can_commit(project: Project, value: Value) -> bool:
    """True for what has a method `commit`; not for a connection of asyncpg."""
    if isinstance(value, Instance):
        return members.method(project.names, value.klass, "commit") is not None
    return not project.is_a(value, "asyncpg.Connection")


def is_given(project: Project, deed: Deed, provider: Func) -> bool:
    """True where a call is given the session of a provider."""
    owners = (owner(project, value) for value in spread(tuple(given(project, deed))))
    return any(found is not None and found.provider.function is provider.function for found in owners)


def writes(project: Project, deed: Deed) -> bool:
    """True for what changes the database at the next flush or at once."""
    if deed.last in _WRITERS:
        return True
    runs = deed.last.startswith("exec") or deed.last in _FETCHERS
    return runs and any(_is_writing(project, value) for value in given(project, deed))


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
            if _commits_after(node, function):
                return True
            blocks = [around for around, part in chain if part == "body" and isinstance(around, t.With)]
            if any(_commits(project, item.value, function, depth) for b in blocks for item in b.items):
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


def _commits(project: Project, manager: t.Expr, function: t.Function, depth: int) -> bool:
    """`with factory.begin()`, `with pool.connection()`, `with UnitOfWork()`: the block commits at its end."""
    frame = project.frame(function)
    if isinstance(manager, t.Call) and isinstance(manager.func, t.Attribute) and manager.func.name == "begin":
        return True
    if isinstance(manager, t.Call) and _is_transaction(project, manager, function):
        return True
    for value in project.evaluate(manager, frame):
        if isinstance(value, Instance) and _commits_at_exit(project, value):
            return True
        if project.is_a(value, *COMMITTING) and not _commits_by_itself(project):
            return True
    called = project.evaluate(manager.func, frame) if isinstance(manager, t.Call) and depth else ()
    own = (v for v in called if isinstance(v, Func) and v.function.is_generator)
    return any(commits_on_exit(project, each, depth - 1) for each in own)


def _is_transaction(project: Project, call: t.Call, function: t.Function) -> bool:
    """`with connection.transaction()` of psycopg and asyncpg."""
    if not isinstance(call.func, t.Attribute) or call.func.name != "transaction":
        return False
    return any(
        project.is_a(v, *CONNECTIONS) for v in project.evaluate(call.func.value, project.frame(function))
    )


def _commits_at_exit(project: Project, value: Instance) -> bool:
    """True for an object that commits when its block ends, and not when it begins."""
    ends = (members.method(project.names, value.klass, name) for name in ("__exit__", "__aexit__"))
    calls = (call for end in ends if end is not None for call in t.nodes_of(end[1], t.Call))
    return any(isinstance(call.func, t.Attribute) and call.func.name == "commit" for call in calls)


def _commits_by_itself(project: Project) -> bool:
    """True where the project asks its connections to commit each statement."""
    asked = project.modules(r"""\bautocommit["']?\s*[=:]\s*True|\bisolation_level\s*=\s*None""")
    return any(True for _ in asked)
