"""Objects that only the process can hold that made them: what is connected to somebody."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.values import Class, Frame, Instance, Items, Outside, Value, Values

DEPTH = 2
_CONNECTED = re.compile(
    r"(?i)\w*(client|session|conn(ection)?|connect(_\w+)?|socket|channel|transport|browser|driver|smtp(_ssl)?|ftp|redis|engine"
    r"|pool|popen|stream(reader|writer)?)(\(\))?$"
)
_RUNNING = ("asyncio.", "threading.", "multiprocessing.", "concurrent.futures.", "anyio.")
"""Tasks, threads, locks and queues: nothing that could be written down."""


def stores_live(project: Project, node: t.Node, frame: Frame) -> bool:
    """True where `x[key] = value`, `x.append(value)` and the like put an object into `x` that is connected."""
    return any(is_live(project, value) for value in _stored(project, node, frame))


def _stored(project: Project, node: t.Node, frame: Frame) -> Iterator[Value]:
    given = [a.value for a in node.arguments] if isinstance(node, t.Call) else []
    if isinstance(node, t.Assign) and node.value is not None:
        given = [node.value]
    for expr in given:
        for value in project.evaluate(expr, frame):
            yield from value.elements() if isinstance(value, Items) else (value,)


def is_live(project: Project, value: Value, depth: int = DEPTH) -> bool:
    """True for a client or connection, and for an object of the project that holds one."""
    if isinstance(value, Outside):
        running = depth == DEPTH and value.name.startswith(_RUNNING)
        return value.instance and (running or _is_connected(value.name))
    if not isinstance(value, Instance) or not depth:
        return False
    if any(map(_is_connected, members.outside_bases(project.names, value.klass))):
        return True
    return any(is_live(project, held, depth - 1) for held in _held(project, value))


def _is_connected(name: str) -> bool:
    return bool(_CONNECTED.match(name.rpartition(".")[2]))


def _held(project: Project, value: Instance) -> Iterator[Value]:
    """What the attributes of an object stand for."""
    for part in members.lineage(project.names, value.klass):
        for name in dict.fromkeys(_attributes(project, part)):
            found: Values = members.attribute(project.names, value, name)
            yield from found


def _attributes(project: Project, klass: Class) -> Iterator[str]:
    """The names that a class gives to what it holds, in its body and on `self`."""
    for member in klass.entry.members if klass.entry is not None else ():
        if member.kind != "function":
            yield from member.names
    for method in members.methods(project.names, klass):
        own = method.parameters[0].name if method.parameters else ""
        for target in (x for node in t.nodes_of(method, t.Assign) for x in node.targets):
            if (
                isinstance(target, t.Attribute)
                and isinstance(target.value, t.Name)
                and target.value.id == own
            ):
                yield target.name
