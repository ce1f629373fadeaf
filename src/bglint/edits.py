"""Edits for rule authors: plain functions from a module's text to the `Edit`s of a fix.

How to call::

    replace(path, span, "await asyncio.sleep")
    insert(path, line, column, "await ")
    add_import(source, path, "import asyncio")         # None where the module has it already
    can_import(source, "import asyncio")               # False where the name means something else there
    name, edits = add_logger(source, path)             # the module's logger, made if missing
    quoted("a text")                                   # as a literal
    has_comment(text)                                  # True where an expression has comments between its parts
    add_argument(path, text, span, "timeout=10")       # `text` is the call at `span`; None where that is unclear
    uses(source, "name")                               # where a name stands in code

`source` is the whole text of the module, lines and columns count characters from 1.
New lines are written as "\\n"; `fix.apply` turns them into the line endings of the file.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from bglint.frozen import by_value
from bglint.model import Edit, Span
from bglint.outline import Entry, Outline, outline

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_PLAIN = re.compile(r"import\s+([\w.]+)(?:\s+as\s+(\w+))?\s*$")
_FROM = re.compile(r"from\s+(\.*[\w.]*)\s+import\s+(\w+)(?:\s+as\s+(\w+))?\s*$")
_LOGGER = re.compile(r"(?:logging\.getLogger|getLogger|structlog\.get_logger|structlog\.getLogger)\(")
_LOGGER_NAMES = ("logger", "log", "_logger", "_log", "bglint_logger")


def lines_of(text: str) -> list[str]:
    """The lines with their endings, split where Python splits: at \\n, \\r\\n and \\r only."""
    return _LINE.findall(text)


def replace(path: str, span: Span, text: str) -> Edit:
    """Put `text` where `span` is."""
    return Edit(path, span, text)


def insert(path: str, line: int, column: int, text: str) -> Edit:
    """Put `text` before the character at this place."""
    return Edit(path, Span(line, column, line, column), text)


def add_import(source: str, path: str, statement: str) -> Edit | None:
    """The edit that adds one import where the module keeps its imports; None if it is there already."""
    wanted = _Wanted.parse(statement)
    module = _outline(source)
    if any(_binds(entry, wanted) and _loads(source, entry, wanted) for entry in _unindented(source, module)):
        return None
    return _merge(source, path, wanted) or _place(source, path, wanted)


def can_import(source: str, statement: str) -> bool:
    """False where the module uses the imported name for something else."""
    wanted = _Wanted.parse(statement)
    others = [e for e in _outline(source).named(wanted.name) if not e.typing_only]
    return all(_binds(entry, wanted) for entry in others)


def add_logger(source: str, path: str) -> tuple[str, tuple[Edit, ...]]:
    """The name of the module's logger, and the edits that make one where there is none."""
    known = _logger(source)
    if known:
        return known, ()
    module = _outline(source)
    name = next(n for n in _LOGGER_NAMES if not module.named(n))
    line = f"{name} = logging.getLogger(__name__)"
    imported = add_import(source, path, "import logging")
    header = _header(source)
    if imported and not header:
        together = imported.text.replace("import logging\n", f"import logging\n\n{line}\n")
        return name, (Edit(path, imported.span, together),)
    made = _below(source, path, header[-1].end if header else max(1, _prologue(source)), f"\n{line}\n")
    return name, (imported, made) if imported else (made,)


def add_argument(path: str, text: str, span: Span, argument: str) -> Edit | None:
    """The edit that makes `argument` the last one of a call; `text` is the call, written at `span`."""
    tokens = _tokens(text)
    if len(tokens) < 3 or tokens[-1].string != ")":
        return None
    (line, column), (closing_line, closing_column) = tokens[-2].end, tokens[-1].start
    own_line = not text.split("\n")[closing_line - 1][:closing_column].strip()
    if tokens[-2].string != ",":
        comma = "" if tokens[-2].string == "(" else ", "
        return insert(path, *_outside(span, line, column), comma + argument)
    if not own_line:
        return insert(path, *_outside(span, line, column), f" {argument}")
    indent = re.match(r"[ \t]*", tokens[-2].line)
    return insert(path, span.line + closing_line - 1, 1, f"{indent[0] if indent else ''}{argument},\n")


