"""`--output-format github`: workflow commands, which GitHub shows on the lines of a pull request."""

from __future__ import annotations

from bglint.model import Finding, Level, Problem, Report
from bglint.report.safe import visible
from bglint.report.words import from_root, journey, sentence

_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "advice": "notice"}


def render(report: Report) -> str:
    """One command a finding and a problem."""
    commands = [*map(_problem, report.problems), *map(_finding, report.findings)]
    return "".join(f"{command}\n" for command in commands)


def _finding(finding: Finding) -> str:
    span = finding.span
    place = {"file": from_root(finding.path), "line": span.line, "endLine": span.end_line}
    if span.line == span.end_line:  # GitHub refuses columns where an annotation has several lines
        place |= {"col": span.column, "endColumn": span.end_column}
    title = f"{finding.code} {finding.name}"
    text = "\n".join([sentence(finding), *journey(finding)])
    return _command(_COMMANDS[finding.level], {**place, "title": title}, text)


def _problem(problem: Problem) -> str:
    place: dict[str, object] = {"file": from_root(problem.path)} if problem.path else {}
    if problem.line:
        place["line"] = problem.line
    return _command("error", {**place, "title": "bglint"}, visible(problem.message))


def _command(name: str, properties: dict[str, object], text: str) -> str:
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{name} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
