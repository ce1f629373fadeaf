"""The parts of a module that mention something: read by what their text holds, without what lies between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bglint import tree as t
from bglint.needles import begun
from bglint.values import Frame

if TYPE_CHECKING:
    from bglint.names import Names
    from bglint.program import Module


Excerpt = tuple[Frame, tuple[t.Node, ...]]


def everywhere(names: Names, pattern: str) -> Iterator[Excerpt]:
    """Those of all modules but tests."""
    for file in names.program.sources.mentioning(re.compile(begun(pattern).encode())):
        module = names.program.module(file.path)
        if module is not None:
            yield from excerpts(names, module, re.compile(pattern))


def excerpts(names: Names, module: Module, pattern: re.Pattern[str]) -> Iterator[Excerpt]:
    """The frame and the nodes of each statement and function that holds a match, those of the functions inside, too."""
    entries = {module.outline.defined_at(line) for line in module.lines_with(pattern)}
    for entry, owner in sorted(entries, key=lambda found: found[0].start if found[0] else 0):
        if entry is None:
            continue
        if entry.kind != "function":
            block = names.program.statements(module, entry, owner)
            yield names.module_frame(module.path), tuple(t.walk(*block))
        elif function := names.program.function(module, entry, owner):
            yield from _in_function(names, names.frame(function, module.path))


def _in_function(names: Names, frame: Frame) -> Iterator[Excerpt]:
    assert frame.function is not None
    yield frame, t.walk_function(frame.function)
    for inner in inside(names, frame):
        yield from _in_function(names, inner)


def inside(names: Names, frame: Frame) -> Iterator[Frame]:
    """The frames of the functions that a function defines."""
    assert frame.function is not None
    for node in t.nodes_of(frame.function, t.Define):
        yield names.frame(node.function, frame.path, (), frame)