@lru_cache(maxsize=8)
def tokens(source: str) -> tuple[tokenize.TokenInfo, ...]:
    """The tokens of a whole text; none where the running Python cannot read it."""
    try:
        return tuple(tokenize.generate_tokens(io.StringIO(source, newline=None).readline))
    except (tokenize.TokenError, SyntaxError):
        return ()


def uses(source: str, name: str) -> Iterator[tuple[int, int]]:
    """The lines and columns where a name stands in code: not in comments, in texts, in imports under its own name.

    Where the running Python cannot read the module, every occurrence counts.
    """
    if not tokens(source):
        for number, line in enumerate(_lines(source), 1):
            yield from ((number, found.start() + 1) for found in re.finditer(rf"\b{name}\b", line))
    for statement in _statements(tokens(source)):
        yield from _used(statement, name)


def has_comment(text: str) -> bool:
    """True where there is a comment between the parts of an expression."""
    return any(token.type == tokenize.COMMENT for token in tokens(f"({text}\n)"))


def quoted(text: str) -> str:
    """A text as a literal, in double quotes where that needs no more escapes."""
    literal = repr(text)
    if literal[0] == '"' or '"' in text:
        return literal
    return f'"{literal[1:-1]}"'


def _statements(stream: Iterable[tokenize.TokenInfo]) -> Iterator[list[tokenize.TokenInfo]]:
    """The names and operators of each logical line."""
    statement = []
    for token in stream:
        if token.type in (tokenize.NAME, tokenize.OP):
            statement.append(token)
        elif token.type == tokenize.NEWLINE:
            yield statement
            statement = []


