"""What `app.state.name` holds: whatever the project assigns to it, in a lifespan, at start-up, at module level."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bglint import members
from bglint import tree as t
from bglint.outline import Entry
from bglint.program import Module
from bglint.values import Frame, Outside, Value, Values, known, unique

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


def kept(names: Names, name: str) -> Values:
    """The values that the project assigns to `.state.<name>`; () where it assigns none that are known."""
    return names.remember(("app state", name), lambda: known(unique(list(_assigned(names, name)))))


def _assigned(names: Names, name: str) -> Iterator[Value]:
    pattern = re.compile(rf"\.state\.{re.escape(name)}\s*(?::[^=\n]+)?=[^=]")
    for file in names.program.sources.mentioning(re.compile(rf"state\.{re.escape(name)}\b".encode())):
        module = names.program.module(file.path)
        for line in sorted(module.lines_with(pattern)) if module is not None else ():
            yield from _at_line(names, module, line, name)  # type: ignore[arg-type]


def _at_line(names: Names, module: Module, line: int, name: str) -> Iterator[Value]:
    entry, owner = module.outline.defined_at(line)
    for frame, block in _places(names, module, entry, owner) if entry is not None else ():
        for node in t.walk(*block):
            if (
                isinstance(node, t.Assign)
                and node.value is not None
                and any(_is(x, name) for x in node.targets)
            ):
                yield from names.evaluate(node.value, frame)


def _places(names: Names, module: Module, entry: Entry, owner: str) -> Iterator[tuple[Frame, t.Block]]:
    """The block around a line, and those of the functions in it."""
    if entry.kind != "function":
        yield names.module_frame(module.path), names.program.statements(module, entry)
        return
    function = names.program.function(module, entry, owner)
    if function is not None:
        yield from _with_inner(names, function, None)


def _with_inner(names: Names, function: t.Function, closure: Frame | None) -> Iterator[tuple[Frame, t.Block]]:
    frame = names.frame(function, function.source.path, (), closure)
    yield frame, function.body
    for inner in t.nodes_of(function, t.Define):
        yield from _with_inner(names, inner.function, frame)


def _is(target: t.Expr, name: str) -> bool:
    return (
        isinstance(target, t.Attribute)
        and target.name == name
        and isinstance(target.value, t.Attribute)
        and target.value.name == "state"
    )
