"""What lives at module level, who writes it and who reads it.

A container is told apart by the expression that makes it, wherever it is imported to; a plain global by its module
and name; an attribute of a module-level object by the object and the attribute's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import calling
from bglint import tree as t
from bglint.frozen import by_value
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.live_objects import is_live
from bglint.questions.one_object import is_kept, lives_long
from bglint.values import Class, Cls, Const, Frame, Instance, Items, ModuleValue, Outside, Value

_CONTAINERS = (
    "builtins.dict", "builtins.list", "builtins.set", "collections.defaultdict", "collections.OrderedDict",
    "collections.deque", "collections.Counter", "cachetools.Cache", "cachetools.TTLCache", "cachetools.TLRUCache",
    "cachetools.LRUCache", "cachetools.LFUCache", "cachetools.FIFOCache", "cachetools.RRCache",
)  # fmt: skip
_FILLING = {"append", "add", "update", "extend", "insert", "setdefault", "appendleft"}
_EMPTYING = {"discard", "remove"}
_TAKING = {"get", "setdefault"}
_LOCKS = {
    f"{module}.{name}" for module in ("asyncio", "threading") for name in ("Lock", "Event", "Semaphore")
}
_ASKING = ("locked", "is_set")
_TAKING_ONE = ("acquire", "set")
_INCIDENTAL = re.compile(
    r"(?i)cache|memo|lock|pool|client|engine|metric|stat(istic)?s$|counter|semaphore|limit|registry|registered|connection"
    r"|websocket|socket|usage|last_(used|seen|access|known|persisted|progress|write|logged|sent)|_counts?$|subscriber|listener|handler|loaded|model|plugin|logger|warned|singleton|instance|seen|latenc|throttl|managers$|processes$|mounts$"
)
"""Names of what every process has for itself on purpose."""


@by_value
class State:
    """Something at module level: `key` says what it is, `name` how the reader knows it."""

    key: object
    name: str


@by_value
class Field:
    """An attribute of the one object of a class."""

    klass: Class
    name: str


@memo
def written(project: Project, frame: Frame) -> tuple[tuple[State, t.Node], ...]:
    """The module-level containers and globals that a function changes, each with the place."""
    return tuple(_written(project, frame))


def _written(project: Project, frame: Frame) -> Iterator[tuple[State, t.Node]]:
    for node in project.nodes_of(frame, t.Assign, t.Call):
        for expr in (*_changed(node), *_of_elements(project, node, frame)):
            state = container(project, expr, frame)
            if state is not None:
                yield state, node
        if isinstance(node, t.Assign):
            yield from ((state, node) for state in _globals(project, node, frame))


def _changed(node: t.Node) -> Iterator[t.Expr]:
    """`x` of `x[key] = value`, `x[key].state = value`, `x.append(value)`; of `x.discard`, which may be handed on."""
    for part in _changed_parts(node):
        holder = _taken_from(part)
        if holder is not None:
            yield holder
        elif not isinstance(node, t.Assign):
            yield part


def _changed_parts(node: t.Node) -> Iterator[t.Expr]:
    """What is assigned to, filled or emptied, as it is written."""
    if isinstance(node, t.Assign):
        yield from (x for x in node.targets if _is_set(x, node))
    elif isinstance(node, t.Call):
        if isinstance(node.func, t.Attribute) and node.func.name in _FILLING:
            yield node.func.value
        elif t.last_name(node.func) == "setattr" and node.arguments:
            yield node.arguments[0].value
    elif isinstance(node, t.Attribute) and node.name in _EMPTYING:
        yield node.value


def _is_set(target: t.Expr, node: t.Assign) -> bool:
    """`jobs[key] = value`, `jobs[key].state = value`; not `nodes[url].unfinished -= 1` and the like, which counts."""
    if isinstance(target, t.Attribute):
        return not node.operator and not _INCIDENTAL.search(target.name)
    return isinstance(target, t.Subscript) and not (node.operator and isinstance(target.value, t.Subscript))


def _of_elements(project: Project, node: t.Node, frame: Frame) -> Iterator[t.Expr]:
    """`jobs` of `job["state"] = value` behind `job = jobs[key]`."""
    assert frame.function is not None
    roots = (_root(part) for part in _changed_parts(node))
    local = project.scope(frame.function).bindings
    for binding in (each for root in roots if root is not None for each in local.get(root.id, [])):
        holder = _taken_from(binding.value) if binding.value is not None and not binding.steps else None
        if holder is not None:
            yield holder


def _taken_from(expr: t.Expr) -> t.Expr | None:
    """`x` of `x[key]`, `x.get(key)` and `x[key].state`; None for what is no part of an element."""
    if isinstance(expr, t.Subscript):
        return _taken_from(expr.value) or expr.value
    if isinstance(expr, t.Attribute):
        return None if _INCIDENTAL.search(expr.name) else _taken_from(expr.value)
    if isinstance(expr, t.Call) and isinstance(expr.func, t.Attribute) and expr.func.name in _TAKING:
        return _taken_from(expr.func.value) or expr.func.value
    return None


def _root(expr: t.Expr) -> t.Name | None:
    while isinstance(expr, t.Subscript | t.Attribute):
        expr = expr.value
    return expr if isinstance(expr, t.Name) else None


def container(project: Project, expr: t.Expr, frame: Frame) -> State | None:
    """The container that an expression names, where it lives as long as the server."""
    if not isinstance(expr, t.Name | t.Attribute) or _INCIDENTAL.search(t.last_name(expr)):
        return None
    for value in filter(_is_container, project.evaluate(expr, frame)):
        key = _field(project, expr, frame) if value.birth is None else value.birth.node
        kept = key is not None and (value.birth is None or is_kept(project, value.birth))
        if kept and not _is_of_this_process(project, value):
            return State(key, t.last_name(expr))
    return None


def _field(project: Project, expr: t.Expr, frame: Frame) -> Field | None:
    """The attribute of an object that a class only declares: `jobs: dict[str, str] = field(default_factory=dict)`."""
    for value in project.evaluate(expr.value, frame) if isinstance(expr, t.Attribute) else ():
        if isinstance(value, Instance) and lives_long(project, value.klass):
            return None if _INCIDENTAL.search(value.klass.name) else Field(value.klass, t.last_name(expr))
    return None


def _is_container(value: Value) -> bool:
    if isinstance(value, Items):
        return value.kind in ("dict", "list", "set")
    return isinstance(value, Outside) and value.instance and value.name.removesuffix("()") in _CONTAINERS


def _is_of_this_process(project: Project, value: Value) -> bool:
    """True for what every process has for itself: by the class that keeps it, or by what is in it."""
    made_by = value.birth.frame.function if value.birth is not None else None
    if made_by is not None and _INCIDENTAL.search(made_by.owner.rpartition(".")[2]):
        return True
    held = [v for v in calling.element(project.names, value) if not isinstance(v, Const)]
    return bool(held) and all(is_live(project, each) for each in held)


def _globals(project: Project, node: t.Assign, frame: Frame) -> Iterator[State]:
    """The plain globals that an assignment sets; not one that is only filled when it is still empty."""
    assert frame.function is not None
    for target in node.targets:
        key, name = _global(project, target, frame), t.last_name(target)
        if key is not None and not _INCIDENTAL.search(name) and not _is_lazy(frame.function, target):
            yield State(key, name)


def _global(project: Project, target: t.Expr, frame: Frame) -> tuple[str, str] | None:
    """The module and the name of `progress` behind `global progress`, and of `state.progress` of an imported module."""
    if isinstance(target, t.Name):
        assert frame.function is not None
        declared = project.scope(frame.function).declared.get(target.id)
        return (frame.path, target.id) if declared == "global" else None
    if not isinstance(target, t.Attribute) or t.last_name(target.value) in ("self", "cls"):
        return None
    owners = project.evaluate(target.value, frame)
    return next(((v.path, t.last_name(target)) for v in owners if isinstance(v, ModuleValue)), None)


def _is_lazy(function: t.Function, target: t.Expr) -> bool:
    """True where the function asks first whether the global is there: it makes something once."""
    parts = (part for node in t.nodes_of(function, t.Branch) for part in t.walk(node.test))
    return any(isinstance(p, type(target)) and t.last_name(p) == t.last_name(target) for p in parts)


def reads(project: Project, state: State, frame: Frame) -> bool:
    """True where a function looks at the state, and does not only change it."""
    function = frame.function
    if function is None:
        return False
    changed = {id(expr) for node in t.walk_function(function) for expr in _changed(node)}
    targets = {id(x) for node in t.nodes_of(function, t.Assign) for x in node.targets}
    uses = (n for n in t.nodes_of(function, t.Name, t.Attribute) if t.last_name(n) == state.name)
    return any(id(use) not in changed | targets and _is_same(project, use, state, frame) for use in uses)


def _is_same(project: Project, expr: t.Name | t.Attribute, state: State, frame: Frame) -> bool:
    if isinstance(state.key, tuple):
        if isinstance(expr, t.Attribute):
            return _global(project, expr, frame) == state.key
        return frame.path == state.key[0] and _is_free(project, expr.id, frame)
    if isinstance(state.key, Field):
        return _field(project, expr, frame) == state.key
    return any(
        value.birth is not None and value.birth.node is state.key for value in project.evaluate(expr, frame)
    )


def _is_free(project: Project, name: str, frame: Frame) -> bool:
    """True where a name means the global."""
    assert frame.function is not None
    local = project.scope(frame.function)
    return local.declared.get(name) == "global" or (
        name not in local.bindings and not frame.function.parameter(name)
    )


# ----------------------------------------------------------------------- flags


def flag(project: Project, expr: t.Expr, frame: Frame) -> State | None:
    """The flag that an expression names: a global, or an attribute of a module, a class or an object made once.

    `lock.locked()` and `event.is_set()` ask for one, too.
    """
    if isinstance(expr, t.Call):
        return _held(project, expr.func, frame) if t.last_name(expr.func) in _ASKING else None
    if isinstance(expr, t.Attribute):
        keys = (_owner(project, value, expr.name) for value in project.evaluate(expr.value, frame))
        return next((State(key, expr.name) for key in keys if key is not None), None)
    if isinstance(expr, t.Name) and frame.function is not None and _is_free(project, expr.id, frame):
        return State((frame.path, expr.id), expr.id)
    return None


def _owner(project: Project, value: Value, name: str) -> tuple[object, str] | None:
    """What tells an attribute of something at module level apart from others of its name."""
    if isinstance(value, ModuleValue):
        return value.path, name
    if isinstance(value, Cls):
        return value.klass, name
    if isinstance(value, Instance) and lives_long(project, value.klass):
        return value.klass, name
    birth = value.birth
    if isinstance(value, Instance) and birth is not None and birth.frame.function is None:
        return birth.node, name
    return None


def _held(project: Project, method: t.Expr, frame: Frame) -> State | None:
    """The lock or event that a method is called on, where a module makes it."""
    if not isinstance(method, t.Attribute):
        return None
    return _lock(project, method.value, frame)


def _lock(project: Project, expr: t.Expr, frame: Frame) -> State | None:
    for value in project.evaluate(expr, frame):
        birth = value.birth
        if (
            isinstance(value, Outside)
            and value.name in _LOCKS
            and birth is not None
            and is_kept(project, birth)
        ):
            return State(birth.node, t.last_name(expr))
    return None


@memo
def sets(project: Project, frame: Frame, name: str) -> tuple[tuple[State, t.Node], ...]:
    """Where a function sets a flag of this name to something that is not false, takes the lock, sets the event."""
    return (*_sets(project, frame, name), *_takes(project, frame, name))


def _sets(project: Project, frame: Frame, name: str) -> Iterator[tuple[State, t.Node]]:
    for node in project.nodes_of(frame, t.Assign):
        if not (isinstance(node.value, t.Constant) and not node.value.value):
            for target in node.targets:
                state = _set_flag(project, target, frame) if t.last_name(target) == name else None
                if state is not None:
                    yield state, node


def _takes(project: Project, frame: Frame, name: str) -> Iterator[tuple[State, t.Node]]:
    for node in project.nodes_of(frame, t.WithItem, t.Call):
        place = node.value if isinstance(node, t.WithItem) else node
        lock = place if isinstance(node, t.WithItem) else _taken(node)
        state = _lock(project, lock, frame) if lock is not None and t.last_name(lock) == name else None
        if state is not None:
            yield state, place


def _taken(call: t.Call) -> t.Expr | None:
    """`lock` of `lock.acquire()`."""
    func = call.func
    return func.value if isinstance(func, t.Attribute) and func.name in _TAKING_ONE else None


def _set_flag(project: Project, target: t.Expr, frame: Frame) -> State | None:
    if isinstance(target, t.Name):
        assert frame.function is not None
        declared = project.scope(frame.function).declared.get(target.id) == "global"
        return State((frame.path, target.id), target.id) if declared else None
    return flag(project, target, frame) if isinstance(target, t.Attribute) else None
