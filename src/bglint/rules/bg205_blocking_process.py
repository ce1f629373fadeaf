"""BG205: other programs on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint.model import Finding
from bglint.project import Project
from bglint.questions.contacts import blocking
from bglint.questions.offload import blocked
from bglint.rule import rule


@rule("BG205", level="error", fixable="unsafe")
def blocking_process(project: Project) -> Iterator[Finding]:
    """An async task waits for another program, and the whole server waits with it.

    ## What it does
    Finds `subprocess.run`, `call`, `check_call`, `check_output`, `os.system` and the waiting methods of
    `subprocess.Popen` in what an `async def` task runs, at any depth. Starting a program without waiting for it is
    left alone.

    ## Why is this bad?
    An `async def` task runs on the event loop, the one thread that serves all requests. Until the other program has
    ended, the server answers nobody: not even the health check, so that an orchestrator may kill the worker midway.

    ## Example
    ```python
    import logging
    import subprocess

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def convert(name: str) -> None:
        try:
            subprocess.run(["pandoc", f"{name}.md", "-o", f"{name}.pdf"], check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            logger.exception("%s not converted", name)


    @app.post("/documents/{name}")
    async def upload(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(convert, name)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import logging
    import subprocess

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def convert(name: str) -> None:
        try:
            subprocess.run(["pandoc", f"{name}.md", "-o", f"{name}.pdf"], check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            logger.exception("%s not converted", name)


    @app.post("/documents/{name}")
    async def upload(name: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(convert, name)
        return {"status": "success"}
    ```
    A `def` task runs in a thread. A task that has to be asynchronous uses `asyncio.create_subprocess_exec` and awaits
    the process.

    ## Verified by
    The witness watches `Popen.wait`, `Popen.communicate` and `os.system`: in the bad apps they run in the thread of the
    event loop, in the others they do not.
    """
    for meeting in blocking(project, "process"):
        yield blocked(project, "BG205", meeting, "waits for another program")
