"""Functions that add tasks to a parameter of their own or of their object, run by somebody who leaves it to its default."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.model import Level
from bglint.project import Project, dotted
from bglint.questions.given_to_object import built_without
from bglint.questions.handmade import uses_in
from bglint.questions.helpers import leaves_out
from bglint.questions.injection import outer
from bglint.questions.parents import parent
from bglint.questions.signature import filled, resolved
from bglint.questions.written import given
from bglint.sites import TASKS, Hop, TaskSite
from bglint.values import Const, Frame


@by_identity
class LeftOut:
    """An add_task, the name of what it adds to, the call (`node`) that does not give it, and what comes of it.

    `owner` is the class whose constructor has the parameter, if one has.
    """

    site: TaskSite
    name: str
    node: t.Node
    frame: Frame
    level: Level
    what: str
    owner: str = ""


def left_out(project: Project) -> Iterator[LeftOut]:
    """Every such call: of a function that the project calls itself, or of a task that is registered without."""
    adding: dict[t.Function, list[tuple[TaskSite, t.Parameter]]] = {}
    for site in project.every_site:
        yield from _by_its_object(project, site)
        parameter = _own_parameter(site)
        if site.function is None or parameter is None:
            continue
        adding.setdefault(site.function, []).append((site, parameter))
        yield from _by_a_call(project, site, parameter)
    for site in project.sites if adding else ():
        yield from _by_a_task(project, site, adding)


def _own_parameter(site: TaskSite) -> t.Parameter | None:
    """The parameter with a default that an add_task adds to."""
    func, function = site.call.func, site.function
    if site.kind != "add_task" or function is None or not isinstance(func, t.Attribute):
        return None
    parameter = function.parameter(func.value.id) if isinstance(func.value, t.Name) else None
    return parameter if parameter is not None and parameter.default is not None else None


def _by_a_call(project: Project, site: TaskSite, parameter: t.Parameter) -> Iterator[LeftOut]:
    function = site.function
    assert function is not None
    for hop, served in _calls(project, site, function):
        if leaves_out(project, hop, function, parameter):
            level, what = _harm(project, site, function, parameter)
            if level == "error" or (level == "warning" and served):
                yield LeftOut(site, parameter.name, hop.node, hop.frame, level, what)


def _calls(project: Project, site: TaskSite, function: t.Function) -> Iterator[tuple[Hop, bool]]:
    """The calls that the project makes itself, and whether for a request: of a helper, or of what FastAPI calls, too."""
    if site.context.hops:
        yield site.context.hops[-1], site.role is not None
        return
    callers = project.roles.callers(function) if project.role(function) is not None else ()
    for caller in callers:
        for context in project.contexts(caller.chain[-1]) if caller.chain else ():
            if context.role is not None and caller.call in project.nodes(context.frame):
                yield Hop(context.frame, caller.call), True


def _by_a_task(
    project: Project, site: TaskSite, adding: dict[t.Function, list[tuple[TaskSite, t.Parameter]]]
) -> Iterator[LeftOut]:
    """A task that adds tasks, registered without the object that it adds them to."""
    arguments = given(project, site) if site.kind in ("add_task", "BackgroundTask") else None
    for value in site.targets if arguments is not None and not arguments.opaque else ():
        bound = resolved(project, value)
        for inner, parameter in adding.get(bound.function, ()) if bound is not None else ():
            if bound is None or arguments is None or parameter in filled(bound, arguments):
                continue
            level, what = _harm(project, inner, bound.function, parameter)
            if level == "error":
                yield LeftOut(inner, parameter.name, arguments.call, arguments.frame, level, what)


# -------------------------------------------------------------- self.tasks = tasks


def _by_its_object(project: Project, site: TaskSite) -> Iterator[LeftOut]:
    """A task that is added to an attribute, by an object that was built without one."""
    place = site.call.func.value if isinstance(site.call.func, t.Attribute) else None
    function = site.function
    if site.role is None or function is None or not _is_own_attribute(place, function):
        return
    assert isinstance(place, t.Attribute)
    owners = project.evaluate(place.value, site.frame)
    built = [built_without(project, owner, place.name) for owner in owners]
    if not all(built) or not any(built):
        return
    level, what = _without_attribute(project, site, function, place)
    for without in built:
        if without is not None and level is not None:
            yield LeftOut(site, without.name, without.call, without.frame, level, what, without.owner)


def _is_own_attribute(expr: t.Expr | None, function: t.Function) -> bool:
    first = function.parameters[0].name if function.parameters and function.owner else ""
    return isinstance(expr, t.Attribute) and isinstance(expr.value, t.Name) and expr.value.id == first


def _without_attribute(
    project: Project, site: TaskSite, function: t.Function, place: t.Attribute
) -> tuple[Level | None, str]:
    """As for a parameter; unguarded only where nothing else of the object is asked that may say the same."""
    name = dotted(place)
    asking = (t.Branch, t.Assert, t.While, t.Conditional)
    tests = [node.test for node in t.walk_function(function) if isinstance(node, asking)]
    level, what = _without_object(project, site, function, name)
    doubtful = any(_mentions_self(test, function) and not _asks(test, name) for test in tests)
    return _NOTHING if level == "error" and doubtful else (level, what)


def _mentions_self(test: t.Expr, function: t.Function) -> bool:
    return any(isinstance(n, t.Name) and n.id == function.parameters[0].name for n in t.walk(test))


# ----------------------------------------------------------------- what comes of it


_NOTHING: tuple[Level | None, str] = (None, "")


def _harm(
    project: Project, site: TaskSite, function: t.Function, parameter: t.Parameter
) -> tuple[Level | None, str]:
    """An error where None is used or the tasks go into an object of its own, a warning where the work is skipped."""
    values = project.evaluate(parameter.default, outer(project, function))
    own = any(project.is_a(value, *TASKS) for value in values)
    if not own and not all(value == Const(value=None) for value in values):
        return _NOTHING
    bound = parameter.name in project.scope(function).bindings
    if not own and not bound:
        return _without_object(project, site, function, parameter.name)
    if bound and not _is_made_instead(project, site, function, parameter):
        return _NOTHING
    return _NOTHING if _is_attached(site, function, parameter) else ("error", _OWN)


_OWN = "adds to an object of its own, which no response carries"


def _is_attached(site: TaskSite, function: t.Function, parameter: t.Parameter) -> bool:
    """True where the function lets a response run the object, or hands it on."""
    names = [n for n in t.nodes_of(function, t.Name) if n.id == parameter.name]
    mentions = {id(node) for node in names if not _is_in_question(node, function)}
    return any(use.fate in ("runs", "escapes") for use in uses_in(function, site.frame, mentions))


def _is_in_question(node: t.Name, function: t.Function) -> bool:
    """A target, or part of `tasks = tasks or BackgroundTasks()`."""
    above = parent(node, function)
    while isinstance(above, (t.Operation, t.Conditional)):
        above = parent(above, function)
    return isinstance(above, t.Assign)


def _is_made_instead(project: Project, site: TaskSite, function: t.Function, parameter: t.Parameter) -> bool:
    """`tasks = tasks or BackgroundTasks()`, or the same below `if tasks is None:`."""
    bindings = project.scope(function).bindings[parameter.name]
    for binding in bindings:
        made = [part for part in _alternatives(binding.value) if _makes(project, part, site.frame)]
        if not made or binding.steps:
            return False
    return True


def _alternatives(value: t.Expr | None) -> tuple[t.Expr, ...]:
    if isinstance(value, t.Operation):
        return value.operands
    if isinstance(value, t.Conditional):
        return value.body, value.orelse
    return (value,) if value is not None else ()


def _makes(project: Project, part: t.Expr, frame: Frame) -> bool:
    return isinstance(part, t.Call) and project.tasks_object(part, frame) is not None


# ------------------------------------------------------------------- used as None


def _without_object(
    project: Project, site: TaskSite, function: t.Function, place: str
) -> tuple[Level | None, str]:
    chain = project.chain(site.call, function)
    around = [(node, part) for node, part in chain if isinstance(node, t.Branch) and _asks(node.test, place)]
    if around:
        node, part = around[-1]
        other = node.orelse if part == "body" else node.body
        silent = other or _goes_on_without(node, part) or not _asks_only(node.test, place)
        return _NOTHING if silent else _SKIPS
    if isinstance(parent(parent(site.call, function) or site.call, function), (t.Operation, t.Conditional)):
        return _NOTHING
    return _after_a_question(function, place)


_SKIPS: tuple[Level, str] = ("warning", "skips the task")
_FAILS: tuple[Level, str] = ("error", "fails on None")


def _asks(test: t.Expr, place: str) -> bool:
    return place in _named_in(test)


def _asks_only(test: t.Expr, place: str) -> bool:
    """A further condition says that the task is not always wanted."""
    return set(_named_in(test)) == {place}


def _named_in(test: t.Expr) -> list[str]:
    """The names and attributes in a test, each as far as it is written: `tasks`, `self.tasks`."""
    parts = [node for node in t.walk(test) if isinstance(node, (t.Name, t.Attribute))]
    inner = {id(node.value) for node in parts if isinstance(node, t.Attribute)}
    return [dotted(node) for node in parts if id(node) not in inner]


def _goes_on_without(node: t.Branch, part: str) -> bool:
    """`if tasks: tasks.add_task(f); return`, and the work below."""
    block = node.body if part == "body" else node.orelse
    return bool(block) and isinstance(block[-1], (t.Return, t.Raise))


def _after_a_question(function: t.Function, place: str) -> tuple[Level | None, str]:
    """Not guarded itself; an earlier `if tasks is None:` may leave, or do the work."""
    asking = (t.Branch, t.Assert)
    asked = [n for n in t.walk_function(function) if isinstance(n, asking) and _asks(n.test, place)]
    if not asked:
        return _FAILS
    first = asked[0]
    if isinstance(first, t.Branch) and len(first.body) == 1 and isinstance(first.body[0], t.Return):
        return _SKIPS if first.body[0].value is None else _NOTHING
    return _NOTHING
