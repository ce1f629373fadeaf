"""The body of a function put into a `try`, and what must hold for that."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from tokenize import TokenInfo

from bglint import edits
from bglint.model import Edit

_LAYOUT = (tokenize.INDENT, tokenize.DEDENT, tokenize.NL)


def in_try(source: str, path: str, line: int, column: int, statement: str) -> tuple[Edit, ...]:
    """Put what a function does into a `try`, and `statement` into its `except Exception`.

    The function's name stands at the line and column. Nothing where its body stands beside the `def`, or where
    a text of several lines would be moved: that would change the text.
    """
    indent, body = _body(_behind_header(edits.tokens(source), line, column))
    lines = edits.lines_of(source)
    outer = re.match(r"[ \t]*", lines[line - 1])
    if not body or _moves_a_text(body) or outer is None or not indent.startswith(outer[0]):
        return ()
    first, last, unit = body[0].start[0], body[-1].start[0], indent[len(outer[0]) :]
    begun = edits.insert(path, first, 1, f"{indent}try:\n{unit}")
    moved = [edits.insert(path, n, 1, unit) for n in range(first + 1, last + 1) if lines[n - 1].strip()]
    handler = f"\n{indent}except Exception:\n{indent}{unit}{statement}"
    return (begun, *moved, edits.insert(path, last, len(lines[last - 1].rstrip("\r\n")) + 1, handler))


def _behind_header(tokens: Iterable[TokenInfo], line: int, column: int) -> Iterator[TokenInfo]:
    """The tokens behind the line end of `def name(...):`."""
    rest = iter(tokens)
    for token in rest:
        if token.start == (line, column - 1) and token.type == tokenize.NAME:
            break
    for token in rest:
        if token.type == tokenize.NEWLINE:
            break
    return rest


def _body(tokens: Iterator[TokenInfo]) -> tuple[str, list[TokenInfo]]:
    """The indentation of a block and what stands in it, from behind the docstring to the last line of its own."""
    block = list(_block(tokens))
    indent = block[0].string if block else ""
    found = [token for token in block if token.type not in _LAYOUT]
    if [token.type for token in found[:2]] == [tokenize.STRING, tokenize.NEWLINE]:
        del found[:2]
    while found and found[-1].type == tokenize.COMMENT and found[-1].start[1] < len(indent):
        found.pop()
    return indent, found


def _block(tokens: Iterator[TokenInfo]) -> Iterator[TokenInfo]:
    """The tokens from the next indentation to its end; nothing where something else comes first."""
    depth = 0
    for token in tokens:
        depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        if depth:
            yield token
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            return


def _moves_a_text(body: Sequence[TokenInfo]) -> bool:
    """True where a text goes over several lines, an f-string as a whole too."""
    begun: list[int] = []
    for token in body:
        kind = tokenize.tok_name[token.type]
        if kind.endswith("STRING_START"):
            begun.append(token.start[0])
        start = begun.pop() if kind.endswith("STRING_END") else token.start[0]
        if kind.endswith(("STRING", "STRING_END")) and start != token.end[0]:
            return True
    return False
