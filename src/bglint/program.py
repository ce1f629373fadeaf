"""The modules of a project, each outlined the first time someone asks, each function lowered the first time."""

from __future__ import annotations

import io
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from bglint import tree as t
from bglint.discover import UNREADABLE, SourceFile, Sources, decode
from bglint.lowering import lower
from bglint.model import Problem, Span
from bglint.outline import Entry, Outline, OutlineProblem, outline
from bglint.placing import Places, completed
from bglint.values import Class

_HEADER = re.compile(rb"^class\b[^:]*", re.MULTILINE)
_GLOBAL = re.compile(r"global[ \t]+([^\n#]*)")


@dataclass(eq=False)
class Module:
    """One file: its text, where its lines begin, and its outline."""

    file: SourceFile
    source: str
    outline: Outline
    _starts: array[int] = field(init=False)
    lowered: dict[tuple[int, int, str], t.Block] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.file.path

    def __post_init__(self) -> None:
        lengths = map(len, io.StringIO(self.source, newline=""))
        self._starts = array("L", accumulate(lengths, initial=0))

    def text(self, start: int, end: int) -> str:
        """Lines `start` to `end`, counted from 1, inclusive."""
        last = len(self._starts) - 1
        return self.source[self._starts[min(start - 1, last)] : self._starts[min(end, last)]]

    def lines_with(self, pattern: re.Pattern[str]) -> set[int]:
        """The numbers of the lines in which a match begins."""
        return {bisect_right(self._starts, match.start()) for match in pattern.finditer(self.source)}

    @cached_property
    def declared_global(self) -> dict[str, list[int]]:
        """Name -> the lines of the functions that declare it `global`."""
        found: dict[str, list[int]] = {}
        for match in _GLOBAL.finditer(self.source):
            line = bisect_right(self._starts, match.start())
            if self.source[self._starts[line - 1] : match.start()].isspace():
                for name in re.findall(r"\w+", match[1]):
                    found.setdefault(name, []).append(line)
        return found

    def around(self, line: int) -> str:
        """The text of the top-level function, method or statement that holds a line."""
        entry = self.outline.around(line)
        return self.text(entry.start, entry.end) if entry is not None else ""


class Program:
    """Modules by path. Files that cannot be read or parsed become `problems` and are left out.

    The files at the paths `broken` are known not to be parsed; elsewhere what is broken in a function body shows only where
    the function is followed.
    """

    def __init__(self, sources: Sources, broken: Iterable[str] = ()) -> None:
        self.sources = sources
        self.broken = frozenset(broken)
        self.problems: list[Problem] = []
        self._files = {file.path: file for file in sources.files}
        self._modules: dict[str, Module | None] = {}
        self._places = Places(self._slice)
        self._classes: dict[tuple[str, int], Class] = {}
        self._headers: dict[str, bytes] = {}

    def module(self, path: str) -> Module | None:
        """The module of a file, None where it cannot be read or parsed."""
        if path not in self._modules:
            self._modules[path] = self._load(self._files[path])
        return self._modules[path]

    def mistook(self, broken: Iterable[str]) -> bool:
        """Was one of these read as if it could be parsed?"""
        return any(self._modules.get(path) is not None for path in broken)

    def _load(self, file: SourceFile) -> Module | None:
        try:
            text = decode(self.sources.read(file))
            found = outline(text, whole=file.path in self.broken)
            return Module(file, text, found)
        except OutlineProblem as error:
            self.problems.append(Problem(file.path, f"cannot be parsed: {error}", error.line))
        except UNREADABLE as error:
            self.problems.append(Problem(file.path, f"cannot be read: {error}"))
        return None

    # ---------------------------------------------------------- definitions

    def source(self, module: Module, entry: Entry) -> t.Source:
        """The slice of an entry; of a class its header."""
        header = entry.kind == "class" and entry.header < entry.end
        header = header and module.text(entry.header + 1, entry.header + 1).lstrip()[:1] not in (")", "]")
        end = entry.header if header else entry.end
        return t.Source(module.path, module.file.module, entry.start, end, header)

    def statements(self, module: Module, entry: Entry, owner: str = "") -> t.Block:
        """The lowered statements of an entry; a class gives its header alone."""
        key = (entry.start, entry.end, owner)
        if key not in module.lowered:
            module.lowered[key] = self._lower(self.source(module, entry), owner)
        return module.lowered[key]

    def _lower(self, source: t.Source, owner: str) -> t.Block:
        text = self._slice(source)
        try:
            return lower(text, source, owner, owner)
        except (SyntaxError, RecursionError):
            return self._lower_newer(text, source, owner)

    def _lower_newer(self, text: str, source: t.Source, owner: str) -> t.Block:
        """Syntax that the running Python does not know yet."""
        from bglint import body

        try:
            return body.lower(text, source, owner, owner)
        except body.SyntaxProblem as error:
            line = source.line + error.line - 1
            self.problems.append(Problem(source.path, f"cannot be parsed: {error}", line))
            return ()

    def _slice(self, source: t.Source) -> str:
        """The text of a source; a class header is completed to a class."""
        module = self._modules[source.path]
        assert module is not None
        text = module.text(source.line, source.end)
        return completed(text) if source.header else text

    def function(self, module: Module, entry: Entry, owner: str = "") -> t.Function | None:
        """The function of an entry of kind "function"."""
        for statement in self.statements(module, entry, owner):
            if isinstance(statement, t.Define):
                return statement.function
        return None

    def klass(self, module: Module, entry: Entry, parent: str = "") -> Class | None:
        """The class of an entry of kind "class"."""
        key = (module.path, entry.start)
        if key not in self._classes:
            for statement in self.statements(module, entry, parent):
                if isinstance(statement, t.DefineClass):
                    self._classes[key] = self._class(module, entry, statement, parent)
        return self._classes.get(key)

    def _class(self, module: Module, entry: Entry, node: t.DefineClass, parent: str) -> Class:
        qualname = f"{parent}.{node.name}" if parent else node.name
        source = self.source(module, entry)
        return Class(node.name, qualname, source, node.bases, node.decorators, node.at, entry)

    def class_headers(self, word: str) -> Iterator[tuple[Module, Entry]]:
        """The top-level classes whose header mentions a word."""
        pattern = re.compile(rb"\b" + word.encode() + rb"\b")
        for file in self.sources.mentioning(re.compile(re.escape(word).encode())):
            if pattern.search(self._headers_in(file)):
                module = self.module(file.path)
                for entry in module.outline.entries if module else ():
                    if entry.kind == "class" and word in module.text(entry.start, entry.header):  # type: ignore[union-attr]
                        yield module, entry  # type: ignore[misc]

    def _headers_in(self, file: SourceFile) -> bytes:
        """The headers of the top-level classes of a file that nobody may have asked for yet."""
        if file.path not in self._headers:
            self._headers[file.path] = b"\n".join(_HEADER.findall(self.sources.scan(file)))
        return self._headers[file.path]

    # --------------------------------------------------------------- places

    def span(self, node: t.Node, source: t.Source) -> Span:
        """Where a node stands: lines and columns from 1."""
        return self._places.span(node, source)

    def source_text(self, node: t.Node, source: t.Source) -> str:
        """The source text of a node, as written."""
        span = self.span(node, source)
        module = self._modules[source.path]
        assert module is not None
        text = module.text(span.line, span.end_line)
        lines = [line.rstrip("\r\n") for line in io.StringIO(text, newline="")]
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return "\n".join(lines)