def _used(words: Sequence[tokenize.TokenInfo], name: str) -> Iterator[tuple[int, int]]:
    texts = [word.string for word in words]
    for index, token in enumerate(words):
        renamed = "as" in (*texts[max(0, index - 1) : index], *texts[index + 1 : index + 2])
        if token.string == name and (renamed or texts[0] not in ("from", "import")):
            yield token.start[0], token.start[1] + 1


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    """What counts of an expression, in places of its own text; nothing where it is no expression."""
    silent = (tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.ENDMARKER)
    try:
        found = list(tokenize.generate_tokens(io.StringIO(f"(\n{text}\n)", newline=None).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    inside = [token for token in found if token.type not in silent][1:-1]
    return [t._replace(start=(t.start[0] - 1, t.start[1]), end=(t.end[0] - 1, t.end[1])) for t in inside]


def _outside(span: Span, line: int, column: int) -> tuple[int, int]:
    """A place in a text as a place in the module, where the text stands at `span`."""
    return span.line + line - 1, column + (span.column if line == 1 else 1)


@by_value
class _Wanted:
    """One import statement: `module` and, for a `from`, the `item`; `name` is what it binds."""

    text: str
    module: str
    item: str
    name: str
    target: str

    @classmethod
    def parse(cls, statement: str) -> _Wanted:
        text = statement.strip()
        if found := _PLAIN.match(text):
            module, alias = found.groups()
            target = module if alias else module.partition(".")[0]
            return cls(text, module, "", alias or target, target)
        if found := _FROM.match(text):
            module, item, alias = found.groups()
            target = f"{module}{item}" if module.endswith(".") else f"{module}.{item}"
            return cls(text, module, item, alias or item, target)
        raise ValueError(f"not a single import: {statement!r}")

    @property
    def rank(self) -> tuple[int, int]:
        return _section(self.module), 1 if self.item else 0

    @property
    def key(self) -> tuple[int, int, str]:
        return (*self.rank, self.module.lower())


@by_value
class _Line:
    """An import statement that has its lines for itself."""

    start: int
    end: int
    section: int
    kind: int
    module: str

    @property
    def rank(self) -> tuple[int, int]:
        return self.section, self.kind

    @property
    def key(self) -> tuple[int, int, str]:
        return self.section, self.kind, self.module.lower()


@lru_cache(maxsize=8)
def _outline(source: str) -> Outline:
    return outline(source)


@lru_cache(maxsize=8)
def _lines(source: str) -> tuple[str, ...]:
    return tuple(lines_of(source))


def _binds(entry: Entry, wanted: _Wanted) -> bool:
    if entry.kind != "import" or entry.typing_only:
        return False
    return (wanted.name, wanted.target) in zip(entry.names, entry.targets, strict=True)


def _loads(source: str, entry: Entry, wanted: _Wanted) -> bool:
    """`import a` binds the name that `import a.b` binds, and may lack `a.b` all the same."""
    if wanted.item or wanted.module == wanted.target:
        return True
    text = "".join(_lines(source)[entry.start - 1 : entry.end])
    return re.search(rf"\b{re.escape(wanted.module)}(?![\w.])", text) is not None


def _unindented(source: str, module: Outline) -> Iterable[Entry]:
    lines = _lines(source)
    return (e for e in module.entries if e.kind == "import" and not lines[e.start - 1][:1].isspace())


def _section(module: str) -> int:
    if module.startswith("."):
        return 2
    return 0 if module.partition(".")[0] in sys.stdlib_module_names else 1


# ------------------------------------------------------------ where imports are


@lru_cache(maxsize=8)
def _header(source: str) -> tuple[_Line, ...]:
    """The imports above the first definition, those of `__future__` left out."""
    module, lines = _outline(source), _lines(source)
    found = []
    for entry in module.entries:
        if entry.kind in ("function", "class"):
            break
        text = "".join(lines[entry.start - 1 : entry.end])
        if entry.kind == "import" and _stands_alone(text) and not entry.targets[0].startswith("__future__."):
            found.append(_line(entry, text))
    return tuple(found)


def _stands_alone(text: str) -> bool:
    return text.startswith(("import ", "from ")) and ";" not in text.partition("#")[0]


def _line(entry: Entry, text: str) -> _Line:
    word, module = text.split(None, 2)[:2]
    module = module.partition(",")[0]
    return _Line(entry.start, entry.end, _section(module), 1 if word == "from" else 0, module)


def _place(source: str, path: str, wanted: _Wanted) -> Edit:
    imports = _header(source)
    if not imports:
        return _first_import(source, path, wanted)
    same = _first_block([line for line in imports if line.rank == wanted.rank])
    if same:
        return _among(source, same, path, wanted)
    before = [line for line in imports if line.rank < wanted.rank]
    if before:
        gap = "\n" if before[-1].section != wanted.rank[0] else ""
        return _below(source, path, before[-1].end, f"{gap}{wanted.text}\n")
    gap = "\n" if imports[0].section != wanted.rank[0] else ""
    return insert(path, _with_comments(source, imports[0].start), 1, f"{wanted.text}\n{gap}")


def _first_block(lines: Sequence[_Line]) -> list[_Line]:
    block: list[_Line] = []
    for line in lines:
        if block and line.start != block[-1].end + 1:
            break
        block.append(line)
    return block


def _among(source: str, same: Sequence[_Line], path: str, wanted: _Wanted) -> Edit:
    keys = [line.key for line in same]
    aliased = " as " in wanted.text
    later = [line for line in same if (line.key, False) >= (wanted.key, aliased)]
    if later and keys == sorted(keys):
        return insert(path, _with_comments(source, later[0].start), 1, f"{wanted.text}\n")
    return _below(source, path, same[-1].end, f"{wanted.text}\n")


def _with_comments(source: str, line: int) -> int:
    """The first line of the comments right above a line, but for those at the top of the file."""
    lines, first = _lines(source), line
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    return line if first == 1 else first


def _below(source: str, path: str, line: int, text: str) -> Edit:
    """Insert whole lines after a line, which may be the last one and lack its ending."""
    last = _lines(source)[line - 1]
    if last.endswith(("\n", "\r")):
        return insert(path, line + 1, 1, text)
    return insert(path, line, len(last) + 1, "\n" + text)


def _first_import(source: str, path: str, wanted: _Wanted) -> Edit:
    line = _prologue(source)
    below = _lines(source)[line:]
    blank = next((i for i, text in enumerate(below) if text.strip()), None)
    gap = "" if blank is None else "\n" * max(0, _blank_lines(below[blank]) - blank)
    if line == 0:
        return insert(path, 1, 1, f"{wanted.text}\n{gap}")
    return _below(source, path, line, f"\n{wanted.text}\n{gap}")


def _blank_lines(code: str) -> int:
    return 2 if code.startswith(("def ", "async def ", "class ", "@")) else 1


def _prologue(source: str) -> int:
    """The last line of what must stay above the imports: comments, docstring, `__future__`."""
    lines, last = _lines(source), 0
    entries = _outline(source).entries
    for position, entry in enumerate(entries):
        text = lines[entry.start - 1]
        docstring = position == 0 and entry.kind == "statement" and re.match(r"[rRuU]?['\"]", text)
        future = entry.kind == "import" and entry.targets[:1] and entry.targets[0].startswith("__future__.")
        if not docstring and not future:
            break
        last = entry.end
    return last or _top_comments(lines)


def _top_comments(lines: Sequence[str]) -> int:
    count = 0
    while count < len(lines) and lines[count].startswith("#"):
        count += 1
    return count


# ------------------------------------------------- a `from` that is there already


def _merge(source: str, path: str, wanted: _Wanted) -> Edit | None:
    """Add to `from module import a, b` on one line, or one name a line in parentheses."""
    if not wanted.item:
        return None
    item = wanted.text.partition(" import ")[2].strip()
    for line in _header(source):
        if line.kind == 1 and line.module == wanted.module:
            texts = _lines(source)[line.start - 1 : line.end]
            merged = _into_one_line(path, line, texts, item) or _into_many(path, line, texts, item)
            if merged:
                return merged
    return None


def _into_one_line(path: str, line: _Line, texts: Sequence[str], item: str) -> Edit | None:
    found = re.match(r"(from\s+\S+\s+import\s+)(\w[\w, ]*\w|\w)\s*(?:#.*)?$", texts[0].rstrip("\r\n"))
    if len(texts) > 1 or not found:
        return None
    for name in re.finditer(r"\w+(?: as \w+)?", found[2]):
        if _name_key(name[0]) > _name_key(item):
            return insert(path, line.start, found.end(1) + name.start() + 1, f"{item}, ")
    return insert(path, line.start, found.end(2) + 1, f", {item}")


def _into_many(path: str, line: _Line, texts: Sequence[str], item: str) -> Edit | None:
    names = [re.match(r"(\s+)(\w+(?: as \w+)?),\s*(?:#.*)?$", text.rstrip("\r\n")) for text in texts[1:-1]]
    if (
        not re.search(r"import\s*\($", texts[0].rstrip())
        or texts[-1].strip() != ")"
        or not names
        or not all(names)
    ):
        return None
    found = [name for name in names if name]
    later = (i for i, name in enumerate(found) if _name_key(name[2]) > _name_key(item))
    position = next(later, len(found))
    return insert(path, line.start + 1 + position, 1, f"{found[0][1]}{item},\n")


def _name_key(name: str) -> tuple[int, str]:
    """Constants, classes, the rest: the order in which sorted imports stand."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name.lower()


# ------------------------------------------------------------------------ loggers


def _logger(source: str) -> str:
    lines = _lines(source)
    for entry in _outline(source).entries:
        if entry.names == ("logger",) and entry.targets == ("loguru.logger",):
            return "logger"
        text = "".join(lines[entry.start - 1 : entry.end])
        if (
            entry.kind == "assign"
            and len(entry.names) == 1
            and _LOGGER.search(text)
            and not text[:1].isspace()
        ):
            return entry.names[0]
    return ""
