"""Findings that a comment in the source silences, and the comments that silence nothing.

How to call, after the rules have run and before the baseline::

    outcome = suppress.apply(findings, sources, known, def_lines, active)
    outcome.kept        # what is left, with BG901 and BG902 for comments that do nothing or name no rule
    outcome.suppressed  # each with the reason that its comment gives
    outcome.problems    # comments without a rule, or misspelt

`sources` maps the linted files to their text, `known` the codes of all rules to their names, `def_lines`
a task ("app.mail:send") to the path and line of its `def`; `active` are the codes that this run looked
for. Only those can be called unused, and only with `whole_project`: a run over some files misses findings.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from bglint.comments import Comment, Item, read
from bglint.frozen import by_value
from bglint.model import Edit, Finding, Fix, Problem, Span, Suppressed

UNUSED = "BG901"
UNKNOWN = "BG902"
Place = tuple[str, int]


@by_value
class Outcome:
    """What the comments leave of the findings."""

    kept: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]
    problems: tuple[Problem, ...]


def apply(
    findings: Iterable[Finding],
    sources: Mapping[str, str],
    known: Mapping[str, str],
    def_lines: Mapping[str, Place],
    active: Collection[str],
    *,
    whole_project: bool = True,
) -> Outcome:
    """Take out what comments silence, and add what is wrong with the comments themselves."""
    comments, problems = _read_all(sources, known)
    ledger = _Ledger(comments, def_lines)
    kept, suppressed = ledger.sort_out(findings)
    own = _unknown(comments, known) if UNKNOWN in active else []
    if UNUSED in active and whole_project:
        own += ledger.unused(known, set(active) - {UNUSED, UNKNOWN})
    own_kept, own_suppressed = ledger.sort_out(own)
    if UNUSED in active and whole_project:
        own_kept += ledger.unused(known, set(active) & {UNUSED, UNKNOWN})
    left = tuple(sorted(kept + own_kept, key=Finding.sort_key))
    return Outcome(left, tuple(suppressed + own_suppressed), problems)


def _read_all(
    sources: Mapping[str, str], known: Mapping[str, str]
) -> tuple[list[Comment], tuple[Problem, ...]]:
    comments: list[Comment] = []
    problems: list[Problem] = []
    for path, text in sources.items():
        found, wrong = read(path, text, known)
        comments += found
        problems += wrong
    return comments, tuple(problems)


class _Ledger:
    """Which comment speaks for which line, and which of its codes did some work."""

    def __init__(self, comments: Sequence[Comment], def_lines: Mapping[str, Place]) -> None:
        self.comments = comments
        self.def_lines = def_lines
        self.used: set[tuple[Comment, str]] = set()
        self.at: dict[Place, list[Comment]] = defaultdict(list)
        self.files: dict[str, list[Comment]] = defaultdict(list)
        for comment in comments:
            if comment.whole_file:
                self.files[comment.path].append(comment)
            else:
                for line in range(comment.first, comment.last + 1):
                    self.at[comment.path, line].append(comment)

    def sort_out(self, findings: Iterable[Finding]) -> tuple[list[Finding], list[Suppressed]]:
        kept: list[Finding] = []
        suppressed: list[Suppressed] = []
        for finding in findings:
            speaking = [c for c in self.near(finding) if finding.code in {item.code for item in c.items}]
            self.used |= {(comment, finding.code) for comment in speaking}
            if speaking:
                by: Literal["file", "comment"] = "file" if speaking[0].whole_file else "comment"
                suppressed.append(Suppressed(finding, by, speaking[0].reason))
            else:
                kept.append(finding)
        return kept, suppressed

    def near(self, finding: Finding) -> list[Comment]:
        """The comments on its line, on its path, on its task's `def`, then those of its file."""
        places = [(finding.path, finding.span.line), *((step.path, step.span.line) for step in finding.trace)]
        if finding.task in self.def_lines:
            places.append(self.def_lines[finding.task])
        found = [comment for place in dict.fromkeys(places) for comment in self.at.get(place, ())]
        return found + self.files.get(finding.path, [])

    def unused(self, known: Mapping[str, str], codes: Collection[str]) -> list[Finding]:
        return [finding for comment in self.comments for finding in self._unused_in(comment, known, codes)]

    def _unused_in(
        self, comment: Comment, known: Mapping[str, str], codes: Collection[str]
    ) -> Iterator[Finding]:
        idle = [
            item for item in comment.items if item.code in codes and (comment, item.code) not in self.used
        ]
        if idle:
            yield _unused_finding(comment, idle, known)


