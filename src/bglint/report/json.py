"""`--output-format json`: the public contract that docs/json.md describes."""

from __future__ import annotations

import json
from typing import Any

from bglint.fingerprint import fingerprint, fingerprints
from bglint.model import LEVELS, Finding, Fix, Problem, Report, Span, Step, Suppressed, Unfollowed
from bglint.report.words import page_url

VERSION = 1


def render(report: Report) -> str:
    """The whole report as one JSON object."""
    content = {
        "version": VERSION,
        "findings": [
            _finding(finding, mark)
            for finding, mark in zip(report.findings, fingerprints(report.findings), strict=True)
        ],
        "suppressed": [_suppressed(silenced) for silenced in report.suppressed],
        "problems": [_problem(problem) for problem in report.problems],
        "unfollowed": [_unfollowed(site) for site in report.unfollowed],
        "stale": list(report.stale),
        "notes": list(report.notes),
        "summary": _summary(report),
    }
    return json.dumps(content, indent=2) + "\n"


def _finding(finding: Finding, mark: str) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "url": page_url(finding.code),
        "level": finding.level,
        "message": finding.message,
        "path": finding.path,
        **_place(finding.span),
        "task": finding.task,
        "symbol": finding.symbol,
        "trace": [_step(step) for step in finding.trace],
        "other_tasks": finding.other_tasks,
        "cure": finding.cure,
        "fix": _fix(finding.fix) if finding.fix else None,
        "fingerprint": mark,
    }


def _place(span: Span) -> dict[str, int]:
    return {
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _step(step: Step) -> dict[str, Any]:
    return {"path": step.path, **_place(step.span), "message": step.message}


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{"path": edit.path, **_place(edit.span), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _suppressed(silenced: Suppressed) -> dict[str, Any]:
    finding = silenced.finding
    return {**_finding(finding, fingerprint(finding)), "by": silenced.by, "reason": silenced.reason}


def _problem(problem: Problem) -> dict[str, Any]:
    return {"path": problem.path, "line": problem.line, "message": problem.message}


def _unfollowed(site: Unfollowed) -> dict[str, Any]:
    return {"path": site.path, **_place(site.span), "expression": site.expression, "reason": site.reason}


def _summary(report: Report) -> dict[str, Any]:
    levels = [finding.level for finding in report.findings]
    return {
        **{level: levels.count(level) for level in LEVELS},
        "suppressed": len(report.suppressed),
        "tasks_followed": report.tasks,
        "tasks_not_followed": len(report.unfollowed),
        "files": report.files,
        "seconds": round(report.seconds, 3),
    }
