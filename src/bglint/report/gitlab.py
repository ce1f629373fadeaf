"""`--output-format gitlab`: a Code Quality report, which GitLab shows in merge requests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bglint.fingerprint import fingerprints
from bglint.model import Finding, Level, Problem, Report
from bglint.report.safe import visible
from bglint.report.words import from_root, sentence

_SEVERITIES: dict[Level, str] = {"error": "critical", "warning": "major", "advice": "info"}


def render(report: Report) -> str:
    """A JSON array with one issue a finding and a problem."""
    marks = fingerprints(report.findings)
    issues = [_finding(finding, mark) for finding, mark in zip(report.findings, marks, strict=True)]
    return json.dumps([*map(_problem, report.problems), *issues], indent=2) + "\n"


def _finding(finding: Finding, mark: str) -> dict[str, Any]:
    text = f"{finding.code} {finding.name}: {sentence(finding)}"
    lines = {"begin": finding.span.line, "end": finding.span.end_line}
    return _issue(text, finding.code, mark, _SEVERITIES[finding.level], finding.path, lines)


def _problem(problem: Problem) -> dict[str, Any]:
    text = visible(problem.message)
    mark = hashlib.sha256(f"{problem.path}\0{problem.line}\0{text}".encode("utf-8", "replace")).hexdigest()[
        :32
    ]
    return _issue(
        f"Not linted: {text}", "bglint", mark, "blocker", problem.path, {"begin": problem.line or 1}
    )


def _issue(
    text: str, check: str, mark: str, severity: str, path: str, lines: dict[str, int]
) -> dict[str, Any]:
    return {
        "description": text,
        "check_name": check,
        "fingerprint": mark,
        "severity": severity,
        "location": {"path": from_root(path), "lines": lines},
    }
