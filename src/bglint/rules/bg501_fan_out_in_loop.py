"""BG501: one task for each item of a loop."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.filling import filled
from bglint.frozen import by_identity
from bglint.model import Finding
from bglint.project import Project, dotted, short_function
from bglint.questions.contacts import number
from bglint.questions.contained import is_contained
from bglint.questions.deeds import way_to
from bglint.questions.failing import runs_its_own_way
from bglint.questions.listed import is_listed
from bglint.questions.parents import around
from bglint.questions.weight import a_queue
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Cls, Frame, Items, Outside, Value

CURE = "Add one task that takes the whole collection and gathers with a bound, or hand the items to {queue}."
CURE_WHILE = (
    "Collect the items, add one task that takes them all and gathers with a bound, or hand them to {queue}."
)
SHORT = 10
_THROUGH = {
    "enumerate",
    "sorted",
    "reversed",
    "list",
    "tuple",
    "set",
    "zip",
    "iter",
    "items",
    "values",
    "keys",
}
_SETTING = re.compile(r"(?i:^(self\.)?_?(settings|config|conf|constants?|cfg)\.)|(^|\.)[A-Z][A-Z0-9_]*$")


_TAKES = {"pop", "popleft", "popitem", "get_nowait"}

Loop = t.For | t.CompLoop | t.While


@by_identity
class Repeated:
    """A loop on the way to a registration."""

    site: TaskSite
    loop: Loop
    frame: Frame


@rule("BG501", level="warning")
def fan_out_in_loop(project: Project) -> Iterator[Finding]:
    """A loop adds one task for each item, and they run one after another.

    ## What it does
    Finds `add_task` in a loop or a comprehension over something that can be long, in a `while` that takes one item
    after the other, and `BackgroundTask` objects that such a loop makes for one response. Loops over short literals,
    and loops that are left after the add, are fine.

    ## Why is this bad?
    The tasks of a response run one by one, in the order in which they were added: a thousand mails take a thousand times
    as long as one, hold the last one back for minutes, and the first one that fails drops all the others.

    ## Example
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def send(address: str) -> None:
        logger.info("sent to %s", address)


    @app.post("/newsletter")
    async def newsletter(addresses: list[str], tasks: BackgroundTasks) -> dict[str, int]:
        for address in addresses:
            tasks.add_task(send, address)
        return {"addresses": len(addresses)}
    ```

    ## Use instead
    ```python
    import asyncio
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def send(address: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            logger.info("sent to %s", address)


    async def send_all(addresses: list[str]) -> None:
        gate = asyncio.Semaphore(10)
        results = await asyncio.gather(*(send(address, gate) for address in addresses), return_exceptions=True)
        logger.info("%d failed", sum(isinstance(result, Exception) for result in results))


    @app.post("/newsletter")
    async def newsletter(addresses: list[str], tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(send_all, addresses)
        return {"addresses": len(addresses)}
    ```

    ## Verified by
    The witness sees a task for each item of the request, each of them begun only after the one before it is over.
    """
    found: dict[t.Call, Repeated] = {}
    for site in project.sites:
        if not runs_its_own_way(project, site) and _joins_others(project, site):
            for repeated in _loops(project, site) if not _is_one_of_many_tasks(project, site) else ():
                found.setdefault(site.call, repeated)
    for repeated in found.values():
        yield _told(project, repeated)


def _joins_others(project: Project, site: TaskSite) -> bool:
    """True where a task gets into the list of tasks of a response."""
    return site.kind == "add_task" or (site.kind == "BackgroundTask" and is_listed(project, site))


def _loops(project: Project, site: TaskSite) -> Iterator[Repeated]:
    """The long loops around the registration, and around the calls that lead to it."""
    for frame, node in reversed(way_to(site)):
        for loop in _around(project, node, frame):
            if _is_long(project, loop, frame):
                yield Repeated(site, loop, frame)


def _is_one_of_many_tasks(project: Project, site: TaskSite) -> bool:
    """True for a loop over the tasks themselves, `for hook in hooks: tasks.add_task(hook)`: there are few of them."""
    function, handed = site.function, site.handed
    if function is None or not isinstance(handed, t.Name):
        return False
    loops = [holder for holder, _ in project.chain(site.call, function) if isinstance(holder, t.For)]
    made = [node for node in around(site.call, function) if isinstance(node, t.Comprehension)]
    targets = [*(loop.target for loop in loops), *(loop.target for each in made for loop in each.loops)]
    return any(isinstance(part, t.Name) and part.id == handed.id for part in t.walk(*targets))


def _around(project: Project, node: t.Node, frame: Frame) -> Iterator[Loop]:
    """The loops and comprehensions around a node; a loop that is left after the node does not count."""
    function = frame.function
    if function is None:
        return
    for holder in around(node, function):
        if isinstance(holder, t.Comprehension):
            yield from holder.loops
    bodies = (holder for holder, part in project.chain(node, function) if part == "body")
    loops = (holder for holder in bodies if isinstance(holder, t.For | t.While))
    yield from (loop for loop in loops if not _happens_once(project, loop, node, function))


def _happens_once(project: Project, loop: t.For | t.While, node: t.Node, function: t.Function) -> bool:
    if _leaves(project, loop, node, function):
        return True
    return isinstance(loop, t.For) and _is_for_one_item(project, loop, node, function)


def _is_for_one_item(project: Project, loop: t.For, node: t.Node, function: t.Function) -> bool:
    """True below `if item == "this one":`."""
    names = {part.id for part in t.walk(loop.target) if isinstance(part, t.Name)}
    branches = (b for b, part in project.chain(node, function) if isinstance(b, t.Branch) and part == "body")
    tests = (part for branch in branches for part in t.walk(branch.test))
    return any(_compares_item(test, names) for test in tests)


def _compares_item(test: t.Node, names: set[str]) -> bool:
    if not isinstance(test, t.Operation) or test.kind != "==":
        return False
    item = any(isinstance(side, t.Name) and side.id in names for side in test.operands)
    return item and any(isinstance(side, t.Constant) for side in test.operands)


def _leaves(project: Project, loop: t.For | t.While, node: t.Node, function: t.Function) -> bool:
    """True where the loop ends in the iteration that comes to the node: a `break`, `return` or `raise` behind it."""
    chain = project.chain(node, function)
    inside = chain[[holder for holder, _ in chain].index(loop) :]
    return any(_ends(block, node) for block in _blocks(inside))


def _blocks(chain: tuple[tuple[t.Node, str], ...]) -> Iterator[t.Block]:
    for holder, part in chain:
        if part in ("body", "orelse") and isinstance(holder, t.For | t.While | t.Branch | t.With | t.Guard):
            yield holder.body if part == "body" else getattr(holder, "orelse", ())


def _ends(block: t.Block, node: t.Node) -> bool:
    return any(
        isinstance(statement, t.Break | t.Return | t.Raise) and statement.at > node.at for statement in block
    )


# -------------------------------------------------------------------- how long


def _is_long(project: Project, loop: Loop, frame: Frame) -> bool:
    over = _taken_from(loop) if isinstance(loop, t.While) else loop.iterable
    return over is not None and not _is_short(project, over, frame)


def _taken_from(loop: t.While) -> t.Expr | None:
    """What a `while` takes item after item from; None for one that waits, tries again or counts."""
    if isinstance(loop.test, t.Walrus):
        return loop.test.value if isinstance(loop.test.value, t.Call | t.Await) else None
    asked = _asked(loop.test)
    if not isinstance(asked, t.Name | t.Attribute):
        return None
    return asked if any(_advances(node, dotted(asked)) for node in t.walk(*loop.body)) else None


def _asked(test: t.Expr) -> t.Expr:
    """`x` of `x`, `x is not None`, `len(x)` and `len(x) > 0`."""
    if isinstance(test, t.Operation) and test.kind == "is not":
        return test.operands[0]
    size = test.operands[0] if isinstance(test, t.Operation) and test.kind == ">" else test
    is_length = isinstance(size, t.Call) and t.last_name(size.func) == "len" and len(size.arguments) == 1
    return size.arguments[0].value if isinstance(size, t.Call) and is_length else test


def _advances(node: t.Node, name: str) -> bool:
    """`ids.pop()`, `page = await next_page(page)`."""
    if isinstance(node, t.Assign):
        made = node.value.value if isinstance(node.value, t.Await) else node.value
        parts = [part for part in t.walk(*node.targets) if isinstance(part, t.Name | t.Attribute)]
        return isinstance(made, t.Call) and name in map(dotted, parts)
    if not isinstance(node, t.Call) or not isinstance(node.func, t.Attribute):
        return False
    return node.func.name in _TAKES and dotted(node.func.value) == name


def _is_short(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for what is known to be short: a literal, a small `range` or slice, an enum, a setting of the project."""
    if isinstance(expr, t.Call) and t.last_name(expr.func) in _THROUGH:
        return any(_is_short(project, inner, frame) for inner in _inner(expr))
    if isinstance(expr, t.Call) and t.last_name(expr.func) == "range":
        return _is_small(project, expr.arguments[-1].value, frame) if len(expr.arguments) < 3 else False
    if isinstance(expr, t.Subscript) and isinstance(expr.index[0], t.Slice):
        return any(_is_small(project, part, frame) for part in expr.index[0].parts)
    if isinstance(expr, t.Name | t.Attribute) and _SETTING.search(_dotted(expr)):
        return True
    values = project.evaluate(expr, frame)
    return bool(values) and all(_is_known_short(project, value) for value in values)


def _inner(call: t.Call) -> Iterator[t.Expr]:
    yield from (argument.value for argument in call.arguments)
    if isinstance(call.func, t.Attribute) and not call.arguments:
        yield call.func.value


def _is_small(project: Project, expr: t.Expr, frame: Frame) -> bool:
    size = number(project, expr, frame)
    return size is not None and size <= SHORT


def _is_known_short(project: Project, value: Value) -> bool:
    if isinstance(value, Items):
        found = filled(project.names, value)
        return found.whole and len(found.items) <= SHORT
    return isinstance(value, Cls) and not isinstance(value, Outside)


def _dotted(expr: t.Expr) -> str:
    return f"{_dotted(expr.value)}.{expr.name}" if isinstance(expr, t.Attribute) else t.last_name(expr)


def _told(project: Project, repeated: Repeated) -> Finding:
    site, is_while = repeated.site, isinstance(repeated.loop, t.While)
    where = f" in `{short_function(repeated.frame.function)}`" if repeated.frame.function is not None else ""
    rest = "." if is_contained(project, site) else ", and the first that fails drops the rest."
    message = (
        f"The loop {_written(project, repeated)}{where} adds one task `{project.task_name(site)}` "
        f"{'in each turn' if is_while else 'for each item'}: they run one after another{rest}"
    )
    cure = CURE_WHILE if is_while else CURE
    cure = cure.format(queue=a_queue(project, site.frame))
    return finding(project, "BG501", site.call, site.frame, message, cure, site=site)


def _written(project: Project, repeated: Repeated) -> str:
    """The head of the loop, as it begins."""
    loop, frame = repeated.loop, repeated.frame
    if isinstance(loop, t.While):
        return f"`while {_first_line(project.text(loop.test, frame))}`"
    return f"over `{_first_line(project.text(loop.iterable, frame))}`"


def _first_line(text: str) -> str:
    return text.split("\n")[0]
