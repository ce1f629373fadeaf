"""The rule BG607; what it means stands in its docstring."""

from __future__ import annotations

from collections.abc import Iterator

from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.uploads import already_read, is_only_begun, is_read, uploads
from bglint.rule import finding, rule

CODE = "BG607"


@rule(CODE, level="warning")
def upload_already_read(project: Project) -> Iterator[Finding]:
    """The handler has read the upload, so that the task reads nothing, or only the rest.

    ## What it does
    Finds an upload that the handler (or what it calls) reads and then hands to a task that reads it again, without a
    `seek(0)` of either.

    ## Why is this bad?
    An upload is a file with one position. After `await upload.read()` it stands at the end, and the next `read()`
    gives `b""`, without any error: the task stores an empty file. After `await upload.read(2048)` it stands behind the
    beginning, which the file that the task stores then lacks.

    ## Example
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, UploadFile

    app = FastAPI()
    logger = logging.getLogger(__name__)


    async def archive(upload: UploadFile) -> None:
        try:
            body = await upload.read()
            logger.info("%s: %d bytes", upload.filename, len(body))
        except Exception:
            logger.exception("%s not archived", upload.filename)


    @app.post("/reports", status_code=202)
    async def receive(upload: UploadFile, tasks: BackgroundTasks) -> dict[str, bool]:
        body = await upload.read()
        tasks.add_task(archive, upload)
        return {"empty": not body}
    ```

    ## Use instead
    Pass on what was read. (`await upload.seek(0)` also helps, in the versions that keep the upload open.)
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, UploadFile

    app = FastAPI()
    logger = logging.getLogger(__name__)


    async def archive(name: str | None, body: bytes) -> None:
        logger.info("%s: %d bytes", name, len(body))


    @app.post("/reports", status_code=202)
    async def receive(upload: UploadFile, tasks: BackgroundTasks) -> dict[str, bool]:
        body = await upload.read()
        tasks.add_task(archive, upload.filename, body)
        return {"empty": not body}
    ```

    ## Verified by
    The witness uploads a file with words in it; the task of every bad app logs "0 bytes", that of the good ones the
    real size.
    """
    for site in project.sites:
        if site.kind == "create_task" or project.framework(site.frame.path).closes_before_tasks:
            continue  # the upload is closed then, which BG602 says
        for upload in uploads(project, site):
            reading = already_read(project, site, upload)
            if reading is not None and is_read(project, site):
                what, task = dotted(reading.call.func), project.task_name(site)
                message, cure = _ENDS if not is_only_begun(project, site, upload) else _BEGINS
                message = message.format(what=what, task=task)
                yield finding(project, CODE, site.call, site.frame, message, cure, site=site)


_ENDS = (
    "`{what}` leaves the upload at its end: the task `{task}` reads nothing.",
    "Pass on what was read, or go back with `await upload.seek(0)`.",
)
_BEGINS = (
    "`{what}` takes the beginning of the upload: the task `{task}` reads only what is behind it.",
    "Go back with `await upload.seek(0)`, or read all of it and pass that on.",
)
