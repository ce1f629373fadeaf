"""Outline of a module whose syntax is newer than the running Python, through LibCST."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from bglint.body import BodyVisitor, dotted_name
from bglint.outline import Entry, Outline
from bglint.tree import Source

_NOWHERE = Source("", "", 1, 1)


def outline_newer(text: str) -> tuple[Entry, ...] | None:
    """The entries of the module; None where LibCST cannot parse it either."""
    try:
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    except (cst.ParserSyntaxError, RecursionError):
        return None
    reader = _Reader(wrapper.resolve(PositionProvider))
    return tuple(reader.entries(wrapper.module.body, False))


class _Reader:
    def __init__(self, places: Any) -> None:
        self._places = places

    def entries(self, body: Iterable[Any], typing_only: bool) -> Iterator[Entry]:
        for node in body:
            if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
                yield self._definition(node, typing_only)
            elif isinstance(node, cst.SimpleStatementLine):
                yield from (self._simple(part, node, typing_only) for part in node.body)
            elif isinstance(node, (cst.If, cst.Try, cst.With, cst.For, cst.While)):
                yield from self._compound(node, typing_only)

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        place = self._places[node]
        return place.start.line, place.end.line

    def _definition(self, node: cst.FunctionDef | cst.ClassDef, typing_only: bool) -> Entry:
        start, end = self._lines(node)
        start = min([start, *(self._lines(decorator)[0] for decorator in node.decorators)])
        name = (node.name.value,)
        if isinstance(node, cst.FunctionDef):
            return Entry("function", name, start, end, typing_only=typing_only)
        members = Outline(tuple(self.entries(node.body.body, typing_only)))
        first = min((entry.start for entry in members), default=end + 1)
        header = max(first - 1, self._lines(node.name)[0])
        return Entry("class", name, start, end, (), header, members, typing_only)

    def _simple(self, part: Any, line: cst.CSTNode, typing_only: bool) -> Entry:
        start, end = self._lines(line)
        if isinstance(part, (cst.Import, cst.ImportFrom)):
            lowered: Any = BodyVisitor(_NOWHERE, "", "")._statements([part])[0]
            names, targets = zip(*lowered.names, strict=True)
            return Entry("import", names, start, end, targets, typing_only=typing_only)
        if isinstance(part, (cst.Assign, cst.AnnAssign, cst.AugAssign, cst.TypeAlias)):
            return Entry("assign", tuple(_bound(part)), start, end, typing_only=typing_only)
        return Entry("statement", (), start, end)

    def _compound(self, node: Any, typing_only: bool) -> Iterator[Entry]:
        guarded = isinstance(node, cst.If) and dotted_name(node.test).endswith("TYPE_CHECKING")
        yield from self.entries(node.body.body, typing_only or guarded)
        for handler in getattr(node, "handlers", ()):
            yield from self.entries(handler.body.body, typing_only)
        orelse = getattr(node, "orelse", None)
        if isinstance(orelse, cst.If):
            yield from self._compound(orelse, typing_only)
        elif orelse is not None:
            yield from self.entries(orelse.body.body, typing_only)


def _bound(part: Any) -> Iterator[str]:
    if isinstance(part, cst.TypeAlias):
        yield part.name.value
        return
    targets = [t.target for t in part.targets] if isinstance(part, cst.Assign) else [part.target]
    for target in targets:
        elements = (
            [e.value for e in target.elements] if isinstance(target, (cst.Tuple, cst.List)) else [target]
        )
        yield from (e.value for e in elements if isinstance(e, cst.Name))
