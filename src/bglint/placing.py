"""Where flagged nodes stand: LibCST visits the statement around a node, and nothing else."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator

from bglint import tree as t
from bglint.lowering import Extent, extents
from bglint.model import Span


class Places:
    """Places of nodes by their numbers; `text` gives the text of a slice."""

    def __init__(self, text: Callable[[t.Source], str]) -> None:
        self._text = text
        self._extents: dict[t.Source, list[Extent]] = {}
        self._lines: dict[t.Source, list[str]] = {}
        self._spans: dict[tuple[t.Source, Extent], tuple[Span, ...] | None] = {}

    def span(self, node: t.Node, source: t.Source) -> Span:
        """Lines and columns of a node, from 1."""
        for extent in self._around(node.at, source):
            key = (source, extent)
            if key not in self._spans:
                self._spans[key] = self._visited(source, extent)
            spans = self._spans[key]
            if spans is not None:
                return spans[node.at - extent.at]
        raise LookupError(f"{source.path}:{source.line}: no place for node {node.at}")

    def _around(self, at: int, source: t.Source) -> Iterator[Extent]:
        """What may be visited to find a node: the header or statement around it, then larger ones."""
        if source not in self._extents:
            self._extents[source] = extents(self._text(source))
        every = self._extents[source]
        index = bisect_right(every, at, key=lambda extent: extent.at) - 1
        while index >= 0:
            extent = every[index]
            if at < extent.end and not _shares_line(every, extent):
                if extent.at < at < extent.body:
                    yield extent._replace(last=extent.header, end=extent.body)
                yield extent._replace(at=_leader(every, index).at)
            index = extent.parent
        yield Extent(0, 0, 1, self._text(source).count("\n") + 1)

    def _visited(self, source: t.Source, extent: Extent) -> tuple[Span, ...] | None:
        """The places of the nodes of some lines; None where they are no statement of their own."""
        from bglint.body import SyntaxProblem, positions

        if source not in self._lines:
            self._lines[source] = self._text(source).splitlines(keepends=True)
        text = "".join(self._lines[source][extent.first - 1 : extent.last])
        if extent.last == extent.header:
            text = completed(text)
        try:
            return positions(text, source.line + extent.first - 1)
        except SyntaxProblem:
            return None


def _shares_line(every: list[Extent], extent: Extent) -> bool:
    """True for the body in `if a: b`."""
    return extent.parent >= 0 and every[extent.parent].line == extent.first


def _leader(every: list[Extent], index: int) -> Extent:
    """The first statement of a line that holds several: `a = 1; b = 2`."""
    first = index
    while first > 0 and every[first - 1].last == every[index].first:
        first -= 1
    same = (extent for extent in every[first : index + 1] if extent.parent == every[index].parent)
    return next(extent for extent in same if extent.first == every[index].first)


def completed(header: str) -> str:
    """The header of a compound statement, with a body that does nothing."""
    indent = header[: len(header) - len(header.lstrip())]
    return f"{header.rstrip()}\n{indent}    pass\n"
