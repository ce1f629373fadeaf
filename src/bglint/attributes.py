"""What the project assigns to an attribute from outside: `app.state.pool = ...` in a lifespan, `service.client = ...`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bglint import members
from bglint import tree as t
from bglint.excerpts import everywhere
from bglint.values import Class, Frame, Instance, Outside, Value, Values, known, unique

if TYPE_CHECKING:
    from bglint.names import Names

_APPS = ("fastapi.FastAPI", "fastapi.applications.FastAPI", "starlette.applications.Starlette")


def is_state(names: Names, value: Value) -> bool:
    """True for the state of an application: `app.state`, `request.app.state`."""
    if not isinstance(value, Outside) or not value.name.endswith(".state") or value.of is None:
        return False
    app = value.of
    is_named = isinstance(app, Outside) and app.name.endswith(
        (".Request.app", ".WebSocket.app", ".HTTPConnection.app")
    )
    return is_named or members.is_a(names, app, *_APPS)


def in_state(names: Names, name: str) -> Values:
    """The values that the project assigns to `.state.<name>`; () where it assigns none that are known."""
    return names.remember(("app state", name), lambda: known(unique(list(_in_state(names, name)))))


def _in_state(names: Names, name: str) -> Iterator[Value]:
    for target, value, frame in _assignments(names, rf"\.state\.{re.escape(name)}", name):
        if t.last_name(target.value) == "state":
            yield from names.evaluate(value, frame)


def in_objects(names: Names, klass: Class, name: str) -> Values:
    """The values that the project assigns to this attribute of objects of a class, outside of its methods."""
    key = ("set from outside", klass, name)
    return names.remember(key, lambda: known(unique(list(_in_objects(names, klass, name)))))


def _in_objects(names: Names, klass: Class, name: str) -> Iterator[Value]:
    for target, value, frame in _assignments(names, rf"\.{re.escape(name)}", name):
        objects = (v for v in names.evaluate(target.value, frame) if isinstance(v, Instance))
        if any(klass in members.lineage(names, v.klass) for v in objects):
            yield from names.evaluate(value, frame)


def _assignments(names: Names, written: str, name: str) -> Iterator[tuple[t.Attribute, t.Expr, Frame]]:
    for frame, nodes in everywhere(names, rf"{written}\s*(?::[^=\n]+)?=[^=]"):
        for node in nodes:
            if isinstance(node, t.Assign) and node.value is not None:
                targets = (x for x in node.targets if isinstance(x, t.Attribute) and x.name == name)
                yield from ((target, node.value, frame) for target in targets)