def _unused_finding(comment: Comment, idle: Sequence[Item], known: Mapping[str, str]) -> Finding:
    names = " and ".join(dict.fromkeys(known[item.code] for item in idle))
    place = "in this file" if comment.whole_file else "here"
    verb = "is" if len({item.code for item in idle}) == 1 else "are"
    message = f"`{comment.text}` silences nothing: {names} {verb} not reported {place}."
    cure = "Remove it, before it hides the next bug."
    fix = Fix("Remove what silences nothing", (_removal(comment, idle),), safe=True)
    return _finding(UNUSED, "unused-suppression", comment, message, cure, fix)


def _unknown(comments: Iterable[Comment], known: Mapping[str, str]) -> list[Finding]:
    return [
        _unknown_finding(comment, item, known)
        for comment in comments
        for item in comment.items
        if not item.code
    ]


def _unknown_finding(comment: Comment, item: Item, known: Mapping[str, str]) -> Finding:
    message = f"`{item.text}` in `{comment.text}` names no rule, so it silences nothing."
    return _finding(UNKNOWN, "unknown-code-in-suppression", comment, message, _advice(item.text, known))


def _advice(text: str, known: Mapping[str, str]) -> str:
    below = sorted(code for code in known if code.startswith(text.upper()))
    if below:
        more = f" and {len(below) - 1} more" if len(below) > 1 else ""
        return f"Name each rule in full: `{text}` begins {below[0]} ({known[below[0]]}){more}."
    near = difflib.get_close_matches(text.lower(), [*known.values(), *(code.lower() for code in known)], 1)
    if not near:
        return "Write the code or the name of a rule, as in `ignore[BG201]` or `ignore[blocking-sleep]`."
    code = next(code for code, name in known.items() if near[0] in (name, code.lower()))
    return f"Did you mean {code} ({known[code]})?"


def _finding(
    code: str, name: str, comment: Comment, message: str, cure: str, fix: Fix | None = None
) -> Finding:
    return Finding(
        code, name, "warning", message, comment.path, comment.span, cure, fix=fix, expression=comment.text
    )


def _removal(comment: Comment, idle: Sequence[Item]) -> Edit:
    """Take out the idle codes, or our comment where none is left; never a neighbour's."""
    left = [item for item in comment.items if item not in idle]
    if left:
        return _shortened(comment, left)
    span, line = comment.span, comment.line.rstrip("\r\n")
    before, after = line[: span.column - 1], line[span.end_column - 1 :]
    if after.strip():
        column = span.end_column + len(after) - len(after.lstrip())
        return Edit(comment.path, Span(span.line, span.column, span.line, column), "")
    if comment.alone and comment.line != line:
        return Edit(comment.path, Span(span.line, 1, span.line + 1, 1), "")
    return Edit(comment.path, Span(span.line, len(before.rstrip()) + 1, span.line, len(line) + 1), "")


def _shortened(comment: Comment, left: Sequence[Item]) -> Edit:
    span = comment.span
    start = comment.line.index("[", span.column - 1) + 2
    end = comment.line.index("]", start - 1) + 1
    return Edit(comment.path, Span(span.line, start, span.line, end), ", ".join(item.text for item in left))
