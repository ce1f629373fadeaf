"""What a registration hands to its task: arguments, what a partial or a coroutine holds, what a closure captures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import members
from bglint import tree as t
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.parents import parent
from bglint.reach import Visit
from bglint.sites import TaskSite, awaited_in_helper
from bglint.values import Birth, Cls, Coroutine, Frame, Func, Instance, Items, Outside, Partial, Value, Values


def handed(project: Project, site: TaskSite) -> Iterator[Value]:
    """Every value that the task is given, collections taken apart."""
    for argument in site.arguments:
        values = project.evaluate(argument.value, site.frame)
        yield from spread(values)
        if isinstance(argument.value, t.Name) and any(isinstance(value, Items) for value in values):
            yield from _filled_in(project, argument.value.id, site.frame)
    for target in site.targets:
        yield from _held(project, target)


def spread(values: Values) -> Iterator[Value]:
    """The values, and those that their collections hold."""
    for value in values:
        yield value
        if isinstance(value, Items):
            yield from (inner for item in value.items for inner in spread(item))


def _filled_in(project: Project, name: str, frame: Frame) -> Iterator[Value]:
    """What a function puts into a collection: `name.append(x)`, `name[key] = x`."""
    for node in project.nodes_of(frame, t.Call, t.Assign):
        for expr in _put_in(node, name):
            yield from spread(project.evaluate(expr, frame))


def _put_in(node: t.Node, name: str) -> tuple[t.Expr, ...]:
    if isinstance(node, t.Call) and isinstance(node.func, t.Attribute) and node.func.name in _FILLING:
        return tuple(argument.value for argument in node.arguments[-1:] if _is(node.func.value, name))
    if isinstance(node, t.Assign) and node.value is not None:
        filled = any(isinstance(target, t.Subscript) and _is(target.value, name) for target in node.targets)
        return (node.value,) if filled else ()
    return ()


_FILLING = {"append", "add", "insert", "extend"}


def _is(expr: t.Expr, name: str) -> bool:
    return isinstance(expr, t.Name) and expr.id == name


def _held(project: Project, target: Value) -> Iterator[Value]:
    if isinstance(target, Partial):
        yield from (v for values in target.positional for v in spread(values))
        yield from (v for _, values in target.keywords for v in spread(values))
        yield from _held(project, target.target)
    elif isinstance(target, Coroutine):
        yield from (v for _, values in target.call.bindings for v in spread(values))
        yield from _held(project, target.func)
    elif isinstance(target, Outside):
        yield from links(target, None)
    elif isinstance(target, Func):
        if target.bound is not None:
            yield target.bound
        if target.closure is not None:
            yield from _captured(project, target, target.closure)


def _captured(project: Project, nested: Func, closure: Frame) -> Iterator[Value]:
    """What a nested function reads of the function around it."""
    function = nested.function
    local, inside = project.scope(function), project.bind(nested, (), {})
    for node in t.nodes_of(function, t.Name):
        if node.id in local.bindings or function.parameter(node.id) is not None:
            continue
        if _binds(project, closure, node.id):
            values, told = project.names.lookup(node.id, closure), fact(node, function)
            of_outside = told is not None and all(isinstance(value, Outside) for value in values)
            yield from spread(project.evaluate(told, inside) if of_outside else values)


def fact(name: t.Expr, function: t.Function) -> t.Attribute | None:
    """`file.name` around `file`: what a closed file tells as well."""
    read = parent(name, function)
    return read if isinstance(read, t.Attribute) and read.name in _FACTS else None


_FACTS = {"name", "closed", "mode", "encoding"}


def _binds(project: Project, frame: Frame, name: str) -> bool:
    function = frame.function
    if function is None:
        return False
    own = name in project.scope(function).bindings or function.parameter(name) is not None
    return own or (frame.closure is not None and _binds(project, frame.closure, name))


def worked_with(project: Project, site: TaskSite) -> Iterator[tuple[Value, Visit]]:
    """Every value that the task calls a method of, with the place; what an expression is called on, link by link."""
    for contact in project.contacts(site):
        if contact.node is not site.call:
            for link in links(contact.value, contact.visit.frame):
                yield link, contact.visit


@memo
def kept(project: Project, site: TaskSite) -> tuple[Value, ...]:
    """What the task reads from the fields of objects that others made: `job.path`, `self.upload`."""
    own = {visit.frame.function for visit in project.visits(site)}
    read = (each for visit in project.visits(site) for each in _fields_read(project, visit.frame))
    return tuple(dict.fromkeys(field for field, birth in read if birth.frame.function not in own))


@memo
def _fields_read(project: Project, frame: Frame) -> tuple[tuple[Value, Birth], ...]:
    """The fields of objects that a function reads, each with the birth of what it holds."""
    found: list[tuple[Value, Birth]] = []
    for node in project.nodes_of(frame, t.Attribute):
        holders = [v for v in project.evaluate(node.value, frame) if isinstance(v, Instance)]
        for value in _read(project, node, frame, holders) if holders else ():
            field = value if value.birth is not None else _field(project, value, node.name, holders)
            birth = born(field)
            found += [(field, birth)] if birth is not None else []
    return tuple(found)


def born(value: Value) -> Birth | None:
    """The birth of a value, or of what it was taken from."""
    return value.birth or (value.of.birth if isinstance(value, Outside) and value.of is not None else None)


def _read(project: Project, node: t.Attribute, frame: Frame, holders: list[Instance]) -> Iterator[Value]:
    """What a field holds, or what of it is asked for; what a record was given says more than the record itself."""
    told = fact(node, frame.function) if frame.function is not None else None
    yield from spread(project.evaluate(told or node, frame))
    for holder in holders:
        birth = holder.birth
        if birth is not None and isinstance(birth.node, t.Call) and _is_record(project, holder):
            yield from spread(project.evaluate(_given(birth.node, holder, node.name), birth.frame))


def _is_record(project: Project, holder: Instance) -> bool:
    """True for a dataclass, model or named tuple: what it is given is what it holds."""
    return members.method(project.names, holder.klass, "__init__") is None


def _given(call: t.Call, holder: Instance, name: str) -> t.Expr | None:
    """The argument for a field, given by name or by its place in the class."""
    entries = holder.klass.entry.members if holder.klass.entry is not None else ()
    fields = [entry.name for entry in entries if entry.kind == "assign"]
    return call.argument(fields.index(name), name) if name in fields else call.keyword(name)


def _field(project: Project, value: Value, name: str, holders: list[Instance]) -> Value:
    """The value with a birth, where it is a field of what FastAPI gives a handler: `form.upload`."""
    births = (holder.birth for holder in holders if holder.birth is not None)
    for birth in births:
        function = birth.frame.function
        if _is_read_from_request(birth) and function is not None and project.role(function) is not None:
            return replace(value, birth=replace(birth, name=f"{birth.name}.{name}"))
    return value


def _is_read_from_request(birth: Birth) -> bool:
    """True for a model, and for an object of a class that is the dependency itself: `form: Form = Depends()`."""
    of_class = birth.kind == "dependency" and any(isinstance(made, Cls) for made in birth.providers)
    return birth.kind == "parameter" or of_class


def links(value: Value, here: Frame | None) -> Iterator[Value]:
    """What a value was taken from or called on; not past a call made elsewhere, whose result is another thing."""
    of = value.of if isinstance(value, Outside) else None
    while isinstance(of, Outside):
        yield of
        if of.birth is not None and of.birth.kind in ("call", "display") and of.birth.frame is not here:
            return
        of = of.of
    if of is not None:
        yield of


def cancelled_there(site: TaskSite) -> bool:
    """True where the function that starts an asyncio task also stops it, or has a helper that waits for it."""
    if site.kind != "create_task" or site.function is None:
        return False
    calls = (call.func for call in t.nodes_of(site.function, t.Call))
    cancels = any(isinstance(func, t.Attribute) and func.name == "cancel" for func in calls)
    return cancels or awaited_in_helper(site.call, site.function)
