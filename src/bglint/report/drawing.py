"""Findings drawn with rich: the place, the code frame, how the task gets there, what to write instead."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from bglint.model import Finding, Problem, Report, Span, Step, Suppressed, Unfollowed
from bglint.report.safe import visible
from bglint.report.text import Look
from bglint.report.words import others, page_url

_COLORS = {"error": "red", "warning": "yellow", "advice": "cyan"}
_LONGEST_FRAME = 4
_INDENT = "  "
_CODE = re.compile(r"`[^`]{1,60}`")
_GLUE = "\ue000"  # rich takes every kind of space for a place to break


def draw(report: Report, look: Look) -> str:
    """Everything but the summary, as text or with the terminal's colours."""
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=look.color,
        color_system="standard" if look.color else None,
        width=look.width,
        legacy_windows=False,
        _environ={},
    )
    for line in _lines(report, look):
        console.print(line, soft_wrap=True)
    return out.getvalue()


def _lines(report: Report, look: Look) -> Iterator[Text]:
    lines = _Sources(report)
    for path, findings in groupby(report.findings, key=lambda finding: finding.path):
        yield Text(visible(path), "bold")
        yield Text()
        for finding in findings:
            yield from _finding(finding, lines, look)
            yield Text()
    yield from _section("Went wrong", map(_problem, report.problems))
    if look.show_suppressed:
        yield from _section("Suppressed", map(_suppressed, report.suppressed))
    if look.verbose:
        yield from _section("In the baseline, but no longer found", (Text(visible(s)) for s in report.stale))
        yield from _section("Tasks that could not be followed", map(_unfollowed, report.unfollowed))
        yield from _section("Notes", (Text(visible(note)) for note in report.notes))
    if look.statistics:
        yield from _section("By rule", _statistics(report))


class _Sources:
    """The lines of the files that the report shows, split once."""

    def __init__(self, report: Report) -> None:
        self._texts = report.sources
        self._lines: dict[str, list[str]] = {}

    def line(self, path: str, number: int) -> str:
        """A line without its end; empty where the source is not at hand."""
        if path not in self._lines:
            self._lines[path] = re.split(r"\r\n|\r|\n", self._texts.get(path, ""))
        lines = self._lines[path]
        return lines[number - 1] if 0 < number <= len(lines) else ""


def _finding(finding: Finding, sources: _Sources, look: Look) -> Iterator[Text]:
    yield _headline(finding)
    yield from _wrapped(f"{finding.message} {others(finding.other_tasks)}", look.width, _INDENT)
    frame = list(_frame(finding, sources, look.width))
    yield from _apart(frame)
    after = [*_journey(finding, sources, look.width), *_cure(finding.cure, look.width)]
    yield from _apart(after) if frame else after


def _apart(lines: list[Text]) -> Iterator[Text]:
    if lines:
        yield Text()
    yield from lines


def _place(path: str, span: Span) -> str:
    return visible(f"{path}:{span.line}:{span.column}")


def _headline(finding: Finding) -> Text:
    color = _COLORS[finding.level]
    line = Text().append(_place(finding.path, finding.span), "cyan")
    called = Style(color=color, bold=True, link=page_url(finding.code))
    line.append("  ").append(f"{finding.code} {finding.name}", called)
    line.append(f"  {finding.level}", color)
    if finding.fix:
        line.append(f"  ({'--fix' if finding.fix.safe else '--unsafe-fixes'} can fix it)", "dim")
    return line


def _prose(text: str) -> Text:
    """A sentence whose `code` stands out."""
    line = Text(visible(text))
    line.highlight_regex(_CODE, "bold")
    return line


def _wrapped(text: str, width: int, indent: str) -> Iterator[Text]:
    """Prose in lines of at most a hundred characters; short pieces of code are not broken."""
    console = Console(file=io.StringIO(), width=width, _environ={})
    room = max(min(width, 100) - len(indent), 20)
    glued = _prose(text)
    glued.plain = _CODE.sub(lambda found: found[0].replace(" ", _GLUE), glued.plain)
    for line in glued.wrap(console, room):
        line.rstrip()
        line.plain = line.plain.replace(_GLUE, " ")
        yield Text(indent) + line


def _frame(finding: Finding, sources: _Sources, width: int) -> Iterator[Text]:
    """The guilty lines with the line before them, the guilty expression underlined."""
    span = finding.span
    if not sources.line(finding.path, span.line):
        return
    last = min(span.end_line, span.line + _LONGEST_FRAME - 1)
    gutter = len(str(last)) + 2
    for number in range(max(span.line - 1, 1), last + 1):
        source = sources.line(finding.path, number)
        if number < span.line:
            if source.strip():
                yield _numbered(number, gutter, Text(visible(source), "dim"), width)
            continue
        begin, end = _guilty_columns(span, number, source)
        before, guilty, after = visible(source[:begin]), visible(source[begin:end]), visible(source[end:])
        before = _shortened(before, guilty, width - gutter - 5)
        color = _COLORS[finding.level]
        yield _numbered(number, gutter, Text.assemble(before, (guilty, f"bold {color}"), after), width)
        if guilty:
            marks = Text(" " * cell_len(before)).append("^" * cell_len(guilty), f"bold {color}")
            yield _numbered(None, gutter, marks, width)
    if last < span.end_line:
        yield _numbered(None, gutter, Text("..."), width)


