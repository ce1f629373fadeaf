"""The rule BG606; what it means stands in its docstring."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.model import Finding, Level
from bglint.project import Project
from bglint.questions.deeds import Deed, Way, deeds, given, may_follow, root, way_to
from bglint.questions.handed import handed, spread
from bglint.questions.mapped import is_lazy, is_loaded_with, mapped, origins
from bglint.questions.owners import owner
from bglint.questions.sessions import ASYNC, SYNC, session_of
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Class, Frame, Outside, Value

CODE = "BG606"
_ADDING = {"add", "add_all", "merge"}


@rule(CODE, level="error")
def orm_object_in_task(project: Project) -> Iterator[Finding]:
    """The task reads a mapped object whose columns the commit has thrown away.

    ## What it does
    Finds an object of a mapped class (SQLAlchemy, SQLModel) that the request's session has loaded or added, that the
    handler commits and does not refresh or use afterwards, and whose attributes a task reads.

    ## Why is this bad?
    `commit()` expires all objects of the session: the next read of a column goes back to the database. In the task
    that is too late.

    - With `AsyncSession` it fails with `MissingGreenlet`, in every FastAPI version.
    - Where the session is closed before the task (FastAPI 0.106 to 0.117, function scope, a `with` block of the
      handler) it fails with `DetachedInstanceError`.
    - Else the read opens a new transaction on the session of a request that has been answered, and keeps its
      connection until the task ends. That is a warning.

    A session made with `expire_on_commit=False` keeps the columns, and bglint says nothing.

    The same happens, without a commit, to a relationship that is loaded when it is first read, if that is in the task:
    with an `AsyncSession`, and where the session is closed before.

    ## Example
    ```python
    import logging
    from collections.abc import AsyncIterator

    from fastapi import BackgroundTasks, Depends, FastAPI
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    app = FastAPI()
    new_session = async_sessionmaker(create_async_engine("sqlite+aiosqlite:///app.db"))
    logger = logging.getLogger(__name__)


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]


    async def get_db() -> AsyncIterator[AsyncSession]:
        async with new_session() as db:
            yield db


    async def welcome(user: User) -> None:
        logger.info("welcome, %s", user.email)


    @app.post("/users", status_code=201)
    async def add(email: str, tasks: BackgroundTasks, db: AsyncSession = Depends(get_db)) -> dict[str, str]:
        user = User(email=email)
        db.add(user)
        await db.commit()
        tasks.add_task(welcome, user)
        return {"email": email}
    ```

    ## Use instead
    Pass what the task needs, or the id, with which the task loads the object through a session of its own.
    ```python
    import logging
    from collections.abc import AsyncIterator

    from fastapi import BackgroundTasks, Depends, FastAPI
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    app = FastAPI()
    new_session = async_sessionmaker(create_async_engine("sqlite+aiosqlite:///app.db"))
    logger = logging.getLogger(__name__)


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]


    async def get_db() -> AsyncIterator[AsyncSession]:
        async with new_session() as db:
            yield db


    async def welcome(email: str) -> None:
        logger.info("welcome, %s", email)


    @app.post("/users", status_code=201)
    async def add(email: str, tasks: BackgroundTasks, db: AsyncSession = Depends(get_db)) -> dict[str, str]:
        user = User(email=email)
        db.add(user)
        await db.commit()
        tasks.add_task(welcome, email)
        return {"email": email}
    ```

    ## Verified by
    The witness sees the task log `MissingGreenlet` or `DetachedInstanceError`, or the session of the request send a
    query after the answer.
    """
    for site in project.sites:
        for value in handed(project, site):
            klass = mapped(project, value)
            if klass is not None:
                read = _read(project, site, klass)
                expired = list(_expired(project, site, value, klass)) if read else []
                yield from expired or _unloaded(project, site, value, klass, read)


def _read(project: Project, site: TaskSite, klass: Class) -> set[str]:
    """The columns and relationships that the task reads."""
    return {name for visit in project.visits(site) for name in _read_in(project, visit.frame, klass)}


def _read_in(project: Project, frame: Frame, klass: Class) -> Iterator[str]:
    for node in project.nodes_of(frame, t.Attribute):
        is_method = members.method(project.names, klass, node.name) is not None
        if not is_method and _is_row(project, node.value, frame, klass):
            yield node.name


def _is_row(project: Project, expr: t.Expr, frame: Frame, klass: Class) -> bool:
    return any(mapped(project, value) is klass for value in project.evaluate(expr, frame))


def _expired(project: Project, site: TaskSite, value: Value, klass: Class) -> Iterator[Finding]:
    way = way_to(site)
    done = [
        deed
        for deed in deeds(project, root(site))
        if may_follow(project, deed.way, way) or may_follow(project, way, deed.way)
    ]
    commit = next(
        (deed for deed in reversed(done) if deed.last == "commit" and session_of(project, deed)), None
    )
    if commit is None or not _holds(project, done, commit, value, klass):
        return
    session = session_of(project, commit)
    assert session is not None
    if _expires(project, session) and not _is_renewed(project, site, done, commit, klass):
        level, message = _verdict(project, site, session, klass)
        cure = "Pass its id, or the values that the task needs."
        yield finding(project, CODE, site.call, site.frame, message, cure, level=level, site=site)


def _unloaded(
    project: Project, site: TaskSite, value: Value, klass: Class, read: set[str]
) -> Iterator[Finding]:
    """A relationship that nobody has loaded, of a row whose session is closed, or cannot load it, in the task."""
    session = next((link for link in origins(value) if project.is_a(link, *SYNC, *ASYNC)), None)
    lazy = sorted(name for name in read if is_lazy(project, klass, name))
    if not isinstance(session, Outside) or not lazy or is_loaded_with(project, value):
        return
    if any(name in _read_in(project, frame, klass) for frame, _ in way_to(site) for name in lazy):
        return
    what, task = f"`{klass.name}.{lazy[0]}`", f"`{project.task_name(site)}`"
    cure = (
        "Load it in the handler (`selectinload`) and pass the values, or pass the id and load it in the task."
    )
    if project.is_a(session, *ASYNC):
        message = f"Nobody has loaded {what}, and an AsyncSession cannot do it by itself: {task} fails on it."
        yield finding(project, CODE, site.call, site.frame, message, cure, site=site)
    elif _is_closed_first(project, site, session):
        message = f"Nobody has loaded {what}, and its session is closed before the task: {task} fails on it."
        yield finding(project, CODE, site.call, site.frame, message, cure, site=site)


def _holds(project: Project, done: list[Deed], commit: Deed, value: Value, klass: Class) -> bool:
    """True where the session has got hold of the object before the commit."""
    birth = value.birth
    if birth is not None:
        made = next((node.at for frame, node in commit.way if frame is birth.frame), None)
        if made is not None:
            return birth.node.at < made
    before = [deed for deed in done if may_follow(project, deed.way, commit.way)]
    return any(
        (birth is not None and deed.call is birth.node)
        or (
            deed.last in _ADDING
            and any(mapped(project, v) is klass for v in spread(tuple(given(project, deed))))
        )
        for deed in before
    )


def _expires(project: Project, session: Outside) -> bool:
    """True where the session was seen made, and not with `expire_on_commit=False`."""
    whose = owner(project, session)
    calls = [*_makers(session), *(_makers(whose.raw) if whose is not None else ())]
    return bool(calls) and not any(
        call.spread or call.keyword("expire_on_commit") is not None for call in calls
    )


def _makers(value: Value | None) -> Iterator[t.Call]:
    """The calls that made a session and its factory."""
    while isinstance(value, Outside):
        if value.birth is not None and isinstance(value.birth.node, t.Call):
            yield value.birth.node
        value = value.of


def _is_renewed(project: Project, site: TaskSite, done: list[Deed], commit: Deed, klass: Class) -> bool:
    """True where the columns are loaded again after the commit: by `refresh`, or by any other use of the object.

    What was expunged, before or after, no commit expires.
    """
    later = [deed for deed in done if may_follow(project, commit.way, deed.way)]
    expunged = any(deed.last in ("expunge", "expunge_all") for deed in done)
    if expunged or any(deed.last == "refresh" for deed in later):
        return True
    way = way_to(site)
    return any(_is_used(project, site, commit, klass, before) for before in _prefixes(way, commit.way))


def _prefixes(*ways: Way) -> Iterator[Way]:
    """The ways into each function that the request passes."""
    seen: set[Frame] = set()
    for way in ways:
        for depth, (frame, _) in enumerate(way):
            if frame not in seen:
                seen.add(frame)
                yield (*way[:depth], (frame, way[depth][1]))


def _is_used(project: Project, site: TaskSite, commit: Deed, klass: Class, into: Way) -> bool:
    """True for a use of the object after the commit, in one function; handing it to the task, or back, is none."""
    frame = into[-1][0]
    function = frame.function
    if function is None:
        return False
    handing = {id(part) for _, node in way_to(site) for part in t.walk(node)}
    if frame is not root(site):
        returns = t.nodes_of(function, t.Return)
        handing |= {id(node.value) for node in returns}
    assigns = t.nodes_of(function, t.Assign)
    handing |= {id(target) for assign in assigns for target in assign.targets}
    return any(
        isinstance(node, t.Name)
        and id(node) not in handing
        and may_follow(project, commit.way, (*into[:-1], (frame, node)))
        and _is_row(project, node, frame, klass)
        for node in t.walk_function(function)
    )


def _verdict(project: Project, site: TaskSite, session: Outside, klass: Class) -> tuple[Level, str]:
    what, task = f"the `{klass.name}`", f"`{project.task_name(site)}`"
    if project.is_a(session, *ASYNC):
        message = f"The commit has expired {what}, and an AsyncSession cannot load it again by itself:"
        return "error", f"{message} {task} fails with MissingGreenlet."
    if _is_closed_first(project, site, session):
        return "error", (
            f"The commit has expired {what}, and its session is closed before the task: "
            f"{task} fails with DetachedInstanceError."
        )
    return "warning", (
        f"The commit has expired {what}: reading it, the task {task} goes back to the session of a request that has "
        f"been answered, if that is still open."
    )


def _is_closed_first(project: Project, site: TaskSite, session: Outside) -> bool:
    """True where the session is closed before the task runs: by a block of the handler, or by its dependency."""
    whose = owner(project, session)
    if whose is None:
        return session.birth is not None and session.birth.kind == "with"
    framework = project.framework(site.frame.path)
    return whose.function_scope or whose.middleware or framework.closes_before_tasks is True
