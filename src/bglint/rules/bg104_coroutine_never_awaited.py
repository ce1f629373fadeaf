"""BG104: a coroutine that is made and dropped."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.model import Edit, Finding, Fix
from bglint.project import Project, dotted, short_function
from bglint.questions.callable import wrappers
from bglint.questions.dropped import asks_first, dropped, is_tested
from bglint.questions.told import told
from bglint.questions.written import handed
from bglint.reach import Visit
from bglint.rule import rule
from bglint.sites import TaskSite
from bglint.steps import Outer
from bglint.values import Frame, Func, Outside


@rule("BG104", level="error", fixable="safe, unsafe")
def coroutine_never_awaited(project: Project) -> Iterator[Finding]:
    """A coroutine is made and then dropped: what should happen in the task never does.

    ## What it does

    Finds async calls without `await` that a task reaches, where the coroutine is a statement of its own,
    what the task returns, or what a test looks at: a lambda or `def` function that returns an async call, a
    decorator that is not async around an async task, an async function that returns a coroutine, a forgotten
    `await`, an `if is_blocked(user):` that is always true; and an async function that is handed to a thread
    (`run_in_threadpool(f)`, `Thread(target=f)`). A coroutine that is assigned, collected, passed on, or
    returned to somebody who awaits it is fine; so are `partial` of an async function and an object with an
    async `__call__`.

    ## Why is this bad?

    The runner awaits a task only if the task itself is an async function (or a `partial` of one, or an
    object whose `__call__` is one). Everything else it runs in a thread and throws the result away,
    coroutine included. No exception, no log line: at most a RuntimeWarning "coroutine ... was never
    awaited" at some later moment.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def push(device: str, text: str) -> None:
        logger.info("%s to %s", text, device)


    @app.post("/rooms/{room}")
    async def post_message(room: str, device: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(lambda: push(device, f"news in {room}"))
        return {"room": room}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def push(device: str, text: str) -> None:
        logger.info("%s to %s", text, device)


    @app.post("/rooms/{room}")
    async def post_message(room: str, device: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(push, device, f"news in {room}")
        return {"room": room}
    ```

    ## Verified by

    The witness sends the request: the work is not done, or Python warns that a coroutine was never
    awaited. The decision is `is_async_callable` in starlette/_utils.py.
    """
    found: dict[t.Call, list[Visit]] = {}
    for site in project.sites:
        for visit in project.visits(site):
            for call in dropped(project, visit.frame, is_task=visit.before is None):
                found.setdefault(call, []).append(visit)
            for call, name in _in_a_thread(project, visit):
                yield _thread_finding(project, visit, call, name)
        for name in _handed_to_a_thread(project, site):
            yield _thread_task(project, site, name)
    for call, visits in found.items():
        nearest = min(visits, key=lambda visit: visit.depth + len(visit.site.context.hops))
        yield _finding(project, nearest, call, len({visit.site.call for visit in visits}) - 1)


# ---------------------------------------------------- an async function in a thread


def _in_a_thread(project: Project, visit: Visit) -> Iterator[tuple[t.Call, str]]:
    """Calls such as `run_in_threadpool(f)` of an async `f`: the thread makes a coroutine and drops it."""
    function = visit.frame.function
    if function is None or asks_first(function, visit.frame):
        return
    left = {id(_bare(node.value)) for node in t.nodes_of(function, t.Evaluate)}
    for outer in project.steps(visit.frame)[1]:
        fact = outer.fact if isinstance(outer, Outer) else None
        if (
            not isinstance(outer, Outer)
            or fact is None
            or fact.runs is None
            or fact.where not in ("thread", "process")
        ):
            continue
        handed_on = (
            outer.node.keyword(fact.runs) if isinstance(fact.runs, str) else outer.node.argument(fact.runs)
        )
        if (isinstance(fact.runs, str) or id(outer.node) in left) and _is_async(
            project, handed_on, visit.frame
        ):
            yield outer.node, dotted(handed_on) if handed_on is not None else ""


def _bare(expr: t.Expr) -> t.Expr:
    return expr.value if isinstance(expr, t.Await) else expr


def _is_async(project: Project, expr: t.Expr | None, frame: Frame) -> bool:
    values = project.evaluate(expr, frame) if expr is not None else ()
    return bool(values) and all(isinstance(value, Func) and _is_plain_async(value) for value in values)


def _is_plain_async(value: Func) -> bool:
    return value.function.is_async and not value.function.is_generator and not wrappers(value)


def _handed_to_a_thread(project: Project, site: TaskSite) -> Iterator[str]:
    """`add_task(run_in_threadpool, f)` of an async `f`."""
    for value in site.targets if site.kind in ("add_task", "BackgroundTask") else ():
        fact = (
            project.knowledge.fact(value.name) if isinstance(value, Outside) and not value.instance else None
        )
        if fact is None or not isinstance(fact.runs, int) or fact.where not in ("thread", "process"):
            continue
        handed_on = site.call.argument(fact.runs + 1)
        if _is_async(project, handed_on, site.frame) and handed_on is not None:
            yield dotted(handed_on)


def _thread_finding(project: Project, visit: Visit, call: t.Call, name: str) -> Finding:
    return told(
        project, "BG104", call, visit.frame, _THREAD_MESSAGE.format(name=name), f"write `await {name}(...)`",
        site=visit.site, visit=visit, last=f"the coroutine of `{name}` is dropped here",
    )  # fmt: skip


def _thread_task(project: Project, site: TaskSite, name: str) -> Finding:
    message, cure = (
        _THREAD_MESSAGE.format(name=name),
        f"hand over the async function itself: `add_task({name}, ...)`",
    )
    return told(project, "BG104", site.call, site.frame, message, cure, site=site)


_THREAD_MESSAGE = (
    "`{name}` is async: in a thread it only makes a coroutine that nobody awaits, its work is never done"
)


# -------------------------------------------------------------------- telling


def _finding(project: Project, visit: Visit, call: t.Call, others: int) -> Finding:
    function, site = visit.frame.function, visit.site
    assert function is not None
    called = dotted(call.func)
    return told(
        project, "BG104", call, visit.frame, _message(visit, function, call), _cure(visit, function, called),
        site=site, visit=visit, last=f"the coroutine of `{called}` is dropped here",
        fix=_fix(project, visit, call), others=others,
    )  # fmt: skip


def _message(visit: Visit, function: t.Function, call: t.Call) -> str:
    called = dotted(call.func)
    if function.is_lambda and visit.before is None:
        return (
            f"the lambda only makes the coroutine of `{called}`: the runner drops it, its work is never done"
        )
    if visit.before is None and _returns(function, called):
        name = short_function(function)
        return f"`{name}` returns the coroutine of `{called}`: the runner drops it, its work is never done"
    if is_tested(function, call):
        return f"`{called}` is async and is not awaited here: its coroutine is always true, its work is never done"
    return f"`{called}` is async and is not awaited here: its work is never done"


def _returns(function: t.Function, called: str) -> bool:
    nodes = (node.value for node in t.nodes_of(function, t.Return))
    return any(isinstance(value, t.Call) and dotted(value.func) == called for value in nodes)


def _cure(visit: Visit, function: t.Function, called: str) -> str:
    if function.is_lambda and visit.before is None:
        return f"hand over the async function itself: `add_task({called}, ...)`"
    if function.is_async:
        return f"write `await {called}(...)`"
    if visit.frame.closure is not None and visit.before is None and not function.is_lambda:
        return f"make `{function.name}` an `async def` that writes `await {called}(...)`"
    return f"make `{short_function(function)}` an `async def`, write `await {called}(...)`, and await it on the way here"


def _fix(project: Project, visit: Visit, call: t.Call) -> Fix | None:
    function = visit.frame.function
    assert function is not None
    if function.is_lambda:
        return _without_lambda(project, visit.site, function, call) if visit.before is None else None
    if not function.is_async or not _is_awaitable_here(function, call):
        return None
    start = project.span(call, visit.frame)
    edit = edits.insert(visit.frame.path, start.line, start.column, "await ")
    return Fix(f"Await `{dotted(call.func)}`", (edit,), safe=False)


def _is_awaitable_here(function: t.Function, call: t.Call) -> bool:
    """Not below an `await` already, nor half of a conditional expression, nor in a comprehension."""
    statements = (node.value for node in t.nodes_of(function, t.Evaluate, t.Return))
    if any(value is call for value in statements):
        return True
    inside = (node for loop in t.nodes_of(function, t.Comprehension) for node in t.walk(loop))
    return is_tested(function, call) and call not in inside


def _without_lambda(project: Project, site: TaskSite, function: t.Function, call: t.Call) -> Fix | None:
    """`lambda: f(x)` to `f, x`, where nothing else is given to the task."""
    written = handed(project, site)
    if written is None or not isinstance(written.expr, t.Lambda) or written.expr.function is not function:
        return None
    plain = len(site.call.arguments) == 1 and not function.parameters and written.frame is site.frame
    if not plain or not _is_first_party(project, call, site.frame) or _cannot_be_given(call):
        return None
    edit = _separated(project, written.expr, call, site.frame)
    return Fix(f"Hand over `{dotted(call.func)}` and its arguments", (edit,), safe=True) if edit else None


def _is_first_party(project: Project, call: t.Call, frame: Frame) -> bool:
    return all(isinstance(value, Func) for value in project.evaluate(call.func, frame))


def _cannot_be_given(call: t.Call) -> bool:
    """Names that collide, generators without brackets, and values that the lambda computed later on purpose."""
    values = (argument.value for argument in call.arguments)
    return any(argument.keyword in ("func", "self") for argument in call.arguments) or any(
        isinstance(node, (t.Call, t.Comprehension, t.Await, t.Walrus))
        for value in values
        for node in t.walk(value)
    )


def _separated(project: Project, whole: t.Expr, call: t.Call, frame: Frame) -> Edit | None:
    if "#" in project.text(whole, frame):
        return None
    text = ", ".join(project.text(part, frame) for part in (call.func, *call.arguments))
    return edits.replace(frame.path, project.span(whole, frame), text)
