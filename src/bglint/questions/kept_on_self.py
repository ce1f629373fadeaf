"""A tasks object that a class makes for itself, in a method, a property or as a field: all that is done with it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.calling import MORE
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.questions.given_to_object import built_objects
from bglint.questions.handmade import Use, mentions_of, uses_in
from bglint.questions.parents import parent
from bglint.questions.responses import is_response
from bglint.sites import TASKS, TaskSite
from bglint.values import Class, Const, Frame, Instance, Outside, Unknown, Value, anonymous


@by_identity
class Kept:
    """The attribute, the construction that it holds, and the statement of the method that puts it there, if one does.

    `is_spare` for `self.tasks = tasks or BackgroundTasks()`: made where the owner is given no tasks, by a call in
    `built` if a function does it.
    """

    name: str
    call: t.Call
    source: t.Source
    frame: Frame
    owner: str
    method: t.Function | None = None
    node: t.Statement | None = None
    is_spare: bool = False
    built: tuple[tuple[t.Node, Frame], ...] = ()


def kept_on_self(project: Project, site: TaskSite) -> Kept | None:
    """The attribute of its own object that a task is added to, if a method of the class fills it by hand."""
    if site.kind != "add_task" or (field := _as_field(project, site)) is not None:
        return field if site.kind == "add_task" else None
    birth = site.receiver.birth if site.receiver is not None else None
    method = birth.frame.function if birth is not None and birth.kind == "call" else None
    if birth is None or method is None or not method.owner or not isinstance(birth.node, t.Call):
        return None
    if not _is_nothing_else(project, site, birth.node):
        return None
    if members.has_decorator(method, "property", "cached_property"):
        return _as_property(birth.node, method, birth.frame)
    mentions = mentions_of(project, birth.node, method, birth.frame)
    held = [above for node in mentions if (above := _held(node, method)) is not None]
    rest = {id(node) for node in mentions if not _is_named(node, method, held)}
    if len(held) != 1 or any(use.fate in ("runs", "escapes") for use in uses_in(method, birth.frame, rest)):
        return None
    target = held[0].targets[0]
    assert isinstance(target, t.Attribute)
    spare = any(_names_parameter(node, method) for node in mentions) or any(
        node.name == target.name and _is_left_out(project, node, method, birth.frame)
        for node in t.nodes_of(method, t.Attribute)
    )
    built = tuple(_built(project, site)) if spare else ()
    return Kept(
        target.name, birth.node, method.source, birth.frame, method.owner, method, held[0], spare, built
    )


def _as_property(call: t.Call, method: t.Function, frame: Frame) -> Kept | None:
    """`@cached_property` and `return BackgroundTasks()`."""
    above = parent(call, method)
    if not isinstance(above, t.Return):
        return None
    return Kept(method.name, call, method.source, frame, method.owner, method, above)


# ---------------------------------------------- tasks: BackgroundTasks = field(default_factory=...)


def _as_field(project: Project, site: TaskSite) -> Kept | None:
    """A field of a dataclass or model, of an object that was built without it."""
    place = site.call.func.value if isinstance(site.call.func, t.Attribute) else None
    owners = project.evaluate(place.value, site.frame) if isinstance(place, t.Attribute) else ()
    if not isinstance(place, t.Attribute) or not owners:
        return None
    if not all(isinstance(owner, Instance) and _is_built_without(owner, place.name) for owner in owners):
        return None
    owner = owners[0]
    assert isinstance(owner, Instance)
    found = _default(project, owner, place.name)
    if found is None:
        return None
    built = list(built_objects(project, owner))
    if not all(_is_built_without(made, place.name) for made, _, _ in built):
        return None
    frame, places = members.class_frame(project.names, owner.klass), tuple(each[1:] for each in built[:1])
    return Kept(place.name, *found, frame, owner.klass.qualname, is_spare=True, built=places)


def _is_built_without(owner: Instance, name: str) -> bool:
    """True where the call that built it was seen, all its arguments were, and the field is not among them."""
    init = owner.init if owner.exact else None
    is_record = init is not None and init.function is None
    return is_record and init is not None and init.binding(name) is None and init.binding(MORE) is None


def _default(project: Project, owner: Instance, name: str) -> tuple[t.Call, t.Source] | None:
    """The `field(default_factory=BackgroundTasks)` of the class body."""
    for klass in members.lineage(project.names, owner.klass):
        module = project.program.module(klass.source.path)
        for entry in klass.entry.members if klass.entry is not None and module is not None else ():
            if entry.kind == "assign" and name in entry.names and module is not None:
                made = _factory(project, project.program.statements(module, entry, klass.qualname), klass)
                return (made, project.program.source(module, entry)) if made is not None else None
    return None


def _factory(project: Project, block: t.Block, klass: Class) -> t.Call | None:
    value = block[0].value if len(block) == 1 and isinstance(block[0], t.Assign) else None
    factory = value.keyword("default_factory") if isinstance(value, t.Call) else None
    if not isinstance(value, t.Call) or factory is None or t.last_name(value.func) not in ("field", "Field"):
        return None
    made = project.evaluate(factory, members.class_frame(project.names, klass))
    plain = all(isinstance(v, Outside) and not v.instance and v.name in TASKS for v in made)
    return value if made and plain else None


# --------------------------------------------------------------- self.tasks = BackgroundTasks()


def _built(project: Project, site: TaskSite) -> Iterator[tuple[t.Node, Frame]]:
    """Where the object was constructed that keeps the tasks."""
    receiver = site.call.func.value if isinstance(site.call.func, t.Attribute) else None
    owners = project.evaluate(receiver.value, site.frame) if isinstance(receiver, t.Attribute) else ()
    births = [owner.birth for owner in owners if owner.birth is not None and owner.birth.kind == "call"]
    return ((birth.node, birth.frame) for birth in births[:1] if birth.frame.function is not None)


def _names_parameter(node: t.Expr, method: t.Function) -> bool:
    names = {parameter.name for parameter in method.parameters[1:]}
    return any(isinstance(part, t.Name) and part.id in names for part in t.walk(node))


def _is_left_out(project: Project, node: t.Attribute, method: t.Function, frame: Frame) -> bool:
    """`self.tasks = tasks` below `if tasks:`, where none were given."""
    above = parent(node, method)
    if not isinstance(above, t.Assign) or above in project.nodes(frame):
        return False
    return project.evaluate(above.value, frame) == (Const(value=None),)


def _is_nothing_else(project: Project, site: TaskSite, call: t.Call) -> bool:
    """False where the task may be added to an object that was given instead."""
    receiver = site.call.func.value if isinstance(site.call.func, t.Attribute) else None
    values = [v for v in project.evaluate(receiver, site.frame) if v != Const(value=None)]
    return all(value.birth is not None and value.birth.node is call for value in values)


def _is_named(node: t.Expr, method: t.Function, held: list[t.Assign]) -> bool:
    """True for what only gives the object a name: a local one, or the attribute itself."""
    above = parent(node, method)
    names = isinstance(above, t.Assign) and all(isinstance(target, t.Name) for target in above.targets)
    return names or above in held


def _held(node: t.Expr, method: t.Function) -> t.Assign | None:
    """`self.tasks = node`."""
    above = parent(node, method)
    if not isinstance(above, t.Assign) or above.value is not node or len(above.targets) != 1:
        return None
    target = above.targets[0]
    return above if isinstance(target, t.Attribute) and _is_self(target.value, method) else None


def uses(project: Project, kept: Kept) -> Iterator[Use]:
    """What is done with the attribute anywhere; one whose object is not known counts, and so does setting it anew."""
    for module in project.modules(rf"\.{re.escape(kept.name)}\b"):
        lines = module.lines_with(re.compile(rf"\.{re.escape(kept.name)}"))
        for function in project.roles.functions_in(module, lines):
            yield from _in_function(project, kept, function)
        for statement in project.module_statements(module):
            if any(isinstance(node, t.Attribute) and node.name == kept.name for node in t.walk(statement)):
                yield Use("escapes", statement, kept.frame)


def _in_function(project: Project, kept: Kept, function: t.Function) -> Iterator[Use]:
    frame = project.frame(function)
    nodes = [n for n in t.nodes_of(function, t.Attribute) if n.name == kept.name]
    read = {id(node) for node in nodes if not _is_set(node, function)}
    mine = {id(node) for node in nodes if id(node) in read and _may_be(project, node, kept, frame)}
    yield from uses_in(function, frame, mine)
    for node in nodes:
        if id(node) not in read and not _is_of_no_account(project, node, kept, function):
            yield Use("escapes", node, frame)


def _is_set(node: t.Attribute, function: t.Function) -> bool:
    above = parent(node, function)
    return isinstance(above, t.Assign) and node in above.targets


def _is_of_no_account(project: Project, node: t.Attribute, kept: Kept, function: t.Function) -> bool:
    """True for the construction itself, for what does not come to pass beside it, and for namesakes of other classes."""
    if kept.method is not None and function is kept.method:
        own = parent(node, function) is kept.node
        return own or _is_left_out(project, node, function, kept.frame)
    if _is_self(node.value, function) and function.owner != kept.owner:
        return True
    holders = project.evaluate(node.value, project.frame(function))
    return bool(holders) and all(isinstance(v, Outside) and is_response(project, v) for v in holders)


def _is_self(expr: t.Expr, function: t.Function) -> bool:
    first = function.parameters[0].name if function.parameters else ""
    return isinstance(expr, t.Name) and expr.id == first and bool(function.owner)


def _may_be(project: Project, node: t.Expr, kept: Kept, frame: Frame) -> bool:
    values = project.evaluate(node, frame)
    mine = any(_is_born_there(project, value, kept) for value in values)
    return mine or not values or any(_may_be_anything(value) for value in values)


def _is_born_there(project: Project, value: Value, kept: Kept) -> bool:
    """True for the object; a field may be known by its type alone."""
    if value.birth is None:
        return kept.method is None and project.is_a(value, *TASKS)
    return value.birth.node is kept.call


def _may_be_anything(value: Value) -> bool:
    """True for the unknown, and for what is kept on the state of a request or an app."""
    kept = isinstance(value, Outside) and ".state." in value.name
    return kept or isinstance(value, Unknown) or anonymous(value)
