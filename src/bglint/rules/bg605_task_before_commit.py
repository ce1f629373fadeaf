"""The rule BG605; what it means stands in its docstring."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding, Level
from bglint.project import Project, short_function
from bglint.questions.deeds import Deed, deeds, may_follow, root, way_to
from bglint.questions.handed import handed, links
from bglint.questions.mapped import mapped
from bglint.questions.owners import Owner, owner
from bglint.questions.sessions import can_commit, commits_on_exit, is_given, owner_of, session_of, writes
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Class, Instance

CODE = "BG605"


@rule(CODE, level="error")
def task_before_commit(project: Project) -> Iterator[Finding]:
    """The task looks for rows that the handler has written, before the dependency commits them.

    ## What it does
    Finds handlers that write through the session of a dependency which commits after its `yield` (also by leaving a
    block that commits: a unit of work, a connection of psycopg or sqlite3), do not commit themselves, and add a task
    that opens a session of its own.

    ## Why is this bad?
    Up to FastAPI 0.105, and from 0.118, what stands behind the `yield` of a dependency runs **after** the background
    tasks. So the task starts before the commit: its own session does not see the new row ("document 7 does not
    exist"), or waits for a lock that is given up only when the task has ended. With SQLite this is "database is
    locked". The row appears a moment later, when nobody looks for it any more.

    From 0.106 to 0.117, and with `Depends(..., scope="function")`, the commit comes first, and bglint says nothing.
    Where it cannot tell the version it is a warning.

    ## Example
    ```python
    import logging
    from collections.abc import Iterator

    from fastapi import BackgroundTasks, Depends, FastAPI
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    app = FastAPI()
    engine = create_engine("sqlite:///app.db")
    logger = logging.getLogger(__name__)


    def get_db() -> Iterator[Session]:
        with Session(engine) as db:
            yield db
            db.commit()


    def ingest(document: int) -> None:
        try:
            with Session(engine) as db:
                body = db.scalar(text("select body from documents where id = :id"), {"id": document})
            logger.info("document %s: %s", document, body)
        except Exception:
            logger.exception("document %s not ingested", document)


    @app.post("/documents", status_code=202)
    def add(body: str, tasks: BackgroundTasks, db: Session = Depends(get_db)) -> dict[str, int]:
        new = text("insert into documents (body) values (:body) returning id")
        document = db.execute(new, {"body": body}).scalar_one()
        tasks.add_task(ingest, document)
        return {"id": document}
    ```

    ## Use instead
    Commit in the handler, before the answer: then the task, and the user, may rely on the row in every version.
    ```python
    import logging
    from collections.abc import Iterator

    from fastapi import BackgroundTasks, Depends, FastAPI
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    app = FastAPI()
    engine = create_engine("sqlite:///app.db")
    logger = logging.getLogger(__name__)


    def get_db() -> Iterator[Session]:
        with Session(engine) as db:
            yield db


    def ingest(document: int) -> None:
        try:
            with Session(engine) as db:
                body = db.scalar(text("select body from documents where id = :id"), {"id": document})
            logger.info("document %s: %s", document, body)
        except Exception:
            logger.exception("document %s not ingested", document)


    @app.post("/documents", status_code=202)
    def add(body: str, tasks: BackgroundTasks, db: Session = Depends(get_db)) -> dict[str, int]:
        new = text("insert into documents (body) values (:body) returning id")
        document = db.execute(new, {"body": body}).scalar_one()
        db.commit()
        tasks.add_task(ingest, document)
        return {"id": document}
    ```

    ## Verified by
    The witness sends the request under FastAPI 0.105, 0.115 and the newest version: the task logs that the row does
    not exist under 0.105 and the newest, and finds it under 0.115, with function scope, and where the handler commits.
    """
    for site in project.sites:
        framework = project.framework(site.frame.path)
        if site.kind == "create_task" or framework.closes_before_tasks or not _reads_by_itself(project, site):
            continue
        for found in _uncommitted(project, site):
            provider, task = short_function(found.provider.function), project.task_name(site)
            when = "commits only after the task"
            if framework.closes_before_tasks is None:
                when = "commits, but for FastAPI 0.106 to 0.117, only after the task"
            message = (
                f"`{provider}` {when} `{task}`, whose own session does not see what the handler has written."
            )
            written_as = f" (`{found.name}.commit()`)" if can_commit(project, found.raw) else ""
            cure = f"Commit in the handler{written_as} before the task is added."
            level: Level = "error" if framework.closes_before_tasks is False else "warning"
            yield finding(project, CODE, site.call, site.frame, message, cure, level=level, site=site)


def _reads_by_itself(project: Project, site: TaskSite) -> bool:
    """True where the task is told something and asks the database with a connection of its own."""
    if not any(True for _ in handed(project, site)):
        return False
    asked = (contact for contact in project.contacts(site) if contact.effect == "database")
    return any(
        all(owner(project, link) is None for link in links(contact.value, contact.visit.frame))
        for contact in asked
    )


def _uncommitted(project: Project, site: TaskSite) -> Iterator[Owner]:
    """The dependencies through which the request writes, and that alone commit what it writes."""
    way = way_to(site)
    done = [
        deed
        for deed in deeds(project, root(site))
        if may_follow(project, deed.way, way) or may_follow(project, way, deed.way)
    ]
    units = tuple(_units(project, site))
    written = _written(project, done, units) | _changed(project, site)
    for found in written.values():
        if commits_on_exit(project, found.provider) and not _may_be_committed(project, done, found, units):
            yield found


def _units(project: Project, site: TaskSite) -> Iterator[tuple[Class, Owner]]:
    """The objects of the project that a dependency yields inside their own block: units of work."""
    handler = root(site)
    for parameter in handler.function.parameters if handler.function is not None else ():
        for value in project.names.parameter(parameter, handler):
            whose = owner(project, value) if isinstance(value, Instance) else None
            if whose is not None and isinstance(value, Instance):
                yield value.klass, whose


def _whose(project: Project, deed: Deed, units: tuple[tuple[Class, Owner], ...]) -> Owner | None:
    """The dependency that the session of a deed comes from, also by the unit of work that made it."""
    session = session_of(project, deed)
    birth = session.birth if session is not None else None
    made_in = birth.frame.function.owner if birth is not None and birth.frame.function is not None else ""
    by_unit = (whose for klass, whose in units if made_in and klass.qualname == made_in)
    return owner_of(project, session) or next(by_unit, None)


def _written(
    project: Project, done: list[Deed], units: tuple[tuple[Class, Owner], ...]
) -> dict[object, Owner]:
    found: dict[object, Owner] = {}
    for deed in done:
        if writes(project, deed):
            whose = _whose(project, deed, units)
            if whose is not None and not whose.function_scope:
                found.setdefault(whose.provider.function, whose)
    return found


def _changed(project: Project, site: TaskSite) -> dict[object, Owner]:
    """The owners of the sessions that rows were loaded through whose attributes the handler sets."""
    found: dict[object, Owner] = {}
    for frame in {frame for frame, _ in way_to(site)}:
        for node in project.nodes_of(frame, t.Assign):
            rows = (target.value for target in node.targets if isinstance(target, t.Attribute))
            for value in (v for row in rows for v in project.evaluate(row, frame) if mapped(project, v)):
                whose = next(filter(None, (owner(project, link) for link in links(value, frame))), None)
                if whose is not None and not whose.function_scope:
                    found.setdefault(whose.provider.function, whose)
    return found


def _may_be_committed(
    project: Project, done: list[Deed], found: Owner, units: tuple[tuple[Class, Owner], ...]
) -> bool:
    """True where the handler commits, or gives the session to somebody who may."""
    for deed in done:
        whose = _whose(project, deed, units)
        if whose is not None and whose.provider.function is found.provider.function:
            if deed.last in ("commit", "begin", "begin_nested"):
                return True
        elif is_given(project, deed, found.provider):
            return True
    return False
