"""BG402: a broad `except` that keeps nothing of the exception."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.questions.except_clauses import Told, is_print, mentions
from bglint.questions.swallowing import Swallow, swallows
from bglint.rule import finding, rule

CURE = "Keep the traceback, `logger.exception(...)`, and write down a failed state where the user can see it."


@rule("BG402", level="warning")
def swallowed_failure(project: Project) -> Iterator[Finding]:
    """The task catches everything and keeps nothing: a failure looks like a success.

    ## What it does
    Finds a bare `except`, `except Exception`, `except BaseException`, `contextlib.suppress(Exception)` and context
    managers of the project that do the same, in what a task runs, where the handler neither raises, nor records a
    failed state, nor hands the error to somebody who does. Nothing kept of the exception (`pass`, a bare return,
    `print`, a message without it) is a warning; logged, but without its traceback, is an advice. Silent where the
    `try` only looks up another value for a name that has a default, and where a loop tries again, unless nobody hears
    of the last of its tries.

    ## Why is this bad?
    A task has no caller who would notice. What the `except` throws away is the only sign that the mail was not sent.

    ## Example
    ```python
    import httpx
    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    def sync_contact(number: int) -> None:
        try:
            httpx.post("https://crm.example.com/contacts", json={"number": number}, timeout=10)
        except Exception:
            pass


    @app.post("/contacts/{number}")
    def change(number: int, tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(sync_contact, number)
        return {"number": number}
    ```

    ## Use instead
    ```python
    import logging

    import httpx
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def sync_contact(number: int) -> None:
        try:
            httpx.post("https://crm.example.com/contacts", json={"number": number}, timeout=10)
        except Exception:
            logger.exception("contact %s was not synced", number)


    @app.post("/contacts/{number}")
    def change(number: int, tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(sync_contact, number)
        return {"number": number}
    ```

    ## Verified by
    The witness makes the remote call raise: no traceback is logged, no failed state is recorded, no exception leaves.
    """
    for swallow in swallows(project):
        yield _told(project, swallow)


def _told(project: Project, swallow: Swallow) -> Finding:
    visit = swallow.visit
    return finding(
        project, "BG402", swallow.node, visit.frame, f"{_message(project, swallow)}.", CURE,
        level="advice" if swallow.left is Told.MESSAGE else None,
        site=visit.site, visit=visit, last=f"`{swallow.written}` {_keeps(swallow)}", others=swallow.others,
    )  # fmt: skip


def _message(project: Project, swallow: Swallow) -> str:
    task = project.task_name(swallow.visit.site)
    return f"In the task `{task}` `{swallow.written}` {_keeps(swallow)}: {_price(swallow)}"


def _keeps(swallow: Swallow) -> str:
    if swallow.left is Told.MESSAGE:
        return "logs the error without its traceback"
    return "only prints the error" if _is_printed(swallow.node) else "drops the error"


def _is_printed(node: t.Node) -> bool:
    calls = (
        (part for part in t.walk(*node.body) if isinstance(part, t.Call))
        if isinstance(node, t.Handler)
        else ()
    )
    return any(is_print(call) and mentions(call, node.name) for call in calls)  # type: ignore[attr-defined]


def _price(swallow: Swallow) -> str:
    if swallow.left is Told.MESSAGE:
        return "the log does not say where it came from"
    if _is_printed(swallow.node):
        return "a failure looks like a success, and nobody can find out where it came from"
    return "a failure looks like a success, and nobody can find out why"
