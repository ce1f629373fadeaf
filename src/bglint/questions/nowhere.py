"""Hand-overs that reach nobody: a task on an attribute that no response looks at, or beside the body of an answer."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.model import Step
from bglint.project import Project, name_of
from bglint.questions.handmade import Use
from bglint.questions.injection import outer
from bglint.questions.parents import around, parent
from bglint.questions.responses import is_response
from bglint.roles import ROUTERS, VERBS
from bglint.sites import TASK
from bglint.values import Frame, Outside, Value


@by_identity
class Nowhere:
    """Where the object is put, and why nobody takes it from there."""

    node: t.Node
    frame: Frame
    why: str

    def step(self, project: Project) -> Step:
        """It as a part of a finding's path."""
        return project.step(self.node, self.frame, self.why)


def leads_nowhere(project: Project, use: Use) -> Nowhere | None:
    """What becomes of a use that hands the object over; None where somebody may get it."""
    function = use.frame.function
    if function is None or not _is_the_object(project, use):
        return None
    above = parent(use.node, function)
    if isinstance(above, t.Assign):
        return _on_a_response(project, above, use)
    leaves = _in_an_answer(use.node, function)
    if leaves is None or not _is_answered_by_fastapi(project, function):
        return None
    return Nowhere(leaves, use.frame, f"FastAPI takes what `{name_of(use.frame)}` returns for the body alone")


def _is_the_object(project: Project, use: Use) -> bool:
    """True for a name of it or its construction; what comes out of its attributes is something else."""
    if isinstance(use.node, t.Call):
        return any(project.is_a(value, *TASK) for value in project.evaluate(use.node, use.frame))
    return isinstance(use.node, t.Name)


# ------------------------------------------------------ response.background_tasks


def _on_a_response(project: Project, node: t.Assign, use: Use) -> Nowhere | None:
    """`response.background_tasks = tasks`, where nothing reads such an attribute."""
    target = node.targets[0] if len(node.targets) == 1 else None
    if not isinstance(target, t.Attribute) or node.value is not use.node:
        return None
    values = project.evaluate(target.value, use.frame)
    if not values or not all(isinstance(v, Outside) and is_response(project, v) for v in values):
        return None
    if any(_may_be_a_response(project, value) for value in _read_from(project, target.name)):
        return None
    return Nowhere(node, use.frame, f"a response looks at its `background`, never at `{target.name}`")


def _read_from(project: Project, name: str) -> Iterator[Value]:
    """What the attribute is read of, anywhere; the unknown for a `getattr`."""
    for function in project.functions(rf"\.{name}\b"):
        frame = project.frame(function)
        for node in t.nodes_of(function, t.Attribute):
            if node.name == name and not _is_set(node, function):
                yield from project.evaluate(node.value, frame) or (Value(),)
    if any(True for _ in project.modules(rf"getattr\([^)]*[\"']{name}[\"']")):
        yield Value()


def _is_set(node: t.Attribute, function: t.Function) -> bool:
    above = parent(node, function)
    return isinstance(above, t.Assign) and node in above.targets


def _may_be_a_response(project: Project, value: Value) -> bool:
    """False for what is known to be something else, such as the attribute's namesake of a service."""
    named = isinstance(value, Outside) and value.instance and not value.name.endswith(("()", "[]"))
    return is_response(project, value) or not (named or hasattr(value, "klass"))


# --------------------------------------------------------- return body, BackgroundTask(f)


def _in_an_answer(node: t.Node, function: t.Function) -> t.Return | None:
    """The `return` of a tuple, list or dict that the object stands in."""
    inside: t.Node = node
    for outside in around(node, function):
        if isinstance(outside, t.Return):
            return outside if inside is not node else None
        if not isinstance(outside, (t.Collection, t.Mapping)):
            return None
        inside = outside
    return None


def _is_answered_by_fastapi(project: Project, function: t.Function) -> bool:
    """True for a route of which the project itself sees no answer: no wrapper, no route class, no other caller."""
    own = function.decorators and all(_is_plain_route(project, d, function) for d in function.decorators)
    return bool(own) and not function.owner and not project.roles.callers(function)


def _is_plain_route(project: Project, decorator: t.Expr, function: t.Function) -> bool:
    func = decorator.func if isinstance(decorator, t.Call) else None
    if not isinstance(func, t.Attribute) or func.name not in VERBS:
        return False
    routers = project.evaluate(func.value, outer(project, function))
    return bool(routers) and all(_is_plain_router(project, value) for value in routers)


def _is_plain_router(project: Project, value: Value) -> bool:
    made = value.birth.node if value.birth is not None else None
    plain = isinstance(made, t.Call) and made.keyword("route_class") is None and not made.spread
    return plain and isinstance(value, Outside) and project.is_a(value, *ROUTERS)
