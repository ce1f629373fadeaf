"""What the project assigns to an attribute from outside: `app.state.pool = ...` in a lifespan, `service.client = ...`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bglint import members
from bglint import tree as t
from bglint.excerpts import everywhere
from bglint.values import Class, Frame, Instance, Outside, Value, Values, known, unique

if TYPE_CHECKING:
    from bglint.names import Names

_CONNECTIONS = (".Request", ".WebSocket", ".HTTPConnection")
_APPS = ("fastapi.FastAPI", "fastapi.applications.FastAPI", "starlette.applications.Starlette")


def in_state(names: Names, state: Outside, name: str) -> Values:
    """What the project keeps as `app.state.<name>` or `request.state.<name>`; () where nothing is known of it."""
    if not _is_state(names, state):
        return ()
    found = names.remember(("state", name), lambda: known(unique(list(_in_state(names, name)))))
    kept = Outside(None, f"{state.name}.{name}", False, state)
    return tuple(replace(v, of=kept) if isinstance(v, Outside) else v for v in found)


def _is_state(names: Names, value: Outside) -> bool:
    """True for the state of an application or a request: `app.state`, `request.app.state`, `request.state`."""
    if not value.name.endswith(".state") or value.of is None:
        return False
    owner = value.of
    is_named = isinstance(owner, Outside) and owner.name.removesuffix(".app").endswith(_CONNECTIONS)
    return is_named or members.is_a(names, owner, *_APPS)


def _in_state(names: Names, name: str) -> Iterator[Value]:
    """What is assigned to it, or yielded by a lifespan."""
    for target, value, frame in _assignments(names, rf"\.state\.{re.escape(name)}", name):
        if t.last_name(target.value) == "state":
            yield from names.evaluate(value, frame)
    for frame, nodes in everywhere(names, r"\byield \{"):
        shown = (node.value for node in nodes if isinstance(node, t.Yield))
        pairs = (pair for mapping in shown if isinstance(mapping, t.Mapping) for pair in mapping.items)
        for key, given in pairs:
            if isinstance(key, t.Constant) and key.value == name:
                yield from names.evaluate(given, frame)


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
