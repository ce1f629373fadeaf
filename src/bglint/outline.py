"""Text of a module -> Outline: what it binds and where, without what functions do.

Read by `ast`, ten megabytes a second; function bodies are not looked into. A module that the
running Python refuses because it is newer is outlined through LibCST instead.
"""

from __future__ import annotations

import ast
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import field
from itertools import accumulate
from symtable import symtable
from typing import Literal

from bglint.frozen import by_value
from bglint.older import oldest
from bglint.skeleton import definitions, skeleton

Kind = Literal["function", "class", "import", "assign", "statement"]


class OutlineProblem(Exception):
    """A module that cannot be parsed at all; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@by_value
class Outline:
    """All entries of a module or a class in source order."""

    entries: tuple[Entry, ...]
    _by_name: dict[str, tuple[Entry, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _starts: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    _ends: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def named(self, name: str) -> tuple[Entry, ...]:
        """The entries that bind `name`; of plain redefinitions all are kept, in order."""
        if not self._by_name:
            self._by_name.update(_by_name(self.entries))
        return self._by_name.get(name, ())

    def around(self, line: int) -> Entry | None:
        """The innermost function, method or statement that holds a line."""
        entry = self.at(line)
        inner = entry.members.around(line) if entry is not None and entry.kind == "class" else None
        return inner or entry

    def defined_at(self, line: int) -> tuple[Entry | None, str]:
        """The entry that holds a line, in a class its member, and the dotted name of that class."""
        entry, owner = self.at(line), ""
        while entry is not None and entry.kind == "class":
            owner = f"{owner}.{entry.name}" if owner else entry.name
            entry = entry.members.at(line)
        return entry, owner

    def at(self, line: int) -> Entry | None:
        """The entry that holds a line; of a statement and those inside it, the innermost."""
        if not self._starts:
            self._starts.extend(entry.start for entry in self.entries)
            self._ends.extend(accumulate((entry.end for entry in self.entries), max))
        index = bisect_right(self._starts, line) - 1
        while index >= 0 and self._ends[index] >= line:
            if self.entries[index].end >= line:
                return self.entries[index]
            index -= 1
        return None


NOTHING = Outline(())


@by_value
class Entry:
    """A statement at module or class level (also below `if`, `try`, `with`); lines count from 1, inclusive.

    `names` are what it binds; `targets` the dotted targets of an import, one for each name.
    `header` is the last line of a class's header. `members` are the entries of a class.
    """

    kind: Kind
    names: tuple[str, ...]
    start: int
    end: int
    targets: tuple[str, ...] = ()
    header: int = 0
    members: Outline = NOTHING
    typing_only: bool = False

    @property
    def name(self) -> str:
        return self.names[0] if self.names else ""


def outline(text: str, *, whole: bool = False) -> Outline:
    """What a module defines; with `whole` every line is parsed, else function bodies are passed over.

    Raises OutlineProblem for source that no supported Python accepts.
    """
    return (None if whole else _of_skeleton(text)) or _of_whole(text)


def parses(text: str) -> bool:
    """True for what the running Python reads. A table of symbols is made twice as fast as the `ast` of a module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _has_symbols(text) or _has_symbols(oldest(text))


def _has_symbols(text: str) -> bool:
    try:
        symtable(text, "<module>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _of_skeleton(text: str) -> Outline | None:
    """None where something may have got lost: a line in a text that looks like a `def`."""
    try:
        entries = tuple(_entries(_parsed(skeleton(text)).body, False))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = sum(entry.kind in ("function", "class") for entry in entries)
    return Outline(entries) if found >= definitions(text) else None


def _of_whole(text: str) -> Outline:
    try:
        module = _parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _newer(text, error)
    return Outline(tuple(_entries(module.body, False)))


def _parsed(text: str) -> ast.Module:
    """Raises SyntaxError for what cannot be read in an older way either."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.parse(oldest(text))


def _newer(text: str, error: Exception) -> Outline:
    from bglint.outline_newer import outline_newer

    line = getattr(error, "lineno", None) or 1
    found = outline_newer(text)
    if found is None:
        raise OutlineProblem(getattr(error, "msg", None) or str(error), line)
    return Outline(found)


def _by_name(entries: Iterable[Entry]) -> dict[str, tuple[Entry, ...]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        for name in dict.fromkeys(entry.names):
            found.setdefault(name, []).append(entry)
    return {name: tuple(several) for name, several in found.items()}


def _entries(body: Iterable[ast.stmt], typing_only: bool) -> Iterator[Entry]:
    for node in body:
        yield from _entry(node, typing_only)


def _entry(node: ast.stmt, typing_only: bool) -> Iterator[Entry]:
    end = node.end_lineno or node.lineno
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield Entry("function", (node.name,), _start(node), end, typing_only=typing_only)
    elif isinstance(node, ast.ClassDef):
        header = max(_start(node.body[0]) - 1, node.lineno)
        members = Outline(tuple(_entries(node.body, typing_only)))
        yield Entry("class", (node.name,), _start(node), end, (), header, members, typing_only)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        names, targets = _imported(node)
        yield Entry("import", names, node.lineno, end, targets, typing_only=typing_only)
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets_ = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield Entry("assign", tuple(_bound(targets_)), node.lineno, end, typing_only=typing_only)
    elif hasattr(ast, "TypeAlias") and isinstance(node, ast.TypeAlias):
        yield Entry("assign", (node.name.id,), node.lineno, end, typing_only=typing_only)
    elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
        yield from _compound(node, typing_only)
    else:
        yield Entry("statement", (), node.lineno, end)


def _compound(node: ast.stmt, typing_only: bool) -> Iterator[Entry]:
    if isinstance(node, ast.If):
        yield from _entries(node.body, typing_only or _is_type_checking(node.test))
        yield from _entries(node.orelse, typing_only)
        return
    if isinstance(node, (ast.With, ast.For)):
        bound = (
            [node.target]
            if isinstance(node, ast.For)
            else [i.optional_vars for i in node.items if i.optional_vars]
        )
        yield Entry("statement", tuple(_bound(bound)), node.lineno, node.end_lineno or node.lineno)
    for part in ("body", "handlers", "orelse", "finalbody"):
        for child in getattr(node, part, ()):
            yield from _entries(child.body if isinstance(child, ast.ExceptHandler) else [child], typing_only)


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


def _start(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _bound(targets: Iterable[ast.expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id
        elif isinstance(target, (ast.Tuple, ast.List)):
            yield from _bound(target.elts)
        elif isinstance(target, ast.Starred):
            yield from _bound([target.value])


def _imported(node: ast.Import | ast.ImportFrom) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(node, ast.Import):
        names = tuple(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        return names, tuple(a.name if a.asname else a.name.partition(".")[0] for a in node.names)
    base = "." * node.level + (node.module or "")
    joint = base if not base or base.endswith(".") else base + "."
    names = tuple(alias.asname or alias.name for alias in node.names)
    return names, tuple(base if a.name == "*" else joint + a.name for a in node.names)
