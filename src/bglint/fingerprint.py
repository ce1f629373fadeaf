"""What a finding is, whatever line it stands on.

How to call: `fingerprint(finding)` for the finding's content (rule, file, enclosing function, guilty
expression), `fingerprints(findings)` where each needs one of its own: equal ones are told apart by
the order in which they come.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

from bglint.model import Finding

_PIECE = re.compile(
    r"""
      (?P<prefix>(?<!\w)[A-Za-z]{0,2})
      (?P<string>\"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*')
    | (?P<comment>\#[^\n]*)
    | (?P<space>(?:\s|\\\r?\n)+)
    | (?P<word>\w+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = re.compile(r"\w\w")
_TRAILING_COMMA = re.compile(r",(?=[)\]}])")


def fingerprint(finding: Finding, occurrence: int = 0) -> str:
    """Thirty-two hexadecimal digits; lines and columns do not count, nor does the layout of the expression."""
    parts = [finding.code, finding.path, finding.symbol, normalised(finding.expression)]
    if occurrence:
        parts.append(str(occurrence))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def fingerprints(findings: Iterable[Finding]) -> list[str]:
    """One fingerprint a finding, in the same order, no two of them equal."""
    seen: Counter[str] = Counter()
    unique = []
    for finding in findings:
        plain = fingerprint(finding)
        unique.append(fingerprint(finding, seen[plain]))
        seen[plain] += 1
    return unique


def normalised(expression: str) -> str:
    """The expression as any formatter would leave it: no layout, no comments, one kind of quotes."""
    text = ""
    for piece in _PIECE.finditer(expression):
        part = _part(piece)
        if _WORDS.fullmatch(text[-1:] + part[:1]):
            text += " "
        text += part
    return _TRAILING_COMMA.sub("", text)


def _part(piece: re.Match[str]) -> str:
    if piece["comment"] or piece["space"]:
        return ""
    if piece["string"]:
        return piece["prefix"].lower() + _requoted(piece["string"])
    return piece[0]


def _requoted(literal: str) -> str:
    width = 3 if literal[:3] in ('"""', "'''") else 1
    body = literal[width:-width]
    return '"' + body.replace('\\"', '"').replace("\\'", "'") + '"'
