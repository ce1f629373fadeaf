"""The rule BG602; what it means stands in its docstring."""

from __future__ import annotations

from collections.abc import Iterator

from bglint.model import Finding, Level
from bglint.project import Project
from bglint.questions.handed import cancelled_there
from bglint.questions.uploads import already_read, form_block, is_closed_by_hand, is_read, uploads
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Outside

CODE = "BG602"


@rule(CODE, level="error")
def closed_upload(project: Project) -> Iterator[Finding]:
    """The task reads an uploaded file that is closed before the task runs.

    ## What it does
    Follows an `UploadFile` into a task that reads it: alone, in a list, in a form model or another object that holds
    it, as its `.file`, or as a generator or reader that goes through the file only when the task asks for more.

    ## Why is this bad?
    FastAPI closes the uploads of a request. From 0.106 to 0.117 it does so **before** the background tasks run: the
    task gets `ValueError: I/O operation on closed file`, and the user has the answer "accepted" already. Up to 0.105
    and from 0.118 FastAPI closes them after the tasks, and this is no mistake; bglint then says nothing. Where it
    cannot tell the version, or the allowed versions reach into that range, it is a warning.

    In every version the task finds the file closed where the handler closes it (`with upload.file:` does), takes it
    from a block `async with request.form()`, or starts the task with `asyncio.create_task`, for which nobody waits.

    `.filename`, `.size`, `.content_type` and `.headers` can be read for ever.

    ## Example
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, UploadFile

    app = FastAPI()
    logger = logging.getLogger(__name__)


    async def measure(upload: UploadFile) -> None:
        try:
            body = await upload.read()
            logger.info("%s: %d bytes", upload.filename, len(body))
        except Exception:
            logger.exception("could not read %s", upload.filename)


    @app.post("/recordings", status_code=202)
    async def receive(upload: UploadFile, tasks: BackgroundTasks) -> dict[str, str | None]:
        tasks.add_task(measure, upload)
        return {"name": upload.filename}
    ```

    ## Use instead
    Read it before, and pass the bytes; for large files save a copy and pass its path.
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, UploadFile

    app = FastAPI()
    logger = logging.getLogger(__name__)


    async def measure(name: str | None, body: bytes) -> None:
        logger.info("%s: %d bytes", name, len(body))


    @app.post("/recordings", status_code=202)
    async def receive(upload: UploadFile, tasks: BackgroundTasks) -> dict[str, str | None]:
        body = await upload.read()
        tasks.add_task(measure, upload.filename, body)
        return {"name": upload.filename}
    ```

    ## Verified by
    The witness runs the apps under FastAPI 0.105, 0.115 and the newest version: the task logs "I/O operation on
    closed file" under 0.115, and in every version where the handler, the form's block or `create_task` is to blame.
    """
    for site in project.sites:
        if not cancelled_there(site):
            yield from _closed(project, site)


def _closed(project: Project, site: TaskSite) -> Iterator[Finding]:
    for upload in uploads(project, site):
        verdict = _verdict(project, site, upload)
        if verdict is not None and is_read(project, site):
            level, message = verdict
            cure = "Read it in the handler (`await upload.read()`) and pass the bytes, or save a copy and pass its path."
            yield finding(project, CODE, site.call, site.frame, message, cure, level=level, site=site)


def _verdict(project: Project, site: TaskSite, upload: Outside) -> tuple[Level, str] | None:
    task, name = f"`{project.task_name(site)}`", _name(upload)
    framework = project.framework(site.frame.path)
    if form_block(upload) is not None:
        return "error", f"The block of `request.form()` closes {name} before the task {task} runs."
    if is_closed_by_hand(project, site, upload):
        return "error", f"The handler closes {name}, and the task {task} reads it afterwards."
    if site.kind == "create_task":
        return "error", f"FastAPI closes {name} when the request ends; the task {task} is still running then."
    if framework.closes_before_tasks:
        return "error", f"FastAPI {framework.fastapi} closes {name} before the task {task} runs."
    if framework.closes_before_tasks is None and already_read(project, site, upload) is None:
        versions = f" ({framework.fastapi} is allowed)" if framework.fastapi.known else ""
        return "warning", f"FastAPI 0.106 to 0.117{versions} closes {name} before the task {task} runs."
    return None


def _name(upload: Outside) -> str:
    name = upload.birth.name if upload.birth is not None else ""
    if name and form_block(upload) is not None:
        return f"the uploads of `{name}`"
    return f"the upload `{name}`" if name else "the upload"
