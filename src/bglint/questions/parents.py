"""What stands around an expression inside its function."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.memo import memo
from bglint.scope import sections


def around(node: t.Node, function: t.Function) -> Iterator[t.Node]:
    """The nodes that hold `node`, innermost first, up to its statement."""
    parents = _parents(function)
    current = parents.get(node)
    while current is not None:
        yield current
        if isinstance(current, t.Statement):
            return
        current = parents.get(current)


def parent(node: t.Node, function: t.Function) -> t.Node | None:
    """The node that holds `node` directly."""
    return _parents(function).get(node)


def following(node: t.Statement, function: t.Function) -> t.Statement | None:
    """The statement behind `node` in its block."""
    holder = parent(node, function)
    blocks = [function.body] if holder is None else [block for _, _, block in sections(holder)]
    for block in blocks:
        if node in block[:-1]:
            return block[block.index(node) + 1]
    return None


@memo
def _parents(function: t.Function) -> dict[t.Node, t.Node]:
    return {part: node for node in t.walk_function(function) for part in t.children(node)}
