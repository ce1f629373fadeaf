"""BG901: found by `suppress.py`, which knows what each comment silenced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bglint.model import Finding
from bglint.rule import rule

if TYPE_CHECKING:
    from bglint.project import Project


@rule("BG901", level="warning", fixable="safe")
def unused_suppression(_project: Project) -> Iterator[Finding]:
    """A `# bglint: ignore[...]` comment silences nothing.

    ## What it does
    Looks for comments such as `# bglint: ignore[BG201] reason` and `# bglint: ignore-file[BG405] reason` that
    keep no finding from being reported. Only the rules of this run are judged: with `--select BG2` a comment
    for BG405 is left alone. The fix removes the comment, or the one code that is idle; other comments on
    the line stay.

    ## Why is this bad?
    The comment says that something is wrong here and that it is accepted. Once the code is cured, it is a
    false statement, and it lies in wait: the next bug of that kind on this line will be hidden by it, and the
    API will answer "success" again while nothing happens.

    ## Example
    ```python
    import asyncio

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    async def remind(email: str) -> None:
        await asyncio.sleep(5)  # bglint: ignore[BG201] waits for the mail server


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import asyncio

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    async def remind(email: str) -> None:
        await asyncio.sleep(5)


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Verified by
    Nothing at run time: a comment does nothing there. It rests on `bglint/suppress.py`, which notes for each
    code of each comment whether it silenced a finding.
    """
    yield from ()
