"""What is run without a call in sight: `cache[key]`, `key in cache`, `for row in rows` of the project's own classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bglint import calling, members
from bglint import tree as t
from bglint.memo import memo
from bglint.values import Frame, Instance

if TYPE_CHECKING:
    from bglint.names import Names

NODES = (t.Subscript, t.Operation, t.For, t.CompLoop, t.Assign, t.Delete)
"""The nodes that may be such a use."""

_DEFINED = re.compile(rb"\bdef[ \t]+(__(?:get|set|del)item__|__contains__|__a?iter__|__a?next__)")

Use = tuple[t.Expr, t.Expr, tuple[str, ...]]
"""Where an object is used, the object, and the methods that this runs."""


def run_by(names: Names, nodes: tuple[t.Node, ...], frame: Frame) -> Iterator[tuple[t.Expr, Frame]]:
    """The frames of the methods that these nodes run, each with the place."""
    defined = _defined(names)
    for place, holder, wanted in _uses(nodes) if defined else ():
        methods = [name for name in wanted if name in defined]
        values = names.evaluate(holder, frame) if methods else ()
        for value in (each for each in values if isinstance(each, Instance)):
            for method in (members.bound(names, value, name) for name in methods):
                if method is not None:
                    yield place, calling.bind(names, method, (), {calling.MORE: ()})


@memo
def _defined(names: Names) -> frozenset[str]:
    """Those that some class of the project has, told by the text."""
    sources = names.program.sources
    found = (_DEFINED.findall(sources.scan(file)) for file in sources.mentioning(_DEFINED))
    return frozenset(name.decode() for each in found for name in each)


def _uses(nodes: tuple[t.Node, ...]) -> Iterator[Use]:
    changed = {
        id(target) for node in nodes if isinstance(node, (t.Assign, t.Delete)) for target in node.targets
    }
    for node in nodes:
        if isinstance(node, (t.Assign, t.Delete)):
            name = "__setitem__" if isinstance(node, t.Assign) else "__delitem__"
            yield from ((x, x.value, (name,)) for x in node.targets if isinstance(x, t.Subscript))
        elif isinstance(node, t.Subscript) and id(node) not in changed:
            yield node, node.value, ("__getitem__",)
        elif isinstance(node, t.Operation) and node.kind in ("in", "not in"):
            yield node.operands[-1], node.operands[-1], ("__contains__",)
        elif isinstance(node, (t.For, t.CompLoop)):
            a = "a" if node.is_async else ""
            yield node.iterable, node.iterable, (f"__{a}iter__", f"__{a}next__")
