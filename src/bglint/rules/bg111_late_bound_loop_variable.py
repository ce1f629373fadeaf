"""BG111: a task that reads the loop's variable when the loop is over."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.model import Finding, Fix
from bglint.project import Project
from bglint.questions.paths import Call, Walker
from bglint.questions.told import told
from bglint.questions.written import handed
from bglint.rule import rule
from bglint.scope import scope
from bglint.sites import TaskSite
from bglint.values import Frame, Func, Outside


@rule("BG111", level="error", fixable="safe")
def late_bound_loop_variable(project: Project) -> Iterator[Finding]:
    """All tasks of the loop see its last value.

    ## What it does

    Finds a lambda or nested function that is added as a task inside a loop and reads the loop's variable,
    or one that each iteration sets from it. A value that is bound (`lambda shop=shop: ...`), given as an
    argument or read in a loop that ends with the add_task is fine.

    ## Why is this bad?

    A function looks its variables up when it runs, and tasks run when the loop has long finished: every
    one of them works on the last value, the others are left out. No error appears anywhere.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def refresh(shop: str) -> None:
        logger.info("%s", shop)


    @app.post("/refresh")
    def refresh_all(tasks: BackgroundTasks) -> dict[str, str]:
        for shop in ("north", "south", "west"):
            tasks.add_task(lambda: refresh(shop))
        return {"state": "queued"}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def refresh(shop: str) -> None:
        logger.info("%s", shop)


    @app.post("/refresh")
    def refresh_all(tasks: BackgroundTasks) -> dict[str, str]:
        for shop in ("north", "south", "west"):
            tasks.add_task(refresh, shop)
        return {"state": "queued"}
    ```

    ## Verified by

    The witness sends the request and sees the same work done several times.
    """
    for site in project.sites:
        place = _place(project, site) if site.kind != "create_task" else None
        inner = _late(project, place.handed, place.frame) if place is not None else None
        if place is None or inner is None:
            continue
        names = _read(inner) & _changing(project, place)
        if names:
            yield _finding(project, place, inner, sorted(names))


@by_identity
class Place:
    """Where a task is handed over: the registering call, or that of a helper which hands its argument on."""

    site: TaskSite
    call: t.Call
    handed: t.Expr
    frame: Frame
    function: t.Function


def _place(project: Project, site: TaskSite) -> Place | None:
    written = handed(project, site)
    if written is None or written.frame.function is None:
        return None
    calls = [site.call, *(hop.node for hop in site.context.hops if hop.frame is written.frame)]
    call = calls[-1] if written.frame is not site.frame else site.call
    if not isinstance(call, t.Call):
        return None
    return Place(site, call, written.expr, written.frame, written.frame.function)


def _late(project: Project, expr: t.Expr, frame: Frame) -> t.Function | None:
    """The lambda or nested function that is handed over, by itself or in a `partial`."""
    if isinstance(expr, t.Lambda):
        return expr.function
    if isinstance(expr, t.Name) and frame.function is not None:
        bound = scope(frame.function).visible(expr.id, expr.at)
        nodes = [binding.node for binding in bound]
        return nodes[-1].function if nodes and isinstance(nodes[-1], t.Define) else None
    if isinstance(expr, t.Call) and expr.arguments:
        values = project.evaluate(expr.func, frame)
        if any(isinstance(value, Outside) and value.name == "functools.partial" for value in values):
            return _late(project, expr.arguments[0].value, frame)
    return None


def _read(function: t.Function) -> set[str]:
    """The names that a function takes from around it when it runs."""
    own = {parameter.name for parameter in function.parameters} | set(scope(function).bindings)
    found: set[str] = set()
    for node in t.walk_function(function):
        if isinstance(node, t.Name):
            found.add(node.id)
        elif isinstance(node, (t.Define, t.Lambda)):
            found |= _read(node.function)
    return found - own


# ---------------------------------------------------------------------- the loop


def _changing(project: Project, place: Place) -> set[str]:
    """The names that have another value in each iteration of a loop around the registration."""
    found = _of_comprehensions(place.call, place.function)
    for node, part in project.chain(place.call, place.function):
        if not isinstance(node, (t.For, t.While)) or part != "body":
            continue
        if not _is_left(project, place, node) and not _is_made_in(place.site, node):
            found |= _of_loop(node)
    return found


def _is_made_in(site: TaskSite, node: t.For | t.While) -> bool:
    """A tasks object of each iteration's own, which may run in that iteration."""
    birth = site.receiver.birth if site.receiver is not None else None
    return birth is not None and birth.kind == "call" and any(part is birth.node for part in t.walk(node))


def _of_comprehensions(call: t.Call, function: t.Function) -> set[str]:
    found: set[str] = set()
    for node in t.nodes_of(function, t.Comprehension):
        if any(part is call for part in t.walk(node)):
            found |= {name for loop in node.loops for name in _targets(loop.target)}
    return found


def _targets(expr: t.Expr) -> set[str]:
    return {node.id for node in t.walk(expr) if isinstance(node, t.Name)}


def _of_loop(node: t.For | t.While) -> set[str]:
    """The loop's own variables, and what each iteration sets from them; in a `while` what it fetches."""
    found = _targets(node.target) if isinstance(node, t.For) else _counted(node)
    for targets, value in _assignments(node):
        fetched = isinstance(node, t.While) and any(isinstance(inner, t.Call) for inner in t.walk(value))
        if fetched or _targets(value) & found:
            found |= {target.id for target in targets if isinstance(target, t.Name)}
    return found


def _counted(node: t.While) -> set[str]:
    """`page` of `while page < last: ...; page += 1`."""
    counts = (part for part in t.walk(node) if isinstance(part, t.Assign) and part.operator)
    return {name for part in counts for name in _targets(part.targets[0])} & _targets(node.test)


def _assignments(node: t.Node) -> Iterator[tuple[tuple[t.Expr, ...], t.Expr]]:
    for part in t.walk(node):
        if isinstance(part, t.Walrus):
            yield (part.target,), part.value
        elif isinstance(part, t.Assign) and part.value is not None and not part.operator:
            yield part.targets, part.value


def _is_left(project: Project, place: Place, node: t.For | t.While) -> bool:
    """True where every way from the registration leaves the loop in the same iteration."""
    ways = Walker(project, place.frame, {id(place.call): Call()}).through(node.body)
    passed = [way for way in ways if id(place.call) in way.passed]
    return bool(passed) and all(way.end in ("break", "return", "raise") for way in passed)


# ----------------------------------------------------------------------- telling


def _finding(project: Project, place: Place, inner: t.Function, names: list[str]) -> Finding:
    what = "the lambda" if inner.is_lambda else f"`{inner.name}`"
    listed = " and ".join(f"`{name}`" for name in names)
    message = (
        f"{what} reads {listed} when it runs, after the loop: every task works on the last value, "
        "the others are left out"
    )
    cure = f"hand the value over with the task: `add_task(function, {', '.join(names)})`"
    fix = _fix(project, place.site, names) if place.call is place.site.call else None
    return told(project, "BG111", place.call, place.frame, message, cure, site=place.site, trace=(), fix=fix)


def _fix(project: Project, site: TaskSite, names: list[str]) -> Fix | None:
    """`lambda: f(x)` to `f, x`; where that would compute something else now, `lambda x=x: ...`."""
    if not isinstance(site.handed, t.Lambda) or "#" in project.text(site.handed, site.frame):
        return None
    text = _arguments(project, site, site.handed.function) or _bound(
        project, site, site.handed.function, names
    )
    if text is None:
        return None
    edit = edits.replace(site.frame.path, project.span(site.handed, site.frame), text)
    return Fix(f"Hand over the value of `{names[0]}` now", (edit,), safe=True)


def _arguments(project: Project, site: TaskSite, inner: t.Function) -> str | None:
    body = inner.body[0]
    call = body.value if isinstance(body, t.Return) else None
    if not isinstance(call, t.Call) or inner.parameters or len(site.call.arguments) != 1:
        return None
    plain = all(isinstance(a.value, (t.Name, t.Constant)) and not a.star for a in call.arguments)
    if not plain or any(a.keyword in ("func", "self") for a in call.arguments):
        return None
    if not all(isinstance(value, Func) for value in project.evaluate(call.func, site.frame)):
        return None
    return ", ".join(project.text(part, site.frame) for part in (call.func, *call.arguments))


def _bound(project: Project, site: TaskSite, inner: t.Function, names: list[str]) -> str | None:
    """The value as a default, behind the parameters that add_task fills."""
    plain = all(p.kind == "normal" and p.default is None for p in inner.parameters)
    given = [argument for argument in site.arguments if argument.keyword is None and not argument.star]
    if not plain or len(given) != len(inner.parameters) or len(given) != len(site.arguments):
        return None
    body = project.text(inner.body[0], site.frame)
    parameters = [*(p.name for p in inner.parameters), *(f"{name}={name}" for name in names)]
    return f"lambda {', '.join(parameters)}: {body}"
