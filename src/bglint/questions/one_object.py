"""Objects that live as long as the server: which class has one, and which attribute keeps one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.excerpts import everywhere
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.injection import registrations
from bglint.values import Birth, Class, Cls, Frame, Instance

DEPTH = 3
MOST_KINDS = 6
"""A class with more kinds of its own is made in too many places to be one object."""

_MARKERS = "Depends|Security"
_MEMOISING = ("lru_cache", "cache")


@memo
def is_kept(project: Project, birth: Birth | None) -> bool:
    """True for what a module makes, or what is made for an attribute of such an object or of the application's state."""
    if birth is None or birth.kind not in ("display", "call"):
        return False
    function = birth.frame.function
    if function is None:
        return True
    return any(
        _is_kept_there(project, target, birth)
        for node in t.nodes_of(function, t.Assign)
        if node.value is not None and any(part is birth.node for part in t.walk(node.value))
        for target in node.targets
    )


def _is_kept_there(project: Project, target: t.Expr, birth: Birth) -> bool:
    function = birth.frame.function
    assert function is not None
    if isinstance(target, t.Name):
        declared = project.scope(function).declared.get(target.id)
        return declared == "global" or (declared is None and _makes_an_app(project, function))
    if not isinstance(target, t.Attribute):
        return False
    if t.last_name(target.value) == "state":
        role = project.role(function)
        return "app" in project.text(target.value, birth.frame) and (role is None or role.kind == "startup")
    owners = project.evaluate(target.value, birth.frame)
    return any(isinstance(v, Instance | Cls) and lives_long(project, v.klass) for v in owners)


def _makes_an_app(project: Project, function: t.Function) -> bool:
    """True for a function in which handlers are defined: what they share lives as long as they do."""
    inner = (project.role(node.function) for node in t.nodes_of(function, t.Define))
    return any(role is not None and role.kind == "route" for role in inner)


@memo
def lives_long(project: Project, klass: Class, depth: int = DEPTH) -> bool:
    """True for a class whose objects are made by modules, start-up code or memoised functions, and nowhere else."""
    if _shares_itself(project, klass):
        return True
    if not depth or _is_injected(project, klass):
        return False
    kinds = (klass, *members.subclasses(project.names, klass))
    if len(kinds) > MOST_KINDS:
        return False
    made = (place for each in kinds for place in _constructions(project, each))
    answers = (_is_once(project, call, frame, depth) for call, frame in made)
    return next(answers, False) and all(answers)


def _shares_itself(project: Project, klass: Class) -> bool:
    """`__new__` that keeps what it makes: `cls._instance = super().__new__(cls)`."""
    found = members.method(project.names, klass, "__new__")
    assigns = t.nodes_of(found[1], t.Assign) if found is not None else ()
    return any(
        isinstance(x, t.Attribute) and t.last_name(x.value) in ("cls", klass.name)
        for node in assigns
        for x in node.targets
    )


def _is_injected(project: Project, klass: Class) -> bool:
    """`Depends(Store)`, `store: Store = Depends()`: a new object for each request."""
    name = re.escape(klass.name)
    given = re.compile(rf"(?:{_MARKERS})\(\s*{name}\b|\b{name}\W[^\n]{{0,20}}\b(?:{_MARKERS})\(\s*\)")
    texts = registrations(project, _MARKERS).values()
    return any(klass.name in text and given.search(text) for text in texts)


def _constructions(project: Project, klass: Class) -> Iterator[tuple[t.Call, Frame]]:
    for frame, nodes in everywhere(project.names, rf"\b{re.escape(klass.name)}\s*\("):
        for node in nodes:
            if isinstance(node, t.Call) and t.last_name(node.func) == klass.name:
                values = project.evaluate(node.func, frame)
                if any(isinstance(value, Cls) and value.klass is klass for value in values):
                    yield node, frame


def _is_once(project: Project, call: t.Call, frame: Frame, depth: int) -> bool:
    """True for a call that a module makes, a memoised function, or the making of such an object."""
    function = frame.function
    if function is None or members.has_decorator(function, *_MEMOISING):
        return True
    assigns = (node for node in t.nodes_of(function, t.Assign) if node.value is not None)
    keeping = (node for node in assigns if any(part is call for part in t.walk(node.value)))
    return any(_keeps(project, x, frame, depth) for node in keeping for x in node.targets)


def _keeps(project: Project, target: t.Expr, frame: Frame, depth: int) -> bool:
    assert frame.function is not None
    if isinstance(target, t.Name):
        return project.scope(frame.function).declared.get(target.id) == "global"
    if not isinstance(target, t.Attribute):
        return False
    if t.last_name(target.value) == "state":
        return "app" in project.text(target.value, frame)
    for value in project.evaluate(target.value, frame):
        if isinstance(value, Cls):
            return True
        if isinstance(value, Instance) and frame.function.name == "__init__":
            return lives_long(project, value.klass, depth - 1)
    return False
