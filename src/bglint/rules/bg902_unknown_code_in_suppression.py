"""BG902: found by `suppress.py`, which reads the comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bglint.model import Finding
from bglint.rule import rule

if TYPE_CHECKING:
    from bglint.project import Project


@rule("BG902", level="warning")
def unknown_code_in_suppression(_project: Project) -> Iterator[Finding]:
    """A `# bglint: ignore[...]` comment names a rule that does not exist.

    ## What it does
    Looks for codes and names between the brackets of `# bglint: ignore[...]` and `# bglint: ignore-file[...]`
    that no rule has. A prefix such as `BG2` is no rule either: a comment names each rule in full, as in
    `ignore[BG201]` or `ignore[blocking-sleep]`. Prefixes belong into `per-file-ignores` of the configuration.

    ## Why is this bad?
    The comment silences nothing, although somebody meant it to. Most often a letter is wrong, and the
    message names the rule that was probably meant.

    ## Example
    ```python
    import time

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    async def remind(email: str) -> None:
        time.sleep(0.001)  # bglint: ignore[BG201, blocking-slep] a millisecond is fine


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import time

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    async def remind(email: str) -> None:
        time.sleep(0.001)  # bglint: ignore[blocking-sleep] a millisecond is fine


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(remind, email)
        return {"status": "success"}
    ```

    ## Verified by
    Nothing at run time: a comment does nothing there. It rests on `bglint/suppress.py`, which compares what
    stands between the brackets with the codes and names of the rules.
    """
    yield from ()
