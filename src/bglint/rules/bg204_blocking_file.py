"""BG204: the file system on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.questions.contacts import Meeting, blocking_again
from bglint.questions.offload import blocked
from bglint.questions.templates import is_kept_template
from bglint.rule import rule
from bglint.values import Frame, Outside

_MEMORY = ("io.BytesIO", "io.StringIO")
_UNPACKS = (".extract", ".extractall")


@rule("BG204", level="warning", fixable="unsafe")
def blocking_file(project: Project) -> Iterator[Finding]:
    r"""An async task reads or writes files synchronously, and every request waits for the disk.

    ## What it does
    Finds file work in what an `async def` task runs, at any depth: `open`, `read` and `write`, the reading and writing
    methods of `pathlib.Path`, shutil, `os.walk`, zip and tar archives, loading of templates. Questions about a path
    (`exists`, `is_file`, `stat`) are left alone, and so is work on `BytesIO` and `StringIO`, in memory. A Jinja2
    environment keeps what it has loaded: only one that the task makes itself reads its templates each time.

    ## Why is this bad?
    An `async def` task runs on the event loop, the one thread that serves all requests. A small file on a fast disk
    costs little; a large one, a network drive, a busy disk or a tree of thousands of files stops the server for
    seconds, and nobody sees why.

    ## Example
    ```python
    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    async def record(email: str) -> None:
        with open("signups.txt", "a", encoding="utf-8") as file:
            file.write(f"{email}\n")


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(record, email)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    def record(email: str) -> None:
        with open("signups.txt", "a", encoding="utf-8") as file:
            file.write(f"{email}\n")


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(record, email)
        return {"status": "success"}
    ```
    A `def` task runs in a thread. A task that has to be asynchronous uses `anyio.Path`, aiofiles, or
    `await asyncio.to_thread(...)`.

    ## Verified by
    The witness watches `open` and `os.scandir`: in the bad apps they are called in the thread of the event loop, in
    the others they are not.
    """
    for meeting in blocking_again(project, "file"):
        if not _is_in_memory(project, meeting) and not is_kept_template(project, meeting):
            yield blocked(project, "BG204", meeting, "waits for the file system")


def _is_in_memory(project: Project, meeting: Meeting) -> bool:
    """True for work on bytes or text in memory: `ZipFile(BytesIO(data))`, and what is then read from it."""
    owner = meeting.contact.value.of
    made = _making(owner.birth.node) if owner is not None and owner.birth is not None else None
    if owner is not None and owner.birth is not None and made is not None:
        inside = _is_given_memory(project, made, owner.birth.frame)
        return inside and not meeting.contact.name.endswith(_UNPACKS)
    return _is_given_memory(project, meeting.node, meeting.frame)


def _making(node: t.Node) -> t.Call | None:
    expr = node.value if isinstance(node, t.WithItem) else node
    return expr if isinstance(expr, t.Call) else None


def _is_given_memory(project: Project, call: t.Call, frame: Frame) -> bool:
    values = [value for each in call.arguments for value in project.evaluate(each.value, frame)]
    return any(isinstance(value, Outside) and value.instance and value.name in _MEMORY for value in values)
