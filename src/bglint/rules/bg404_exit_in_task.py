"""BG404: an exit in a task."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.contacts import Meeting, argument, meetings
from bglint.questions.escape import Failure, escapes
from bglint.questions.raise_statements import Raised, nearest_raises
from bglint.reach import Contact, Visit
from bglint.rule import finding, rule
from bglint.values import Frame, Outside, Values

_EXITS = ("builtins.SystemExit", "builtins.KeyboardInterrupt")
_LOST = "the tasks after this one and the client's connection are lost with it, and under hypercorn the worker dies"
_DEAD = "the server dies, with every request in flight and every queued task"
CURE = (
    "Log what is wrong and return; a task that has to stop the service sets a flag that the server looks at."
)


@rule("BG404", level="warning")
def exit_in_task(project: Project) -> Iterator[Finding]:
    """The task exits, and takes more with it than itself.

    ## What it does
    Finds `sys.exit`, `exit()`, `quit()`, `raise SystemExit` and `raise KeyboardInterrupt` in what a task runs (warning),
    and `os._exit`, `os.abort` and `os.kill` of the own process (error).

    ## Why is this bad?
    An exit leaves the task like any exception, only harder to catch: the tasks after it and the client's connection are
    lost under uvicorn, under hypercorn the worker dies. `os._exit` and a signal to the own process stop the server for
    everybody.

    ## Example
    ```python
    import logging
    import sys

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def rebuild(index: str) -> None:
        if index != "main":
            logger.error("there is no index %s", index)
            sys.exit(1)


    @app.post("/indexes/{index}")
    def start(index: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(rebuild, index)
        return {"index": index}
    ```

    ## Use instead
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def rebuild(index: str) -> None:
        if index != "main":
            logger.error("there is no index %s", index)
            return
        logger.info("%s rebuilt", index)


    @app.post("/indexes/{index}")
    def start(index: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(rebuild, index)
        return {"index": index}
    ```

    ## Verified by
    The witness serves the app with uvicorn: SystemExit leaves the app after the answer, or the process is told to die.
    """
    for meeting in meetings(
        project, lambda contact: contact.effect == "exit" and _is_harmful(project, contact)
    ):
        yield _called(project, meeting)
    for raised in nearest_raises(project, project.sites, lambda v, n, values: _exits(project, v, n, values)):
        yield _raised(project, raised)


def _exits(project: Project, visit: Visit, node: t.Raise, values: Values) -> bool:
    return any(project.is_a(v, *_EXITS) for v in values) and escapes(
        project, visit, node, Failure(raised=values)
    )


def _is_harmful(project: Project, contact: Contact) -> bool:
    if contact.visit.where == "process":
        return False
    if contact.fact is not None and contact.fact.level == "error":
        return _is_own_process(project, contact)
    leaves = Failure(raised=(Outside(None, "builtins.SystemExit", True),))
    return contact.node is contact.visit.site.call or escapes(project, contact.visit, contact.node, leaves)


def _is_own_process(project: Project, contact: Contact) -> bool:
    """`os.kill` and `os.killpg` name a process; the others mean this one."""
    if contact.name.rpartition(".")[2] not in ("kill", "killpg"):
        return True
    given = argument(contact, 0, "pid")
    return given is not None and _asks_for_own(project, given, contact.visit.frame)


def _asks_for_own(project: Project, expr: t.Expr, frame: Frame) -> bool:
    named = (v.name for v in project.evaluate(expr, frame) if isinstance(v, Outside))
    return any(name.startswith(("os.getpid()", "os.getpgrp()")) for name in named)


def _called(project: Project, meeting: Meeting) -> Finding:
    price = _DEAD if meeting.fact.level == "error" else _LOST
    return finding(
        project, "BG404", meeting.node, meeting.frame, f"{_task(project, meeting)} calls {meeting.called}: {price}.", CURE,
        level="error" if meeting.fact.level == "error" else None,
        site=meeting.site, visit=meeting.contact.visit, last=f"calls {meeting.called}", others=meeting.others,
    )  # fmt: skip


def _task(project: Project, meeting: Meeting) -> str:
    return f"The task `{project.task_name(meeting.site)}`"


def _raised(project: Project, raised: Raised) -> Finding:
    kind = dotted(
        raised.node.value.func
        if isinstance(raised.node.value, t.Call)
        else raised.node.value or t.Name(0, "")
    )
    return finding(
        project, "BG404", raised.node, raised.visit.frame,
        f"The task `{project.task_name(raised.site)}` raises `{kind}`: {_LOST}.", CURE,
        site=raised.site, visit=raised.visit, last=f"raises `{kind}`", others=raised.others,
    )  # fmt: skip
