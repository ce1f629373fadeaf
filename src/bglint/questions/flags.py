"""Flags that nobody changes: `while self.running:` where the project only ever says `running = True`."""

from __future__ import annotations

import re

from bglint import tree as t
from bglint.project import Project

_SET = r"\b%s\s*(?::[^=\n]+)?((?::|[-+*/|&%%^@]|//|\*\*|<<|>>)?=)(?!=)[ \t]*([^\n#]*)"
_OTHERWISE = (
    r"['\"]%s['\"]|\b(?:for|as|import|def|class|del)\s+%s\b|(?m:^[ \t]*(?:\w+\.)*%s\s*,[^=\n(]*=[^=])"
)
"""By its name as a text, as what a loop or a `with` binds, as a function, as one of several targets."""


def stays_true(project: Project, test: t.Expr) -> bool:
    """True for a name or an attribute that is set to True and to nothing else, or behind `not` to False."""
    wanted = b"True"
    if isinstance(test, t.Operation) and test.kind == "not":
        test, wanted = test.operands[0], b"False"
    if not isinstance(test, t.Name | t.Attribute):
        return False
    name = re.escape(t.last_name(test))
    sets, others = re.compile((_SET % name).encode()), re.compile((_OTHERWISE % (name, name, name)).encode())
    if any(others.search(project.sources.scan(file)) for file in project.sources.mentioning(others)):
        return False
    texts = (project.sources.scan(file) for file in project.sources.mentioning(sets))
    found = [match for text in texts for match in sets.findall(text)]
    return bool(found) and all(how == b"=" and value.strip() == wanted for how, value in found)
