"""BG301: heavy computing in a thread of the web server."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.contacts import Meeting, is_def_task, meetings, reached
from bglint.questions.first_visits import first_visits
from bglint.questions.loops import at_least, is_range, length, loops_around
from bglint.questions.weight import runs_heavy_program, to_a_queue
from bglint.reach import Contact, Visit
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Frame

DATAFRAMES = ("pandas", "polars", "dask", "pyarrow")
READS = ("read_", "scan_", "to_", "write_")
MANY_TURNS = 1_000_000
ARITHMETIC = ("abs", "divmod", "float", "int", "len", "max", "min", "pow", "range", "round", "sum")


@rule("BG301", level="warning")
def heavy_processing(project: Project) -> Iterator[Finding]:
    """A background task does the work of a worker: it computes for long in the process that serves the requests.

    ## What it does
    Finds heavy work in a `def` task: training of models and inference over batches, video and audio work (ffmpeg,
    moviepy, cv2, whisper), images in a loop, pipelines over dataframes, nested loops over numbers. A single
    thumbnail, a lone `read_csv`, a password hash are left alone, and so is work that is handed to another process.
    (In an `async def` task it is cpu-on-event-loop.)

    ## Why is this bad?
    The thread is one of 40 that serve every `def` endpoint and dependency, and Python runs one thread at a time: while
    a task computes, every request is slower, and some libraries stop all of them. The work is lost with every
    deployment, and nobody limits how many such tasks run at once.

    ## Example
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def simulate(size: int) -> None:
        heat = 0
        for row in range(size):
            for column in range(size):
                heat += row * column % 7
        logger.info("heat: %s", heat)


    @app.post("/simulations/{size}")
    async def start(size: int, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(simulate, size)
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import logging
    from concurrent.futures import ProcessPoolExecutor

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def simulate(size: int) -> int:
        return sum(row * column % 7 for row in range(size) for column in range(size))


    def simulate_elsewhere(size: int) -> None:
        with ProcessPoolExecutor(max_workers=1) as pool:
            logger.info("heat: %s", pool.submit(simulate, size).result(timeout=60))


    @app.post("/simulations/{size}")
    async def start(size: int, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(simulate_elsewhere, size)
        return {"status": "success"}
    ```
    A task queue (Celery, ARQ, Dramatiq ...) is better still: its workers are counted, and its jobs survive a restart.

    ## Verified by
    The witness reads the processor time of the server's process before and after the task: the bad apps spend more
    than a fifth of a second, or start ffmpeg; the others do neither.
    """
    told: set[tuple[str, str]] = set()
    for meeting in meetings(project, lambda c: is_def_task(c) and _is_heavy(project, c)):
        if _is_news(project, meeting, told):
            yield _told(project, meeting)
    for site in project.sites:
        yield from _pipelines(project, site)
    yield from _number_crunching(project)


def _is_news(project: Project, meeting: Meeting, told: set[tuple[str, str]]) -> bool:
    """A batch of images is one problem, however many steps each image takes: the first is told."""
    if meeting.fact.weight != "medium":
        return True
    key = (project.task_id(meeting.site), meeting.contact.name.partition(".")[0])
    news = key not in told
    told.add(key)
    return news


def _told(project: Project, meeting: Meeting) -> Finding:
    message = (
        f"{meeting.called} is heavy work for the web server: {reached(project, meeting)}, "
        "in one of the 40 threads that `def` endpoints share."
    )
    return finding(
        project, "BG301", meeting.node, meeting.frame, message, to_a_queue(project, meeting.frame),
        site=meeting.site, visit=meeting.contact.visit, others=meeting.others,
    )  # fmt: skip


def _is_heavy(project: Project, contact: Contact) -> bool:
    fact = contact.fact
    if fact is None or not fact.blocks:
        return False
    if fact.weight == "heavy":
        return fact.batch
    if fact.weight == "medium" and not _is_dataframe(contact):
        return any(True for _ in loops_around(project, contact.visit, contact.node))
    return runs_heavy_program(project, contact)


# -------------------------------------------------------------------- dataframes


def _is_dataframe(contact: Contact) -> bool:
    return contact.name.partition(".")[0] in DATAFRAMES


def _pipelines(project: Project, site: TaskSite) -> Iterator[Finding]:
    """Two steps or more that work on a whole dataframe; the first of them is told."""
    steps = [contact for contact in project.contacts(site) if _is_step(contact)]
    if len({contact.node for contact in steps}) > 1 and steps[0].fact is not None:
        yield _told(project, Meeting(steps[0], steps[0].fact, 0))


def _is_step(contact: Contact) -> bool:
    fact = contact.fact
    is_medium = fact is not None and fact.blocks and fact.weight == "medium"
    last = contact.name.rpartition(".")[2]
    return is_medium and is_def_task(contact) and _is_dataframe(contact) and not last.startswith(READS)


# ------------------------------------------------------------------ nested loops


def _number_crunching(project: Project) -> Iterator[Finding]:
    for loop, visit in first_visits(
        project, lambda visit: _nested_ranges(project, visit) if is_def_task(visit) else ()
    ):
        yield _crunching(project, loop, visit)


def _crunching(project: Project, loop: t.For, visit: Visit) -> Finding:
    message = (
        f"These nested loops compute in the web server, in the task `{project.task_name(visit.site)}`: "
        "while they do, every request is slower."
    )
    cure = to_a_queue(project, visit.frame)
    return finding(project, "BG301", loop, visit.frame, message, cure, site=visit.site, visit=visit)


def _nested_ranges(project: Project, visit: Visit) -> Iterator[t.For]:
    """The outermost of loops over `range` in each other that only compute."""
    loops = _range_loops(project, visit.frame)
    for loop in loops:
        inner = any(loop in t.walk(*outer.body) for outer in loops if outer is not loop)
        if not inner and _is_long(project, loop, visit.frame):
            yield loop


def _range_loops(project: Project, frame: Frame) -> list[t.For]:
    """The loops over `range` of a function."""
    return [node for node in project.nodes_of(frame, t.For) if is_range(project, node.iterable, frame)]


def _is_long(project: Project, loop: t.For, frame: Frame) -> bool:
    turns, depth = _turns(project, loop, frame), 1
    inner = _inner(project, loop, frame)
    while inner is not None and turns:
        loop, turns, depth = inner, turns * _turns(project, inner, frame), depth + 1
        inner = _inner(project, loop, frame)
    return depth > 1 and turns >= MANY_TURNS and _only_computes(loop)


def _turns(project: Project, loop: t.For, frame: Frame) -> float:
    """How often a loop over `range` turns; where its bound is not known, it is taken to be long."""
    assert isinstance(loop.iterable, t.Call)
    known = length(project, loop.iterable, frame)
    return known if known is not None else max(MANY_TURNS, at_least(project, loop.iterable, frame))


def _inner(project: Project, loop: t.For, frame: Frame) -> t.For | None:
    own = (node for node in loop.body if isinstance(node, t.For))
    return next((node for node in own if is_range(project, node.iterable, frame)), None)


def _only_computes(loop: t.For) -> bool:
    """True where the innermost body calls nothing but builtins on numbers, and is not left early."""
    calls = [node for node in t.walk(*loop.body) if isinstance(node, t.Call)]
    leaves = any(isinstance(node, (t.Break, t.Return, t.Raise, t.Await)) for node in t.walk(*loop.body))
    return not leaves and all(dotted(call.func) in ARITHMETIC for call in calls)
