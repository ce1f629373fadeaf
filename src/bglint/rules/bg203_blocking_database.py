"""BG203: the database on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint.model import Finding
from bglint.project import Project
from bglint.questions.contacts import blocking_again
from bglint.questions.offload import blocked
from bglint.rule import rule


@rule("BG203", level="error", fixable="unsafe")
def blocking_database(project: Project) -> Iterator[Finding]:
    """An async task queries the database synchronously, and the whole server waits for the rows.

    ## What it does
    Finds synchronous database calls in what an `async def` task runs, at any depth: SQLAlchemy and SQLModel sessions,
    queries and connections, psycopg, PyMySQL, sqlite3, pymongo, redis, the Django ORM and others. Sessions are followed
    through annotations, `sessionmaker`, `with`, constructors and injected services. Only calls that talk to the
    database are found (`execute`, `get`, `commit`, `first` ...), not `add` or building a query.

    ## Why is this bad?
    An `async def` task runs on the event loop, the one thread that serves all requests. A query that takes two seconds,
    or that waits for a lock or for a free connection of the pool, stops every request for as long. Under load it becomes
    a deadlock: the request that would give the connection back cannot run.

    ## Example
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import sessionmaker

    logger = logging.getLogger(__name__)
    app = FastAPI()
    SessionLocal = sessionmaker(create_engine("sqlite:///orders.db"))


    async def archive(order_id: int) -> None:
        try:
            with SessionLocal() as session:
                session.execute(text("update orders set archived = 1 where id = :id"), {"id": order_id})
                session.commit()
        except Exception:
            logger.exception("order %s not archived", order_id)


    @app.post("/orders/{order_id}/archive")
    async def archive_order(order_id: int, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(archive, order_id)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import sessionmaker

    logger = logging.getLogger(__name__)
    app = FastAPI()
    SessionLocal = sessionmaker(create_engine("sqlite:///orders.db"))


    def archive(order_id: int) -> None:
        try:
            with SessionLocal() as session:
                session.execute(text("update orders set archived = 1 where id = :id"), {"id": order_id})
                session.commit()
        except Exception:
            logger.exception("order %s not archived", order_id)


    @app.post("/orders/{order_id}/archive")
    async def archive_order(order_id: int, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(archive, order_id)
        return {"status": "success"}
    ```
    A `def` task runs in a thread. A task that has to be asynchronous uses an async driver (`AsyncSession`, asyncpg,
    `redis.asyncio` ...) or `await asyncio.to_thread(...)`.

    ## Verified by
    The witness watches the sqlite3 driver below SQLAlchemy: in the bad apps statements are executed in the thread of
    the event loop, in the others they are not.
    """
    for meeting in blocking_again(project, "database"):
        yield blocked(project, "BG203", meeting, "waits for the database")
