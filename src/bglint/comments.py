"""Text of a module -> the `# bglint: ...` comments in it, and the lines each speaks for.

A comment speaks for its logical line: a call that a formatter spread over five lines is one line.
Standing alone, it speaks for the statement right below it; decorators belong to their `def`.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bglint.edits import lines_of
from bglint.frozen import by_value
from bglint.model import Problem, Span

MARK = "bglint:"
_START = re.compile(r"#\s*bglint:\s*")
_END = re.compile(r"\s*(?=#\s*[A-Za-z])|\s*$")


@by_value
class Item:
    """One entry between the brackets; `code` is "" where no rule is called so."""

    text: str
    code: str


@by_value
class Comment:
    """`# bglint: ignore[...] reason`; `span` is our part of what may be several comments in a row.

    `first` and `last` are the lines that it speaks for, `line` is the text of the line it stands on.
    """

    path: str
    span: Span
    line: str
    items: tuple[Item, ...]
    reason: str
    whole_file: bool
    first: int
    last: int

    @property
    def text(self) -> str:
        return self.line[self.span.column - 1 : self.span.end_column - 1]

    @property
    def alone(self) -> bool:
        """True where nothing but space stands before it."""
        return not self.line[: self.span.column - 1].strip()


@dataclass(slots=True)
class _Reader:
    """Walks the tokens once and gives each comment the lines of its statement."""

    comments: list[Comment] = field(default_factory=list)
    waiting: list[Comment] = field(default_factory=list)
    begin: tuple[int, int] | None = None
    fresh: bool = True
    decorator: bool = False

    def see(self, token: tokenize.TokenInfo) -> None:
        if token.type == tokenize.NEWLINE:
            self.end_of_line(token.start[0])
        elif token.type == tokenize.NL and self.begin is None and not token.line.strip():
            self.let_go()
        elif token.type not in _SILENT:
            self.significant(token)

    def significant(self, token: tokenize.TokenInfo) -> None:
        if self.begin is None:
            self.drop_misplaced(token.start[1] + 1)
            self.begin = token.start
        if self.fresh:
            self.fresh, self.decorator = False, token.string == "@"

    def end_of_line(self, last: int) -> None:
        self.fresh = True
        if self.decorator:
            return
        first = self.begin[0] if self.begin else last
        self.comments += [replace(comment, first=first, last=last) for comment in self.waiting]
        self.waiting, self.begin = [], None

    def drop_misplaced(self, column: int) -> None:
        """A comment of another block does not speak for the statement below it."""
        if any(comment.span.column != column for comment in self.waiting):
            self.let_go()

    def let_go(self) -> None:
        self.comments += self.waiting
        self.waiting = []


_SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def read(path: str, text: str, known: Mapping[str, str]) -> tuple[list[Comment], list[Problem]]:
    """All comments of a module; what is meant for us but cannot be understood is a problem.

    `known` maps the codes of the rules to their names.
    """
    if MARK not in text:
        return [], []
    reader, problems, lines = _Reader(), [], lines_of(text)
    codes = {**{code: code for code in known}, **{name: code for code, name in known.items()}}
    for token in _tokens(text):
        for found in _parts(path, token, lines, codes):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                reader.waiting.append(found)
        reader.see(token)
    reader.let_go()
    return reader.comments, problems


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    try:
        yield from tokenize.generate_tokens(io.StringIO(text, newline=None).readline)
    except (tokenize.TokenError, SyntaxError):
        return


def _parts(
    path: str, token: tokenize.TokenInfo, lines: Sequence[str], codes: Mapping[str, str]
) -> Iterator[Comment | Problem]:
    if token.type != tokenize.COMMENT:
        return
    line, column = token.start
    for start in _START.finditer(token.string):
        end = _END.search(token.string, start.end())
        stop = end.start() if end else len(token.string)
        span = Span(line, column + start.start() + 1, line, column + stop + 1)
        yield _part(path, span, lines[line - 1], token.string[start.end() : stop], codes)


def _part(path: str, span: Span, line: str, body: str, codes: Mapping[str, str]) -> Comment | Problem:
    word, bracket, items, reason = _split(body)
    text = line[span.column - 1 : span.end_column - 1]
    if word not in ("ignore", "ignore-file"):
        known = "bglint reads `ignore[...]` and `ignore-file[...]`"
        return Problem(path, f"`{text}` is not understood: {known}.", span.line)
    if bracket and items is None:
        return Problem(path, f"`{text}` lacks its closing bracket.", span.line)
    if not items:
        example = f"`# bglint: {word}[BG201] reason`"
        return Problem(
            path, f"`{text}` does not say what to ignore: name the rule, as in {example}.", span.line
        )
    named = tuple(Item(item, codes.get(item.upper()) or codes.get(item.lower(), "")) for item in items)
    return Comment(path, span, line, named, reason, word == "ignore-file", span.line, span.line)


def _split(body: str) -> tuple[str, bool, list[str] | None, str]:
    """Word, whether a bracket opens, the items (None where it does not close), the reason."""
    found = re.match(r"([\w-]*)\s*(\[?)", body)
    word, bracket = found.groups() if found else ("", "")
    rest = body[found.end() :] if found else body
    if not bracket:
        return word, False, None, rest.strip()
    inside, closed, reason = rest.partition("]")
    items = [item.strip() for item in inside.split(",") if item.strip()]
    return word, True, items if closed else None, reason.strip().lstrip(":- \N{EN DASH}\N{EM DASH}")
