"""Is the injected tasks object, or what it holds, put into another background, which runs it as well?

Whatever is not understood counts as put in: who merges them knows what a response does with them.
"""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.questions.handed import links, spread
from bglint.questions.handmade import is_made_by_hand, uses_in
from bglint.questions.responses import builds_response
from bglint.sites import TASKS
from bglint.values import Birth, Cls, Frame, Func, Outside, Partial, Unknown, Value

DEPTH = 3
"""How many names, helpers and collections may stand in between."""


def takes_in_injected(project: Project, background: Value, *frames: Frame, depth: int = DEPTH) -> bool:
    """True where one of these functions, or the one that makes the background, puts the injected tasks into it."""
    birth = background.birth
    if isinstance(background, Func):
        return _hands_them_on(project, background)
    if birth is None or birth.kind != "call" or not isinstance(birth.node, t.Call) or depth < 1:
        return False
    places = [(argument.value, birth.frame) for argument in birth.node.arguments]
    for frame in dict.fromkeys((birth.frame, *frames)):
        places += ((expr, frame) for expr, frame in _put_in(project, birth, frame, depth))
    return any(leads_to_injected(project, expr, frame, depth - 1) for expr, frame in places)


def _put_in(project: Project, birth: Birth, frame: Frame, depth: int) -> Iterator[tuple[t.Expr, Frame]]:
    """What a function puts into the background, or hands over together with it."""
    if frame.function is None or depth < 1:
        return
    for node in project.nodes_of(frame, t.Call, t.Assign):
        if isinstance(node, t.Assign):
            mine = any(_mentions(project, part, birth, frame) for part in node.targets if not _is_name(part))
            yield from [(node.value, frame)] if mine and node.value is not None else []
        elif isinstance(node.func, t.Attribute) and _mentions(project, node.func.value, birth, frame):
            yield from ((argument.value, frame) for argument in node.arguments)
        elif any(_is_it(project, argument.value, birth, frame) for argument in node.arguments):
            yield from _together(project, node, birth, frame, depth)


def _together(
    project: Project, call: t.Call, birth: Birth, frame: Frame, depth: int
) -> Iterator[tuple[t.Expr, Frame]]:
    """What a helper puts into the background that it is given; all other arguments where it cannot be read."""
    if builds_response(project, call, frame):
        return
    called = project.evaluate(call.func, frame)
    helpers = [value for value in called if isinstance(value, Func)]
    for helper in helpers:
        inside = project.bind(helper, *project.arguments(call, frame))
        yield from _put_in(project, birth, inside, depth - 1)
    if len(helpers) < len(called):
        yield from ((argument.value, frame) for argument in call.arguments)


def _is_name(expr: t.Expr) -> bool:
    return isinstance(expr, t.Name)


def _mentions(project: Project, expr: t.Expr, birth: Birth, frame: Frame) -> bool:
    return any(_is_it(project, part, birth, frame) for part in t.walk(expr) if isinstance(part, t.Expr))


def _is_it(project: Project, expr: t.Expr, birth: Birth, frame: Frame) -> bool:
    if not isinstance(expr, (t.Name, t.Attribute, t.Call)):
        return False
    return any(v.birth is not None and v.birth.node is birth.node for v in project.evaluate(expr, frame))


# ------------------------------------------------------------- where it comes from


def leads_to_injected(project: Project, expr: t.Expr, frame: Frame, depth: int = DEPTH) -> bool:
    """True for an expression that mentions the injected tasks object, or something that was made of it."""
    return any(
        _leads_there(project, part, frame, depth)
        for part in t.walk(expr)
        if isinstance(part, (t.Name, t.Attribute, t.Lambda))
    )


def _leads_there(project: Project, expr: t.Expr, frame: Frame, depth: int) -> bool:
    if isinstance(project.tasks_object(expr, frame), Unknown):
        return True
    values = project.evaluate(expr, frame)
    if any(_is_of_injected(project, value, frame, depth) for value in spread(values)):
        return True
    unknown = any(isinstance(value, Unknown) for value in values)
    return unknown and depth > 0 and _is_named_so(project, expr, frame, depth)


def _is_of_injected(project: Project, value: Value, frame: Frame, depth: int) -> bool:
    if isinstance(value, Partial):
        held = [v for values in (*value.positional, *(given for _, given in value.keywords)) for v in values]
        return any(_is_of_injected(project, v, frame, depth) for v in (value.target, *held))
    if isinstance(value, Func):
        return _hands_them_on(project, value)
    tasks = (link for link in (value, *links(value, frame)) if project.is_a(link, *TASKS))
    if any(map(is_injected, tasks)):
        return True
    return project.is_a(value, *TASKS) and takes_in_injected(project, value, frame, depth=depth - 1)


def is_injected(tasks: Value | None) -> bool:
    """True for a tasks object that nobody was seen to make; the class itself is none."""
    is_class = isinstance(tasks, Cls) or (isinstance(tasks, Outside) and not tasks.instance)
    return tasks is not None and not is_class and not is_made_by_hand(tasks)


def _hands_them_on(project: Project, func: Func) -> bool:
    """A closure or bound method that runs the injected tasks, or hands them to somebody."""
    if func.closure is None and func.bound is None:
        return False
    frame = project.bind(func, (), {})
    nodes = project.nodes_of(frame, t.Name, t.Attribute)
    mentions = {id(node) for node in nodes if is_injected(project.tasks_object(node, frame))}
    return any(use.fate in ("runs", "escapes") for use in uses_in(func.function, frame, mentions))


def _is_named_so(project: Project, expr: t.Expr, frame: Frame, depth: int) -> bool:
    """A local name whose value nobody can tell, but was made of the injected tasks."""
    function = frame.function
    if not isinstance(expr, t.Name) or function is None:
        return False
    values = [binding.value for binding in project.scope(function).visible(expr.id, expr.at)]
    return any(
        leads_to_injected(project, value, frame, depth - 1)
        for value in values
        if value is not None and not _is_of_helper(project, value, frame)
    )


def _is_of_helper(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for the result of a first-party function: the tasks that it is given it adds to, as a rule."""
    call = expr.value if isinstance(expr, t.Await) else expr
    called = project.evaluate(call.func, frame) if isinstance(call, t.Call) else ()
    return bool(called) and all(isinstance(value, Func) for value in called)
