"""What a person reads: on a terminal, in a log, and whatever the linted source tries.

After a change on purpose write the golden files anew: `BGLINT_GOLDEN=write pytest tests/test_report_text.py`.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bglint import DOCS
from bglint.model import Finding, Report, Span, Step
from bglint.report import concise, text
from bglint.report.text import Look
from tests.report_sample import EMPTY, QUESTION, REPORT, SLEEP

GOLDEN = Path(__file__).parent / "golden"
EVERYTHING = Look(verbose=True, show_suppressed=True, statistics=True)
ESCAPE = re.compile(rf"\x1b\[[0-9;]*m|\x1b\]8;(id=\d+;{re.escape(DOCS)}rules/BG\d+/|;)\x1b\\")
_LINK_ID = re.compile(r"(?<=\x1b]8;id=)\d+")


@pytest.mark.parametrize(
    ("name", "rendered"),
    [
        ("text.txt", text.render(REPORT)),
        ("text_everything.txt", text.render(REPORT, EVERYTHING)),
        ("text_color.ansi", _LINK_ID.sub("0", text.render(REPORT, Look(color=True)))),
        ("text_clean.txt", text.render(EMPTY)),
        ("concise.txt", concise.render(REPORT)),
    ],
)
def test_golden_file(name: str, rendered: str) -> None:
    if os.environ.get("BGLINT_GOLDEN") == "write":
        (GOLDEN / name).write_bytes(rendered.encode())
    assert rendered.encode() == (GOLDEN / name).read_bytes()


def test_colours_change_nothing_but_colours() -> None:
    colored = text.render(REPORT, Look(color=True))
    assert "\x1b[1;31m" in colored
    assert ESCAPE.sub("", colored) == text.render(REPORT)


def test_nothing_trails_and_nothing_is_wider_than_the_terminal() -> None:
    narrow = text.render(REPORT, Look(width=60))
    prose = [line for line in narrow.splitlines() if re.match(r"  \w", line)]
    assert 50 < max(map(len, prose)) <= 60
    assert [line for line in narrow.splitlines() if line != line.rstrip()] == []


def test_quiet_leaves_out_the_summary() -> None:
    assert text.render(EMPTY, Look(quiet=True)) == ""
    assert "Found" not in text.render(REPORT, Look(quiet=True))


def hostile(source: str, message: str = "m", column: int = 1) -> Report:
    """A report on one line of source that tries to be obeyed."""
    end = len(source.splitlines()[0]) + 1
    span = Span(1, column, 1, end)
    steps = (Step("evil.py", Span(1, 1, 1, 2), message), Step("evil.py", span, message))
    finding = replace(SLEEP, path="evil.py", span=span, message=message, trace=steps, cure=message, fix=None)
    return Report(findings=(finding,), sources={"evil.py": source})


@pytest.mark.parametrize("look", [Look(), Look(color=True)])
@pytest.mark.parametrize(
    "evil", ["\x1b[2J", "\x9b2J", "\x07", "\u202e", "\x1b]8;;http://x\x1b\\", "\u2066", "\x08"]
)
def test_no_control_character_of_the_source_is_obeyed(evil: str, look: Look) -> None:
    plain = ESCAPE.sub("", text.render(hostile(f"sleep('{evil}')", evil), look))
    assert not set(evil) & {"\x1b", "\x9b", "\x07", "\u202e", "\u2066", "\x08"} & set(plain)
    assert evil.encode("unicode_escape").decode()[:4] in plain


@pytest.mark.parametrize("markup", ["[red]x[/red]", "[/]", "[link=http://x]y[/link]", ":warning:", "\\[b]"])
def test_no_markup_of_the_source_is_interpreted(markup: str) -> None:
    drawn = text.render(hostile(f"sleep('{markup}')", f"says {markup}"))
    assert f"sleep('{markup}')" in drawn
    assert f"says {markup}" in drawn


def underlined(source: str, column: int, end: int) -> str:
    """The part of the drawn source that the marks stand under."""
    span = Span(1, column, 1, end)
    finding = replace(SLEEP, path="a.py", span=span, trace=())
    lines = text.render(Report(findings=(finding,), sources={"a.py": source})).splitlines()
    at = next(number for number, line in enumerate(lines) if "^" in line)
    return lines[at - 1][lines[at].index("^") : lines[at].rindex("^") + 1]


@pytest.mark.parametrize(
    ("source", "column", "end", "marked"),
    [
        ("    time.sleep(5)\n", 5, 18, "time.sleep(5)"),
        ("\ttime.sleep(5)\n", 2, 15, "time.sleep(5)"),
        ("x = '\x1b'; time.sleep(5)\r\n", 10, 23, "time.sleep(5)"),
    ],
)
def test_the_guilty_expression_is_underlined(source: str, column: int, end: int, marked: str) -> None:
    assert underlined(source, column, end) == marked


def test_a_long_expression_is_cut_short_and_a_long_line_too() -> None:
    source = "add_task(\n" + "    argument,\n" * 9 + ")\n" + "x" * 500
    finding = replace(SLEEP, path="a.py", span=Span(1, 1, 11, 2), trace=())
    drawn = text.render(Report(findings=(finding,), sources={"a.py": source}))
    assert drawn.count("    argument,") == 3
    assert " ..." in drawn
    wide = replace(finding, span=Span(12, 1, 12, 501))
    assert "x…" in text.render(Report(findings=(wide,), sources={"a.py": source}))


def test_a_guilty_part_far_to_the_right_is_seen() -> None:
    source = "x = '" + "y" * 300 + "'; time.sleep(5)\n"
    assert underlined(source, 309, 322) == "time.sleep(5)"


def test_a_step_over_several_lines_is_shown_in_one() -> None:
    source = "tasks.add_task(\n    send,\n    [\n        to\n    ],\n)\ntime.sleep(5)\n"
    steps = (Step("a.py", Span(1, 1, 6, 2), "adds"), Step("a.py", Span(7, 1, 7, 14), "sleeps"))
    finding = replace(SLEEP, path="a.py", span=steps[1].span, trace=steps)
    drawn = text.render(Report(findings=(finding,), sources={"a.py": source}))
    assert "        tasks.add_task(send, [to])\n" in drawn


def test_a_source_that_is_gone_leaves_the_rest(finding: Finding = SLEEP) -> None:
    assert "BG201 blocking-sleep" in text.render(Report(findings=(finding,)))


def test_concise_is_one_line_a_finding() -> None:
    lines = concise.render(REPORT).splitlines()
    assert len(lines) == len(REPORT.findings)
    assert lines[2] == f"app/mail.py:2:15: BG702 {QUESTION.message}"
