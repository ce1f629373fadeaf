"""Objects that keep a parameter of their constructor, and where they are built without it."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.questions.helpers import leaves_out
from bglint.sites import Hop
from bglint.values import Cls, Frame, Func, Instance, Value


def keeps_parameter(project: Project, owner: Value, name: str) -> t.Parameter | None:
    """The parameter, None if left out, that an attribute of this object holds for good."""
    if not isinstance(owner, Instance) or not owner.exact or owner.init is None:
        return None
    given, init = members.set_once(project.names, owner, name), owner.init.function
    if not isinstance(given, t.Name) or init is None or given.id in project.scope(init).bindings:
        return None
    parameter = init.parameter(given.id)
    default = parameter.default if parameter is not None else None
    is_none = isinstance(default, t.Constant) and default.value is None
    return parameter if is_none and not is_set_from_outside(project, name) else None


def is_set_from_outside(project: Project, name: str) -> bool:
    """Told by the text: of whatever object, by whatever name."""
    setting = rf"(?<!self)\.{name}\s*(?::[^=\n]+)?=(?!=)|setattr\([^)]*[\"']{name}[\"']"
    return any(True for _ in project.modules(setting))


def place_without(project: Project, owner: Value, parameter: t.Parameter) -> tuple[t.Node, Frame] | None:
    """The call that builds the object and leaves the parameter out; None where FastAPI or somebody else may give it."""
    init = owner.init.function if isinstance(owner, Instance) and owner.init is not None else None
    built = list(constructions(project, owner)) if init is not None else []
    for node, frame in built:
        if init is not None and leaves_out(project, Hop(frame, node), init, parameter):
            return node, frame
    return None


def constructions(project: Project, owner: Value) -> Iterator[tuple[t.Call, Frame]]:
    """The calls of its class that made an object, in a function: those of its provider for a dependency."""
    birth = owner.birth
    if birth is None:
        return
    if birth.kind == "call" and isinstance(birth.node, t.Call) and _builds(project, birth.node, birth.frame):
        yield birth.node, birth.frame
    for provider in birth.providers if birth.kind == "dependency" else ():
        for value in _provided(project, provider):
            yield from constructions(project, value)


def _builds(project: Project, call: t.Call, frame: Frame) -> bool:
    made = project.evaluate(call.func, frame) if frame.function is not None else ()
    return any(isinstance(value, Cls) for value in made)


def _provided(project: Project, provider: Value) -> Iterator[Value]:
    """What a function of the project returns or yields to FastAPI."""
    if isinstance(provider, Func):
        frame = project.frame(provider.function)
        for node in t.nodes_of(provider.function, t.Return, t.Yield):
            yield from project.evaluate(node.value, frame) if node.value is not None else ()