def _shortened(before: str, guilty: str, room: int) -> str:
    """What stands before the guilty part, cut where that part would not be seen otherwise."""
    excess = cell_len(before) + min(cell_len(guilty), room // 2) - room
    return f"…{before[excess + 1 :]}" if excess > 0 else before


def _guilty_columns(span: Span, number: int, source: str) -> tuple[int, int]:
    """Which part of one line belongs to the span, as offsets."""
    indent = len(source) - len(source.lstrip())
    begin = span.column - 1 if number == span.line else indent
    end = span.end_column - 1 if number == span.end_line else len(source.rstrip())
    return begin, max(begin, end)


def _numbered(number: int | None, gutter: int, content: Text, width: int) -> Text:
    line = Text().append(f"{number or '':>{gutter + 2}} | ", "blue")
    content.truncate(max(width - cell_len(line.plain), 40), overflow="ellipsis")
    line.append_text(content)
    line.rstrip()
    return line


def _in_one_line(sources: _Sources, step: Step, width: int) -> Iterator[Text]:
    """The source of a step, however many lines it takes there."""
    lines = range(step.span.line, step.span.end_line + 1)
    source = " ".join(sources.line(step.path, number).strip() for number in lines).strip()
    if source:
        tight = re.sub(r",?\s+([)\]}])", r"\1", re.sub(r"([(\[{])\s+", r"\1", source))
        line = Text(f"{_INDENT * 4}{visible(tight)}", "dim")
        line.truncate(max(min(width, 120), 40), overflow="ellipsis")
        yield line


def _journey(finding: Finding, sources: _Sources, width: int) -> Iterator[Text]:
    """The path from the registration to the guilty line, which the frame has shown already."""
    if len(finding.trace) < 2:
        return
    yield Text(f"{_INDENT}How it gets there", "bold")
    column = max(cell_len(_place(step.path, step.span)) for step in finding.trace)
    for step in finding.trace:
        place = _place(step.path, step.span)
        line = Text(_INDENT * 2).append(place, "cyan").append(" " * (column - cell_len(place) + 2))
        yield line.append_text(_prose("here" if step.message == finding.message else step.message))
        if (step.path, step.span.line) != (finding.path, finding.span.line):
            yield from _in_one_line(sources, step, width)


def _cure(cure: str, width: int) -> Iterator[Text]:
    """The cure may hold code of several lines: only prose is wrapped."""
    first, *rest = cure.splitlines() or [""]
    if not first:
        return
    label = "Cure: "
    for number, line in enumerate(_wrapped(label + first, width, _INDENT)):
        if number == 0:
            line.stylize("bold green", len(_INDENT), len(_INDENT + label))
        yield line
    for code in rest:
        yield Text(f"{_INDENT * 2}{visible(code)}".rstrip())


def _section(title: str, lines: Iterator[Text]) -> Iterator[Text]:
    listed = list(lines)
    if not listed:
        return
    yield Text(title, "bold")
    for line in listed:
        yield Text(_INDENT) + line
    yield Text()


def _problem(problem: Problem) -> Text:
    place = (
        f"{problem.path}:{problem.line}  " if problem.line else f"{problem.path}  " if problem.path else ""
    )
    return Text().append(visible(place), "cyan").append(visible(problem.message), "red")


def _suppressed(silenced: Suppressed) -> Text:
    finding = silenced.finding
    line = (
        Text().append(_place(finding.path, finding.span), "cyan").append(f"  {finding.code} {finding.name}")
    )
    reason = f": {silenced.reason}" if silenced.reason else ""
    return line.append(visible(f"  ({_BY[silenced.by]}{reason})"), "dim")


_BY = {
    "comment": "by a comment",
    "file": "by a comment for the file",
    "baseline": "in the baseline",
    "config": "by per-file-ignores",
}


def _unfollowed(site: Unfollowed) -> Text:
    line = Text().append(_place(site.path, site.span), "cyan").append(f"  {visible(site.expression)}", "bold")
    return line.append(f"  {visible(site.reason)}")


def _statistics(report: Report) -> Iterator[Text]:
    counts = Counter((finding.code, finding.name) for finding in report.findings)
    for (code, name), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield Text(f"{count:>6}  {code} {name}")
