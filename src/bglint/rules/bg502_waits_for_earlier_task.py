"""BG502: a task that waits for an earlier one."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice, pairwise, takewhile

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.model import Finding, Step
from bglint.project import Project, short_function
from bglint.questions.burden import TAKES_LONG, burden
from bglint.questions.contained import is_contained
from bglint.questions.deeds import root, way_to
from bglint.questions.failing import runs_its_own_way
from bglint.questions.handmade import is_made_by_hand
from bglint.questions.injection import dependencies
from bglint.questions.sequence import comes_before, goes_on
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Frame, Items, Values

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

    @property
    def common(self) -> int:
        """How many calls lead to both; one less than all where one `add_task` adds both."""
        ways = zip(way_to(self.earlier)[:-1], way_to(self.later)[:-1], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0][1] is pair[1][1], ways))

    @property
    def place(self) -> tuple[Frame, t.Node]:
        """The later `add_task`; where one `add_task` adds both, the call that leads to it the second time."""
        return way_to(self.later)[self.common if self.earlier.call is self.later.call else -1]


@rule("BG502", level="warning")
def waits_for_earlier_task(project: Project) -> Iterator[Finding]:
    """This task waits for an earlier one, and is lost when that one fails.

    ## What it does
    Finds handlers that add two or more tasks on one path, where an earlier one can fail unhandled (BG401), or stops or
    holds the worker (BG2, BG3). What the dependencies of a handler add comes before what the handler adds itself. The
    finding stands on the later `add_task` and names the earlier one; where a helper with one `add_task` adds both, it
    stands on the later call of the helper.

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
    found: dict[t.Node, Wait] = {}
    for wait in (*_in_handlers(project), *_behind_dependencies(project), *_in_loops(project)):
        found.setdefault(wait.place[1], wait)
    for wait in found.values():
        yield _told(project, wait)


def _added(project: Project) -> Iterator[TaskSite]:
    tasks = (site for site in project.sites if site.kind == "add_task")
    yield from (site for site in tasks if not runs_its_own_way(project, site))


# ----------------------------------------------------------------- of one handler


def _in_handlers(project: Project) -> Iterator[Wait]:
    for sites in _by_request(project):
        side_by_side = all(site.function is sites[0].function and not site.context.hops for site in sites)
        ordered = sorted(sites, key=lambda site: site.call.at) if side_by_side else sites
        heavy = [(site, why) for site in ordered if (why := burden(project, site))]
        for later in sites:
            wait = _wait(project, later, _above(heavy, later) if side_by_side else reversed(heavy))
            if wait is not None:
                yield wait


def _by_request(project: Project) -> Iterator[list[TaskSite]]:
    """The tasks that one handler adds, itself or through what it calls, where they are several."""
    found: dict[t.Function, list[TaskSite]] = defaultdict(list)
    for site in _added(project):
        if site.role is not None:
            found[site.role.function].append(site)
    yield from (sites for sites in found.values() if len(sites) > 1)


def _wait(project: Project, later: TaskSite, heavy: Iterator[Heavy]) -> Wait | None:
    """The nearest earlier task that makes a later one wait."""
    for earlier, why in heavy:
        if comes_before(project, earlier, later):
            return Wait(later, earlier, why)
    return None


def _above(heavy: list[Heavy], later: TaskSite) -> Iterator[Heavy]:
    """Those that stand above in the same function, nearest first."""
    end = bisect_left(heavy, later.call.at, key=lambda pair: pair[0].call.at)
    return (heavy[number] for number in range(end - 1, -1, -1))


# ------------------------------------------------- of a dependency, and of its handler


def _behind_dependencies(project: Project) -> Iterator[Wait]:
    """FastAPI runs the dependencies first, and gives them the handler's own list of tasks."""
    served = [
        (site, dependencies(project, site.role.function))
        for site in _added(project)
        if site.role is not None and site.role.kind == "route" and _is_shared(site)
    ]
    heavy = list(_heavy_in(project, {function for _, used in served for function in used}))
    for later, used in served:
        waits = (Wait(later, site, why) for site, why in heavy if root(site).function in used)
        yield from islice(waits, 1)


def _heavy_in(project: Project, functions: Collection[t.Function | None]) -> Iterator[Heavy]:
    """The heavy tasks that these dependencies add and go on behind."""
    for site in _added(project):
        kind = site.role.kind if site.role is not None else "dependency"
        if kind == "dependency" and root(site).function in functions and _is_shared(site):
            why = burden(project, site)
            yield from [(site, why)] if why and goes_on(project, site) else ()


def _is_shared(site: TaskSite) -> bool:
    return site.receiver is not None and not is_made_by_hand(site.receiver)


# ------------------------------------------------------------- of a loop over tasks


def _in_loops(project: Project) -> Iterator[Wait]:
    """`for task in (announce, release): tasks.add_task(task, service)`."""
    for site in _added(project):
        for one, other in pairwise(_in_turn(project, site)):
            earlier, later = replace(site, targets=one), replace(site, targets=other)
            why = burden(project, earlier) if one != other else ""
            if why and why != TAKES_LONG:
                yield Wait(later, earlier, why)


def _in_turn(project: Project, site: TaskSite) -> Iterator[Values]:
    """The tasks that one `add_task` adds, turn by turn, where all of them are written down."""
    chain = project.chain(site.call, site.function) if site.function is not None else ()
    loop = chain[-1][0] if chain else None
    if not isinstance(loop, t.For) or not isinstance(site.handed, t.Name) or site.function is None:
        return
    bindings = project.scope(site.function).visible(site.handed.id, site.handed.at)
    steps = [binding.steps for binding in bindings if binding.node is loop]
    for table in project.evaluate(loop.iterable, site.frame) if len(steps) == 1 else ():
        if isinstance(table, Items) and table.whole and table.kind in ("list", "tuple"):
            yield from (_taken(row, steps[0]) for row in table.items)


def _taken(row: Values, steps: tuple[int | str, ...]) -> Values:
    """What the loop's target gets of one row: all of it, or one place of a tuple."""
    for step in steps[1:]:
        tuples = [value.items for value in row if isinstance(value, Items)]
        row = tuple(v for each in tuples if isinstance(step, int) for v in (*each[step : step + 1], ())[0])
    return row


# ------------------------------------------------------------------------- telling


def _told(project: Project, wait: Wait) -> Finding:
    first, second = project.task_name(wait.earlier), project.task_name(wait.later)
    only_slow = is_contained(project, wait.earlier)
    price = "it waits for it" if only_slow else "it waits for it, and never starts when that one raises"
    frame, node = wait.place
    message = f"`{second}` runs after `{first}`{_by(wait)}, which {wait.why}: {price}."
    return finding(
        project, "BG502", node, frame, message, CURE_SLOW if only_slow else CURE,
        site=wait.later, trace=_steps(project, wait, first),
    )  # fmt: skip


def _by(wait: Wait) -> str:
    """Who else than the handler adds the earlier task."""
    one, other = root(wait.earlier).function, root(wait.later).function
    if one is None or one is other:
        return ""
    return f" (added by the dependency `{short_function(one).removesuffix('.__init__')}`)"


def _steps(project: Project, wait: Wait, first: str) -> tuple[Step, ...]:
    """The way to the earlier task, then the way to the later one."""
    earlier = project.step(wait.earlier.call, wait.earlier.frame, f"`{first}` runs first, and {wait.why}")
    end = way_to(wait.later).index(wait.place) + 1
    return (*project.trace(wait.earlier)[:-1], earlier, *project.trace(wait.later)[wait.common : end])
