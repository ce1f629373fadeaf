"""BG502: a task that waits for an earlier one."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.model import Finding, Step
from bglint.project import Project
from bglint.rule import finding, rule
from bglint.rules._burden import burden
from bglint.rules._contained import is_contained
from bglint.rules._failing import runs_its_own_way
from bglint.rules._sequence import comes_before
from bglint.sites import TaskSite

CURE = (
    "Let the earlier task keep its failures to itself and be quick; or make one task of both, "
    "with what must happen in a `finally`."
)
CURE_SLOW = "Add this one first where it does not need the other; or let the earlier task hand its work to a task queue."

Heavy = tuple[TaskSite, str]
"""A task that holds up those behind it, and why."""


@by_identity
class Wait:
    """A task, an earlier one of the same request, and what is wrong with that one."""

    later: TaskSite
    earlier: TaskSite
    why: str


@rule("BG502", level="warning")
def waits_for_earlier_task(project: Project) -> Iterator[Finding]:
    """This task waits for an earlier one, and is lost when that one fails.

    ## What it does
    Finds handlers that add two or more tasks on one path, where an earlier one can fail unhandled (BG401), or stops or
    holds the worker (BG2, BG3). The finding stands on the later `add_task` and names the earlier one.

    ## Why is this bad?
    Background tasks do not run side by side. The later task starts when the earlier one is over, and never when it
    raised: the lock stays locked because a chat message could not be sent.

    ## Example
    ```python
    import logging

    import httpx
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def announce(version: str) -> None:  # bglint: ignore[BG401] the server's error log is enough
        httpx.post("https://chat.example.com/deploys", json={"version": version}, timeout=10)


    def release(service: str) -> None:
        logger.info("%s released", service)


    @app.post("/deploys/{service}")
    def deploy(service: str, version: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(announce, version)
        tasks.add_task(release, service)
        return {"version": version}
    ```

    ## Use instead
    ```python
    import logging

    import httpx
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def announce(version: str) -> None:
        try:
            httpx.post("https://chat.example.com/deploys", json={"version": version}, timeout=10)
        except Exception:
            logger.exception("%s was not announced", version)


    def release(service: str) -> None:
        logger.info("%s released", service)


    @app.post("/deploys/{service}")
    def deploy(service: str, version: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(announce, version)
        tasks.add_task(release, service)
        return {"version": version}
    ```

    ## Verified by
    The witness sees both tasks queued, the first one raise, and the second one not start.
    """
    found: dict[t.Call, Wait] = {}
    for sites in _by_request(project):
        side_by_side = all(site.function is sites[0].function and not site.context.hops for site in sites)
        ordered = sorted(sites, key=lambda site: site.call.at) if side_by_side else sites
        heavy = [(site, why) for site in ordered if (why := burden(project, site))]
        for later in sites:
            wait = _wait(project, later, _above(heavy, later) if side_by_side else reversed(heavy))
            if wait is not None:
                found.setdefault(later.call, wait)
    for wait in found.values():
        yield _told(project, wait)


def _by_request(project: Project) -> Iterator[list[TaskSite]]:
    """The tasks that one handler adds, itself or through what it calls, where they are several."""
    found: dict[t.Function, list[TaskSite]] = defaultdict(list)
    for site in project.sites:
        if site.kind == "add_task" and site.role is not None and not runs_its_own_way(project, site):
            found[site.role.function].append(site)
    yield from (sites for sites in found.values() if len({site.call for site in sites}) > 1)


def _wait(project: Project, later: TaskSite, heavy: Iterator[Heavy]) -> Wait | None:
    """The nearest earlier task that makes a later one wait."""
    for earlier, why in heavy:
        if earlier.call is not later.call and comes_before(project, earlier, later):
            return Wait(later, earlier, why)
    return None


def _above(heavy: list[Heavy], later: TaskSite) -> Iterator[Heavy]:
    """Those that stand above in the same function, nearest first."""
    end = bisect_left(heavy, later.call.at, key=lambda pair: pair[0].call.at)
    return (heavy[number] for number in range(end - 1, -1, -1))


def _told(project: Project, wait: Wait) -> Finding:
    first, second = project.task_name(wait.earlier), project.task_name(wait.later)
    only_slow = is_contained(project, wait.earlier)
    price = "it waits for it" if only_slow else "it waits for it, and never starts when that one raises"
    message = f"`{second}` runs after `{first}`, which {wait.why}: {price}."
    steps = _steps(project, wait, first)
    return finding(
        project, "BG502", wait.later.call, wait.later.frame, message, CURE_SLOW if only_slow else CURE,
        site=wait.later, trace=steps,
    )  # fmt: skip


def _steps(project: Project, wait: Wait, first: str) -> tuple[Step, ...]:
    """The way to the earlier task, then the way to the later one."""
    earlier = project.step(wait.earlier.call, wait.earlier.frame, f"`{first}` runs first, and {wait.why}")
    behind = project.trace(wait.later)[len(wait.later.context.hops) :]
    return (*project.trace(wait.earlier)[:-1], earlier, *behind)
