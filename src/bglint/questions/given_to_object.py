"""Objects that keep what their constructor is given, and where they are built without it."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members, settled
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.project import Project
from bglint.questions.helpers import leaves_out
from bglint.sites import Hop
from bglint.values import Cls, Const, Frame, Func, Instance, Value

_NONE = (Const(value=None),)


@by_identity
class Without:
    """The call that builds an object of the class `owner`, and the parameter `name` that it leaves to None."""

    owner: str
    name: str
    call: t.Call
    frame: Frame


def built_without(project: Project, owner: Value, attribute: str) -> Without | None:
    """Where an object was built whose attribute is None from then on; None where somebody may give it another value."""
    built = list(built_objects(project, owner))
    every = [_without(project, *each, attribute) for each in built]
    return every[0] if every and all(every) else None


def _without(project: Project, made: Instance, call: t.Call, frame: Frame, attribute: str) -> Without | None:
    if not made.exact or made.init is None:
        return None
    name = attribute if made.init.function is None else _parameter_of(project, made, attribute)
    left_out = name is not None and _is_left_out(project, made, name, call, frame)
    return Without(made.klass.name, name, call, frame) if left_out and name is not None else None


def _parameter_of(project: Project, owner: Instance, attribute: str) -> str | None:
    """The parameter, None if left out, that an attribute of this object holds for good."""
    given = members.set_once(project.names, owner, attribute)
    init = owner.init.function if owner.init is not None else None
    if not isinstance(given, t.Name) or init is None or given.id in project.scope(init).bindings:
        return None
    parameter = init.parameter(given.id)
    default = parameter.default if parameter is not None else None
    is_none = isinstance(default, t.Constant) and default.value is None
    return given.id if is_none and not _is_set_from_outside(project, attribute) else None


def _is_set_from_outside(project: Project, name: str) -> bool:
    """Told by the text: of whatever object, by whatever name."""
    setting = rf"(?<!self)\.{name}\s*(?::[^=\n]+)?=(?!=)|setattr\([^)]*[\"']{name}[\"']"
    return any(True for _ in project.modules(setting))


def _is_left_out(project: Project, owner: Instance, name: str, call: t.Call, frame: Frame) -> bool:
    """For a dataclass or model what its field is in the end."""
    assert owner.init is not None
    init = owner.init.function
    if init is None:
        return settled.attribute(project.names, owner, name) == _NONE
    parameter = init.parameter(name)
    given = owner.init.binding(name) not in (None, _NONE)
    return parameter is not None and not given and leaves_out(project, Hop(frame, call), init, parameter)


def built_objects(project: Project, owner: Value) -> Iterator[tuple[Instance, t.Call, Frame]]:
    """The objects that a value may be, as functions build them; of a dependency what its provider returns."""
    birth = owner.birth
    if birth is None or not isinstance(owner, Instance):
        return
    if birth.kind == "call" and isinstance(birth.node, t.Call) and _builds(project, birth.node, birth.frame):
        yield owner, birth.node, birth.frame
    for provider in birth.providers if birth.kind == "dependency" else ():
        for value in _provided(project, provider):
            yield from built_objects(project, value)


def _builds(project: Project, call: t.Call, frame: Frame) -> bool:
    made = project.evaluate(call.func, frame) if frame.function is not None else ()
    return any(isinstance(value, Cls) for value in made)


def _provided(project: Project, provider: Value) -> Iterator[Value]:
    """What a function of the project returns or yields to FastAPI."""
    if isinstance(provider, Func):
        frame = project.frame(provider.function)
        for node in t.nodes_of(provider.function, t.Return, t.Yield):
            yield from project.evaluate(node.value, frame) if node.value is not None else ()
