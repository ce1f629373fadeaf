"""Fixes: edits in, new text out; nothing is written that does not parse.

How to call::

    outcome = fix.until_stable(lint, root, safe_only=True)   # lint(texts) -> Report, texts replace what is on disk
    outcome.report                                       # what is left after the fixes
    problems = fix.write(outcome.fixed, root)            # --fix
    fix.diff(outcome.fixed.before[path], text, path)     # --diff, for path, text in outcome.fixed.texts.items()

With `given={path: text}` the fixes start from that text and not from the disk, as for the standard input.

`apply` is one pass: all edits of a fix or none; where two fixes touch, or do not parse together, the first wins
and the other waits in `left` for the next pass. Line endings, encoding, byte order mark and mode of a file stay.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bglint import atomic
from bglint.edits import lines_of
from bglint.frozen import by_value
from bglint.model import Edit, Finding, Problem, Report

PASSES = 50
_NEWLINE = re.compile(r"\r\n|\r|\n")
_NO_NEWLINE = "\n\\ No newline at end of file\n"


@by_value
class Fixed:
    """New texts by path, what they were, the findings cured and those whose fix has to wait."""

    texts: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    applied: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()


@by_value
class Outcome:
    """All passes together, and the report of the last one."""

    fixed: Fixed
    report: Report


def until_stable(
    lint: Callable[[Mapping[str, str]], Report],
    root: str | os.PathLike[str] = ".",
    *,
    safe_only: bool = True,
    given: Mapping[str, str] | None = None,
) -> Outcome:
    """Fix and lint again until nothing changes; nothing is written. `lint` knows what is `given`."""
    total, report = Fixed(), lint({})
    for _ in range(PASSES):
        step = apply(report.findings, root, safe_only=safe_only, texts={**(given or {}), **total.texts})
        total = _joined(total, step)
        if not step.texts:
            return Outcome(total, report)
        report = lint(total.texts)
    if any(_wanted(finding, safe_only) for finding in report.findings):
        endless = Problem("", f"After {PASSES} passes there is still something to fix: run bglint again.")
        total = replace(total, problems=(*total.problems, endless))
    return Outcome(total, report)


def apply(
    findings: Iterable[Finding],
    root: str | os.PathLike[str] = ".",
    *,
    safe_only: bool = True,
    texts: Mapping[str, str] | None = None,
) -> Fixed:
    """One pass over the findings that have a fix, in their order. `texts` replace what is on disk."""
    wanted = [finding for finding in findings if _wanted(finding, safe_only)]
    before, problems = _read_all(
        {edit.path for finding in wanted for edit in _edits(finding)}, root, texts or {}
    )
    readable = [f for f in wanted if all(edit.path in before for edit in _edits(f))]
    chosen, left = _without_overlaps(readable, before)
    applied, waiting, broken = _without_breakage(chosen, before)
    new = _texts(applied, before)
    changed = {path: text for path, text in new.items() if text != before[path]}
    return Fixed(
        changed, {p: before[p] for p in changed}, tuple(applied), (*left, *waiting), (*problems, *broken)
    )


def write(fixed: Fixed, root: str | os.PathLike[str] = ".") -> tuple[Problem, ...]:
    """Write every changed file in one step each; what could not be written is returned."""
    tried = [_write(path, text, root) for path, text in fixed.texts.items()]
    return tuple(problem for problem in tried if problem)


def diff(before: str, after: str, path: str) -> str:
    """A unified diff that `git apply` takes."""
    lines = difflib.unified_diff(lines_of(before), lines_of(after), f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else line + _NO_NEWLINE for line in lines)


def _joined(total: Fixed, step: Fixed) -> Fixed:
    return Fixed(
        {**total.texts, **step.texts},
        {**step.before, **total.before},
        (*total.applied, *step.applied),
        step.left,
        tuple(dict.fromkeys((*total.problems, *step.problems))),
    )


def _wanted(finding: Finding, safe_only: bool) -> bool:
    return finding.fix is not None and (finding.fix.safe or not safe_only)


def _edits(finding: Finding) -> tuple[Edit, ...]:
    return finding.fix.edits if finding.fix else ()


# ------------------------------------------------------------------------ reading


def _read_all(
    paths: Iterable[str], root: str | os.PathLike[str], texts: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    read = {path: _read(path, root) for path in sorted(set(paths) - set(texts))}
    found = {path: text for path, text in read.items() if isinstance(text, str)}
    return {**texts, **found}, [problem for problem in read.values() if isinstance(problem, Problem)]


def _read(path: str, root: str | os.PathLike[str]) -> str | Problem:
    try:
        with open(os.path.join(root, path), "rb") as file:
            data = file.read()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        return Problem(path, f"Not fixed: {error}.")


def _write(path: str, text: str, root: str | os.PathLike[str]) -> Problem | None:
    place = os.path.join(root, path)
    try:
        atomic.write(place, text.encode(_encoding(place)))
    except UnicodeEncodeError as error:
        return Problem(path, f"Not fixed: {error.encoding} cannot hold {error.object[error.start]!r}.")
    except OSError as error:
        return Problem(path, f"Not fixed: {error.strerror}.")
    return None


def _encoding(place: str) -> str:
    with open(place, "rb") as file:
        return tokenize.detect_encoding(file.readline)[0]


# --------------------------------------------------------------- choosing and cutting


@dataclass(frozen=True, slots=True, order=True)
class _Cut:
    """An edit by offsets; `turn` keeps insertions at one place in the order of their fix."""

    start: int
    end: int
    turn: int
    text: str


def _without_overlaps(
    findings: Sequence[Finding], before: Mapping[str, str]
) -> tuple[list[Finding], list[Finding]]:
    chosen: list[Finding] = []
    left: list[Finding] = []
    starts = {path: _line_starts(text) for path, text in before.items()}
    taken: dict[str, list[_Cut]] = {path: [] for path in before}
    for finding in findings:
        cuts = [(edit.path, _cut(edit, starts[edit.path], turn)) for turn, edit in enumerate(_edits(finding))]
        new = [(path, cut) for path, cut in cuts if not any(_same(cut, other) for other in taken[path])]
        if any(_touch(cut, other) for path, cut in new for other in taken[path]):
            left.append(finding)
            continue
        chosen.append(finding)
        for path, cut in new:
            taken[path].append(cut)
    return chosen, left


def _same(one: _Cut, other: _Cut) -> bool:
    return (one.start, one.end, one.text) == (other.start, other.end, other.text)


def _touch(one: _Cut, other: _Cut) -> bool:
    """Overlap, or an insertion at the border of the other: what it meant may be gone."""
    if one.start == one.end or other.start == other.end:
        return one.start <= other.end and other.start <= one.end
    return one.start < other.end and other.start < one.end


def _without_breakage(
    findings: Sequence[Finding], before: Mapping[str, str]
) -> tuple[list[Finding], list[Finding], list[Problem]]:
    """All findings if the result parses; else those that go together, those that have to wait, and what is broken."""
    if not _broken(findings, before):
        return list(findings), [], []
    kept: list[Finding] = []
    waiting = []
    problems = []
    for finding in findings:
        if not _broken([*kept, finding], before):
            kept.append(finding)
        elif path := _broken([finding], before):
            problems.append(Problem(path, _refusal(finding), finding.span.line))
        else:
            waiting.append(finding)
    return kept, waiting, problems


def _refusal(finding: Finding) -> str:
    return f"Not fixed: the fix of {finding.code} ({finding.name}) would not parse. This is a bug of bglint."


def _broken(findings: Sequence[Finding], before: Mapping[str, str]) -> str:
    texts = _texts(findings, before)
    return next((path for path, text in texts.items() if not _parses(text, before[path])), "")


def _texts(findings: Iterable[Finding], before: Mapping[str, str]) -> dict[str, str]:
    edits: dict[str, dict[Edit, int]] = {}
    for finding in findings:
        for turn, edit in enumerate(_edits(finding)):
            edits.setdefault(edit.path, {}).setdefault(edit, turn)
    return {path: _edited(before[path], found) for path, found in edits.items()}


def _edited(text: str, edits: Mapping[Edit, int]) -> str:
    starts, newline, pieces, position = _line_starts(text), _newline(text), [], 0
    for cut in sorted(_cut(edit, starts, turn) for edit, turn in edits.items()):
        pieces += [text[position : cut.start], _NEWLINE.sub(newline, cut.text)]
        position = cut.end
    return "".join([*pieces, text[position:]])


def _cut(edit: Edit, starts: Sequence[int], turn: int) -> _Cut:
    span = edit.span
    start, end = _offset(span.line, span.column, starts), _offset(span.end_line, span.end_column, starts)
    return _Cut(start, end, turn, edit.text)


def _offset(line: int, column: int, starts: Sequence[int]) -> int:
    return min(starts[min(line, len(starts)) - 1] + column - 1, starts[-1])


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in lines_of(text):
        starts.append(starts[-1] + len(line))
    return starts


def _newline(text: str) -> str:
    counted = Counter(_NEWLINE.findall(text)).most_common(1)
    return counted[0][0] if counted else "\n"


# ------------------------------------------------------------------------ parsing


def _parses(text: str, before: str) -> bool:
    """The running Python accepts it; or, where it did not accept the old text either, LibCST does."""
    return _compiles(text) or (not _compiles(before) and _reads(text))


def _compiles(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "<fixed>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def _reads(text: str) -> bool:
    import libcst

    try:
        libcst.parse_module(text)
    except libcst.ParserSyntaxError:
        return False
    return True
