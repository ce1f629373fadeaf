"""BG105: a task that runs nothing when it is called."""

from __future__ import annotations

from collections.abc import Iterator

from bglint.model import Finding
from bglint.project import Project
from bglint.questions.inert import why_inert
from bglint.questions.told import told
from bglint.rule import rule


@rule("BG105", level="error")
def inert_callable(project: Project) -> Iterator[Finding]:
    """The task is something that runs nothing when it is called.

    ## What it does

    Finds tasks that are generator functions (with `yield` in their body, `def` or `async def`), also
    under `contextmanager` or `asynccontextmanager`, async functions under a cache that is not async
    (`lru_cache`, `cache`, those of cachetools), and classes that define `__call__` or `__await__` but
    whose `__init__` only stores its arguments (dataclasses included), where the object was meant.

    ## Why is this bad?

    Calling a generator function makes a generator (or a context manager that nobody enters) and runs not
    a single line of it; calling the class makes an object and nothing more. The runner throws the result away. There is no exception, no warning
    and no log line, the task simply never happens.

    ## Example

    ```python
    import logging
    from collections.abc import Iterator

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def import_rows(name: str) -> Iterator[int]:
        for row in (1, 2, 3):
            logger.info("row %d of %s", row, name)
            yield row


    @app.post("/import")
    def start(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(import_rows, name)
        return {"name": name}
    ```

    ## Use instead

    ```python
    import logging
    from collections.abc import Iterator

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def rows(name: str) -> Iterator[int]:
        for row in (1, 2, 3):
            logger.info("row %d of %s", row, name)
            yield row


    def import_rows(name: str) -> None:
        for row in rows(name):
            logger.info("row %d", row)


    @app.post("/import")
    def start(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(import_rows, name)
        return {"name": name}
    ```

    ## Verified by

    The witness sends the request and finds the work undone. `BackgroundTask.__call__` in
    starlette/background.py calls the task once and drops the result.
    """
    for site in project.sites:
        reason = why_inert(project, site)
        if reason is not None:
            message, cure = reason
            yield told(project, "BG105", site.call, site.frame, message, cure, site=site, trace=())
