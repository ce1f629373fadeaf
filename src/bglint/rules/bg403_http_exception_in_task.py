"""BG403: an HTTPException after the response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bglint import members
from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.questions.escape import Failure, escapes, is_told_of_another
from bglint.questions.exception_handlers import answered
from bglint.questions.failing import runs_its_own_way
from bglint.questions.raise_statements import Raised, nearest_raises
from bglint.reach import Visit
from bglint.rule import finding, rule
from bglint.values import Values

CURE = (
    "Check in the handler, before it answers; in the task log and return, or catch the exception where the task "
    "calls what handlers share."
)


@rule("BG403", level="error")
def http_exception_in_task(project: Project) -> Iterator[Finding]:
    """The task raises an HTTPException, but the client already has its 200.

    ## What it does
    Finds `HTTPException`, `RequestValidationError`, their subclasses, and classes for which the app registers an
    exception handler, raised in something that a task runs and caught nowhere on the way. Services that handlers share
    are the usual place. It stays silent for a property that only checks that its object has been set up.

    ## Why is this bad?
    There is no response left to turn it into. It becomes `RuntimeError: Caught handled exception, but response already
    started`, the registered handler is not called, and the tasks queued after this one never start.

    ## Example
    ```python
    from fastapi import BackgroundTasks, FastAPI, HTTPException

    app = FastAPI()
    users = {"1": "Ann"}


    def greet(user: str) -> str:
        if user not in users:
            raise HTTPException(404, "no such user")
        return f"Hello {users[user]}"


    @app.post("/greetings/{user}")
    def start(user: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(greet, user)
        return {"user": user}
    ```

    ## Use instead
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI, HTTPException

    logger = logging.getLogger(__name__)
    app = FastAPI()
    users = {"1": "Ann"}


    def greet(user: str) -> None:
        if user not in users:
            logger.error("user %s is gone", user)
            return
        logger.info("Hello %s", users[user])


    @app.post("/greetings/{user}")
    def start(user: str, tasks: BackgroundTasks) -> dict[str, str]:
        if user not in users:
            raise HTTPException(404, "no such user")
        tasks.add_task(greet, user)
        return {"user": user}
    ```

    ## Verified by
    The witness sees the success go out, and then the RuntimeError of the framework leave the app.
    """
    tasks = [
        site for site in project.sites if not runs_its_own_way(project, site) and site.kind != "create_task"
    ]
    found = nearest_raises(project, tasks, lambda visit, node, values: _is_lost(project, visit, node, values))
    for group in _by_task_and_kind(project, found):
        nearest = min(group, key=lambda raised: raised.visit.depth).visit.frame.function
        near = [raised for raised in group if raised.visit.frame.function is nearest]
        yield from (_told(project, raised, len(group) - len(near)) for raised in near)


def _by_task_and_kind(project: Project, found: Iterable[Raised]) -> Iterable[list[Raised]]:
    """One exception that a task raises in many functions has one cure: the nearest function is told."""
    groups: dict[tuple[str, str], list[Raised]] = {}
    for raised in found:
        key = (project.task_id(raised.site), answered(project, raised.values))
        groups.setdefault(key, []).append(raised)
    return groups.values()


def _is_lost(project: Project, visit: Visit, node: t.Raise, values: Values) -> bool:
    if (
        not answered(project, values)
        or is_told_of_another(project, visit)
        or _checks_setup(project, visit, node)
    ):
        return False
    return escapes(project, visit, node, Failure(raised=values))


def _checks_setup(project: Project, visit: Visit, node: t.Raise) -> bool:
    """True in a property that refuses to be read before its object is set up: `if self._session is None: raise ...`."""
    function = visit.frame.function
    if function is None or not members.has_decorator(function, *members.PROPERTIES):
        return False
    around = (holder for holder, part in project.chain(node, function) if part == "body")
    return any(isinstance(holder, t.Branch) and _is_missing(holder.test) for holder in around)


def _is_missing(test: t.Expr) -> bool:
    """`self.x is None` and `not self.x`."""
    asked = test.operands[0] if isinstance(test, t.Operation) and test.kind in ("is", "not") else None
    return isinstance(asked, t.Attribute) and t.last_name(asked.value) == "self"


def _told(project: Project, raised: Raised, further: int) -> Finding:
    kind = answered(project, raised.values)
    also = f" Further down: {further} more such `raise`." if further else ""
    message = (
        f"The task `{project.task_name(raised.site)}` raises `{kind}`, but the client already has its success: "
        f"no handler answers it, it becomes a RuntimeError, and the tasks after this one are dropped.{also}"
    )
    return finding(
        project, "BG403", raised.node, raised.visit.frame, message, CURE,
        site=raised.site, visit=raised.visit, last=f"raises `{kind}`", others=raised.others,
    )  # fmt: skip
