"""Flags that nobody changes: `while self.running:` where the project only ever says `running = True`."""

from __future__ import annotations

import re

from bglint import tree as t
from bglint.needles import begun
from bglint.project import Project

_SET = r"\b%s\b\s*(?::[^=\n]+)?((?::|[-+*/|&%%^@]|//|\*\*|<<|>>)?=)(?!=)[ \t]*([^\n#]*)"
_BINDS = re.compile(rb"\b(?:for|as|import|def|class|del)[ \t]+\Z")
_ALONE = re.compile(rb"[ \t]*(?:\w+\.)*")
_AND_OTHERS = re.compile(rb"\s*,[^=\n(]*=[^=]")
_QUOTES = (b"'", b'"')


def stays_true(project: Project, test: t.Expr) -> bool:
    """True for a name or an attribute that is set to True and to nothing else, or behind `not` to False."""
    wanted = b"True"
    if isinstance(test, t.Operation) and test.kind == "not":
        test, wanted = test.operands[0], b"False"
    if not isinstance(test, t.Name | t.Attribute):
        return False
    name = t.last_name(test)
    sources, sets = project.sources, re.compile(begun(_SET % name).encode())
    word = re.compile(rf"\b{name}\b".encode())
    if any(_is_bound_otherwise(word, sources.scan(file)) for file in sources.mentioning(word)):
        return False
    found = [match for file in sources.mentioning(sets) for match in sets.findall(sources.scan(file))]
    return bool(found) and all(how == b"=" and value.strip() == wanted for how, value in found)


def _is_bound_otherwise(word: re.Pattern[bytes], text: bytes) -> bool:
    """By its name as a text, as what a loop or a `with` binds, as a function, as one of several targets."""
    for match in word.finditer(text):
        start, end = match.span()
        line = text[text.rfind(b"\n", 0, start) + 1 : start]
        if _BINDS.search(line) or (line.endswith(_QUOTES) and text[end : end + 1] in _QUOTES):
            return True
        if _ALONE.fullmatch(line) and _AND_OTHERS.match(text, end):
            return True
    return False
